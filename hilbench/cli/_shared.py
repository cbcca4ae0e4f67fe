"""What several commands print, and how."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
"""The line for a command that does not end by itself when it is interrupted."""


def complain(text: str) -> None:
    """Print a line to standard error."""
    print(f"hilbench: {text}", file=sys.stderr)


class _Complaints(logging.Handler):
    """Prints each warning of the library as one line to the present standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        complain(self.format(record))


def show_warnings() -> None:
    """Print the library's warnings from now on."""
    logger = logging.getLogger("hilbench")
    if not any(isinstance(handler, _Complaints) for handler in logger.handlers):
        logger.addHandler(_Complaints())


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, NumPy and SciPy are imported with one thread each, for a command that multiplies no large matrices.

    Threads without work keep a processor busy for a while, and the process that reads a network needs it.
    """
    before = os.environ.get("OPENBLAS_NUM_THREADS")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        yield
    finally:
        if before is None:
            del os.environ["OPENBLAS_NUM_THREADS"]


def share(option: str, found: float | None) -> float | None:
    """An option's value, where it is given. Raises ScenarioError unless it is from 0 to 1."""
    if found is not None and not 0 <= found <= 1:
        raise ScenarioError(f"{option}: found {found}, expected a share from 0 to 1")
    return found


def complain_of_zeros(zeros: Sequence[Zeros], lines: Sequence[str], most: float | None) -> bool:
    """Complain of what became 0; return whether it is more than the share `most` of any weights or thresholds."""
    from hilbench.nal.compile.zeros import ZEROS_MAX, too_many

    found = too_many(zeros, ZEROS_MAX if most is None else most)
    for line in found:
        complain(line)
    if lines and not found:
        complain(f"warning: {'; '.join(lines)}")
    return bool(found)


def now() -> str:
    """The present time, for the name of a folder."""
    return datetime.now().strftime("%Y%m%d-%H%M%S")


def print_json(what: Any) -> None:
    """Print JSON; infinity and NaN are null, because JSON has no word for them."""
    print(msgspec.json.format(msgspec.json.encode(what), indent=2).decode())
