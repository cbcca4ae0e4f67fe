"""How a run ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: `done`, or with what happened: `fault` of a device or a robot, `failed` by a plug-in."""

    status: Literal["done", "fault", "failed"]
    fault: str = ""
    notes: tuple[str, ...] = ()
    """A line for whatever else is to be known of it: what it did without, and what came back or fell behind."""
    took_s: float = 0.0
    """How long the whole of it took, by the wall clock."""
