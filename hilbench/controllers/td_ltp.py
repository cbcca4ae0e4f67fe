"""A spiking actor-critic whose critic is inside the network: it learns by reward to swim to a place.

Frémaux, Sprekeler & Gerstner (2013), "Reinforcement learning using a continuous time actor-critic framework with
spiking neurons", PLoS Computational Biology 9: e1003024. Place cells drive a critic and a ring of actors, whose spikes
each pull into a direction. The critic's rate, low-passed, is the value V of the place; the temporal difference error

    delta = dV/dt - V / tau_r + r

drives all that is learnt: a place cell's spike with a later one of an actor or critic stays eligible for a while, and
delta turns that into weight (TD-LTP). V is low-passed twice, with tau_fast and then tau_slow, so dV/dt is
(first - V) / tau_slow, and delta a sum of what two leaky integrators hold; the reward goes through two more, so that
it comes with the same shape. None of that leaves the network.

What differs from the paper: actors forget, for their changes shrink with the distance from the bound ahead (soft
bounds); a wandering current explores beside the neurons' own noise; and time spent searching costs a little.
"""

from __future__ import annotations

from math import cos, exp, pi, sin, sqrt
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.coders import PortEncoders
from hilbench.coders.sensor import Sensor, SensorConfig
from hilbench.controllers._pool import OBSERVED, Swim, swimmer_of
from hilbench.errors import ScenarioError
from hilbench.nal import Network
from hilbench.nal.rules.rstdp import RSTDP
from hilbench.seeding import stream
from hilbench.types import NO_EVENTS, BuiltController, Controller, Encoder, Events, PlantSpec

Positive = Annotated[float, Meta(gt=0, le=1e6)]
NotNegative = Annotated[float, Meta(ge=0, le=1e6)]
Finite = Annotated[float, Meta(ge=-1e6, le=1e6)]
Count = Annotated[int, Meta(ge=3, le=10_000)]
DT_S, TAU_S, REFRACTORY_S = 0.001, 0.02, 0.002
THRESHOLD, NOISE = 1.85, 0.31
"""A neuron's threshold, and how wide the membrane potentials are at which it may fire."""
RING_WIDTH_RAD, RING_UP, RING_DOWN = 0.6, 0.54, 0.27
"""Actors of like directions excite each other, and all inhibit all."""
HEADING_S = 0.1
"""Over which time the actors' spikes are a direction."""
PRE_TRACE_S = 0.02


class TdLtpConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `td_ltp`."""

    n_actors: Count = 40
    n_critics: Count = 40
    critic_rate: NotNegative = 0.003
    """What one pair of spikes, just made, is worth to the critic's weight where delta is 1 for 1 s."""
    actor_rate: NotNegative = 0.009
    """The same for an actor's weight, before its bounds."""
    critic_high: Positive = 0.15
    """Upper bound of the critic's weights; the lower one is 0."""
    actor_low: Finite = -0.07
    actor_high: Finite = 0.13
    softness: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Of the actors' bounds; 0 are hard ones, with which nothing is forgotten."""
    first_weight: Positive = 0.03
    """Mean of all plastic weights at the start."""
    first_spread: NotNegative = 0.1
    """Their standard deviation, as a share of it."""
    eligible_s: Positive = 0.5
    """How long a pair of spikes stays eligible."""
    tau_r_s: Positive = 4.0
    """The time over which reward is discounted."""
    tau_fast_s: Positive = 0.05
    tau_slow_s: Positive = 0.2
    """The two low-passes of the value."""
    base_hz: NotNegative = 10.0
    """The critic's mean rate where the value is 0."""
    value_hz: Positive = 60.0
    """How much faster it fires where the value is 1."""
    exploration: NotNegative = 0.08
    """Size of the exploring current's membrane potential, whose direction wanders."""
    wander_rad2_s: Positive = 0.5
    """How fast: the direction's diffusion constant."""
    cost_per_s: NotNegative = 0.01
    """What searching takes from delta, for the actors alone."""
    places: str = "places"
    """The name of the place cells among the plant's event sensors."""


