"""What every plant promises: its spec, bit-for-bit repetition, and that looking changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest

from hilbench.errors import PluginFault, ScenarioError
from hilbench.runs.plant_check import check_plant, look
from hilbench.runs.replay import replay
from hilbench.scenario.files import resolve
from hilbench.scenario.resolved import Scenario
from hilbench.settings import whole_steps
from hilbench.testing._parts import Contract, Part, brief, broken, ensure, part_of, refusal, run_whole, same
from hilbench.testing._rollouts import N_TICKS, difference, digest, instant, random_actions, rollout
from hilbench.types import to_builtins

USUAL_PERIOD_S = 0.01
"""The control period of a test, where a plant's physics step allows it."""


class Maker(NamedTuple):
    """Makes the plant under test as a run does."""

    part: Part
    period_s: float
    steps: int
    """Physics steps in a control period."""

    def __call__(self, disturbances: Mapping[str, Any] | None = None, render_mode: str | None = None) -> Any:
        """A new plant.

        Parameters
        ----------
        disturbances : dict of dict, optional
            By name {"kind": ..., and that kind's fields}.
        render_mode : str, optional
            As Gymnasium has it.
        """
        tables = {name: dict(table) for name, table in (disturbances or {}).items()}
        return self.part.cls(
            render_mode=render_mode,
            control_period_s=self.period_s,
            disturbances=tables,
            **to_builtins(self.part.config),
        )

    def scenario(self, name: str) -> Scenario:
        """Thirty control periods of the plant, under the controller `random`."""
        raw = {
            "name": "contract", "summary": "Thirty control periods.", "controller": "random",
            "plant": {"kind": name, **self.part.settings},
            "loop": {"period_s": self.period_s, "duration_s": 30 * self.period_s},
            "controllers": {"random": {"kind": "random"}},
        }  # fmt: skip
        return resolve(raw, "contract", trust=True)  # whoever tests a part trusts it


def digest_of(module: str, attribute: str, settings: Mapping[str, Any], period_s: float, steps: int) -> str:
    """The digest of a rollout of a plant that is imported here: called in a process of its own.

    Parameters
    ----------
    module, attribute : str
        Where its class is.
    settings : mapping
        Its settings.
    period_s : float
        The control period, in s.
    steps : int
        Physics steps in it.
    """
    part = part_of("envs", f"{module}:{attribute}", settings)
    with closing(Maker(part, period_s, steps)()) as plant:
        return digest(rollout(plant, steps))


