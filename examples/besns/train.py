"""Train a spiking network in snnTorch to tell the gestures of scenario emg apart, and export it to emg.nir.

It sees nothing of hilbench but the plant, through Gymnasium, on seeds that no result is of. This needs snntorch,
nirtorch and torch, and takes some minutes on one core:

    python examples/besns/train.py
"""

from __future__ import annotations

import math
from pathlib import Path

import gymnasium
import nir
import numpy as np
import snntorch
import torch
from snntorch import surrogate, utils
from snntorch.export_nir import export_to_nir

FILE = Path(__file__).with_name("emg.nir")
CHANNELS, NEURONS, CLASSES = 16, 64, 5
PERIOD_S, STEPS = 0.02, 4
"""The control period, and network steps in it."""
TRIAL, REST, SEEN = 45, 14, 31
"""Control periods from sample to sample; those of the rest before one; and those of it until it is decided on."""
READ_S = 0.3
"""Time constant of the decoder that counts output spikes, as in emg.toml."""
SAMPLES, EPOCHS, BATCH = 1000, 30, 50
SENSOR = {"spikes": {"kind": "delta", "entries": [f"e{k}" for k in range(8)], "threshold": 0.6}}


def recorded(n_samples: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Events of samples and the rest before them, (steps, n_samples - 1, 16), and which gestures they are."""
    env = gymnasium.make(
        "hilbench:hilbench/Emg-v0", sensors=SENSOR, control_period_s=PERIOD_S, n_samples=n_samples
    ).unwrapped
    env.reset(seed=seed)
    counts = np.zeros((n_samples * TRIAL, STEPS, CHANNELS), np.float32)
    labels = []
    for period in range(n_samples * TRIAL):
        info = env.step(np.zeros(CLASSES))[-1]
        if period % TRIAL == SEEN - 1:
            labels.append(int(info["label"]))
        events = env.events()
        np.add.at(counts[period], (events["t_us"] * STEPS // round(PERIOD_S * 1e6), events["address"]), 1)
    windows = [counts[first - REST : first + SEEN] for first in range(TRIAL, n_samples * TRIAL, TRIAL)]
    steps = np.stack(windows, 2).reshape(-1, n_samples - 1, CHANNELS)
    return torch.from_numpy(steps), torch.tensor(labels[1:])


class Network(torch.nn.Module):
    """Leaky neurons, and leaky neurons that vote by their spikes; all are reset to 0."""

    def __init__(self) -> None:
        super().__init__()
        gradient = surrogate.fast_sigmoid(slope=10)
        step_s = PERIOD_S / STEPS
        # One time constant for each layer: chips of the Loihi kind have one for a population.
        hidden = torch.full((NEURONS,), math.exp(-step_s / 0.05))
        voting = torch.full((CLASSES,), math.exp(-step_s / 0.02))
        self.net = torch.nn.Sequential(
            torch.nn.Linear(CHANNELS, NEURONS),
            snntorch.Leaky(hidden, torch.ones(NEURONS), gradient, init_hidden=True, reset_mechanism="zero"),
            torch.nn.Linear(NEURONS, CLASSES),
            snntorch.Leaky(voting, torch.ones(CLASSES), gradient, init_hidden=True, reset_mechanism="zero"),
        )

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        """Rates of the votes at the end in Hz, (n_samples, 5).

        Parameters
        ----------
        steps : (n_steps, n_samples, 16) tensor
        """
        utils.reset(self.net)
        keeps, rates = math.exp(-PERIOD_S / STEPS / READ_S), torch.zeros(steps.shape[1], CLASSES)
        for step in steps:
            rates = keeps * rates + self.net(step) / READ_S
        return rates


def train() -> Network:
    """The network, after it has seen all samples some times. It depends on torch's version and on the processor."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = Network()
    with torch.no_grad():
        net.net[0].bias.zero_()
        net.net[2].bias.zero_()
        net.net[0].weight *= 2  # so that the neurons fire from the start
        net.net[2].weight *= 2
    steps, labels = recorded(SAMPLES + 1, seed=0)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS, eta_min=2e-4)
    for epoch in range(EPOCHS):
        losses = []
        for some in torch.randperm(SAMPLES).split(BATCH):
            loss = torch.nn.functional.cross_entropy(net(steps[:, some]) / 10, labels[some])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss))
        rates.step()
        print(f"epoch {epoch + 1} of {EPOCHS}: cross-entropy {np.mean(losses):.3f}", flush=True)
    return net


@torch.no_grad()
def accuracy(net: Network) -> float:
    """The share of samples told apart that it has not seen."""
    steps, labels = recorded(501, seed=1)
    return float((net(steps).argmax(dim=1) == labels).float().mean())


if __name__ == "__main__":
    net = train()
    print(f"right in {accuracy(net):.3f} of 500 samples that it has not seen")
    utils.reset(net.net)
    nir.write(FILE, export_to_nir(net.net, torch.zeros(CHANNELS)))
    print(f"wrote {FILE.name} ({FILE.stat().st_size} bytes)")
