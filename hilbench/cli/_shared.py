"""What several commands print, and how."""

from __future__ import annotations

import logging
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import tyro

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


def now() -> str:
    return datetime.now().strftime("%Y%m%d-%H%M%S")


def print_json(what: Any) -> None:
    """Print JSON; what is no finite number is null, as JSON has no word for it."""
    print(msgspec.json.format(msgspec.json.encode(what), indent=2).decode())
