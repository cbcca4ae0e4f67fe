"""Tunes one controller: points of the unit cube become values of its parameters, and those become trials."""

from __future__ import annotations

import hashlib
import json
import math
from copy import deepcopy
from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ScenarioError
from hilbench.metrics.controls import UNDISTURBED
from hilbench.runs.build import check_whole, learns
from hilbench.runs.sources import Reader, code_version, modules_of
from hilbench.scenario.losses import better
from hilbench.scenario.resolved import Scenario, fingerprint
from hilbench.scenario.tuning import Number, Range, TuneConfig, TunedController, Values, like, put, share_of, value_at
from hilbench.settings import to_config
from hilbench.studies import roles
from hilbench.studies.optimiser import NAME, search
from hilbench.studies.trials import Runner, Trial
from hilbench.types import to_builtins


class Tuner:
    """Tunes the controller that a scenario chooses."""

    def __init__(self, scenario: Scenario, config: TuneConfig, runner: Runner) -> None:
        """Build the controller once, with its default values. Raises HilbenchError where that cannot be.

        Parameters
        ----------
        scenario : Scenario
            It ends with the judged time.
        config : TuneConfig
        runner : Runner
        """
        self.name = scenario.controller
        self._scenario, self._config, self._runner = scenario, config, runner
        self._ranges = config.controllers[self.name]
        self._settings = to_builtins(scenario.chosen.config)
        place = f"{scenario.where}: tune.controllers.{self.name}"
        self._default: Values = {field: value_at(self._settings, field, f"{place}.{field}") for field in self._ranges}
        self._start = np.array(
            [_share(span, self._default[field], f"{place}.{field}") for field, span in self._ranges.items()]
        )
        control = check_whole(scenario)
        score, learner = scenario.score, scenario.loop.learning and learns(control.program)
        self._controlled = learner and score.controls and None not in (score.floor, score.oracle)
        self._code, self._sources = code_version(), Reader()(scenario, modules_of(control))
        self._candidates: list[Values] = []
        self._losses: list[list[float]] = []

    def tune(self, digest: str) -> TunedController:
        """Spend the whole budget; take the best candidate, of a learner the best that passes `control_undisturbed`.

        Where none passes, it is the best of all. Of equally good ones the first is taken: the default, unless beaten.

        Parameters
        ----------
        digest : str
            Of what is tuned, for the result.
        """
        config = self._config
        search(self._start, config.runs // len(config.seeds), config.optimiser_seed, self._evaluate)
        losses = np.array(self._losses)
        means = losses.mean(axis=1)
        best, control, n_checked = self._chosen(means)
        return TunedController(
            runs=losses.size,
            failed_runs=int((~np.isfinite(losses)).sum()),
            seeds=config.seeds,
            optimiser=NAME,
            optimiser_seed=config.optimiser_seed,
            code_version=self._code,
            scenario_sha256=digest,
            loss_default=self._shown(means[0]),
            loss_tuned=self._shown(means[best]),
            default=self._default,
            tuned=self._candidates[best],
            candidates_checked=n_checked,
            control_undisturbed=control,
        )

    def _chosen(self, means: NDArray[np.float64]) -> tuple[int, float | None, int]:
        """The candidate that is taken, its control, and how many candidates' controls were looked at."""
        order = [int(number) for number in np.argsort(means, kind="stable") if np.isfinite(means[number])]
        if not order or not self._controlled:
            return (order or [0])[0], None, 0
        distinct: dict[tuple[Number, ...], int] = {}
        for number in order:
            distinct.setdefault(tuple(self._candidates[number].values()), number)
        found: list[float] = []
        for number in distinct.values():
            found.append(self._control(number))
            if found[-1] <= UNDISTURBED:
                return number, found[-1], len(found)
        return order[0], found[0] if math.isfinite(found[0]) else None, len(found)

    def _control(self, number: int) -> float:
        """A candidate's mean `control_undisturbed` over the seeds; infinite where a seed has none."""
        scenario = self._with(self._candidates[number])
        trials = [self._trial(scenario, number, seed, "control") for seed in self._config.seeds]
        return float(np.mean(self._runner.controls(trials)))

    def _shown(self, mean: float) -> float | None:
        """A loss with its own sign; None for one that is no number."""
        sign = 1 if better(self._scenario.score.loss) == "lower" else -1
        return float(sign * mean) if math.isfinite(mean) else None

    def _evaluate(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean loss of each point over the seeds."""
        candidates = [self._values(point) for point in points]
        if not self._candidates:
            candidates[0] = self._default  # as it is, without a way through the unit cube and back
        scenarios = [self._with(values) for values in candidates]
        trials = [
            self._trial(scenario, len(self._candidates) + number, seed)
            for number, scenario in enumerate(scenarios)
            for seed in self._config.seeds
        ]
        losses = np.array(self._runner.losses(trials)).reshape(len(candidates), -1)
        self._candidates += candidates
        self._losses += losses.tolist()
        return losses.mean(axis=1)

    def _values(self, point: NDArray[np.float64]) -> Values:
        """A point of the unit cube as values of the parameters."""
        found: Values = {}
        for (field, span), share in zip(self._ranges.items(), point.tolist(), strict=True):
            low, high = _scaled(span, span.low), _scaled(span, span.high)
            x = low + share * (high - low)
            value = like(self._default[field], math.exp(x) if span.log else x)
            found[field] = min(max(value, like(value, span.low)), like(value, span.high))
        return found

    def _with(self, values: Values) -> Scenario:
        """The scenario with values in place of the controller's own."""
        settings, part = deepcopy(self._settings), self._scenario.chosen
        for field, value in values.items():
            put(settings, field, value)
        where = f"{self._scenario.where}: controllers.{self.name}"
        changed = replace(part, config=to_config(type(part.config), settings, where))
        return replace(self._scenario, controllers={**self._scenario.controllers, self.name: changed})

    def _trial(self, scenario: Scenario, number: int, seed: int, what: str = "loss") -> Trial:
        seeded = replace(scenario, loop=msgspec.structs.replace(scenario.loop, seed=seed))
        others = [fingerprint(other) for other in roles.others(seeded).values()] if what == "control" else []
        whole = json.dumps([self._code, fingerprint(seeded), msgspec.to_builtins(self._sources), *others])
        key = hashlib.sha256(whole.encode()).hexdigest()[:16]
        return Trial(seeded, key, f"{self.name} candidate {number} seed {seed}" + ", control" * (what == "control"))


def _scaled(span: Range, value: float) -> float:
    return math.log(value) if span.log else value


def _share(span: Range, value: Number, where: str) -> float:
    """Where in a range a value lies, from 0 to 1. Raises ScenarioError for one outside."""
    if not span.low <= value <= span.high:
        allowed = f"allowed: {span.low:g} to {span.high:g}, the range that is tuned"
        raise ScenarioError(f"{where}: found {value:g} as the controller's own value; {allowed}")
    return share_of(span, value)
