"""What every plant promises, over each that is found; and what hilbench's own ones do beside that."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import RecordVideo
from optional import MISSING

from hilbench import envs, plugins
from hilbench.envs._recorded import RecordedPlant
from hilbench.envs._speech import WORDS
from hilbench.testing import PlantContract

envs.register()
FOUND = {
    name: each
    for name, each in plugins.all_of("envs").items()
    if not (hasattr(each.load(), "realtime_only") or issubclass(each.load(), RecordedPlant))
}
"""All but those that need a robot, of which test_robots.py has what they promise, and those that need somebody's files:
test_recorded_plants.py."""
PLANTS = sorted(name for name, plugin in FOUND.items() if not plugin.foreign)
NEEDS = {"gymnasium": {"id": "MountainCarContinuous-v0"}}
"""Settings that a plant cannot be made without."""

RARE = {"searching", "on_platform", "cue_left", "cue_right", "seen", "offset", "second"} | {
    f"is_{name}" for name in ("fist", "open", "flex", "extend", "pinch", *WORDS, "normal", "ventricular")
}
RARE |= {f"is_{each}" for name in ("gestures", "digits", "wrist") for each in plugins.get("envs", name).classes}
"""Observations that change later than a short rollout ends, or with what random actions do not reach."""


class TestPlants(PlantContract):
    """Every plant that is found."""

    def cases(self):
        return [(name, NEEDS.get(name, {})) for name in FOUND]


@pytest.fixture(params=[name for name in PLANTS if name not in NEEDS])
def plant_class(request):
    """Those that Gymnasium knows by an id of their own."""
    return plugins.get("envs", request.param)


@pytest.fixture(params=sorted({"beam", "digits", "hexapod_damage", "lane_dvs", "words"} - MISSING.keys()))
def one_of_each(request):
    """One of each kind: equations, a recording, bodies in PyBullet, a camera, a stream. A process takes seconds."""
    return plugins.get("envs", request.param)


@pytest.fixture(params=PLANTS)
def plant(request):
    with plugins.get("envs", request.param)(**NEEDS.get(request.param, {}), control_period_s=0.01) as plant:
        yield plant


def rollout(plant, n_steps: int = 60):
    """Gymnasium's five-tuples under random actions."""
    plant.action_space.seed(3)
    obs, info = plant.reset(seed=3)
    return [(obs, 0.0, False, False, info), *(plant.step(plant.action_space.sample()) for _ in range(n_steps))]


def test_plants_are_found():
    assert {"arm_payload", "cartpole_ladder", "gymnasium"} <= set(PLANTS)


def accept_only_actions_in_si_units() -> None:
    # Both checkers recommend actions in [-1, 1]. Ours are N and N m; RescaleAction is there for who wants the other.
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", message=".*symmetric and normalized.*")


def test_gymnasium_checker(plant_class):
    env = gymnasium.make(plant_class.env_id, control_period_s=0.01)
    with warnings.catch_warnings():
        accept_only_actions_in_si_units()
        check_env(env.unwrapped)
    env.close()


def test_stable_baselines3_checker(plant, sb3):
    from stable_baselines3.common.env_checker import check_env as check

    with warnings.catch_warnings():
        accept_only_actions_in_si_units()
        check(plant)


def test_another_seed_is_another_episode(plant):
    assert not np.array_equal(plant.reset(seed=3)[0], plant.reset(seed=4)[0])


def test_resets_without_a_seed_differ_but_follow_the_first_seed(plant):
    def episodes():
        return [plant.reset(seed=5)[0], plant.reset()[0], plant.reset()[0]]

    one, two = episodes(), episodes()
    np.testing.assert_array_equal(one, two)
    assert len({obs.tobytes() for obs in one}) == 3


def test_observations_share_no_memory(plant):
    plant.reset(seed=0)
    first, second = (plant.observe()[0] for _ in range(2))
    assert not np.shares_memory(first, second)
    assert not np.shares_memory(second, plant.step(plant.action_space.sample())[0])


def test_info_has_the_same_float_entries_always_each_with_a_unit(plant):
    for row in rollout(plant, n_steps=20):
        assert list(row[4]) == list(plant.plant_spec.info_units)
        assert {type(value) for value in row[4].values()} == {float}