class TdLtp(Controller):
    """A spiking actor-critic that learns by reward where to swim; its critic is in the network."""

    Config = TdLtpConfig

    @staticmethod
    def build(config: TdLtpConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        swimmer = swimmer_of(plant, "td_ltp")
        names = [sensor.name for sensor in plant.event_sensors]
        if config.places not in names:
            raise ScenarioError(f"controller 'td_ltp' needs place cells in [sensors.{config.places}]")
        if config.actor_low >= config.actor_high:
            raise ScenarioError(
                f"controller 'td_ltp' needs actor_low < actor_high; found {config.actor_low:g}, {config.actor_high:g}"
            )
        spikes = Sensor(SensorConfig(sensor=config.places), plant, period_us)
        encoder = PortEncoders([spikes, _Body(config, period_us)])
        network = actor_critic(config, spikes.size, seed)
        return BuiltController(network, encoder, Swim(swimmer), blind_inputs=("places",))


def actor_critic(config: TdLtpConfig, n_places: int, seed: int) -> Network:
    """Place cells and the body's values in, a direction out.

    Parameters
    ----------
    config : TdLtpConfig
    n_places : int
        How many place cells.
    seed : int
        Of the first weights.
    """
    net = Network(DT_S, seed=seed)
    net.input("places", n_places, kind="events", units=("1",) * n_places)
    net.input("searching", 1, units=("1",))
    net.input("reward", 1, units=("1/s",))
    net.input("exploration", 2, units=("1",) * 2)
    for name, n in (("actors", config.n_actors), ("critics", config.n_critics)):
        net.lif(
            name, n, tau_s=TAU_S, refractory_s=REFRACTORY_S, synapse="delta", reset="zero",
            v_threshold=THRESHOLD, threshold_noise=NOISE,
        )  # fmt: skip
    _add_value(net, config)
    _add_heading(net, config)
    _learn(net, config, n_places, seed)
    return net


def _add_value(net: Network, config: TdLtpConfig) -> None:
    """The critic's value, the temporal difference error `delta`, and `advantage`, which is the actors'."""
    rest_hz = 1 / (1 + exp(THRESHOLD / NOISE)) / DT_S  # of a neuron without input
    for name, tau_s in (("fast", config.tau_fast_s), ("value", config.tau_slow_s)):
        net.add(name, "li", 1, tau_s=tau_s)
        net.add(f"reward_{name}", "li", 1, tau_s=tau_s)
    n, per_hz = config.n_critics, 1 / config.value_hz
    net.connect("critics", "fast", np.full((1, n), per_hz / (n * DT_S)), bias=-rest_hz * per_hz)
    net.connect("searching", "fast", [[(rest_hz - config.base_hz) * per_hz]])
    net.connect("fast", "value", [[1.0]])
    net.connect("reward", "reward_fast", [[1.0]])
    net.connect("reward_fast", "reward_value", [[1.0]])
    net.add("delta", "passthrough", 1)
    net.connect("fast", "delta", [[1 / config.tau_slow_s]])
    net.connect("value", "delta", [[-1 / config.tau_slow_s - 1 / config.tau_r_s]])
    net.connect("reward_value", "delta", [[1.0]])
    net.add("advantage", "passthrough", 1)
    net.connect("delta", "advantage", [[1.0]])
    net.connect("searching", "advantage", [[-config.cost_per_s]])


def _add_heading(net: Network, config: TdLtpConfig) -> None:
    """The ring of actors, what makes them explore, and the direction that their spikes add up to."""
    angles_rad = directions(config.n_actors)
    net.connect("actors", "actors", ring(angles_rad), delay_steps=1, name="ring")
    ways = np.stack((np.cos(angles_rad), np.sin(angles_rad)), axis=1)
    net.connect("exploration", "actors", config.exploration * (1 - exp(-DT_S / TAU_S)) * ways)
    net.readout("heading", 2, tau_s=HEADING_S, units=("1", "1"))
    net.connect("actors", "heading", ways.T)


def _learn(net: Network, config: TdLtpConfig, n_places: int, seed: int) -> None:
    """What place cells do to actors and critics, and how it is learnt. The rule divides eligibility by its duration."""
    random = stream(seed, "controller")
    actors = config.actor_rate, config.softness, (config.actor_low, config.actor_high)
    for name, n, modulator, (rate, softness, bounds) in (
        ("actors", config.n_actors, "advantage", actors),
        ("critics", config.n_critics, "delta", (config.critic_rate, 0.0, (0.0, config.critic_high))),
    ):
        rule = RSTDP(
            modulator=modulator, modulator_is="population", form="mstdpet", learning_rate=rate * config.eligible_s,
            a_minus=0.0, tau_plus_s=PRE_TRACE_S, tau_c_s=config.eligible_s, w_min=bounds[0], w_max=bounds[1],
            softness=softness,
        )  # fmt: skip
        first = config.first_weight * (1 + config.first_spread * random.standard_normal((n, n_places)))
        net.connect("places", name, np.clip(first, *bounds), rule=rule, name=f"{name}_learn")


def directions(n: int) -> NDArray[np.float64]:
    """The direction of each actor in rad, (n,): evenly around."""
    return 2 * pi * np.arange(n) / n


def ring(angles_rad: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights from actor to actor, (n, n), by how far their directions are apart."""
    apart = angles_rad[:, None] - angles_rad
    apart = (apart + pi) % (2 * pi) - pi
    return RING_UP * np.exp(-0.5 * (apart / RING_WIDTH_RAD) ** 2) - RING_DOWN


class _Body(Encoder):
    """Whether it searches, the reward of finding the platform, and in which direction the exploring current points."""

    size = 4

    def __init__(self, config: TdLtpConfig, period_us: int) -> None:
        self._per_s = 1e6 / period_us
        self._wander = sqrt(2 * config.wander_rad2_s / self._per_s)
        self._searching, self._found = OBSERVED.index("searching"), OBSERVED.index("on_platform")

    def reset(self, seed: int) -> None:
        self._random = stream(seed, "exploration")
        self._angle_rad = self._random.uniform(0, 2 * pi)
        self._was_found = False

    def encode(self, obs: NDArray, events: Events, values: NDArray) -> Events:
        searching, found = float(obs[self._searching]), bool(obs[self._found] > 0.5)
        self._angle_rad += self._wander * self._random.standard_normal()
        values[0] = searching
        values[1] = self._per_s if found and not self._was_found else 0.0  # 1 in all
        values[2], values[3] = searching * cos(self._angle_rad), searching * sin(self._angle_rad)
        self._was_found = found
        return NO_EVENTS
