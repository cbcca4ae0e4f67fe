"""Feedback-error learning in a LIF population: PES learns, as a map of the state, what the feedback still has to do.

u = u_ff + u_fb + sum_i d_i a_i(x), with d/dt d_i = -(learning_rate / n) E a_i and E = -u_fb: the rule of MacNeil &
Eliasmith (2011) with the error of Kawato et al. (1987). The neurons are tuned to states (`_places`), so what is learnt
at one state stays there while others are visited; a population with broad tuning is little more than an integral.

A sensor's offset is matched by no force, so E does not show it. On the cart-pole a second readout of the same neurons
learns it from the cart's mean error (`_offset`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.coders.values import Values, ValuesConfig
from hilbench.controllers._feedback import Feedback, FeedbackConfig, Terms, feedback_of, teaching
from hilbench.controllers._offset import Offset, OffsetConfig, offset_of
from hilbench.controllers._places import MapConfig, chosen, lift, preferred_states
from hilbench.controllers._population import PopulationConfig, stepped_rates_hz, tune_along
from hilbench.nal import Network
from hilbench.nal.rules.pes import PES
from hilbench.seeding import stream
from hilbench.types import BuiltController, Controller, Decoder, Events, PlantSpec

Cosine = Annotated[float, Meta(gt=-1, lt=1)]


class PESFeedbackConfig(PopulationConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `pes_feedback`."""

    gains: FeedbackConfig = FeedbackConfig()
    """Of the feedback."""
    map: MapConfig = MapConfig()
    """What is learnt as a function of what."""
    gain_per_s: Annotated[float, Meta(ge=0)] = 2.0
    """How fast what is learnt grows per feedback, mean over the map: as that of `integral`."""
    n_neurons: Annotated[int, Meta(ge=1, le=1_000_000)] = 300
    """Number of LIF neurons."""
    readout_tau_s: Annotated[float, Meta(gt=0)] = 0.005
    """Time constant of the readout; it delays the learning loop."""
    pre_tau_s: Annotated[float, Meta(gt=0)] = 0.02
    """Low-pass of the presynaptic rates that the rule sees."""
    intercept_low: Cosine = 0.95
    """Lowest intercept of a neuron: at 0.95 it fires within 0.32 of its state, where the map's radius is 1."""
    intercept_high: Cosine = 0.99
    """Highest intercept: at 0.99 within 0.14."""
    offset: OffsetConfig = OffsetConfig()
    """A second readout, of a sensor's offset."""


