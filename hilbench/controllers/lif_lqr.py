"""The LQR law in a LIF population: decoders solved once, nothing learnt. The yardstick for latency on the cart-pole."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.coders.values import Values, ValuesConfig, direct
from hilbench.controllers._population import PopulationConfig, Positive, rates_hz, solve_readout, tune
from hilbench.controllers.lqr import LQRConfig, NotNegative, cart_pole_gain
from hilbench.nal import Network
from hilbench.seeding import stream
from hilbench.types import BuiltController, Controller, PlantSpec

N_POINTS = 2000


class LIFLQRConfig(PopulationConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `lif_lqr`."""

    n_neurons: Annotated[int, Meta(ge=1, le=10_000)] = 256
    """Number of LIF neurons."""
    readout_tau_s: Annotated[float, Meta(gt=0)] = 0.005
    """Time constant of the readout: short, because it delays the control loop."""
    state_scale: tuple[Positive, Positive, Positive, Positive] = (0.5, 1.0, 0.2, 1.0)
    """States (m, m/s, rad, rad/s) that fill the population's range."""
    state_cost: tuple[NotNegative, NotNegative, NotNegative, NotNegative] = (1.0, 0.1, 10.0, 0.1)
    """Diagonal of the LQR's Q."""
    force_cost: Annotated[float, Meta(gt=0)] = 0.1
    """The LQR's R."""


class LIFLQR(Controller):
    """The LQR law, decoded from LIF spikes."""

    Config = LIFLQRConfig

    @staticmethod
    def build(config: LIFLQRConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        k = cart_pole_gain(LQRConfig(state_cost=config.state_cost, force_cost=config.force_cost), plant, "lif_lqr")
        net = Network(config.dt_s, spike_amplitude=1 / config.dt_s, seed=seed)
        random = stream(seed, "controller")
        weights, bias = tune(config, 4, random)
        x = net.input("state", 4, units=("1",) * 4)
        neurons = net.lif("neurons", config.n_neurons, tau_s=config.tau_s, refractory_s=config.refractory_s)
        force = net.readout("force", 1, tau_s=config.readout_tau_s, units=plant.action_units)
        net.connect(x, neurons, weights, bias=bias, name="encoders")
        decoders = _decoders(config, weights, bias, -k * np.array(config.state_scale), random)
        net.connect(neurons, force, decoders, name="decoders")
        encoder = Values(ValuesConfig(observations=plant.obs_names[:4], scale=config.state_scale), plant, period_us)
        return BuiltController(net, encoder, direct(net.outputs, plant, period_us))


def _decoders(config: LIFLQRConfig, weights: NDArray, bias: NDArray, law: NDArray, random: np.random.Generator):
    """Decoders (1, n_neurons) of `law` . x over the unit ball."""
    points = random.standard_normal((N_POINTS, 4))
    points *= random.uniform(0, 1, (N_POINTS, 1)) ** 0.25 / np.linalg.norm(points, axis=1, keepdims=True)
    activity = rates_hz(points @ weights.T + bias, config.tau_s, config.refractory_s)
    return solve_readout(activity, (points @ law)[:, None])
