"""A spiking network that learns by reward alone which way to turn: R-STDP between a difference of smells and motors.

16 LIF cells see the difference of two noses, half of them each sign, and drive 16 LIF motors, half of which turn the
robot to the left and half to the right. Their weights start equal: nothing is known of the sides. A current with
opposite signs on the two sides explores. The reward is the change of the scent's logarithm with time, high-passed,
over its running RMS: Florian (2007), "Reinforcement learning through modulation of spike-timing-dependent synaptic
plasticity", Neural Computation 19: 1468, whose eligibility keeps pairs of spikes for as long as a turn takes to show.

Eight tonic cells learn the noses' zero beside it, by PES: a difference that stays on average, however the robot turns,
is the noses' own.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, sqrt
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.controllers._noses import Steering, robot_of
from hilbench.nal import Network
from hilbench.nal.rules.pes import PES
from hilbench.nal.rules.rstdp import RSTDP
from hilbench.seeding import stream
from hilbench.types import NO_EVENTS, BuiltController, Controller, Encoder, Events, PlantSpec

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
N_CELLS, N_MOTORS, N_TONIC = 16, 16, 8
DT_S, TAU_S = 0.001, 0.02
QUIET_S = 1.5
"""How long after an episode's start the reward is kept at 0, while its filters settle."""
USUAL_REWARD = 0.03
"""What an episode's running RMS of the raw reward starts from, per second."""


class RSTDPSteerConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `rstdp_steer`."""

    learning_rate: NotNegative = 1.6e-4
    """Of the reward."""
    zero_rate: NotNegative = 0.04
    """Of the noses' zero, by PES; 0 leaves it at 0."""
    eligible_s: Positive = 0.8
    """How long a pair of spikes stays eligible."""
    difference_scale: Positive = 0.05
    """The difference of logarithms that drives a cell twice as far above its threshold."""
    exploration: NotNegative = 0.4
    """Standard deviation of the current that explores; a motor's threshold is at 1."""
    exploration_s: Positive = 0.8
    """Its time constant."""
    first_weight: NotNegative = 0.15
    """All weights from cells to motors at the start."""
    largest_weight: Positive = 0.6
    """Their upper bound; the lower one is 0."""
    turn_rad_s: Positive = 0.05
    """Turn rate for a difference of 1 Hz between the motors of both sides."""
    limit_rad_s: Positive = 1.5
    """Largest turn rate, either way."""


class RSTDPSteer(Controller):
    """A spiking network learns by reward which way to turn up a gradient; it may have its noses swapped."""

    Config = RSTDPSteerConfig

    @staticmethod
    def build(config: RSTDPSteerConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        robot = robot_of(plant, "rstdp_steer")
        smell = _Smell(config, period_us)

        def reward(obs: NDArray, events: Events, _: float, info: Mapping[str, float], modulators: NDArray) -> None:
            modulators[0] = smell.reward

        decoder = Steering(robot, config.limit_rad_s)
        return BuiltController(_network(config, seed), smell, decoder, reward, blind_inputs=("difference",))


def _network(config: RSTDPSteerConfig, seed: int) -> Network:
    """Difference and exploration in, a turn rate out."""
    net = Network(DT_S, seed=seed)
    side = np.resize((1.0, -1.0), N_CELLS)[:, None]  # of cells and motors alike: left, right, left, ...
    net.input("difference", 1, units=("1",))
    net.input("exploration", 1, units=("1",))
    _add_zero(net, config.zero_rate)
    steps = np.arange(N_CELLS) // 2
    net.lif("cells", N_CELLS, tau_s=TAU_S, v_leak=0.95 - 0.24 * steps, refractory_s=0.004)
    for source, sign in (("difference", 1.0), ("zero", -1.0)):
        net.connect(source, "cells", sign * 2.0 / config.difference_scale * side)
    jump = 1 - exp(-DT_S / TAU_S)  # a spike moves the current by its weight
    net.cuba_lif("motors", N_MOTORS, tau_s=TAU_S, tau_syn_s=TAU_S, w_in=1 / jump, v_leak=0.6, threshold_noise=0.04)
    net.connect("exploration", "motors", config.exploration * jump * side)
    rule = RSTDP(
        modulator="reward",
        form="mstdpet",
        learning_rate=config.learning_rate,
        a_minus=0.0,
        tau_c_s=config.eligible_s,
        w_max=config.largest_weight,
    )
    net.connect("cells", "motors", np.full((N_MOTORS, N_CELLS), config.first_weight), rule=rule, name="steering")
    net.readout("turn", 1, tau_s=0.08, units=("rad/s",))
    net.connect("motors", "turn", config.turn_rad_s / DT_S / (N_MOTORS / 2) * side.T)
    return net


def _add_zero(net: Network, rate: float) -> None:
    """Tonic cells whose readout `zero` learns the difference's mean."""
    net.lif("tonic", N_TONIC, tau_s=TAU_S, v_leak=1.1 + 0.1 * np.arange(N_TONIC))
    net.add("zero", "li", 1, tau_s=0.1)
    net.add("excess", "passthrough", 1)
    net.connect("zero", "excess", [[1.0]])
    net.connect("difference", "excess", [[-1.0]])
    rule = PES(modulator="excess", modulator_is="population", learning_rate=rate, pre_tau_s=0.1)
    net.connect("tonic", "zero", np.zeros((1, N_TONIC)), rule=rule, name="offset")


class _Smell(Encoder):
    """The low-passed difference of the noses and the exploration; beside them the reward of the same tick."""

    size = 2

    def __init__(self, config: RSTDPSteerConfig, period_us: int) -> None:
        period_s = period_us * 1e-6
        self._period_s = period_s
        self._fast, self._slow, self._second, self._long = (min(1.0, period_s / t_s) for t_s in (0.1, 0.4, 1.0, 20.0))
        self._keep = exp(-period_s / config.exploration_s)
        self._stir = sqrt(1 - self._keep**2)

    def reset(self, seed: int) -> None:
        self._random = stream(seed, "exploration")
        self._exploring, self.reward = 0.0, 0.0
        self._difference = self._climb = self._usual_climb = 0.0
        self._mean: float | None = None
        self._power, self._t_s = USUAL_REWARD**2, 0.0

    def encode(self, obs: NDArray, events: Events, values: NDArray) -> Events:
        left, right = float(obs[0]), float(obs[1])
        self._difference += (left - right - self._difference) * self._fast
        self._exploring = self._keep * self._exploring + self._stir * self._random.standard_normal()
        self._weigh((left + right) / 2)
        values[0], values[1] = self._difference, self._exploring
        return NO_EVENTS

    def _weigh(self, level: float) -> None:
        """The reward: how much faster than usual the scent's logarithm grows, over its running RMS."""
        before = level if self._mean is None else self._mean
        self._mean = before + (level - before) * self._slow
        self._climb += ((level - before) / 0.4 - self._climb) * self._fast
        raw = self._climb - self._usual_climb
        self._usual_climb += raw * self._second
        self._power += (raw * raw - self._power) * self._long
        self._t_s += self._period_s
        self.reward = min(max(raw / (sqrt(self._power) + 1e-3), -3.0), 3.0) if self._t_s > QUIET_S else 0.0