class PESFeedback(Controller):
    """LIF neurons tuned to states learn what the feedback still has to do: PES with E = -u_fb."""

    Config = PESFeedbackConfig

    @staticmethod
    def build(config: PESFeedbackConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        feedback = chosen(config.map, feedback_of(config.gains, plant, "pes_feedback"), plant, "pes_feedback")
        offset = Offset(offset_of(config.offset, feedback, period_us, "pes_feedback"), feedback)
        network = _network(config, feedback, plant, seed)
        learner = _Sum(feedback, offset)
        encoder = _StateAndCommand(feedback, learner.terms, plant, period_us)
        return BuiltController(network, encoder, learner, learner.teach, blind_inputs=("state",))


def population(
    config: PESFeedbackConfig, n_dimensions: int, random: np.random.Generator
) -> tuple[NDArray, NDArray, float]:
    """Weights (n_neurons, n_dimensions + 1) of lifted states, biases (n_neurons,), and the mean of sum(rate^2) / n.

    The mean, in Hz^2, is over the preferred states.

    Parameters
    ----------
    config : PESFeedbackConfig
    n_dimensions : int
        Of the state.
    random : Generator
    """
    encoders = lift(preferred_states(config.n_neurons, n_dimensions, random))
    weights, bias = tune_along(config, encoders, (config.intercept_low, config.intercept_high), random)
    rates = stepped_rates_hz(encoders @ weights.T + bias, config)
    return weights, bias, float(np.mean(np.square(rates)))


def _network(config: PESFeedbackConfig, feedback: Feedback, plant: PlantSpec, seed: int) -> Network:
    """State in, residual out; feedback and feed-forward pass through beside it, on the same wire."""
    net = Network(config.dt_s, spike_amplitude=1 / config.dt_s, seed=seed)
    n_dimensions, n_actions = len(feedback.state), len(feedback.limit)
    weights, bias, square_hz2 = population(config, n_dimensions, stream(seed, "controller"))
    x = net.input("state", n_dimensions + 1, units=("1",) * (n_dimensions + 1))
    neurons = net.lif("neurons", config.n_neurons, tau_s=config.tau_s, refractory_s=config.refractory_s)
    residual = net.readout("residual", n_actions, tau_s=config.readout_tau_s, units=plant.action_units)
    net.connect(x, neurons, weights, bias=bias, name="encoders")
    rule = PES(modulator="error", learning_rate=config.gain_per_s / square_hz2, pre_tau_s=config.pre_tau_s)
    net.connect(neurons, residual, np.zeros((n_actions, config.n_neurons)), rule=rule, name="decoders")
    if config.offset.gain:
        offset = net.readout("offset", 1, tau_s=config.readout_tau_s, units=("rad",))
        rule = PES(modulator="unmatched", learning_rate=config.offset.gain / square_hz2, pre_tau_s=config.pre_tau_s)
        net.connect(neurons, offset, np.zeros((1, config.n_neurons)), rule=rule, name="offsets")
    if not feedback.inside:
        command = net.input("command", n_actions, units=plant.action_units)
        # A time constant this far below the step decays to nothing within one: the value passes through.
        through = net.readout("through", n_actions, tau_s=config.dt_s / 1000, units=plant.action_units)
        net.connect(command, through, np.eye(n_actions), name="pass")
    return net


class _StateAndCommand(Values):
    """The lifted state and, where the plant does not add it itself, feedback and feed-forward."""

    def __init__(self, feedback: Feedback, terms: Terms, plant: PlantSpec, period_us: int) -> None:
        settings = ValuesConfig(observations=feedback.state, centre=feedback.centre, scale=feedback.scale)
        super().__init__(settings, plant, period_us)
        self._terms, self._inside = terms, feedback.inside
        self._state = np.zeros(self.size, np.float32)
        self._n = self.size + 1
        self.size = self._n if feedback.inside else self._n + len(feedback.limit)

    def encode(self, obs: NDArray, events: Events, values: NDArray) -> Events:
        told = super().encode(obs, events, self._state)
        values[: self._n] = lift(self._state)
        if not self._inside:
            values[self._n :] = self._terms.command(obs)
        return told


class _Sum(Decoder):
    """What is learnt and the command, one after the other, added up; and the errors that teach.

    An offset that is learnt is taken off its sensor before the feedback, which is linear: so it adds to the command and
    to the feedback that teaches.
    """

    def __init__(self, feedback: Feedback, offset: Offset) -> None:
        self.terms, self._n, self._inside = Terms(feedback), len(feedback.limit), feedback.inside
        self._offset, self._limit = offset, np.array(feedback.limit)
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._offset.reset()
        self._added, self._learnt = np.zeros((2, self._n))

    def decode(self, values: NDArray, events: Events, action: NDArray) -> None:
        n = self._n
        self._learnt[:] = values[:n]
        if self._inside:
            action[...] = self._learnt
        else:
            np.add(values[:n], values[-n:], out=action)
        if self._offset.n:
            self._added = self._offset.added(values[n : n + self._offset.n])
            action += self._added

    def teach(
        self, obs: NDArray, events: Events, reward: float, info: Mapping[str, float], modulators: NDArray
    ) -> None:
        """Write E = -u_fb and, for an offset, the low-passed error that no force mends."""
        feedback = self.terms.feedback(obs) + self._added
        np.negative(teaching(feedback, self._learnt, self._limit), out=modulators[: self._n])
        modulators[self._n :] = self._offset.see(obs)
