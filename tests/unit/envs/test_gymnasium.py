"""Any environment of Gymnasium as a plant: a record is what a plain loop sees, and what does not fit is a line."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gym_envs import Counter, Spaces
from gymnasium import spaces
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete

import hilbench
from hilbench.cli import main
from hilbench.envs.gymnasium import Gymnasium
from hilbench.errors import MissingExtra, ScenarioError
from hilbench.runs.replay import replay
from hilbench.scenario.files import Scenario, resolve

STOCK = {"CartPole-v1": 0.02, "Pendulum-v1": 0.05, "InvertedPendulum-v5": 0.04, "HalfCheetah-v5": 0.05}
"""Environments and how long a step of theirs is, in s."""
SHORT = 25
"""Ticks of a run."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MuJoCo writes its warnings into the working directory."""
    monkeypatch.chdir(tmp_path)


def needs(env_id: str) -> None:
    """Skip without MuJoCo where the environment needs it; fail where HILBENCH_REQUIRE asks for it."""
    try:
        gymnasium.make(env_id).close()
    except gymnasium.error.DependencyNotInstalled:
        if "mujoco" in os.environ.get("HILBENCH_REQUIRE", ""):
            pytest.fail("HILBENCH_REQUIRE asks for mujoco, but it is missing")
        pytest.skip("MuJoCo is not installed (extra mujoco)")


def table(plant: dict[str, Any], **loop: Any) -> dict[str, Any]:
    return {
        "name": "tried",
        "summary": "An environment of somebody else's.",
        "plant": {"kind": "gymnasium", **plant},
        "loop": {"period_s": 0.02, "duration_s": 0.5, "seed": 11, **loop},
        "controllers": {"random": {"kind": "random"}},
        "controller": "random",
    }


def scenario(plant: dict[str, Any], **loop: Any) -> Scenario:
    return resolve(table(plant, **loop), "tried.toml")


def stock(env_id: str, **loop: Any) -> Scenario:
    needs(env_id)
    period_s = STOCK[env_id]
    return scenario({"id": env_id}, period_s=period_s, duration_s=SHORT * period_s, **loop)


def physics(env: Any, obs: Any, reward: float) -> np.ndarray:
    """What a record's state has to be."""
    data = getattr(env.unwrapped, "data", None)
    return np.append(obs, reward) if data is None else np.concatenate((data.qpos, data.qvel))


def taken(env: Any, action: np.ndarray) -> Any:
    """A recorded action as the environment's own step takes it."""
    return int(action[0]) if isinstance(env.action_space, Discrete) else action.astype(env.action_space.dtype)


@pytest.mark.parametrize("env_id", STOCK)
def test_a_run_is_the_plain_loop_with_the_same_seed_and_actions(env_id: str) -> None:
    assert hilbench.run(stock(env_id), "run").status == "done"
    run = hilbench.read_run("run")
    rows, end = run.episodes[0], run.meta.episode_ends[0]
    with gymnasium.make(env_id) as env:
        obs, _ = env.reset(seed=11)
        states, seen, rewards, done = [physics(env, obs, 0.0)], [obs], [0.0], False
        for action in rows["actions"]:
            if not done:
                obs, reward, terminated, truncated, _ = env.step(taken(env, action))
                states.append(physics(env, obs, reward))
                seen.append(obs)
                rewards.append(reward)
                done = terminated or truncated
    n = len(rows["seq"])
    assert n == (len(states) if done else SHORT)
    np.testing.assert_array_equal(rows["state"], np.array(states)[:n])
    np.testing.assert_array_equal(rows["obs"], np.array(seen[:n], np.float32))
    np.testing.assert_array_equal(rows["reward"], rewards[:n])
    assert (end.terminated, end.reward) == (done, rewards[-1])
    means = run.meta.plant_spec.state_meaning
    assert means == ("observation, reward" if env_id in ("CartPole-v1", "Pendulum-v1") else "qpos, qvel")


