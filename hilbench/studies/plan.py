"""What an evaluation has to run: each cell's runs by seed, the runs they are compared with, and each run's key.

It builds programs to find out which of them learn. It runs nothing.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from hilbench.errors import PluginFault
from hilbench.record.meta import Sources
from hilbench.record.reader import read_run
from hilbench.runs.build import check_whole, learns, nearest_link
from hilbench.runs.run import TRACE, tick_times
from hilbench.runs.sources import Reader, code_version, modules_of
from hilbench.scenario.delays import TraceDelay
from hilbench.scenario.resolved import Scenario, choose_controller, fingerprint
from hilbench.studies.suite import SuiteCell

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Job:
    """One run."""

    scenario: Scenario
    folder: Path
    key: str
    """Of everything that decides the run's numbers."""
    sources: Sources
    """What decides its numbers besides the scenario, without the run that it repeats."""
    after: Job | None = None
    """The run whose latencies it repeats."""

    @property
    def exclusive(self) -> bool:
        """Whether the run needs the machine to itself, because it runs in real time."""
        return self.scenario.loop.mode == "realtime"


@dataclass(frozen=True)
class Case:
    """A run to be measured, and the runs that its metrics need, as (role, run)."""

    job: Job
    references: tuple[tuple[str, Job], ...] = ()


@dataclass(frozen=True)
class Line:
    """A case for each seed of a cell, or of what a cell is compared with: its `role` is then not empty."""

    cell: SuiteCell
    role: str
    cases: tuple[Case, ...]

    @property
    def scenario(self) -> Scenario:
        """The first seed's scenario, which represents all of them."""
        return self.cases[0].job.scenario


class Planner:
    """Makes jobs, one for each distinct run."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.code = folder, code_version()
        self.jobs: dict[Path, Job] = {}
        self._sources = Reader()
        self._noted: set[str] = set()
        self._built: dict[str, tuple[bool, tuple[str, ...]]] = {}
        self._traces: set[str] = set()

    def lines(self, cells: Iterable[SuiteCell]) -> list[Line]:
        """Every cell's line, then one for each distinct twin, floor and oracle.

        Raises HilbenchError when a cell, or what it is compared with, could not run.
        """
        own: list[Line] = []
        others: dict[tuple[Any, ...], Line] = {}
        for cell in cells:
            cases = tuple(self._case(scenario, cell.scored) for _, scenario in cell.by_seed)
            own.append(Line(cell, "", cases))
            for role, _ in cases[0].references:
                line = Line(cell, role, tuple(_judged_alike(case, role) for case in cases))
                others.setdefault((role, *(case.job for case in line.cases)), line)
        return own + list(others.values())

    def _case(self, scenario: Scenario, scored: bool) -> Case:
        learner = self._checked(scenario)[0] and scenario.loop.learning
        self._check_trace(scenario)
        job = self._job(scenario)
        change_s, score, loop = scenario.change_s, scenario.score, scenario.loop
        if not scored or change_s is None:
            return Case(job)
        found: dict[str, Job] = {}
        if learner and (loop.freeze_at_s is None or loop.freeze_at_s > change_s):
            twin = msgspec.structs.replace(loop, freeze_at_s=change_s)
            found["twin"] = self._job(replace(scenario, loop=twin))
        for role, name in (("floor", score.floor), ("oracle", score.oracle)):
            if name is not None:
                reference = _reference(scenario, name, job)
                found[role] = self._job(reference, job if job.exclusive else None)
        return Case(job, tuple(found.items()))

    def _checked(self, scenario: Scenario) -> tuple[bool, tuple[str, ...]]:
        """Whether the scenario's program learns, and the modules of its plug-ins.

        Scenarios that differ only by their seed are checked once.
        """
        whole = fingerprint(scenario)
        key = json.dumps({**whole, "loop": {**whole["loop"], "seed": 0, "delay": None}})
        if key not in self._built:
            try:
                control = check_whole(scenario)
            except PluginFault:  # its own cell's runs will fail by it, and no other's
                self._built[key] = False, ()
                return self._built[key]
            for note in set(control.notes) - self._noted:
                log.warning("%s", note)
            self._noted |= {*control.notes}
            self._built[key] = learns(control.program), modules_of(control)
        return self._built[key]

    def _check_trace(self, scenario: Scenario) -> None:
        """Raise what the run would raise if its delays are the latencies of an earlier run that it cannot read."""
        delay = scenario.loop.delay
        if isinstance(delay, TraceDelay) and delay.run not in self._traces:
            tick_times(read_run(delay.run, TRACE))
            self._traces.add(delay.run)

    def _job(self, scenario: Scenario, after: Job | None = None) -> Job:
        whole, sources = fingerprint(scenario), self._sources(scenario, self._checked(scenario)[1])
        if after is not None:  # the earlier run counts by its key, not by its folder or its contents
            sources = without_run(sources, after.folder)
            whole["loop"]["delay"]["run"] = after.key
        digest = hashlib.sha256(json.dumps([self.code, whole, msgspec.to_builtins(sources)]).encode()).hexdigest()[:16]
        loop = scenario.loop
        folder = self._folder / f"{scenario.controller}__{loop.mode}__s{loop.seed}__{digest[:8]}"
        return self.jobs.setdefault(folder, Job(scenario, folder, digest, sources, after))


def without_run(sources: Sources, folder: Path) -> Sources:
    """The same sources without the run in a folder.

    Parameters
    ----------
    sources : Sources
    folder : Path
        The run's folder.
    """
    others = {path: found for path, found in sources.file_sha256.items() if path != str(folder)}
    return msgspec.structs.replace(sources, file_sha256=others)


def _reference(scenario: Scenario, controller: str, judged: Job) -> Scenario:
    """The scenario under a controller to compare with, at the same latency.

    What is compared with a real-time run runs on the virtual clock, and its replies are as late as the recorded ones
    were. A second run in real time would have other latencies.
    """
    other = choose_controller(scenario, controller)
    if not judged.exclusive:
        return other
    loop = msgspec.structs.replace(scenario.loop, mode="delayed", delay=TraceDelay(str(judged.folder)))
    return replace(other, loop=loop, link=nearest_link(other))


def _judged_alike(case: Case, role: str) -> Case:
    """A case for the run that a case is compared with; it is scored against the same floor and oracle."""
    references = dict(case.references)
    return Case(references[role], tuple((name, job) for name, job in references.items() if name != "twin"))
