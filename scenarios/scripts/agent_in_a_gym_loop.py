"""A controller of hilbench's in a Gymnasium loop of your own: `gym.make`, wrappers, and an Agent that acts."""

from __future__ import annotations

import argparse

import gymnasium as gym
from gymnasium.wrappers import RecordEpisodeStatistics

import hilbench
from hilbench.cli import guard


def main() -> None:
    """A spiking controller balances poles for three episodes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of an episode")
    seconds = parser.parse_args().seconds

    scenario = hilbench.load("cartpole_ladder", {"plant.pole_m": 0.5}, controller="lif_lqr")
    config, period_s = scenario.plant.config, scenario.loop.period_s
    env = gym.make(
        "hilbench:hilbench/CartPoleLadder-v0",
        pole_m=config.pole_m,
        force_n=config.force_n,
        control_period_s=period_s,
        max_episode_steps=round(seconds / period_s),
    )
    env = RecordEpisodeStatistics(env)

    # The agent is built from the plant's plant_spec; closing it ends its device, had the scenario named one.
    with env, hilbench.make_agent(scenario, env.unwrapped.plant_spec) as agent:
        for seed in range(3):
            obs, info = env.reset(seed=seed)
            agent.reset(seed=seed)
            reward, done = 0.0, False
            while not done:
                obs, reward, terminated, truncated, info = env.step(agent.act(obs, reward, info))
                done = terminated or truncated
            end = "fell" if terminated else "stood to the end"
            print(f"seed {seed}: return {info['episode']['r']:.0f} in {info['t_s']:.2f} s: {end}")


if __name__ == "__main__":
    guard(main)