@pytest.mark.parametrize("env_id", STOCK)
@pytest.mark.parametrize("mode", ["lockstep", "delayed"])
def test_a_run_repeats_bit_for_bit_and_replays(env_id: str, mode: str) -> None:
    delay = {"kind": "gamma", "mean_s": STOCK[env_id], "sd_s": STOCK[env_id] / 2} if mode == "delayed" else {}
    found = stock(env_id, mode=mode, **({"delay": delay} if delay else {}), episodes=2)
    for name in ("one", "two"):
        assert hilbench.run(found, name).status == "done"
    one, two = (hilbench.read_run(name).episodes for name in ("one", "two"))
    for a, b in zip(one, two, strict=True):
        for column in ("state", "obs", "reward", "actions", "applied_step"):
            np.testing.assert_array_equal(a[column], b[column])
    assert not np.array_equal(one[0]["state"][0], one[1]["state"][0]), "another episode, another seed"
    assert replay("one", "again")[0]


def test_a_run_in_real_time_replays() -> None:
    found = scenario({"id": "Pendulum-v1"}, period_s=0.05, duration_s=0.5, mode="realtime", echo_s=0.0)
    outcome = hilbench.run(found, "run")
    assert outcome.status == "done"
    assert replay("run", "again")[0]


@pytest.mark.parametrize(("mode", "said"), [("lockstep", 0), ("delayed", 1)])
def test_a_step_as_long_as_the_period_says_what_a_delay_costs(mode: str, said: int) -> None:
    outcome = hilbench.run(stock("CartPole-v1", mode=mode), "run")
    text = "plant: one step of it takes a whole control period of 20 ms, so a reply that is late by less costs 20 ms"
    assert outcome.notes == hilbench.read_run("run").meta.controller_notes == (text,) * said


def test_a_delay_below_the_period_costs_a_whole_one() -> None:
    """With steps of a quarter of the period it costs one of these."""
    for step_s, steps in ((None, 1), (0.005, 1)):
        plant = {"id": "Counter-v0"} | ({"physics_step_s": step_s} if step_s else {})
        delayed = scenario(plant, mode="delayed", delay={"kind": "constant", "s": 0.004})
        hilbench.run(delayed, f"run_{step_s}")
        rows = hilbench.read_run(f"run_{step_s}").episodes[0]
        per_tick = 1 if step_s is None else 4
        late = rows["applied_step"] - per_tick * rows["seq"]
        assert set(late[:5].tolist()) == {steps}


def test_the_time_limit_is_the_registered_one_another_or_none() -> None:
    for limit, ticks, truncated in ((None, 30, True), (7, 7, True), (0, 50, False)):
        plant = {"id": "Counter-v0"} | ({} if limit is None else {"max_episode_steps": limit})
        hilbench.run(scenario(plant, duration_s=1.0), f"run_{limit}")
        run = hilbench.read_run(f"run_{limit}")
        assert (run.meta.episode_ends[0].truncated, run.meta.episode_ends[0].terminated) == (truncated, False)
        assert (~run.episodes[0]["truncated"]).sum() == ticks


def test_termination_ends_the_episode_and_the_next_one_begins_anew() -> None:
    plant = {"id": "Counter-v0", "kwargs": {"ends_at": 6}}
    hilbench.run(scenario(plant, episodes=2), "run")
    run = hilbench.read_run("run")
    for rows, end in zip(run.episodes, run.meta.episode_ends, strict=True):
        assert rows["terminated"].tolist() == [False] * 6 + [True]
        assert rows["obs"][:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6]
        assert (end.terminated, end.reward) == (True, 6.0)


def test_stock_cart_pole_runs_without_its_limit() -> None:
    """Pushed towards where the pole falls it stands longer than the stock limit of 500 steps."""
    with Gymnasium(id="CartPole-v1", max_episode_steps=0) as plant:
        obs, _ = plant.reset(seed=0)
        for _ in range(600):
            obs, _, terminated, truncated, _ = plant.step(int(obs @ [0.1, 0.5, 10.0, 2.0] > 0))
            assert not terminated
            assert not truncated


