"""What several commands print, and how."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

import tyro

Scenario = Annotated[str, tyro.conf.Positional]


def complain(text: str) -> None:
    print(f"hilbench: {text}", file=sys.stderr)


def now() -> str:
    return datetime.now().strftime("%Y%m%d-%H%M%S")
