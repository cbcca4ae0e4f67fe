"""Evaluation: runs every run of a suite, and the runs that its scores need, on a process pool; then writes one summary.

Runs on the virtual clock share the pool. Real-time runs follow, one at a time, with the machine to themselves. A run's
folder is named by a key of its scenario, its seed and the code, so a run that is there already is not repeated.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hilbench.errors import HilbenchError, RecordError, ScenarioError, said
from hilbench.metrics import measure
from hilbench.record.data import RunData
from hilbench.record.layout import AGREEMENT
from hilbench.record.meta import RunMeta, Sources
from hilbench.record.reader import read_meta, read_run
from hilbench.record.sealed import release
from hilbench.runs.agreement import REFERENCE, compare_spikes
from hilbench.runs.metering import measure_energy, meters
from hilbench.runs.provenance import provenance
from hilbench.runs.run import RunLabels, run
from hilbench.runs.sources import source_of
from hilbench.scenario.tuning import LAST_SEED
from hilbench.studies.claim import claimed
from hilbench.studies.plan import Case, Job, Line, Planner, without_run
from hilbench.studies.pool import Workers
from hilbench.studies.roles import device_of
from hilbench.studies.schema import Summary, write_summary
from hilbench.studies.suite import Suite, SuiteCell, cells, load_suite
from hilbench.studies.summary import PACE, summarise

log = logging.getLogger(__name__)
STATISTICS = ("scipy.stats",)
"""What a summary imports, which takes half a second."""
KEPT = 10
"""Records that a process holds while it measures: those of a learner and all that it is compared with."""
ENDED = ("done", "fault")
"""How a run ends that need not be repeated."""


class Progress(NamedTuple):
    """What `progress` receives when a run has ended, or was there already."""

    name: str
    status: str
    done: int
    total: int
    scenario: str = ""
    """The run's scenario."""
    took_s: float = 0.0
    """How long the run took; 0 for one that was there already, or that has failed."""


def evaluate(
    suite: Suite | str | Path | Mapping[str, Any],
    folder: str | Path,
    progress: Callable[[Progress], None] | None = None,
    workers: int | None = None,
    *,
    trust: bool = False,
) -> Summary:
    """Run what a suite still lacks in a folder, write `summary.json` there and return it.

    A run that fails is reported in the summary, and the others go on. An interruption waits for the runs that are going
    on, then writes the summary of all that have ended; the next call continues from there. Before anything runs, raises
    HilbenchError for a mistake anywhere in the suite, and for a folder that holds something else.

    Parameters
    ----------
    suite : Suite, mapping, str or Path
        A Suite, a dict like one, or a suite's name or path.
    folder : str or Path
        Holds the runs and the summary.
    progress : callable, optional
        Receives a Progress after each run.
    workers : int, optional
        How many processes run at a time; one per core when absent.
    trust : bool
        Whether modules that it or its scenarios name as MODULE:NAME may be imported, which runs their code.
    """
    suite, folder = load_suite(suite), Path(folder)
    workers = (os.cpu_count() or 1) if workers is None else workers
    if workers < 1:
        raise ScenarioError(f"workers: found {workers}, expected 1 or more")
    planner = Planner(folder / "runs")
    found = cells(suite, trust=trust)
    lines = planner.lines(found)
    _note_tuning_seeds(found)
    with claimed(folder, suite), Workers(workers, STATISTICS) as shared:
        results = _Results(list(planner.jobs.values()), progress)
        status: Literal["interrupted", "done"] = "interrupted"
        began = provenance()
        try:
            results.run_all(shared)
            _meter(lines, results, shared)
            _compare(lines, results, shared)
            status = "done"
        finally:
            results.sweep()
            answers = _measured(lines, results, shared)
            summary = summarise(suite, lines, answers, results.errors)
            summary.status, summary.code_version, summary.provenance = status, planner.code, began
            release(folder)
            write_summary(folder, summary)
    return summary


