"""What several commands print, and how."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import tyro

from hilbench.errors import ScenarioError

if TYPE_CHECKING:
    from hilbench.nal.compile.zeros import Zeros

Scenario = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SCENARIO")]
Run = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]

INTERRUPTED = "hilbench: interrupted"
"""What is said of a command that has to be killed."""


def complain(text: str) -> None:
    print(f"hilbench: {text}", file=sys.stderr)


class _Complaints(logging.Handler):
    """Prints what the library warns of as one line each, whatever standard error is by then."""

    def emit(self, record: logging.LogRecord) -> None:
        complain(self.format(record))


def show_warnings() -> None:
    """From now on whoever sits before the command line sees the library's warnings."""
    logger = logging.getLogger("hilbench")
    if not any(isinstance(handler, _Complaints) for handler in logger.handlers):
        logger.addHandler(_Complaints())


def share(option: str, found: float | None, default: float) -> float:
    """An option's value, or the default without one. Raises ScenarioError for what is no share."""
    if found is not None and not 0 <= found <= 1:
        raise ScenarioError(f"{option}: found {found}, expected a share from 0 to 1")
    return default if found is None else found


def complain_of_zeros(zeros: Sequence[Zeros], lines: Sequence[str], most: float) -> bool:
    """Tell of what became 0: whether it is more than the share `most` of any weights or thresholds; else warn."""
    from hilbench.nal.compile.zeros import too_many

    found = too_many(zeros, most)
    for line in found:
        complain(line)
    if lines and not found:
        complain(f"warning: {'; '.join(lines)}")
    return bool(found)


def now() -> str:
    return datetime.now().strftime("%Y%m%d-%H%M%S")


def print_json(what: Any) -> None:
    """Print JSON; what is no finite number is null, as JSON has no word for it."""
    print(msgspec.json.format(msgspec.json.encode(what), indent=2).decode())
