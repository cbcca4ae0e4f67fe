"""A spiking network that goes home by path integration, and learns how its gyro turns its compass.

40 LIF cells of the gyro's rate drive a ring attractor (`_ring.py`) through a readout `turning`, which learns by PES
from weights of 0. What teaches is the sky: while it is seen, it pulls the bump as a landmark does, and what is left of
the angle between both tells how much too slow or too fast the bump turns. One sense teaches another: that is
self-supervised. What it learns is a map of the turn rate: the gyro's gain, and what is not linear in cells and ring.

Where the robot is, is held as in the bee's model of Stone et al. (2017), "An anatomically constrained model for path
integration in the bee brain", Current Biology 27: 3069. Two populations see the bump; the odometer's speed lifts one
and lowers the other, so that the difference of their bumps is speed along the heading. Two integrators sum it up: the
way from home, `place`. Two more populations steer: each sees the bump and the way home, turned by 90 degrees to either
side, and fires the more the better both agree. The difference of their rates is the turn.

Kreiser, Renner & Sandamirskaya (2019), "Error-driven learning for self-calibration in a neuromorphic path integration
system", Workshop on Robust AI for Neurorobotics, calibrate the speed of such a ring on a chip where a loop closes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import atan2, hypot
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.controllers._homing import check_homing
from hilbench.controllers._ring import (
    N_RING,
    PREFERRED_RAD,
    REFRACTORY_S,
    REST,
    STEEP,
    SYNAPSE_S,
    TAU_S,
    add_ring,
    bump,
    from_ring,
    towards,
)
from hilbench.nal import Network
from hilbench.nal.rules.pes import PES
from hilbench.types import NO_EVENTS, BuiltController, Controller, Decoder, Encoder, Events, PlantSpec

Positive = Annotated[float, Meta(gt=0, le=1e6)]
NotNegative = Annotated[float, Meta(ge=0, le=1e6)]
DT_S = 0.001
N_GYRO, FIRST_RAD_S, LAST_RAD_S = 40, -0.17, 1.2
"""Cells of the gyro, left and right in turn, and the turns at which the first and the last pair begin to fire."""
LEAST_RAD_S = -0.2
"""How far below that a cell is told of a turn at most."""
N_CELLS = 32
"""Cells of each population that sees the bump."""
CELLS_RAD = 2 * np.pi * np.arange(N_CELLS) / N_CELLS
RISEN = 0.5
"""The bump's size, usually 1, from which on it is there. Until then the sky's direction is where it rises."""
SPEED_GAIN = 1.0
"""Current of a speed of 1 m/s. Bumps grow in proportion to currents of up to about 0.5."""
FAR_M = 2.0
"""At this distance the way home weighs as much as the bump."""
READ_S = 0.05
"""Time constant of readouts."""


class RingHomingConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `ring_homing`."""

    learning_rate: NotNegative = 7e-6
    """PES step size of `turning`, in current per (rad of the sky's angle x Hz x s); divided by the number of cells."""
    sky_pull: Positive = 0.2
    """Current that turns the bump back, per rad that it is ahead of the sky: 0.2 turns it by 1.7 rad/s."""
    turn_rad_s: Positive = 2.0
    """Turn rate where home is far and abeam."""
    speed_m_s: Positive = 0.25
    """On the way back."""
    home_m: Positive = 0.1
    """How near it believes to be when it says that it is home."""