def _note_tuning_seeds(found: Iterable[SuiteCell]) -> None:
    """Warn once of tuned values on seeds that are for tuning."""
    tuned = [cell for cell in found if cell.scenario.tuned is not None]
    if seeds := sorted({seed for cell in tuned for seed, _ in cell.by_seed if seed <= LAST_SEED}):
        log.warning(
            "seeds %s: of 0 to %d, on which the values were tuned that run here; report results on seeds from 10000 on",
            ", ".join(map(str, seeds)), LAST_SEED,
        )  # fmt: skip


class _Results:
    """Which runs have ended, and how."""

    def __init__(self, jobs: list[Job], progress: Callable[[Progress], None] | None) -> None:
        self._jobs, self._progress = jobs, progress
        self.statuses: dict[Job, str] = {}
        self.errors: dict[Job, str] = {job: "the evaluation was interrupted before this run's end" for job in jobs}

    def run_all(self, shared: Workers) -> None:
        """Run what is missing: runs that share the machine, then single ones, then those that repeat exclusive ones.

        A device at an address serves one run at a time; an exclusive run needs the whole machine.
        """
        first = [job for job in self._jobs if not job.exclusive and job.after is None]
        self._run([job for job in first if device_of(job.scenario) is None], shared)
        alone = [job for job in first if device_of(job.scenario) is not None]
        if alone := alone + [job for job in self._jobs if job.exclusive]:
            with _alone(shared) as single:
                self._run(alone, single)
        self._run([job for job in self._jobs if job.after], shared)

    def _run(self, jobs: list[Job], workers: Workers) -> None:
        workers.work([job for job in jobs if not self._reuse(job)], run_job, self._ended)

    def sweep(self) -> None:
        """After an interruption, look for runs that have ended since."""
        self._progress = None
        for job in self._jobs:
            if job not in self.statuses:
                self._reuse(job)

    def _reuse(self, job: Job) -> bool:
        """Take over a run that is there already; whether it could be."""
        meta = _meta(job)
        if meta is None or meta.reuse_key != job.key or meta.status not in ENDED:
            return False
        if meta.latencies_of_run_id != _run_id(job.after):
            return False
        if _sources(meta, job) != job.sources:  # something was changed while the evaluation was running
            return False
        try:
            read_run(job.folder, ())
        except RecordError:  # it is damaged, so it is run again
            return False
        fault = meta.faults[-1].message if meta.status == "fault" else ""
        self._end(job, meta.status, fault, "was there")
        return True

    def _ended(self, job: Job, outcome: Any, error: BaseException | None) -> None:
        if error is not None:
            self._end(job, "failed", str(error) if isinstance(error, HilbenchError) else said(error), "failed")
        else:
            self._end(job, outcome.status, outcome.fault, outcome.status, outcome.took_s)

    def _end(self, job: Job, status: str, error: str, word: str, took_s: float = 0.0) -> None:
        self.statuses[job], self.errors[job] = status, error
        if self._progress is not None:
            done = len(self.statuses)
            self._progress(Progress(job.folder.name, word, done, len(self._jobs), job.scenario.name, took_s))


@contextmanager
def _alone(shared: Workers) -> Iterator[Workers]:
    """A single worker that has the machine to itself: the others end before."""
    shared.close()
    with Workers(1) as single:
        yield single


def run_job(job: Job) -> Any:
    """Run one job in a worker process, in place of what an earlier evaluation left unfinished."""
    shutil.rmtree(job.folder, ignore_errors=True)
    labels: RunLabels = {
        "reuse_key": job.key, "run_id": os.urandom(8).hex(), "latencies_of_run_id": _run_id(job.after),
    }  # fmt: skip
    return run(job.scenario, job.folder, labels=labels)


def _sources(meta: RunMeta, job: Job) -> Sources:
    """What decided a recorded run's numbers, without what a job's own sources leave out."""
    return meta.sources if job.after is None else without_run(meta.sources, job.after.folder)


