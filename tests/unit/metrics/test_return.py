"""What an episode earned: the sum of the rewards of all its actions, the last one's too, as others count it."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from hilbench.metrics import measure
from hilbench.record.reader import read_run
from hilbench.runs.build import make_agent, make_plant
from hilbench.runs.replay import replay
from hilbench.runs.run import run
from hilbench.scenario import files as scenarios


def recorded(name, controller, folder, **loop):
    scenario = scenarios.load(name, {f"loop.{field}": value for field, value in loop.items()}, controller)
    assert run(scenario, folder).status == "done"
    return scenario, read_run(folder)


def stepped(scenario, seed, n_ticks):
    """One episode in a plain Gymnasium loop: its rewards, and the last observation and flags."""
    plant = make_plant(scenario)
    rewards = []
    with make_agent(scenario, plant.plant_spec) as agent:
        obs, info = plant.reset(seed=seed)
        agent.reset(seed)
        reward, ended = plant.observe()[1], False
        while not ended and len(rewards) < n_ticks:
            obs, reward, terminated, truncated, info = plant.step(agent.act(obs, reward, info))
            rewards.append(reward)
            ended = terminated or truncated
    plant.close()
    return rewards, obs, terminated, truncated, info


CASES = {
    "ended by the duration": ("arm_payload", "pd", {"duration_s": 0.1, "seed": 5}, [100]),
    "ended by the plant": ("cartpole_ladder", "random", {"duration_s": 5.0, "seed": 7}, None),
    "a single action": ("arm_payload", "pes", {"duration_s": 0.001, "seed": 1}, [1]),
    "two episodes": ("arm_payload", "pd", {"duration_s": 0.05, "seed": 3, "episodes": 2}, [50, 50]),
}


@pytest.mark.parametrize(("name", "controller", "loop", "lengths"), CASES.values(), ids=CASES)
def test_a_return_is_that_of_a_plain_loop_and_the_end_is_on_record(tmp_path, name, controller, loop, lengths):
    scenario, data = recorded(name, controller, tmp_path / "a", **loop)
    totals = []
    for number, (end, episode) in enumerate(zip(data.meta.episode_ends, data.episodes, strict=True)):
        n_ticks = 10**4 if lengths is None else lengths[number]
        rewards, obs, terminated, truncated, info = stepped(scenario, loop["seed"] + number, n_ticks)
        np.testing.assert_array_equal(episode["reward"][1 : len(rewards)], rewards[:-1])
        assert (end.episode, end.reward, end.obs) == (number, rewards[-1], tuple(obs.tolist()))
        assert (end.terminated, end.truncated) == (terminated, truncated) == (lengths is None, False)
        assert end.info == {key: info[key] for key in end.info}
        assert len(episode["seq"]) == len(rewards) + terminated
        totals.append(sum(rewards))
    found = measure(data)["return"]
    assert (found["value"], found["n"]) == (pytest.approx(np.mean(totals), rel=1e-12), len(totals))
    assert found["better"] == "higher"
    assert replay(tmp_path / "a", tmp_path / "b")[0]
    again = read_run(tmp_path / "b")
    assert again.meta.episode_ends == data.meta.episode_ends
    assert measure(again)["return"] == found


@pytest.mark.parametrize(("name", "controller", "seconds"), [
    ("arm_payload", "pd", 0.1), ("cartpole_ladder", "lqr", 0.2), ("cartpole_ladder", "random", 3.0),
])  # fmt: skip
def test_a_return_is_what_stable_baselines3_counts(tmp_path, name, controller, seconds):
    evaluation = pytest.importorskip("stable_baselines3.common.evaluation")
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import DummyVecEnv

    scenario, data = recorded(name, controller, tmp_path, duration_s=seconds, seed=0)
    envs = DummyVecEnv([lambda: Monitor(gym.wrappers.TimeLimit(make_plant(scenario), round(seconds * 1000)))])
    envs.seed(0)
    with make_agent(scenario, envs.get_attr("unwrapped")[0].plant_spec) as agent:
        mean, _ = evaluation.evaluate_policy(agent, envs, n_eval_episodes=1)
    envs.close()
    assert measure(data)["return"]["value"] == pytest.approx(mean, abs=2e-6)  # Monitor rounds to 6 places


def test_an_episode_without_an_end_has_no_return(tmp_path):
    """An interruption leaves rows, but nobody knows what the last action would have earned."""

    def interrupt(t_s):
        if t_s >= 1.0:
            raise KeyboardInterrupt

    scenario = scenarios.load("arm_payload", {"loop.duration_s": 3.0, "loop.period_s": 0.01}, "pd")
    with pytest.raises(KeyboardInterrupt):
        run(scenario, tmp_path, interrupt)
    data = read_run(tmp_path)
    assert len(data.episodes[0]["reward"]) > 100
    assert "return" not in measure(data)
