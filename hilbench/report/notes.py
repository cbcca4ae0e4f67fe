"""What readers must know beside the numbers: what was emulated, what no run repeats, and which loops fell behind."""

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

BEHIND_ROBOT = (
    "the loop itself fell behind the clock. One tick in a hundred or more began over a period late; the robot went on "
    "meanwhile, under its last action or its watchdog."
)
NONDETERMINISTIC = (
    "nondeterministic. The plant need not do the same twice, as no robot does: no second run repeats these numbers, "
    "and none can be replayed."
)


class Note(NamedTuple):
    """A sentence that names the cells it is about."""

    text: str
    warns: bool


def notes(cells: Sequence[ReportCell]) -> list[Note]:
    """The notes that these cells' numbers need."""
    several = len({cell.group for cell in cells}) > 1
    behind, emulated = [cell for cell in cells if cell.behind], [cell for cell in cells if cell.emulated]
    kinds = (
        (BEHIND, True, [cell for cell in behind if not cell.robot]),
        (BEHIND_ROBOT, True, [cell for cell in behind if cell.robot]),
        (NONDETERMINISTIC, False, [cell for cell in cells if cell.nondeterministic]),
        (EMULATED, False, emulated),
    )
    return [
        Note(f"{words.some([cell.name if several else cell.title for cell in which])}: {text}", warns)
        for text, warns, which in kinds
        if which
    ]
