"""What readers must know beside the numbers: which devices were emulated, and which loops fell behind the clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hilbench.report import words
from hilbench.report.data import ReportCell

EMULATED = (
    "instructions, not cycles. An emulator stood for the device. It counts instructions, and knows no pipeline, cache "
    "or wait state; in real time, the latency is the emulator’s on this machine and no chip’s."
)
BEHIND = (
    "the loop itself fell behind the clock. One tick in a hundred or more began over a period late; the plant stood "
    "still meanwhile, so misses do not tell of it, but the latency does."
)


class Note(NamedTuple):
    """A sentence that names the cells it is about."""

    text: str
    warns: bool


def notes(cells: Sequence[ReportCell]) -> list[Note]:
    """The notes that these cells' numbers need."""
    behind, emulated = [cell.title for cell in cells if cell.behind], [cell.title for cell in cells if cell.emulated]
    found = [Note(f"{words.some(behind)}: {BEHIND}", True)] if behind else []
    return found + ([Note(f"{words.some(emulated)}: {EMULATED}", False)] if emulated else [])