def test_several_steps_a_period_have_one_action_and_add_their_rewards() -> None:
    with Gymnasium(env=Counter(ends_at=7), control_period_s=0.03, physics_step_s=0.01) as plant:
        plant.reset(seed=0)
        first = plant.observe()[0][1]
        assert plant.step([0.25])[1] == 1 + 2 + 3
        np.testing.assert_allclose(plant.observe()[0], [3, first + 0.75], rtol=1e-6)
        assert plant.step([0.0])[1] == 4 + 5 + 6
        _, reward, terminated, _, info = plant.step([0.0])
        assert (reward, terminated, info["t_s"]) == (7.0, True, pytest.approx(0.09))


def test_observations_are_their_own_float32_and_looking_twice_changes_nothing() -> None:
    env = Counter()
    with Gymnasium(env=env) as plant:
        plant.reset(seed=3)
        one, two = plant.observe(), plant.observe()
        assert one[0].dtype == np.float32
        assert plant.state().dtype == np.float64
        np.testing.assert_array_equal(plant.state()[:2], env.seen)
        plant.step([1.0])
        np.testing.assert_array_equal(one[0], two[0])
        assert plant.observe()[0][0] == 1.0


INFO = {"id": "Counter-v0", "info": {"sum": "1", "late": "steps"}}


def test_infos_are_recorded_with_their_units_and_late_ones_are_nan_at_first() -> None:
    hilbench.run(scenario(INFO | {"error": "info:sum"}), "run")
    run = hilbench.read_run("run")
    rows = run.episodes[0]
    assert run.meta.plant_spec.info_units == {"t_s": "s", "disturbances": "1", "sum": "1", "late": "steps"}
    np.testing.assert_array_equal(rows["info.sum"].astype(np.float32), rows["obs"][:, 1])
    np.testing.assert_array_equal(rows["info.late"], [np.nan, *range(1, len(rows["seq"]))])


@pytest.mark.parametrize(
    ("error", "key", "unit", "column"),
    [("obs:sum", "sum", "N s", lambda rows: rows["obs"][:, 1]),
     ("reward", "negative_reward", "1", lambda rows: -rows["reward"]),
     ("info:sum", "sum", "1", lambda rows: rows["obs"][:, 1])],
)  # fmt: skip
def test_the_error_is_what_the_scenario_says(error: str, key: str, unit: str, column: Any) -> None:
    names = {"obs_names": ["n", "sum"], "obs_units": ["1", "N s"]}
    hilbench.run(scenario({"id": "Counter-v0", "error": error, **names}), "run")
    run = hilbench.read_run("run")
    spec, rows = run.meta.plant_spec, run.episodes[0]
    assert (spec.error, spec.info_units[key]) == (key, unit)
    np.testing.assert_allclose(rows[f"info.{key}"], column(rows), rtol=1e-6)
    found = hilbench.measure(run)["error_rms"]
    assert found["unit"] == unit
    assert found["value"] == pytest.approx(np.sqrt(np.mean(column(rows).astype(float) ** 2)), rel=1e-6)


def test_an_obs_error_is_the_true_one_whatever_the_sensor_says() -> None:
    raw = table({"id": "Counter-v0", "error": "obs:obs_0"})
    raw["disturbances"] = {"off": {"kind": "sensor_bias", "bias": {"obs_0": 5.0}}}
    hilbench.run(resolve(raw, "x"), "run")
    rows = hilbench.read_run("run").episodes[0]
    np.testing.assert_array_equal(rows["info.obs_0"], rows["seq"])
    np.testing.assert_array_equal(rows["obs"][:, 0], rows["seq"] + 5)
    np.testing.assert_array_equal(rows["state"][:, 0], rows["seq"])


def test_disturbances_act_on_sensors_and_actuators_in_their_window() -> None:
    tables = {
        "weak": {"kind": "actuator_gain", "factor": {"push": 0.5}, "at_s": 0.04, "until_s": 0.08},
        "off": {"kind": "sensor_bias", "bias": [0.0, 2.0], "at_s": 0.1},
    }
    with Gymnasium(env=Counter(), control_period_s=0.02, action_names=("push",), disturbances=tables) as plant:
        start = plant.reset(seed=0)[0][1]
        sums = [float(plant.step([1.0])[0][1] - start) for _ in range(6)]
    np.testing.assert_allclose(sums, [1, 2, 2.5, 3, 4 + 2, 5 + 2], rtol=1e-6)


