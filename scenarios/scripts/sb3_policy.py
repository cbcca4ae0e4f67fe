"""A policy trained with stable-baselines3, beside the optimal linear law, through the same evaluation.

Needs the extra `rl`. A few seconds of training make a policy that balances; --steps is how many control periods.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import RescaleAction

import hilbench
from hilbench.cli import guard
from hilbench.errors import MissingExtra

PERIOD_S, FORCE_N = 0.02, 10.0


def main() -> None:
    """Train, save, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4096, help="control periods of training")
    parser.add_argument("--out", type=Path, default=Path("runs/sb3_policy"), help="folder for policy, runs and summary")
    args = parser.parse_args()

    try:
        import torch
        from stable_baselines3 import PPO
    except ImportError as error:
        raise MissingExtra("stable-baselines3", "rl") from error
    torch.set_num_threads(1)  # networks as small as this one only lose by sharing the work
    env = gym.make("hilbench:hilbench/CartPoleLadder-v0", control_period_s=PERIOD_S, force_n=FORCE_N)
    # PPO explores with actions of about 1, whatever the plant's unit: -1 to 1 has to be its whole range.
    with RescaleAction(env, np.float32(-1), np.float32(1)) as scaled:
        model = PPO("MlpPolicy", scaled, n_steps=512, learning_rate=1e-3, seed=0, device="cpu")
        model.learn(args.steps)
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / "ppo.zip"
    model.save(file)

    suite = {
        "name": "sb3",
        "summary": "A trained policy and LQR at the same control period.",
        "scenarios": ["cartpole_ladder"],
        "controllers": ["lqr", "ppo"],
        "seeds": [10000, 10001, 10002],
        "set": {
            "loop.period_s": PERIOD_S,
            "loop.duration_s": 2.0,
            "plant.force_n": FORCE_N,
            "controllers.ppo.kind": "sb3",
            "controllers.ppo.path": str(file.resolve()),
            "controllers.ppo.rescale": True,
        },
    }
    # One process: for six short runs, a second would take longer to load PyTorch than it saves.
    for cell in hilbench.evaluate(suite, args.out / "evaluation", workers=1).cells:
        for name in ("survival", "error_rms"):
            found = cell.metrics[name]
            print(f"{cell.controller:4} {name:10} {found.iqm:.3g} {found.unit} (n = {found.n})")


if __name__ == "__main__":
    guard(main)
