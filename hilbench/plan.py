"""What an evaluation has to run: each cell's runs by seed, the runs they are compared with, and each run's key.

It builds programs to see which of them learn, and runs nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from hilbench import plugins
from hilbench.agent import check, learns, nearest_link
from hilbench.loop_config import Trace
from hilbench.recorder import read_run
from hilbench.running import TRACE, tick_times
from hilbench.scenario import Scenario, choose_controller, essence
from hilbench.suite import Cell

PACKAGE = Path(__file__).parent
COUNTS = ("gymnasium", "llvmlite", "nir", "numba", "numpy", "pybullet", "scipy")
"""Packages whose version may change a number."""


@dataclass(frozen=True, eq=False)
class Job:
    """One run. `alone`: by the wall clock; `after`: the run whose latencies it repeats."""

    scenario: Scenario
    folder: Path
    key: str
    after: Job | None = None

    @property
    def alone(self) -> bool:
        return self.scenario.loop.mode == "realtime"


@dataclass(frozen=True)
class Case:
    """A run to be measured, with the runs that its metrics need, as (role, run)."""

    job: Job
    references: tuple[tuple[str, Job], ...] = ()


@dataclass(frozen=True)
class Line:
    """A cell, or in a `role` what a cell is compared with: a case for each seed."""

    cell: Cell
    role: str
    cases: tuple[Case, ...]

    @property
    def scenario(self) -> Scenario:
        """The first seed's, which stands for all."""
        return self.cases[0].job.scenario


class Planner:
    """Makes jobs and hands the same one out for the same run."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.code = folder, code_version()
        self.jobs: dict[Path, Job] = {}
        self._learns: dict[str, bool] = {}
        self._traces: set[str] = set()

    def lines(self, cells: Iterable[Cell]) -> list[Line]:
        """Every cell's line, then one for each distinct twin, floor and oracle.

        Raises HilbenchError when a cell, or what it is compared with, could not run.
        """
        own, others = [], {}
        for cell in cells:
            cases = tuple(self._case(scenario, cell.scored) for _, scenario in cell.by_seed)
            own.append(Line(cell, "", cases))
            for role, _ in cases[0].references:
                line = Line(cell, role, tuple(_judged_alike(case, role) for case in cases))
                others.setdefault((role, *(case.job for case in line.cases)), line)
        return own + list(others.values())

    def _case(self, scenario: Scenario, scored: bool) -> Case:
        learner = self._checked(scenario) and scenario.loop.learning
        self._check_trace(scenario)
        job = self._job(scenario)
        change_s, score, loop = scenario.change_s, scenario.score, scenario.loop
        if not scored or change_s is None:
            return Case(job)
        found = {}
        if learner and (loop.freeze_at_s is None or loop.freeze_at_s > change_s):
            twin = msgspec.structs.replace(loop, freeze_at_s=change_s)
            found["twin"] = self._job(replace(scenario, loop=twin))
        for role, name in (("floor", score.floor), ("oracle", score.oracle)):
            if name is not None:
                reference = _reference(scenario, name, job)
                self._checked(reference)
                found[role] = self._job(reference, job if job.alone else None)
        return Case(job, tuple(found.items()))

    def _checked(self, scenario: Scenario) -> bool:
        """Whether the scenario's controller learns. Runs that differ by their seed alone are checked once."""
        whole = essence(scenario)
        key = json.dumps({**whole, "loop": {**whole["loop"], "seed": 0, "delay": None}})
        if key not in self._learns:
            self._learns[key] = learns(check(scenario))
        return self._learns[key]

    def _check_trace(self, scenario: Scenario) -> None:
        """Raise what a run whose delays are an earlier one's latencies would raise."""
        delay = scenario.loop.delay
        if isinstance(delay, Trace) and delay.run not in self._traces:
            tick_times(read_run(delay.run, TRACE))
            self._traces.add(delay.run)

    def _job(self, scenario: Scenario, after: Job | None = None) -> Job:
        whole = essence(scenario)
        key = hashlib.sha256(self.code.encode())
        if after is not None:  # not where that run lies, but which run it is
            whole["loop"]["delay"]["run"] = after.key
        elif isinstance(scenario.loop.delay, Trace):
            key.update((Path(scenario.loop.delay.run) / "run.json").read_bytes())
        for path in _files(whole["controllers"]):
            key.update(path.read_bytes())
        key.update(json.dumps(whole).encode() + _foreign_source(scenario))
        loop, digest = scenario.loop, key.hexdigest()[:16]
        folder = self._folder / f"{scenario.controller}__{loop.mode}__s{loop.seed}__{digest[:8]}"
        return self.jobs.setdefault(folder, Job(scenario, folder, digest, after))


def _reference(scenario: Scenario, controller: str, judged: Job) -> Scenario:
    """The scenario under a controller to compare with, at the same latency.

    Beside a real-time run it runs on the virtual clock, its replies as late as the recorded ones were: the wall would
    give it other latencies.
    """
    other = choose_controller(scenario, controller)
    if not judged.alone:
        return other
    loop = msgspec.structs.replace(scenario.loop, mode="delayed", delay=Trace(str(judged.folder)))
    return replace(other, loop=loop, link=nearest_link(other))


def _judged_alike(case: Case, role: str) -> Case:
    """What a case is compared with, on the case's own scale."""
    references = dict(case.references)
    return Case(references[role], tuple((name, job) for name, job in references.items() if name != "twin"))


def _files(settings: Any) -> Iterable[Path]:
    """Files that a controller's `path` fields name: what is in them decides its runs."""
    if isinstance(settings, dict):
        for field, value in settings.items():
            if field == "path" and isinstance(value, str) and Path(value).is_file():
                yield Path(value)
            yield from _files(value)


def _foreign_source(scenario: Scenario) -> bytes:
    """The source of the plug-ins that a scenario uses and that are not hilbench's own."""
    used = {"envs": scenario.plant.kind, "links": scenario.link.kind}
    used |= {"controllers": scenario.chosen.kind, "backends": scenario.chosen.backend.kind}
    modules = [plugins.all_of(kind)[name].module for kind, name in used.items()]
    specs = [find_spec(module) for module in modules if not module.startswith("hilbench.")]
    return b"".join(Path(spec.origin).read_bytes() for spec in specs if spec is not None and spec.origin)


def code_version() -> str:
    """16 hex digits over hilbench's own source and the versions of the packages that compute."""
    found = hashlib.sha256(json.dumps({name: _version(name) for name in COUNTS}).encode())
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in (".py", ".toml", ".urdf", ".template") and "scenarios" not in path.relative_to(PACKAGE).parts:
            found.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