def test_no_observation_entry_is_constant(plant):
    moved = np.ptp([row[0] for row in rollout(plant)], axis=0) > 0
    assert {name for name, moves in zip(plant.plant_spec.obs_names, moved, strict=True) if not moves} <= RARE


def test_sheet_and_metadata_agree_with_the_spaces(plant):
    plant_spec, facts = plant.plant_spec, plant.metadata
    for space, names, units in (
        (plant.observation_space, "obs_names", "obs_units"),
        (plant.action_space, "action_names", "action_units"),
    ):
        assert facts[names] == getattr(plant_spec, names)
        assert facts[units] == getattr(plant_spec, units)
        assert len(facts[names]) == len(facts[units]) == space.shape[0]
        assert all(facts[units])
    np.testing.assert_array_equal(plant.action_space.high, np.float32(plant_spec.action_high))
    np.testing.assert_array_equal(plant.action_space.low, np.float32(plant_spec.action_low))
    assert plant.action_space.contains(np.float32(plant_spec.safe_action))
    assert not plant_spec.error or plant_spec.error in plant_spec.info_units


def test_an_action_out_of_range_is_clipped_and_a_foreign_one_refused(plant):
    plant.reset(seed=0)
    plant.step(plant.action_space.high * 3)
    clipped = plant.state()
    plant.reset(seed=0)
    plant.step(plant.plant_spec.action_high)
    np.testing.assert_array_equal(plant.state(), clipped)
    with pytest.raises(ValueError, match="finite"):
        plant.advance(1, np.full(plant.action_space.shape, np.nan))
    with pytest.raises(ValueError, match="expected"):
        plant.advance(1, np.zeros(plant.action_space.shape[0] + 1))


def test_advance_needs_a_reset(plant):
    with pytest.raises(gymnasium.error.ResetNeeded):
        plant.advance(1, plant.plant_spec.safe_action)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it reads /proc")
def test_resets_leave_nothing_behind(plant):
    """Less than 40 kB a reset, of all memory that the process holds, which comes in pieces of up to 0.5 MB."""

    def resident_mb(n):
        for seed in range(n):
            plant.reset(seed=seed)
            plant.advance(1, plant.plant_spec.safe_action)
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") * 1e-6

    before = resident_mb(5)
    assert resident_mb(25) - before < 1.0


def test_a_picture_shows_something(plant_class):
    with plant_class(render_mode="rgb_array", control_period_s=0.01) as plant:
        plant.reset(seed=2)
        frame = plant.render()
    assert len(np.unique(frame.reshape(-1, 3), axis=0)) > 50


def test_record_video(plant_class, tmp_path):
    pytest.importorskip("moviepy", reason="moviepy is not installed (extra video)")
    env = gymnasium.make(plant_class.env_id, render_mode="rgb_array", control_period_s=0.05)
    env = RecordVideo(env, str(tmp_path / "video"), disable_logger=True)
    env.reset(seed=0)
    for _ in range(4):
        env.step(env.action_space.sample())
    env.close()
    assert [file.stat().st_size > 1000 for file in tmp_path.glob("video/*.mp4")] == [True]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_vector_envs(plant_class, mode):
    many = gymnasium.make_vec(plant_class.env_id, num_envs=2, vectorization_mode=mode)
    try:
        obs, _ = many.reset(seed=[1, 2])
        assert obs.shape == (2, *many.single_observation_space.shape)
        assert not np.array_equal(obs[0], obs[1])
        obs, *_ = many.step(np.zeros(many.action_space.shape, np.float32))
        with plant_class() as alone:
            alone.reset(seed=2)
            np.testing.assert_array_equal(obs[1], alone.step(alone.plant_spec.safe_action)[0])
    finally:
        many.close()


