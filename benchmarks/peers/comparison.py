"""Two sides and one piece of work: both are built, run in turn, and their medians make a row.

A row's ratio is the median of the rounds' own ratios, because a shared machine drifts. Sides that do not do the same,
as their spikes and outputs tell, get no ratio but the reason.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peers.workers import Worker, WorkerError

BUILD_TIMEOUT_S, RUN_TIMEOUT_S = 1200.0, 300.0
ALIKE = 0.05
"""How far apart the spikes of two sides may be, relative to the larger."""
COUNTS = ("spikes", "outputs")
"""What tells that two sides did the same: each of these that both have."""


@dataclass(frozen=True)
class Side:
    """Who does a piece of work: a worker's script, the Python it runs in, and what it calls the work."""

    name: str
    script: Path
    build: dict[str, Any]
    python: Path = field(default=Path(sys.executable))
    target: float | None = None
    """The ratio that hilbench is meant to reach against it, or less."""
    quick: bool = False
    """Whether it installs in a minute and runs in seconds."""


@dataclass(frozen=True)
class Work:
    """A problem that hilbench and its peers solve, `n` times each; `problem` writes its arrays into a folder."""

    name: str
    problem: Callable[[Path], dict[str, Any]]
    mine: Side
    peers: tuple[Side, ...]
    n: int = 7
    outputs: float = ALIKE
    """How far apart the outputs of two sides may be, relative to the larger."""


@dataclass
class Taken:
    """What one side has answered so far, round by round, or why it has not."""

    facts: dict[str, Any] = field(default_factory=dict)
    answers: dict[int, dict[str, float]] = field(default_factory=dict)
    why: str = ""

    def median(self, what: str) -> float | None:
        found = [answer[what] for answer in self.answers.values() if what in answer]
        return statistics.median(found) if found else None


def compare(work: Work) -> list[dict[str, Any]]:
    """A row per peer."""
    sides = (work.mine, *work.peers)
    taken = {side.name: Taken() for side in sides}
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder, ExitStack() as stack:
        parameters = work.problem(Path(folder))
        workers = {}
        for side in sides:
            try:
                worker = stack.enter_context(Worker(side.python, side.script))
                taken[side.name].facts = worker.build(parameters | side.build, BUILD_TIMEOUT_S)
                workers[side.name] = worker
            except WorkerError as error:
                taken[side.name].why = str(error)
        for round_ in range(work.n + 1):  # round 0 warms up and does not count
            for name in sorted(workers, reverse=bool(round_ % 2)):
                _once(workers, name, round_, taken[name])
    return [row(work, peer, taken[work.mine.name], taken[peer.name]) for peer in work.peers]


def _once(workers: dict[str, Worker], name: str, round_: int, taken: Taken) -> None:
    try:
        answer = workers[name].run(RUN_TIMEOUT_S)
    except WorkerError as error:
        taken.why = str(error)
        del workers[name]
        return
    if round_:
        taken.answers[round_] = answer


def row(work: Work, peer: Side, mine: Taken, theirs: Taken) -> dict[str, Any]:
    """One line of the results; `why` tells what keeps it from having a ratio."""
    rounds = sorted(mine.answers.keys() & theirs.answers.keys())
    why = f"hilbench: {mine.why}" if mine.why else theirs.why or unlike(mine, theirs, work.outputs)
    ratio = None
    if rounds and not why:
        ratio = statistics.median(mine.answers[i]["seconds"] / theirs.answers[i]["seconds"] for i in rounds)
    return {
        "work": work.name,
        "peer": peer.name,
        "hilbench_s": mine.median("seconds"),
        "peer_s": theirs.median("seconds"),
        "ratio": ratio,
        "target": peer.target,
        "n": len(rounds),
        "met": None if ratio is None or peer.target is None else ratio <= peer.target,
        "why": why,
        "counts": {name: [mine.median(name), theirs.median(name)] for name in COUNTS},
        "facts": theirs.facts,
    }


def unlike(mine: Taken, theirs: Taken, outputs: float = ALIKE) -> str:
    """In what two sides differ so much that they did not do the same work; empty where they agree."""
    compared = False
    for name, apart in zip(COUNTS, (ALIKE, outputs), strict=True):
        a, b = mine.median(name), theirs.median(name)
        if a is not None and b is not None:
            compared = True
            if not abs(a - b) <= apart * max(abs(a), abs(b)):
                return f"not the same work: {name} {a:.6g} here, {b:.6g} there"
    if compared:
        return ""
    return "neither spikes nor outputs to compare" if mine.answers and theirs.answers else "no answer"
