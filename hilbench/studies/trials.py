"""The runs of tuning: for each candidate and seed one, of which only its loss stays; and those of its control."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from msgspec import Struct

from hilbench.errors import HilbenchError, RecordError
from hilbench.metrics.controls import control_undisturbed
from hilbench.metrics.loss import loss_to_minimise
from hilbench.record.reader import read_run
from hilbench.runs.run import run
from hilbench.scenario.resolved import Scenario
from hilbench.studies import roles
from hilbench.studies.evaluation import Progress
from hilbench.studies.pool import Workers


@dataclass(frozen=True)
class Trial:
    """One run of a candidate."""

    scenario: Scenario
    key: str
    """Of everything that decides its loss."""
    name: str


class Line(Struct):
    """A line of a journal: a run's key, and its loss or its control; null for one that is no number."""

    key: str
    loss: float | None


class Journal:
    """Losses by the keys of their runs, kept in a file as they come. A last line that is cut does not count."""

    def __init__(self, path: Path | None) -> None:
        """Read what is there.

        Parameters
        ----------
        path : Path, optional
            The file; nothing is kept when absent.
        """
        self._path = path
        self.losses: dict[str, float] = {}
        if path is None or not path.is_file():
            return
        for text in path.read_bytes().splitlines():
            with suppress(msgspec.DecodeError, msgspec.ValidationError):
                line = msgspec.json.decode(text, type=Line)
                self.losses[line.key] = math.inf if line.loss is None else line.loss

    def add(self, key: str, loss: float) -> None:
        """Keep a run's loss. Raises OSError.

        Parameters
        ----------
        key : str
            The run's.
        loss : float
        """
        self.losses[key] = loss
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                # The break before it ends a line that an interruption has cut.
                file.write(b"\n" + msgspec.json.encode(Line(key, loss if math.isfinite(loss) else None)))


class Runner:
    """Runs trials on worker processes, each distinct one once."""

    def __init__(
        self, workers: Workers, journal: Journal, progress: Callable[[Progress], None] | None, total: int
    ) -> None:
        """Run nothing yet.

        Parameters
        ----------
        workers : Workers
        journal : Journal
        progress : callable, optional
            Receives a Progress after each trial.
        total : int
            How many trials there will be.
        """
        self._workers, self._journal, self._progress = workers, journal, progress
        self._done, self._total = 0, total

    def losses(self, trials: Sequence[Trial]) -> list[float]:
        """The loss of each trial, lower for better. One that fails has an infinite loss, and is not kept.

        Raises what is no fault of a candidate: what ended a worker otherwise, or kept a record from being written.

        Parameters
        ----------
        trials : sequence of Trial
        """
        return self._answers(trials, run_trial)

    def controls(self, trials: Sequence[Trial]) -> list[float]:
        """The `control_undisturbed` of each trial, as `losses`; infinite where it has none.

        Parameters
        ----------
        trials : sequence of Trial
            They come on top of those that the runner was told of.
        """
        self._total += len(trials)
        return self._answers(trials, run_control)

    def _answers(self, trials: Sequence[Trial], work: Callable[[Trial], float]) -> list[float]:
        found, others = dict(self._journal.losses), []
        alike: dict[str, list[Trial]] = {}
        for trial in trials:
            if trial.key in found:
                self._end(trial, "was there")
            else:
                alike.setdefault(trial.key, []).append(trial)

        def ended(trial: Trial, loss: float | None, error: BaseException | None) -> None:
            found[trial.key] = math.inf if loss is None else loss
            if loss is not None:
                self._journal.add(trial.key, loss)
            elif isinstance(error, RecordError) or not isinstance(error, HilbenchError | BrokenProcessPool):
                others.append(error)
            for each in alike[trial.key]:
                self._end(each, f"{loss:.4g}" if math.isfinite(found[trial.key]) else "failed")

        self._workers.work([same[0] for same in alike.values()], work, ended)
        for error in others:
            assert error is not None, "a trial without a loss has an error"
            raise error
        return [found[trial.key] for trial in trials]

    def _end(self, trial: Trial, word: str) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(Progress(trial.name, word, self._done, self._total))


def run_trial(trial: Trial) -> float:
    """Run one trial in a worker process; its loss, which is infinite where the run ended by a fault."""
    with TemporaryDirectory(prefix="hilbench-tune-") as folder:
        place = Path(folder) / "run"
        outcome = run(trial.scenario, place)
        return loss_to_minimise(read_run(place)) if outcome.status == "done" else math.inf


def run_control(trial: Trial) -> float:
    """Run one trial and what its control compares it with, in a worker process; its `control_undisturbed`."""
    scenario = trial.scenario
    found = roles.learners(scenario, "law") | roles.others(scenario)
    needed = {role: found[role] for role in control_undisturbed.needs if role in found}
    with TemporaryDirectory(prefix="hilbench-tune-") as folder:
        records = {}
        for role, each in {"": scenario, **needed}.items():
            place = Path(folder) / (role or "run")
            if run(each, place).status != "done":
                return math.inf
            records[role] = read_run(place)
        own = records.pop("")
        value = (
            control_undisturbed(own, **records)[""].value if len(records) == len(control_undisturbed.needs) else None
        )
    return math.inf if value is None else value
