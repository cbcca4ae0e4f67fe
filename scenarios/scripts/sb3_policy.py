"""A policy trained with stable-baselines3, beside the optimal linear law, through the same evaluation.

Needs the extra `rl`. The little training that fits into a few seconds is not enough to beat `lqr`: raise --steps.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import gymnasium as gym
import torch
from stable_baselines3 import PPO

import hilbench
from hilbench.cli import guard

PERIOD_S, FORCE_N = 0.02, 10.0
METRICS = ("survival", "error_rms")


def main() -> None:
    """Train, save, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4096, help="control periods of training")
    parser.add_argument("--out", type=Path, default=Path("runs/sb3_policy"), help="folder for policy, runs and summary")
    args = parser.parse_args()

    torch.set_num_threads(1)  # networks as small as this one only lose by sharing the work
    with gym.make("hilbench/CartPoleLadder-v0", control_period_s=PERIOD_S, force_n=FORCE_N) as env:
        model = PPO("MlpPolicy", env, n_steps=512, n_epochs=5, learning_rate=1e-3, seed=0, device="cpu")
        model.learn(args.steps)
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
        },
    }
    summary = hilbench.evaluate(suite, args.out / "evaluation", workers=1)
    for cell in summary["cells"]:
        found = [(name, cell["metrics"].get(name)) for name in METRICS]
        print(cell["controller"], *(f"{name} {m['iqm']:.3g} {m['unit']} (n = {m['n']})" for name, m in found if m))


if __name__ == "__main__":
    guard(main)