def test_an_environment_carries_sensors_of_values_and_of_events() -> None:
    tables = {
        "slow": {"kind": "analog", "entries": ["obs_0"], "units": ["1"], "scale": 10.0, "period_s": 0.04},
        "ticks": {"kind": "delta", "entries": ["obs_0"], "threshold": 0.5},
    }
    off = {"off": {"kind": "sensor_bias", "bias": {"slow.obs_0": 1.0}, "at_s": 0.1}}
    with Gymnasium(env=Counter(), control_period_s=0.02, sensors=tables, disturbances=off) as plant:
        assert plant.plant_spec.obs_names == ("obs_0", "obs_1", "slow.obs_0")
        assert plant.observation_space.shape == (3,)
        plant.reset(seed=0)
        seen = [float(plant.step([0.0])[0][2]) for _ in range(6)]
        events = plant.events()
    assert seen == [0.0, 20.0, 20.0, 40.0, 41.0, 61.0]
    assert events.tolist() == [(9_999, 1), (19_999, 1)]  # one step in the last 20 ms, by 1: half a step each


def test_a_run_of_an_environment_with_sensors_replays_bit_for_bit() -> None:
    raw = table({"kind": "gymnasium", "id": "Pendulum-v1"}, period_s=0.05)
    raw["sensors"] = {
        "gyro": {"kind": "analog", "entries": ["obs_2"], "noise_std": 0.1},
        "spikes": {"kind": "delta", "entries": ["obs_2"], "threshold": 0.01},
    }
    raw["disturbances"] = {"hot": {"kind": "hot_pixels", "count": 1, "rate_hz": 500.0}}
    assert hilbench.run(resolve(raw, "tried"), "run").status == "done"
    assert hilbench.read_run("run").meta.plant_spec.obs_names[-1] == "gyro.obs_2"
    assert replay("run", "again")[0]


OBSERVED = [
    (Box(-1, 1, (2, 3), np.float64), 6), (Box(0, 9, (), np.float32), 1), (Discrete(5, start=2), 1),
    (MultiDiscrete([3, 4]), 2), (MultiBinary(4), 4), (Box(0, 255, (3,), np.uint8), 3),
]  # fmt: skip


@pytest.mark.parametrize(("space", "n"), OBSERVED)
def test_an_observation_is_a_row_of_numbers(space: Any, n: int) -> None:
    with Gymnasium(env=Spaces(space)) as plant:
        assert plant.plant_spec.obs_names == tuple(f"obs_{i}" for i in range(n))
        obs, _ = plant.reset(seed=5)
        space.seed(5)
        np.testing.assert_array_equal(obs, np.ravel(space.sample()).astype(np.float32))
        assert plant.observation_space.contains(obs)


CHOSEN = [
    (Discrete(3), (3,), (0,), (2,)), (Discrete(4, start=-1), (4,), (-1,), (2,)),
    (MultiDiscrete([3, 2]), (3, 2), (0, 0), (2, 1)), (MultiDiscrete([3, 2], start=[5, -1]), (3, 2), (5, -1), (7, 0)),
    (MultiDiscrete([[2, 3], [4, 5]]), (2, 3, 4, 5), (0,) * 4, (1, 2, 3, 4)),
    (MultiBinary(3), (2,) * 3, (0,) * 3, (1,) * 3),
]  # fmt: skip


@pytest.mark.parametrize(("space", "choices", "low", "high"), CHOSEN)
def test_choices_go_through_the_whole_path(space: Any, choices: Any, low: Any, high: Any) -> None:
    """Every one is taken by the environment itself, drawn equally often, and recorded by its number."""
    env = Spaces(action=space)
    outcome = hilbench.run(scenario({}, duration_s=12.0), "run", plant=env)
    assert outcome.status == "done", outcome.fault
    run = hilbench.read_run("run")
    spec, actions = run.meta.plant_spec, run.episodes[0]["actions"]
    assert (spec.action_choices, spec.action_low, spec.action_high) == (
        choices,
        low,
        high,
    )
    np.testing.assert_array_equal(actions, [np.ravel(action) for action in env.taken])
    assert not run.episodes[0]["clipped"].any()
    for column, first, n in zip(actions.T, low, choices, strict=True):
        counts = np.bincount((column - first).astype(int), minlength=n)
        expected = len(column) / n
        assert ((counts - expected) ** 2 / expected).sum() < 16, counts  # chi-squared with 4 or less: p < 0.003


