"""What every metric promises: Measures for any run, the same ones again, and a run that stays as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np
import pytest
from msgspec import structs

from hilbench.metrics import MODES, ROLES, Better, measure
from hilbench.record.data import RunData
from hilbench.record.reader import read_run
from hilbench.scenario.files import load
from hilbench.testing._parts import Contract, Part, brief, ensure, run_whole


def thinner(whole: RunData) -> Iterator[tuple[str, RunData]]:
    """The run with less in it: what a metric meets where a run ended early or a device was lost."""

    def of(keep: Any) -> RunData:
        episodes = [{name: array[keep] for name, array in episode.items()} for episode in whole.episodes]
        return replace(whole, episodes=episodes)

    yield "a run without an episode", replace(whole, meta=structs.replace(whole.meta, episode_ends=()), episodes=[])
    yield "a run without a tick", of(slice(0))
    yield "a run of one tick", of(slice(1))
    silent = of(slice(None))
    for episode in silent.episodes:
        episode["answered"] = np.zeros_like(episode["answered"])
    yield "a run without a reply", silent


class MetricContract(Contract):
    """What every metric promises.

    `scenario` is what it is tried on, a scenario's name or path, with `overrides`; it should give the metric a value.
    """

    kind = "metrics"
    scenario: ClassVar[str] = "cartpole_ladder"
    overrides: ClassVar[Mapping[str, Any]] = {"loop.duration_s": 1.0}

    @pytest.fixture
    def recorded(self, part: Part, tmp_path_factory: pytest.TempPathFactory) -> RunData:
        """A run of the scenario; one for all metrics of the test class."""
        any_part = part._replace(name="", settings={})
        return self._once("recorded", any_part, lambda: self._recorded(tmp_path_factory))

    def _recorded(self, tmp_path_factory: pytest.TempPathFactory) -> RunData:
        folder: Path = tmp_path_factory.mktemp("contract") / "run"
        run_whole(load(self.scenario, self.overrides), folder, f"of scenario {self.scenario!r}")
        return read_run(folder)

    def _answers(self, part: Part, run: RunData) -> dict[str, dict[str, Any]]:
        with part.found() as name:
            found = measure(run, dict.fromkeys(ROLES, run))
        return {key: answer for key, answer in found.items() if key.partition("[")[0] == name}

    def test_it_says_what_it_is(self, part):
        unit, better = getattr(part.cls, "unit", None), getattr(part.cls, "better", None)
        ensure(isinstance(unit, str), f"a metric is declared by @metric(unit, better): found unit {unit!r}")
        ensure(better in get_args(Better), f"better is one of {get_args(Better)}: found {better!r}")
        modes = getattr(part.cls, "modes", ())
        ensure(set(modes) <= set(MODES) and modes, f"modes are some of {MODES}: found {modes!r}")
        ensure((part.cls.__doc__ or "").strip(), "a docstring says what is measured: found none")

    def test_its_answers_are_measures(self, part, recorded):
        answers = self._answers(part, recorded)
        for key, answer in answers.items():
            failed = answer["value"] is None and "raised" in answer.get("note", "")
            ensure(not failed, f"{key} of a run of {self.scenario!r}: {answer.get('note')}")
            ensure(answer["n"] >= 0, f"{key}: n counts samples: found {answer['n']}")

    def test_it_answers_again_what_it_answered(self, part, recorded):
        one, two = (self._answers(part, recorded) for _ in range(2))
        ensure(repr(one) == repr(two), f"the same run gives the same answer: found {brief(one)}, then {brief(two)}")

    def test_a_run_with_little_in_it_breaks_nothing(self, part, recorded):
        for what, run_data in thinner(recorded):
            for key, answer in self._answers(part, run_data).items():
                failed = answer["value"] is None and "raised" in answer.get("note", "")
                ensure(not failed, f"{key} of {what} is left out, or has no value and a note: {answer.get('note')}")
