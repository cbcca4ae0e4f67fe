"""A readout of a camera's events that learns to keep the lane by PES.

Its error is the plant's `lane_error_m`, the offset and a part of the heading error: a signed error from a supervisor,
no reward and nothing that the robot measures itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.coders.values import direct
from hilbench.controllers._lane import add_fields, check_lane, fields
from hilbench.nal import Network
from hilbench.nal.rules.pes import PES
from hilbench.types import BuiltController, Controller, Events, PlantSpec

Positive = Annotated[float, Meta(gt=0, le=1e6)]


class LanePESConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `lane_pes`."""

    dt_s: Positive = 0.001
    """The network's step."""
    events: Positive = 4.0
    """How many events of a field give a spike."""
    rest_s: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """For how long a field's neuron rests after a spike."""
    tau_s: Positive = 0.05
    """Time constant of the readout, and of the rates that the rule sees."""
    learning_rate: Annotated[float, Meta(ge=0, le=1e6)] = 1.9e-3
    """PES step size, in rad/s per (m x Hz x s); divided by the number of neurons."""


class LanePES(Controller):
    """Spikes of pooled events onto a readout of the turn, by PES."""

    Config = LanePESConfig

    @staticmethod
    def build(config: LanePESConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        check_lane(plant, ("lane_error_m",), "lane_pes")
        encoder = fields(plant, "lane_pes", period_us, "keep")
        network = _network(config, encoder.size, seed)
        return BuiltController(network, encoder, direct(network.outputs, plant, period_us), _error)


def _error(obs: NDArray, events: Events, reward: float, info: Mapping[str, float], modulators: NDArray) -> None:
    modulators[0] = info["lane_error_m"]


def _network(config: LanePESConfig, n: int, seed: int) -> Network:
    net = Network(config.dt_s, spike_amplitude=1 / config.dt_s, seed=seed)
    cells = add_fields(net, n, config.events, config.rest_s)
    turn = net.readout("turn", 1, tau_s=config.tau_s, units=("rad/s",))
    rule = PES(modulator="error", learning_rate=config.learning_rate, pre_tau_s=config.tau_s)
    net.connect(cells, turn, np.zeros((1, n)), rule=rule, name="steering")
    return net