@pytest.mark.parametrize("space", [case[0] for case in CHOSEN] + [Box(-1, 1, (2,)), Box(-1, 1, (2, 2), np.float64)])
def test_an_agent_acts_as_the_environment_takes_it(space: Any) -> None:
    row = space if len(space.shape) < 2 and not isinstance(space, MultiBinary) else None
    env = Spaces(action=space)
    with hilbench.make_agent(scenario({}), plant=env) as agent:
        agent.reset(1)
        obs, _ = env.reset(seed=1)
        actions = [agent.act(obs) for _ in range(40)]
        assert np.shape(agent.predict(obs)[0]) == np.shape(actions[0])
        assert np.shape(agent.predict(obs[None])[0]) == (1, *np.shape(actions[0]))
    if row is not None:
        assert all(row.contains(action) for action in actions)
    elif not isinstance(space, Box):
        assert {np.asarray(action).dtype for action in actions} == {np.dtype(np.int64)}


def test_a_given_env_is_what_runs_and_the_record_says_so() -> None:
    env = gymnasium.make("CartPole-v1", max_episode_steps=9)
    named = scenario({"id": "Pendulum-v1", "obs_names": ["x", "v", "a", "w"], "error": "obs:a"})
    assert hilbench.run(named, "run", plant=env).status == "done"
    run = hilbench.read_run("run")
    told = run.meta.scenario.plant
    assert told["kind"] == "given"
    assert told["plant"] == "gymnasium.envs.classic_control.cartpole:CartPoleEnv"
    assert run.meta.plant_spec.obs_names == ("x", "v", "a", "w")
    assert run.meta.episode_ends[0].truncated
    env.reset(seed=1)  # it was left open
    with pytest.raises(hilbench.errors.RecordError, match="was given from Python"):
        replay("run", "again")
    assert replay("run", "again", plant=env)[0]
    env.close()


def test_a_given_plant_of_hilbench_is_driven_as_it_is() -> None:
    found = hilbench.load("arm_payload", {"loop.duration_s": 0.05}, "pd")
    hilbench.run(found, "named")
    with hilbench.make_plant(found) as plant:
        hilbench.run(found, "given", plant=plant)
    one, two = (hilbench.read_run(name) for name in ("named", "given"))
    np.testing.assert_array_equal(one.episodes[0]["state"], two.episodes[0]["state"])
    assert two.meta.scenario.plant["plant"] == "hilbench.envs.arm_payload:ArmPayload"
    assert two.meta.scenario.disturbances == one.meta.scenario.disturbances
    line = "disturbances: found load; a plant that is given has only those that it was made with"
    with hilbench.make_plant(replace(found, disturbances={})) as plant, pytest.raises(ScenarioError, match=line):
        hilbench.run(found, "refused", plant=plant)
    carrying = hilbench.load("arm_payload", {"loop.duration_s": 0.05, "sensors.s.kind": "analog"}, "pd")
    line = "sensors: found s; a plant that is given has only those"
    with hilbench.make_plant(found) as plant, pytest.raises(ScenarioError, match=line):
        hilbench.run(carrying, "refused", plant=plant)
    with hilbench.make_plant(carrying) as plant:
        hilbench.run(found, "carried", plant=plant)
    assert hilbench.read_run("carried").meta.scenario.sensors["s"]["kind"] == "analog"
    with pytest.raises(ScenarioError, match=r"plant: found a dict; allowed: a gymnasium\.Env"):
        hilbench.run(scenario({}), "refused", plant={})


def test_names_that_an_environment_states_are_taken() -> None:
    with gymnasium.make("hilbench/CartPoleLadder-v0", control_period_s=0.01) as env, Gymnasium(env=env) as plant:
        assert plant.plant_spec.obs_names == ("x", "xd", "theta", "thetad")
        assert plant.plant_spec.action_units == ("N",)
        assert plant.plant_spec.physics_step_s == pytest.approx(0.01)