class PlantContract(Contract):
    """What every plant promises.

    `period_s` is the control period to test with, a whole number of physics steps; about 10 ms when None.
    `disturbances` are tables by name, as a scenario has them: each must change what the plant shows.
    """

    kind = "envs"
    period_s: ClassVar[float | None] = None
    disturbances: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @pytest.fixture
    def make(self, part: Part) -> Maker:
        """A function that makes the plant."""
        ensure(hasattr(part.config, "physics_step_s"), "a plant's Config has a field physics_step_s, in s: found none")
        step_s = part.config.physics_step_s
        if step_s is not None:
            period_s = self.period_s or round(step_s * max(1, round(USUAL_PERIOD_S / step_s)), 6)
            return Maker(part, period_s, whole_steps(period_s, step_s, "period_s"))
        period_s = self.period_s or USUAL_PERIOD_S  # a plant that takes the step from the period, or knows its own
        with closing(Maker(part, period_s, 1)()) as plant:
            return Maker(part, period_s, whole_steps(period_s, plant.plant_spec.physics_step_s, "period_s"))

    @pytest.fixture
    def plant(self, make: Maker) -> Iterator[Any]:
        """A new plant."""
        with closing(make()) as plant:
            yield plant

    def test_it_keeps_what_each_run_checks_before_it_starts(self, make, plant):
        """Spec, spaces, units and limits, types, finite numbers, events of its sensors, the same answer twice."""
        with make.part.found() as name:
            scenario = make.scenario(name)
        try:
            check_plant(scenario, plant)
        except PluginFault as error:
            broken(str(error))

    def test_what_it_shows_is_always_as_its_spec_and_spaces_say(self, make, plant):
        plant_spec, period_us = plant.plant_spec, round(make.period_s * 1e6)
        plant.reset(seed=1)
        for k, action in zip(range(N_TICKS), random_actions(plant_spec, 1), strict=False):
            try:
                look(plant, plant_spec, plant.observation_space, period_us)
            except PluginFault as error:
                broken(f"tick {k} of random actions: {error}")
            if any(plant.observe()[2:4]):
                plant.reset(seed=k)
            else:
                plant.advance(make.steps, action)

    def test_a_seed_decides_all_that_it_shows(self, make, plant):
        """Bit for bit: in the same plant again, whatever went before, and in another one."""
        first = rollout(plant, make.steps)
        rollout(plant, make.steps, seed=8, n_ticks=7)
        found = difference(first, rollout(plant, make.steps))
        ensure(not found, f"a seed decides an episode, whatever went before: {found}")
        with closing(make()) as other:
            found = difference(first, rollout(other, make.steps))
        ensure(not found, f"a seed decides an episode in every plant of the same settings: {found}")

    def test_a_process_of_its_own_repeats_it(self, make, plant):
        """Nothing hangs on the order of a set or dict of this process, on its clock or on its memory."""
        part = make.part
        if "<locals>" in part.cls.__qualname__ or part.cls.__module__ == "__main__":
            pytest.skip("another process cannot import this class")
        given = [part.cls.__module__, part.cls.__qualname__, dict(part.settings), make.period_s, make.steps]
        code = (
            "import json, sys; from hilbench.testing.plants import digest_of; print(digest_of(*json.load(sys.stdin)))"
        )
        hash_seed = "8" if os.environ.get("PYTHONHASHSEED") == "7" else "7"  # not the one of this process
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", code], input=json.dumps(given), capture_output=True, text=True, timeout=100, env=env
        )
        ensure(done.returncode == 0, f"another process can make the plant: found {done.stderr.strip()[-300:]!r}")
        repeated = done.stdout.split()[-1:] == [digest(rollout(plant, make.steps))]
        ensure(repeated, "a seed decides an episode in every process: another process shows something else")

    def test_physics_steps_one_by_one_are_physics_steps_at_once(self, make, plant):
        """A run advances step by step, for a reply may come in the middle of a period."""
        action, n_steps = next(random_actions(plant.plant_spec, 2)), 2 * make.steps
        plant.reset(seed=1)
        plant.advance(n_steps, action)
        at_once = plant.state().copy()
        plant.reset(seed=1)
        for _ in range(n_steps):
            plant.advance(1, action)
        one_by_one = plant.state()
        found = f"found {brief(one_by_one)} one by one, {brief(at_once)} at once"
        ensure(same(one_by_one, at_once), f"advance(1) {n_steps} times is advance({n_steps}): {found}")

    def test_a_gymnasium_step_is_advance_and_observe(self, make, plant):
        if not hasattr(plant, "step"):
            pytest.skip("it is no Gymnasium env")
        plant_spec = plant.plant_spec
        low, high = np.array(plant_spec.action_low), np.array(plant_spec.action_high)
        action = (low + 0.3 * (high - low)).astype(np.float32)
        action = np.where(np.array(plant_spec.choices) > 0, np.rint(action), action)
        plant.reset(seed=1)
        plant.advance(make.steps, action.tolist())
        expected = instant(plant)
        plant.reset(seed=1)
        single = any(plant_spec.choices) and plant.action_space.shape == ()
        plant.step(int(action[0]) if single else action.astype(plant.action_space.dtype))
        found = difference([expected], [instant(plant)])
        ensure(not found, f"step(action) is advance over one control period, then observe: {found}")

    def test_looking_changes_nothing_and_what_it_showed_stays(self, make, plant):
        plain = rollout(plant, make.steps)
        plant.reset(seed=3)
        kept = []
        for k, action in zip(range(N_TICKS), random_actions(plant.plant_spec, 3), strict=False):
            for _ in range(3):
                obs, state = plant.observe()[0], plant.state()
            kept.append((k, obs, obs.copy(), state, state.copy()))
            if any(plain[k].ends):
                return
            plant.advance(make.steps, action)
            state = plant.state()
            found = f"state {brief(state)}, without that {brief(plain[k + 1].state)}"
            ensure(same(state, plain[k + 1].state), f"observe() and state() change nothing: found {found}")
        for k, obs, obs_then, state, state_then in kept:
            ensure(same(obs, obs_then), f"an observation stays as it was: that of tick {k} has changed since")
            ensure(same(state, state_then), f"a state stays as it was: that of tick {k} has changed since")

    def test_reading_its_events_empties_its_sensors(self, make, plant):
        if not plant.plant_spec.event_sensors:
            pytest.skip("it has no event sensors")
        plant.reset(seed=1)
        ensure(not plant.events().size, "events() gives none before the first control period: found some")
        n_events = 0
        for _, action in zip(range(N_TICKS), random_actions(plant.plant_spec, 1), strict=False):
            plant.advance(make.steps, action)
            n_events += plant.events().size
            ensure(not plant.events().size, "events() empties the sensors: found events again, with no time between")
        ensure(
            n_events, f"an event sensor tells something in {N_TICKS} control periods of random actions: found nothing"
        )
        plant.advance(make.steps, plant.plant_spec.safe_action)
        plant.reset(seed=1)
        ensure(not plant.events().size, "reset() empties the sensors: found events of the last episode")

    def test_a_disturbance_that_it_takes_changes_what_it_shows(self, make, plant):
        if not self.disturbances:
            pytest.skip("the test class names no `disturbances`")
        plain = rollout(plant, make.steps)
        for name, table in self.disturbances.items():
            with closing(make(disturbances={name: table})) as disturbed:
                first = rollout(disturbed, make.steps)
                ensure(difference(plain, first), f"disturbance {name!r} changes what the plant shows: found no change")
                found = difference(first, rollout(disturbed, make.steps))
                ensure(not found, f"a seed decides an episode with disturbance {name!r}: {found}")

    def test_a_disturbance_that_there_is_not_is_refused(self, make):
        unknown = {"contract": {"kind": "no_such_disturbance"}}
        said = refusal("a disturbance of an unknown kind", lambda: make(unknown).close(), errors=ScenarioError)
        ensure(said, "a disturbance that the plant does not take is refused by ScenarioError: found no error")

    def test_pictures_change_no_state(self, make):
        modes = getattr(make.part.cls, "metadata", {}).get("render_modes", [])
        if "rgb_array" not in modes:
            pytest.skip("it has no render mode rgb_array")
        with closing(make()) as plain, closing(make(render_mode="rgb_array")) as seen:
            for plant in (plain, seen):
                plant.reset(seed=2)
            for _, action in zip(range(5), random_actions(plain.plant_spec, 2), strict=False):
                picture = seen.render()
                for plant in (plain, seen):
                    plant.advance(make.steps, action)
            ensure(same(plain.state(), seen.state()), "render() changes no state: found another state than without it")
        ensure(isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.shape[2:] == (3,),
               f"render() gives (height, width, 3) uint8: found {type(picture).__name__}")  # fmt: skip

    def test_gymnasiums_own_checker_takes_it(self, plant):
        import gymnasium
        from gymnasium.utils.env_checker import check_env

        if not isinstance(plant, gymnasium.Env):
            pytest.skip("it is no Gymnasium env")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # recommendations; what is wrong is an exception
            try:
                check_env(plant, skip_render_check=True)
            except Exception as error:
                broken(f"gymnasium's check_env takes the plant: found {type(error).__name__}: {brief(str(error))}")

    def test_it_closes_twice(self, plant):
        plant.reset(seed=0)
        plant.close()
        plant.close()

    def test_a_run_ends_well_and_replays_bit_for_bit(self, make, tmp_path: Path):
        with make.part.found() as name:
            run_whole(make.scenario(name), tmp_path / "run", "under random actions")
            equal, n = replay(tmp_path / "run", tmp_path / "replay", trust=True)
        ensure(equal and n, f"a run replays bit for bit: found other states among {n} ticks")