def test_env_spec_survives_json(plant_class):
    sensor = plant_class.traits.sensors[0]
    tables = {"drift": {"kind": "sensor_bias", "bias": {sensor: 0.25}, "at_s": 0.0}}
    env = gymnasium.make(plant_class.env_id, disturbances=tables, physics_step_s=0.0005)
    again = gymnasium.make(EnvSpec.from_json(env.spec.to_json()))
    try:
        obs, info = env.reset(seed=9)
        obs_again, info_again = again.reset(seed=9)
        np.testing.assert_array_equal(obs, obs_again)
        assert info == info_again
        assert info["disturbances"] == 1.0
        assert again.unwrapped.config.physics_step_s == 0.0005
        assert again.spec.max_episode_steps == plant_class.max_episode_steps
    finally:
        env.close()
        again.close()


IN_A_WORKER = """
import json, multiprocessing, sys
import gymnasium as gym


def first_obs(env_id):
    with gym.make(env_id, control_period_s=0.01) as env:
        return env.reset(seed=5)[0].tolist()


if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(json.dumps(pool.map(first_obs, sys.argv[1:])))
"""
MANY_IN_WORKERS = """
import json, sys
import gymnasium as gym

if __name__ == "__main__":
    how = {"vectorization_mode": "async", "vector_kwargs": {"context": "spawn"}}
    many = gym.make_vec(sys.argv[1], num_envs=1, **how, control_period_s=0.01)
    print(json.dumps(many.reset(seed=[5])[0].tolist()))
    many.close()
"""


@pytest.mark.parametrize("script", [IN_A_WORKER, MANY_IN_WORKERS])
def test_a_worker_that_was_spawned_finds_the_plant_by_its_id_with_the_package_before_it(one_of_each, script, tmp_path):
    """Gymnasium imports what stands before the colon; nothing else in the worker does."""
    file = tmp_path / "script.py"
    file.write_text(script)
    command = [sys.executable, str(file), f"hilbench:{one_of_each.env_id}"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert found.returncode == 0, found.stderr
    with one_of_each(control_period_s=0.01) as plant:
        assert json.loads(found.stdout) == [plant.reset(seed=5)[0].tolist()]


def test_a_spec_makes_the_env_where_the_id_is_unknown(one_of_each):
    """As a factory of a vector env has it: the spec names the class, so nothing has to be registered."""
    spec = gymnasium.spec(one_of_each.env_id).to_json()
    code = (
        "import sys, gymnasium\n"
        "from gymnasium.envs.registration import EnvSpec\n"
        "env = gymnasium.make(EnvSpec.from_json(sys.argv[1]))\n"
        "print(env.reset(seed=1)[0].shape)\n"
    )
    found = subprocess.run([sys.executable, "-c", code, spec], capture_output=True, text=True, timeout=100)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("again", [lambda env: pickle.loads(pickle.dumps(env)), copy.deepcopy])
def test_an_env_that_is_pickled_or_copied_is_made_anew(plant_class, again):
    sensor = plant_class.traits.sensors[0]
    tables = {"drift": {"kind": "sensor_bias", "bias": {sensor: 0.25}, "at_s": 0.0}}
    with gymnasium.make(plant_class.env_id, control_period_s=0.01, disturbances=tables, physics_step_s=0.0005) as env:
        first = env.reset(seed=7)[0]
        env.step(env.action_space.sample())
        with again(env) as other:
            assert other.spec == env.spec
            assert other.unwrapped.config == env.unwrapped.config
            with pytest.raises(gymnasium.error.ResetNeeded):
                other.step(np.zeros(other.action_space.shape, np.float32))
            np.testing.assert_array_equal(other.reset(seed=7)[0], first)
            for _ in range(5):
                action = np.zeros(other.action_space.shape, np.float32)
                other.step(action)
        np.testing.assert_array_equal(env.reset(seed=7)[0], first)


def test_stable_baselines3_makes_it_in_workers(one_of_each, sb3):
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import SubprocVecEnv

    many = make_vec_env(
        f"hilbench:{one_of_each.env_id}", n_envs=1, seed=5, vec_env_cls=SubprocVecEnv,
        vec_env_kwargs={"start_method": "spawn"}, env_kwargs={"control_period_s": 0.01},
    )  # fmt: skip
    try:
        with one_of_each(control_period_s=0.01) as plant:
            np.testing.assert_array_equal(many.reset()[0], plant.reset(seed=5)[0])
    finally:
        many.close()
