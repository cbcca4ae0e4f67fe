"""Train a spiking network in snnTorch to swing up and hold Gymnasium's Pendulum-v1, and export it to pendulum.nir.

The network imitates a law that knows the pendulum (`teacher`), in the states that it comes to by itself. This needs
gymnasium, snntorch, nirtorch and torch, and takes a few minutes on one core:

    python examples/pendulum/train.py             # train, write the file, and run what is in it, without hilbench
    python examples/pendulum/train.py --check     # run the network that is in the file already
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import gymnasium
import nir
import numpy as np
import snntorch
import torch
from snntorch import surrogate, utils
from snntorch.export_nir import export_to_nir

FILE = Path(__file__).with_name("pendulum.nir")
NEURONS, STEPS = 128, 6
"""Spiking neurons, and network steps in a control period of 50 ms."""
SCALE = torch.tensor([1.0, 1.0, 8.0])
"""What the cosine, the sine and the speed are divided by, as in pendulum.toml."""
PENDULUMS, EPISODES, PERIODS, CHUNK = 128, 300, 200, 10
"""How many pendulums learn at once; how long; and after how many periods each time the weights change."""
SEEDS = range(10000, 10010)
"""Of the check. Training draws its own states."""

Law = Callable[[torch.Tensor], torch.Tensor]
"""From observations, (n, 3), to torques in N m, (n,)."""


def teacher(observation: torch.Tensor) -> torch.Tensor:
    """Near the top a PD law; elsewhere what brings the energy to that of the upright rest.

    Åström and Furuta, "Swinging up a pendulum by energy control", Automatica 36 (2000) 287.
    """
    cosine, sine, speed = observation.unbind(dim=1)
    angle = torch.atan2(sine, cosine)
    energy = 0.5 * speed**2 + 15 * (cosine - 1)  # per moment of inertia, and 0 at rest at the top
    pump = -0.5 * energy * torch.tanh(4 * speed)
    hold = -(10 * angle + 2.5 * speed)
    near = (angle.abs() < 0.8) & ((angle + 0.25 * speed).abs() < 0.6)
    return torch.where(near, hold, pump).clamp(-2, 2)


def seen(angle: torch.Tensor, speed: torch.Tensor) -> torch.Tensor:
    """What Pendulum-v1 shows of these states, (n, 3)."""
    return torch.stack([torch.cos(angle), torch.sin(angle), speed], dim=1)


def moved(angle: torch.Tensor, speed: torch.Tensor, torque: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The states a period later, by Pendulum-v1's own equations.

    Parameters
    ----------
    angle, speed, torque : (n,) tensor
        In rad from the top, rad/s and N m.
    """
    speed = (speed + (15 * torch.sin(angle) + 3 * torque.clamp(-2, 2)) * 0.05).clamp(-8, 8)
    return angle + speed * 0.05, speed


def network() -> torch.nn.Sequential:
    """Leaky neurons with time constants of 2 to 20 steps; their spikes, weighted, are the torque."""
    beta = 1 - 1 / torch.logspace(np.log10(2), np.log10(20), NEURONS)  # the export wants tensors
    gradient = surrogate.fast_sigmoid(slope=10)
    leaky = snntorch.Leaky(beta=beta, threshold=torch.ones(NEURONS), init_hidden=True, spike_grad=gradient)
    return torch.nn.Sequential(torch.nn.Linear(3, NEURONS), leaky, torch.nn.Linear(NEURONS, 1))


def law_of(net: torch.nn.Sequential) -> Law:
    """The network as a law: the observation is held for a period's steps, and the last one's value is the torque."""

    def law(observation: torch.Tensor) -> torch.Tensor:
        for _ in range(STEPS):
            value = net(observation / SCALE)
        return value[:, 0]

    return law


def trained() -> torch.nn.Sequential:
    """The network, after it has driven some pendulums for some episodes. The teacher drives part of the first ones."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = network()
    with torch.no_grad():
        net[0].weight *= 2  # so that the neurons fire from the start
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPISODES, eta_min=1e-4)
    for episode in range(EPISODES):
        error = imitate(net, optimizer, taught=1 - episode / 20)
        rates.step()
        print(f"episode {episode + 1} of {EPISODES}: mean squared error {error:.3f} (N m)^2", flush=True)
    return net


def imitate(net: torch.nn.Sequential, optimizer: torch.optim.Optimizer, taught: float) -> float:
    """One episode of all pendulums. Returns the mean squared error.

    Parameters
    ----------
    net : Sequential
    optimizer : Optimizer
        Of its weights.
    taught : float
        The part of the pendulums that the teacher drives.
    """
    utils.reset(net)
    angle, speed = (torch.rand(PENDULUMS) * 2 - 1) * torch.pi, (torch.rand(PENDULUMS) * 2 - 1) * 2
    teaches, law, errors, total = torch.rand(PENDULUMS) < taught, law_of(net), [], 0.0
    for period in range(PERIODS):
        torque, wanted = law(seen(angle, speed)), teacher(seen(angle, speed))
        beyond = 0.01 * (torque**2 - 4).relu()  # which the plant cuts off
        errors.append(((torque.clamp(-2.2, 2.2) - wanted) ** 2 + beyond).mean())
        angle, speed = moved(angle, speed, torch.where(teaches, wanted, torque.detach()))
        if (period + 1) % CHUNK == 0:
            error = torch.stack(errors).mean()
            optimizer.zero_grad()
            error.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            snntorch.Leaky.detach_hidden()
            total, errors = total + error.item() * CHUNK / PERIODS, []
    return total


def save(net: torch.nn.Sequential) -> None:
    """Write what snnTorch's own export makes of the network. It runs it once, so that its state is no longer 0."""
    nir.write(FILE, export_to_nir(net, torch.zeros(1, 3), ignore_dims=[0]))


def read() -> torch.nn.Sequential:
    """The network of the file, in snnTorch."""
    nodes, net = nir.read(FILE).nodes, network()
    with torch.no_grad():
        for i in (0, 2):
            net[i].weight.copy_(torch.from_numpy(nodes[str(i)].weight))
            net[i].bias.copy_(torch.from_numpy(nodes[str(i)].bias))
        net[1].beta.copy_(1 - 1e-4 / torch.from_numpy(nodes["1"].tau))  # the export's step is 0.1 ms
    return net


@torch.no_grad()
def returns(law: Law, net: torch.nn.Sequential | None = None, late: bool = False) -> list[float]:
    """The return of an episode of Pendulum-v1 for each of SEEDS.

    Parameters
    ----------
    law : callable
    net : Sequential, optional
        A network whose state begins anew with each episode.
    late : bool
        Whether each torque acts a period late.
    """
    env, found = gymnasium.make("Pendulum-v1"), []
    for seed in SEEDS:
        if net is not None:
            utils.reset(net)
        (observation, _), rewards, before, ended = env.reset(seed=seed), [], np.zeros(1), False
        while not ended:
            torque = law(torch.from_numpy(observation)[None]).numpy()
            observation, reward, _, ended, _ = env.step(before if late else torque)
            rewards.append(float(reward))
            before = torque
        found.append(sum(rewards))
    return found


if __name__ == "__main__":
    if "--check" not in sys.argv:
        save(trained())
    net = read()
    for name, law in (("teacher", (teacher,)), ("network", (law_of(net), net))):
        at_once, late = (np.mean(returns(*law, late=late)) for late in (False, True))
        print(f"{name}: mean return {at_once:.1f}, and {late:.1f} with every torque a period late")
