"""A LIF population whose readout learns the arm's residual torque by PES, as DeWolf et al. (2016) do.

DeWolf, Stewart, Slotine & Eliasmith (2016), "A spiking neural model of adaptive arm control", Proc. R. Soc. B 283:
20162134: the population sees joint angles and rates, and its error signal is the negative PD command.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.coders.values import Values, ValuesConfig, direct
from hilbench.controllers._arm import arm_model, command_nm, pd_nm, state
from hilbench.controllers._population import PopulationConfig, Positive, tune
from hilbench.nal import Network
from hilbench.nal.rules.pes import PES as PESRule
from hilbench.seeding import stream
from hilbench.types import BuiltController, Controller, Decoder, Events, PlantSpec


class PESConfig(PopulationConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `pes`."""

    readout_tau_s: Annotated[float, Meta(gt=0)] = 0.005
    """Time constant of the readout; it delays the learning loop."""
    learning_rate: Annotated[float, Meta(ge=0)] = 0.02
    """PES step size; divided by the number of neurons."""
    pre_tau_s: Annotated[float, Meta(gt=0)] = 0.02
    """Low-pass of the presynaptic rates that the rule sees."""
    angle_scale_rad: Annotated[float, Meta(gt=0)] = 0.7
    """Joint excursion that fills the population's range."""
    rate_scale_rad_s: tuple[Positive, Positive] = (1.2, 1.5)
    """Joint rates that fill it."""


class PES(Controller):
    """A LIF population learns the load: PES on its readout, error from the PD command."""

    Config = PESConfig

    @staticmethod
    def build(config: PESConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        arm = arm_model(plant, "pes")
        names = ("q_1", "q_2", "qd_1", "qd_2")
        centre = (plant.parameters["q_centre_1_rad"], plant.parameters["q_centre_2_rad"], 0.0, 0.0)
        scale = (config.angle_scale_rad,) * 2 + config.rate_scale_rad_s
        settings = ValuesConfig(observations=names, centre=centre, scale=scale)
        network = _network(config, seed, whole=not arm.inner_loop)
        encoder = (Values if arm.inner_loop else _WithCommand)(settings, plant, period_us)
        decoder = direct(network.outputs, plant, period_us) if arm.inner_loop else _SumOfBoth()

        def error(obs: NDArray, events: Events, reward: float, info: Mapping[str, float], modulators: NDArray) -> None:
            pd_1, pd_2 = pd_nm(arm, state(obs))
            modulators[0], modulators[1] = -pd_1, -pd_2

        return BuiltController(network, encoder, decoder, error, blind_inputs=("state",))


def _network(config: PESConfig, seed: int, *, whole: bool) -> Network:
    """State in, residual torque out; with `whole`, PD and gravity pass through beside it, on the same wire."""
    net = Network(config.dt_s, spike_amplitude=1 / config.dt_s, seed=seed)
    weights, bias = tune(config, 4, stream(seed, "controller"))
    x = net.input("state", 4, units=("1",) * 4)
    neurons = net.lif("neurons", config.n_neurons, tau_s=config.tau_s, refractory_s=config.refractory_s)
    residual = net.readout("residual", 2, tau_s=config.readout_tau_s, units=("N m",) * 2)
    net.connect(x, neurons, weights, bias=bias, name="encoders")
    rule = PESRule(modulator="error", learning_rate=config.learning_rate, pre_tau_s=config.pre_tau_s)
    net.connect(neurons, residual, np.zeros((2, config.n_neurons)), rule=rule, name="decoders")
    if whole:
        command = net.input("command", 2, units=("N m",) * 2)
        # A time constant this far below the step decays to nothing within one: the value passes through.
        through = net.readout("through", 2, tau_s=config.dt_s / 1000, units=("N m",) * 2)
        net.connect(command, through, np.eye(2), name="pass")
    return net


class _WithCommand(Values):
    """The scaled state, followed by PD and nominal gravity of the same observation."""

    def __init__(self, config: ValuesConfig, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, plant, period_us)
        self._arm, self._n = arm_model(plant, "pes"), self.size
        self.size += 2

    def encode(self, obs: NDArray, events: Events, values: NDArray) -> Events:
        values[self._n :] = command_nm(self._arm, state(obs))
        return super().encode(obs, events, values[: self._n])


class _SumOfBoth(Decoder):
    """The residual and the command, one after the other, added up."""

    def __init__(self) -> None:
        """It has no settings."""

    def decode(self, values: NDArray, events: Events, action: NDArray) -> None:
        np.add(values[:2], values[2:], out=action)