def _meta(job: Job) -> RunMeta | None:
    """What a job's folder says of a run there; None where there is none that can be read."""
    with suppress(RecordError):
        return read_meta(job.folder)
    return None


def _run_id(job: Job | None) -> str | None:
    """The `run_id` of a recorded run, which a run that replaces it does not have."""
    return None if job is None or (meta := _meta(job)) is None else meta.run_id


def _meter(lines: Iterable[Line], results: _Results, shared: Workers) -> None:
    """Where a meter can be read here, meter the first seed of every cell, one at a time."""
    if None not in meters().values():
        return
    firsts = [line.cases[0].job for line in lines if not line.role]
    todo = [job for job in firsts if results.statuses.get(job) == "done" and not _metered(job)]
    with _alone(shared) as single:
        single.work(todo, meter_job, lambda job, found, error: None)  # energy_measured says what is missing


def _metered(job: Job) -> bool:
    """Whether a run was metered, by the meter as it is now."""
    with suppress(RecordError):
        found = read_run(job.folder, ()).energy
        return found is not None and found.meter_sha256 == source_of("meters", found.meter)
    return False


def meter_job(job: Job) -> Any:
    """Meter one run in a worker process."""
    return measure_energy(job.folder, scenario=job.scenario)


def _compare(lines: Iterable[Line], results: _Results, shared: Workers) -> None:
    """Compare spikes with the reference's: of every cell that records them on another backend, its first seed."""
    firsts = [line.cases[0].job for line in lines if not line.role]
    todo = [job for job in firsts if job.scenario.record.spikes and job.scenario.chosen.backend.kind != REFERENCE]
    todo = [job for job in todo if results.statuses.get(job) == "done" and not (job.folder / AGREEMENT).exists()]
    shared.work(todo, compare_job, lambda job, found, error: None)  # spike_agreement is missing then


def compare_job(job: Job) -> Any:
    """Compare one run's spikes with the reference's in a worker process."""
    return compare_spikes(job.folder, job.scenario)


def measure_cases(cases: Sequence[Case]) -> list[dict[str, Any] | str]:
    """The metrics of runs that share references, of which the last few stay read; for one without, why."""
    read = lru_cache(KEPT)(read_run)
    return [_measure_case(case, read) for case in cases]


def _measure_case(case: Case, read: Callable[[Path], RunData]) -> dict[str, Any] | str:
    """A run's metrics; on the virtual clock none of the wall clock, which no second run repeats, but for its pace."""
    references: dict[str, RunData] = {}
    for role, job in case.references:
        with suppress(HilbenchError):  # a reference that failed: its scores are absent
            found = read(job.folder)
            references |= {role: found} if found.meta.status == "done" else {}
    try:
        own = read(case.job.folder)
        answers = measure(own, references, wall=case.job.exclusive, asked=case.job.scenario.report.metrics)
        return answers if case.job.exclusive else answers | measure(own, only=PACE)
    except Exception as error:  # each stands alone
        return said(error)


def _measured(lines: Iterable[Line], results: _Results, shared: Workers) -> dict[Case, dict[str, Any]]:
    """The metrics of every run that has ended."""
    alike: dict[tuple[str, int], dict[Case, None]] = {}
    for case in (case for line in lines for case in line.cases if results.statuses.get(case.job) in ENDED):
        alike.setdefault((case.job.scenario.name, case.job.scenario.loop.seed), {})[case] = None
    answers: dict[Case, dict[str, Any]] = {}

    def ended(cases: Sequence[Case], found: list[dict[str, Any] | str] | None, error: BaseException | None) -> None:
        for case, answer in zip(cases, [said(error)] * len(cases) if error else found or [], strict=True):
            answers[case] = {} if isinstance(answer, str) else answer
            if isinstance(answer, str):
                results.errors[case.job] = f"not measured: {answer}"

    shared.work([tuple(cases) for cases in alike.values()], measure_cases, ended)
    return answers
