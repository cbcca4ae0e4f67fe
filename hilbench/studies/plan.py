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
from hilbench.nal import Network
from hilbench.record.meta import Sources
from hilbench.record.reader import read_run
from hilbench.runs.build import check_whole, learns, nearest_link
from hilbench.runs.run import TRACE, tick_times
from hilbench.runs.sources import Reader, code_version, modules_of
from hilbench.scenario.delays import TraceDelay
from hilbench.scenario.resolved import Scenario, fingerprint
from hilbench.studies import roles
from hilbench.studies.roles import Learns
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
        self._built: dict[str, tuple[Learns, tuple[str, ...]]] = {}
        self._traces: set[str] = set()

    def lines(self, cells: Iterable[SuiteCell]) -> list[Line]:
        """Every cell's line, then one for each distinct twin, floor, oracle and untold baseline.

        Raises HilbenchError when a cell, or what it is compared with, could not run.
        """
        own: list[Line] = []
        others: dict[tuple[Any, ...], Line] = {}
        for cell in cells:
            cases = tuple(self._case(scenario, cell.scored) for _, scenario in cell.by_seed)
            own.append(Line(cell, "", cases))
            for role in roles.PRINTED:
                if role not in dict(cases[0].references):
                    continue
                line = Line(cell, role, tuple(_judged_alike(case, role) for case in cases))
                others.setdefault((role, *(case.job for case in line.cases)), line)
        return own + list(others.values())

    def _case(self, scenario: Scenario, scored: bool) -> Case:
        learner = scenario.loop.learning and self._checked(scenario)[0]
        self._check_trace(scenario)
        job = self._job(scenario)
        if not scored or not scenario.changes:
            return Case(job)
        compared = (roles.learners(scenario, learner) if learner else {}) | roles.others(scenario)
        return Case(job, tuple((role, self._reference(role, other, job)) for role, other in compared.items()))

    def _reference(self, role: str, scenario: Scenario, judged: Job) -> Job:
        """The job of what a run is compared with. But for the twin itself, that of a real-time run is on the virtual
        clock, and its replies are as late as the recorded ones were: a second run in real time has other latencies.
        """
        if not judged.exclusive or role == "twin":
            return self._job(scenario)
        loop = msgspec.structs.replace(scenario.loop, mode="delayed", delay=TraceDelay(str(judged.folder)))
        return self._job(replace(scenario, loop=loop, link=nearest_link(scenario)), judged)

    def _checked(self, scenario: Scenario) -> tuple[Learns, tuple[str, ...]]:
        """What of the scenario's program learns, and the modules of its plug-ins.

        Scenarios that differ only by their seed are checked once.
        """
        whole = fingerprint(scenario)
        key = json.dumps({**whole, "loop": {**whole["loop"], "seed": 0, "delay": None}})
        if key not in self._built:
            try:
                control = check_whole(scenario)
            except PluginFault:  # its own cell's runs will fail by it, and no other's
                self._built[key] = None, ()
                return self._built[key]
            for note in set(control.notes) - self._noted:
                log.warning("%s", note)
            self._noted |= {*control.notes}
            kind: Learns = "network" if isinstance(control.program, Network) else "law"
            self._built[key] = kind if learns(control.program) else None, modules_of(control)
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


def _judged_alike(case: Case, role: str) -> Case:
    """A case for the run that a case is compared with; it is scored against the same floor and oracle."""
    references = dict(case.references)
    return Case(references[role], tuple((name, references[name]) for name in ("floor", "oracle") if name in references))