REFUSED = {
    "no id": ({}, {}, "plant.id: found none"),
    "a name near another": ({"id": "CartPol-v1"}, {}, "did you mean 'CartPole-v1'?"),
    "no such module": ({"id": "hilbench:Mine-v0"}, {}, "plant.id: found 'hilbench:Mine-v0'; allowed: the id of an"),
    "a module": ({"id": "no_module:Mine-v0"}, {}, "plant.id: found 'no_module:Mine-v0', which is no installed plug-in"),
    "wrong kwargs": ({"id": "CartPole-v1", "kwargs": {"mass": 1}}, {}, "'CartPole-v1' with kwargs {'mass': 1}"),
    "another period": ({"id": "CartPole-v1"}, {"period_s": 0.01},
        "loop.period_s: found 0.01 s, and CartPole-v1 steps by 0.02 s; allowed: loop.period_s = 0.02, or"),
    "another step": ({"id": "Pendulum-v1", "physics_step_s": 0.01}, {},
        "plant.physics_step_s: found 0.01 s, and Pendulum-v1 steps by 0.05 s"),
    "steps that do not divide": ({"id": "Counter-v0", "physics_step_s": 0.003}, {}, "a whole number of physics steps"),
    "a word for the error": ({"id": "Counter-v0", "error": "angle"}, {}, "allowed: none, reward, obs:NAME or info:KEY"),
    "an error that is not seen": ({"id": "Counter-v0", "error": "obs:obs_7"}, {}, "no observation 'obs_7'"),
    "an error that comes late": (INFO | {"error": "info:late"}, {}, "reset() gives no info 'late'"),
    "an info that is not there": ({"id": "Counter-v0", "info": {"lat": "s"}}, {}, "did you mean 'late'?"),
    "an info in words": ({"id": "Counter-v0", "info": {"words": "1"}}, {}, "gives a str as 'words'; allowed: a number"),
    "an info of many": ({"id": "Counter-v0", "info": {"many": "1"}}, {}, "a ndarray of shape (2,) as 'many'"),
    "an info of its own": ({"id": "Counter-v0", "info": {"t_s": "s"}}, {}, "plant.info.t_s: the plant has"),
    "too few names": ({"id": "Counter-v0", "obs_names": ["a"]}, {}, "plant.obs_names: found 1: a; allowed: 2"),
    "a name twice": ({"id": "Counter-v0", "obs_names": ["a", "a"]}, {}, "one for each, all different"),
    "a safe action beyond": ({"id": "Counter-v0", "safe_action": [3.0]}, {}, "found 3; allowed: a number from -1 to 1"),
    "half a choice": ({"id": "CartPole-v1", "safe_action": [0.5]}, {}, "allowed: a whole number from 0 to 1"),
    "a tuple": ({"id": "Blackjack-v1"}, {}, "found a Tuple; allowed: a Box, Discrete"),
}  # fmt: skip