class RingHoming(Controller):
    """A ring attractor, integrators of the way and a steering that compares both; it learns the gyro's gain."""

    Config = RingHomingConfig

    @staticmethod
    def build(config: RingHomingConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        check_homing(plant, "ring_homing")
        way = _Way(config)
        senses = _Senses(way, period_us)

        def teach(obs: NDArray, events: Events, reward: float, info: Mapping[str, float], modulators: NDArray) -> None:
            modulators[0] = senses.ahead_rad

        network = homing_network(config, seed)
        return BuiltController(network, senses, way, teach, blind_inputs=("gyro",))


def homing_network(config: RingHomingConfig, seed: int = 0) -> Network:
    """Gyro, speed and sky in; the bump's direction, the place and a turn towards home out.

    Parameters
    ----------
    config : RingHomingConfig
    seed : int
        Kept for the record: nothing in the network is drawn.
    """
    net = Network(DT_S, spike_amplitude=1 / DT_S, seed=seed)
    net.input("gyro", N_GYRO, units=("rad/s",) * N_GYRO)
    net.input("speed", 1, units=("m/s",))
    net.input("sky", 2, units=("1", "1"))
    net.input("ahead", 1, units=("rad",))
    add_ring(net)
    for ring, sign in (("left", 1.0), ("right", -1.0)):
        net.connect("sky", ring, towards(PREFERRED_RAD))
        net.connect("ahead", ring, np.full((N_RING, 1), -sign * config.sky_pull))
    net.readout("bump", 2, tau_s=READ_S, units=("1", "1"))
    from_ring(net, "bump", np.array([0.0, np.pi / 2]), steep=1.0)
    _add_turning(net, config)
    _add_place(net)
    _add_steering(net, config)
    return net


def _add_turning(net: Network, config: RingHomingConfig) -> None:
    """Cells of the gyro, and the current that they learn to turn the bump with."""
    net.lif("turns", N_GYRO, tau_s=TAU_S, v_leak=0.9, refractory_s=REFRACTORY_S)
    net.connect("gyro", "turns", 2.0 * np.eye(N_GYRO))
    net.add("turning", "li", 1, tau_s=READ_S)
    rule = PES(modulator="ahead_of_sky", learning_rate=config.learning_rate, pre_tau_s=0.2)
    net.connect("turns", "turning", np.zeros((1, N_GYRO)), rule=rule, name="turns_learnt")
    for ring, sign in (("left", 1.0), ("right", -1.0)):
        net.connect("turning", ring, np.full((N_RING, 1), sign))


def _add_cells(net: Network, name: str) -> None:
    """Cells that see the bump, each in its own direction."""
    net.cuba_lif(name, N_CELLS, tau_s=TAU_S, tau_syn_s=READ_S, v_leak=REST, refractory_s=REFRACTORY_S)
    from_ring(net, name, CELLS_RAD)


def _add_place(net: Network) -> None:
    """The way from home, in m east and north of where the sky's cosine and sine are 1."""
    small = 0.1
    hz_per_m_s = (bump(STEEP, REST + small).first_hz - bump(STEEP, REST - small).first_hz) / (small / SPEED_GAIN)
    net.add("place", "i", 2, output=True, units=("m", "m"))
    for name, sign in (("fast", 1.0), ("slow", -1.0)):
        _add_cells(net, name)
        net.connect("speed", name, np.full((N_CELLS, 1), sign * SPEED_GAIN))
        net.connect(name, "place", sign / hz_per_m_s / N_CELLS * towards(CELLS_RAD).T)


def _add_steering(net: Network, config: RingHomingConfig) -> None:
    """Cells that compare the bump with the way home, turned to either side; the turn is the difference of their rates.

    The rates of a bump grow with a by d mean/d a, and a by up to STEEP where home is far and abeam.
    """
    small = 0.1
    hz_per_a = (bump(STEEP + small, REST).mean_hz - bump(STEEP - small, REST).mean_hz) / (2 * small)
    net.readout("turn", 1, tau_s=READ_S, units=("rad/s",))
    for name, sign in (("port", 1.0), ("starboard", -1.0)):
        _add_cells(net, name)
        turned = towards(CELLS_RAD + sign * np.pi / 2)
        net.connect("place", name, -STEEP / FAR_M * turned)
        weight = sign * config.turn_rad_s / (2 * STEEP * hz_per_a) / N_CELLS
        net.connect(name, "turn", np.full((1, N_CELLS), weight))


class _Senses(Encoder):
    """How far the turn is above each cell's own, the speed, the sky until a bump has risen, and how far that is ahead.

    The bump that a reply shows is as old as two readouts, a synapse and two ticks make it. It is compared with the sky
    of then.
    """

    size = N_GYRO + 4

    def __init__(self, way: _Way, period_us: int) -> None:
        period_s = period_us * 1e-6
        self._way, self._share = way, period_s / (2 * period_s + 2 * READ_S + SYNAPSE_S)
        self._side = np.resize((1.0, -1.0), N_GYRO)
        self._begins = np.repeat(np.linspace(FIRST_RAD_S, LAST_RAD_S, N_GYRO // 2), 2)

    def reset(self, seed: int) -> None:
        self._sky, self.ahead_rad = np.zeros(2), 0.0

    def encode(self, obs: NDArray, events: Events, values: NDArray) -> Events:
        seen, bump = obs[2:4], self._way.bump
        open_sky, risen = bool(seen.any()), hypot(*bump) > RISEN
        self._sky = self._sky + self._share * (seen - self._sky) if open_sky and self._sky.any() else seen.copy()
        self.ahead_rad = _angle(self._sky.tolist(), bump) if open_sky and risen else 0.0
        np.maximum(self._side * obs[0] - self._begins, LEAST_RAD_S, out=values[:N_GYRO])
        values[N_GYRO], values[-1] = obs[1], self.ahead_rad
        values[N_GYRO + 1 : -1] = 0.0 if risen else seen
        return NO_EVENTS


class _Way(Decoder):
    """Turn and speed on the way home, and where the bump is."""

    def __init__(self, config: RingHomingConfig) -> None:
        self._config = config
        self.reset(0)

    def reset(self, seed: int) -> None:
        self.bump = (0.0, 0.0)

    def decode(self, values: NDArray, events: Events, action: NDArray) -> None:
        cosine, sine, east_m, north_m, turn_rad_s = values.tolist()
        self.bump = cosine, sine
        action[0] = turn_rad_s
        action[1] = self._config.speed_m_s if hypot(east_m, north_m) > self._config.home_m else 0.0


def _angle(start: Sequence[float], end: Sequence[float]) -> float:
    """The angle from one direction to another, in rad, to the left.

    Parameters
    ----------
    start, end : (2,) sequence of float
        Cosine and sine.
    """
    (a, b), (c, d) = start, end
    return atan2(a * d - b * c, a * c + b * d)
