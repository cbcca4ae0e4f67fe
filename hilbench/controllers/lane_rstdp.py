"""Two groups of motor neurons that learn to keep the lane from a camera's events, by reward-modulated STDP.

After Bing, Meschede, Huang, Chen, Roehrbein, Akl & Knoll (2018), "End to end learning of spiking neural network based
on R-STDP for a lane keeping vehicle", ICRA: the modulator is the signed offset from the lane, with opposite signs for
the two motors. It is called a reward there, and is the signed error of a supervisor: the plant's `lane_error_m`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.coders.difference import Difference, DifferenceConfig
from hilbench.controllers._lane import add_fields, check_lane, fields
from hilbench.nal import Network
from hilbench.nal.rules.rstdp import RSTDP
from hilbench.types import BuiltController, Controller, Events, PlantSpec

Positive = Annotated[float, Meta(gt=0, le=1e6)]


class LaneRSTDPConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `lane_rstdp`."""

    dt_s: Positive = 0.001
    """The network's step."""
    events: Positive = 4.0
    """How many events of a field give a spike."""
    rest_s: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """For how long a field's neuron rests after a spike."""
    n_motors: Annotated[int, Meta(ge=1, le=1000)] = 4
    """How many motor neurons each side has."""
    tau_s: Positive = 0.02
    """Their membrane time constant."""
    drive: Positive = 2.5
    """Their constant input, in thresholds; it differs by 15 % either way over a side's neurons."""
    turn_per_hz: Positive = 0.02
    """The turn for a difference of the two sides' rates of 1 Hz, in rad/s."""
    rate_tau_s: Positive = 0.05
    """Time constant with which those rates are counted."""
    learning_rate: Annotated[float, Meta(ge=0, le=1e6)] = 2e-4
    """R-STDP step size, per (m x s)."""
    tau_c_s: Positive = 0.1
    """How long a pair of spikes stays eligible."""
    w_limit: Positive = 0.5
    """The largest weight either way, in thresholds."""


class LaneRSTDP(Controller):
    """Spikes of pooled events onto two groups of motor neurons, by R-STDP."""

    Config = LaneRSTDPConfig

    @staticmethod
    def build(config: LaneRSTDPConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        check_lane(plant, ("lane_error_m",), "lane_rstdp")
        encoder = fields(plant, "lane_rstdp", period_us, "merge")
        network = _network(config, encoder.size, seed)
        counted = DifferenceConfig(tau_s=config.rate_tau_s, gain=config.turn_per_hz)
        decoder = Difference(counted, network.outputs[0], plant, period_us)
        return BuiltController(network, encoder, decoder, _error)


def _error(obs: NDArray, events: Events, reward: float, info: Mapping[str, float], modulators: NDArray) -> None:
    modulators[0] = info["lane_error_m"]


def _network(config: LaneRSTDPConfig, n: int, seed: int) -> Network:
    """The right wheel's neurons turn the robot to the left and come first: an error to the left weakens them."""
    net = Network(config.dt_s, seed=seed)
    cells = add_fields(net, n, config.events, config.rest_s)
    n_side = config.n_motors
    spread = 1 + 0.3 * ((np.arange(n_side) + 0.5) / n_side - 0.5)
    motors = net.lif(
        "motors", 2 * n_side, tau_s=config.tau_s, v_leak=np.tile(config.drive * spread, 2), synapse="delta",
        v_initial=np.tile((np.arange(n_side) + 0.5) / n_side, 2), reset="subtract", v_floor=-0.5, output=True,
        units=("1",) * (2 * n_side),
    )  # fmt: skip
    rule = RSTDP(
        modulator="error",
        modulator_gain=(-1.0,) * n_side + (1.0,) * n_side,
        form="mstdpet",
        learning_rate=config.learning_rate,
        a_minus=0.0,
        tau_plus_s=0.02,
        tau_c_s=config.tau_c_s,
        w_min=-config.w_limit,
        w_max=config.w_limit,
    )
    net.connect(cells, motors, np.zeros((2 * n_side, n)), rule=rule, name="steering")
    return net