@pytest.mark.parametrize(("plant", "loop", "text"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_one_line(plant: Any, loop: Any, text: str) -> None:
    with pytest.raises(ScenarioError) as found:
        hilbench.run(scenario(plant, **loop), "run")
    assert text in str(found.value)
    assert str(found.value).startswith("tried.toml: ")
    assert "\n" not in str(found.value)


STRANGE = {
    "a dict": (spaces.Dict({"a": Discrete(2)}), None, "FlattenObservation, behind FilterObservation"),
    "a picture": (Box(0, 255, (8, 8, 3), np.uint8), None, "found a picture"),
    "text": (spaces.Text(5), None, "an ObservationWrapper that gives a Box"),
    "too many": (Box(-1, 1, (5000,)), None, "observation_space: found 5000 numbers; allowed: 1 to 4096"),
    "no limits": (None, Box(-np.inf, np.inf, (1,)), "TransformAction with a Box of limits, RescaleAction"),
    "a dict of actions": (None, spaces.Dict({"a": Discrete(2)}), "action_space: found a Dict"),
    "whole numbers": (None, Box(0, 9, (1,), np.int32), "allowed: a Box of floats, Discrete"),
    "one choice": (None, Discrete(1), "two choices or more"),
}


@pytest.mark.parametrize(("observation", "action", "text"), STRANGE.values(), ids=STRANGE)
def test_a_space_that_is_no_row_of_numbers_is_refused_with_the_remedy(observation: Any, action: Any, text: str) -> None:
    with pytest.raises(ScenarioError) as found:
        hilbench.run(scenario({}), "run", plant=Spaces(observation, action))
    assert text in str(found.value)
    assert "\n" not in str(found.value)


def test_a_disturbance_that_cannot_act_is_refused_with_the_reason() -> None:
    for kind, reason in (
        ({"kind": "actuator_gain", "factor": 0.5}, "this plant's are choices, without a strength"),
        ({"kind": "joint_friction", "damping": 0.5}, "this one names none"),
        ({"kind": "payload", "mass_kg": 1.0}, "payload needs a plant with a tip link; it fits: arm7, arm_payload"),
    ):
        with pytest.raises(ScenarioError, match=reason):
            Gymnasium(id="CartPole-v1", disturbances={"d": kind})


def test_without_mujoco_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any, **__: Any) -> None:
        raise gymnasium.error.DependencyNotInstalled('MuJoCo is not installed, run `pip install "gymnasium[mujoco]"`')

    monkeypatch.setattr(gymnasium, "make", missing)
    with pytest.raises(MissingExtra, match=r"hilbench\[mujoco\]"):
        Gymnasium(id="HalfCheetah-v5")


def test_an_environment_that_raises_ends_the_run_by_name() -> None:
    class Broken(Counter):
        def step(self, action: Any) -> Any:
            if self.seen[0] == 3:
                raise RuntimeError("a wheel came off")
            return super().step(action)

    outcome = hilbench.run(scenario({}), "run", plant=Broken())
    assert outcome.status == "failed"
    assert "plant 'Gymnasium': RuntimeError: a wheel came off" in outcome.fault


TOML = """
name = "cart"
summary = "The stock cart-pole under random pushes."
controller = "random"

[plant]
kind = "gymnasium"
id = "CartPole-v1"
{more}
[loop]
period_s = 0.02
duration_s = 0.4

[controllers.random]
kind = "random"
"""


@pytest.mark.parametrize("more", ["", 'error = "obs:obs_2"\n'])
def test_a_file_is_checked_run_and_reported(more: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With an error and without: every command does what it can."""
    Path("cart.toml").write_text(TOML.format(more=more))
    suite = 'name = "few"\nsummary = "Two seeds."\nscenarios = ["cart.toml"]\nseeds = [1, 2]\n'
    Path("few.toml").write_text(suite)
    for command in (
        ["check", "cart.toml"],
        ["run", "cart.toml", "--out", "one"],
        ["run", "cart.toml", "--loop.mode", "delayed", "--loop.delay.s", "0.01", "--out", "two"],
        ["replay", "one", "--out", "again"],
        ["evaluate", "few.toml", "--out", "all", "--workers", "1"],
        ["report", "one", "two", "all", "--out", "report.html"],
    ):
        with pytest.raises(SystemExit) as end:
            main(command)
        said = capsys.readouterr()
        assert end.value.code == 0, said.err
    found = hilbench.measure(hilbench.read_run("one"))
    assert ("error_rms" in found) == bool(more)
    assert found["return"]["value"] > 0
    page = Path("report.html").read_text("utf-8")
    assert ("over time" in page) == bool(more)
    assert ("sum of their rewards" in page) != bool(more)


def test_a_reward_that_is_nan_replays_as_equal():
    class Broken(Counter):
        def step(self, action):
            obs, reward, *rest = super().step(action)
            return obs, float("nan") if reward > 2 else reward, *rest  # later than the look before a run

    hilbench.run(scenario({}), "run", plant=Broken())
    assert np.isnan(hilbench.read_run("run").episodes[0]["state"]).any()
    assert replay("run", "again", plant=Broken()) == (True, SHORT)
