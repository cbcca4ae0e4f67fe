"""How a run ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: `done`, or `fault` with what happened."""

    status: Literal["done", "fault"]
    fault: str = ""
    notes: tuple[str, ...] = ()
    """A line for whatever else is to be known of it: what it did without, and what came back or fell behind."""
