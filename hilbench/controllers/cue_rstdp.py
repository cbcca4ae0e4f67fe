"""A spiking network that learns by a late reward in which arm of a maze to turn by a cue.

Two groups of Poisson cells fire while their cue is on. With `memory` they start a group of neurons each that excites
itself and inhibits the other, and goes on firing when the cue is over. Cue cells, or the memory, drive two groups of
neurons, one for each arm, that inhibit each other, and that a signal wakes up at the junction. Weights start about
equal: nothing is known of the arms. They learn by mstdpet: Florian (2007), "Reinforcement learning through modulation
of spike-timing-dependent synaptic plasticity", Neural Computation 19: 1468. A pair of spikes stays eligible for
seconds, until the reward comes, 1 or -1. Bounds are soft, so that what was learnt can be turned round.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.coders.values import Values, ValuesConfig
from hilbench.controllers._arms import walker_speed_m_s
from hilbench.nal import Network
from hilbench.nal.rules.rstdp import RSTDP
from hilbench.seeding import stream
from hilbench.types import BuiltController, Controller, Decoder, Events, PlantSpec

Positive = Annotated[float, Meta(gt=0, le=1e6)]
NotNegative = Annotated[float, Meta(ge=0, le=1e6)]
DT_S, TAU_S = 0.001, 0.02
CUE_HZ, GO_HZ, GO = 60.0, 400.0, 0.035
"""Rates of a cue cell and of the signal that wakes up the arms, and what one of its spikes adds to their membranes."""
SAME_ARM, OTHER_ARM = 0.03, -0.06
KINDLE, HOLD, RIVAL = 0.04, 0.105, -0.1
"""What a spike of a cue cell, of the same memory and of the other one adds to a memory neuron's synaptic current."""


class CueRstdpConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `cue_rstdp`."""

    n: Annotated[int, Meta(ge=1, le=1000)] = 20
    """How many neurons each cue, each memory and each arm has."""
    memory: bool = False
    """Whether a memory stands between the cues and the arms."""
    learning_rate: NotNegative = 0.01
    eligible_s: Positive = 2.0
    """How long a pair of spikes stays eligible."""
    softness: Annotated[float, Meta(ge=0, le=1)] = 1.0
    largest_weight: Positive = 0.2
    """The upper bound of the weights, which start at half of it; the lower one is 0."""
    noise: NotNegative = 0.1
    """Escape noise of the arms' neurons, whose threshold is at 1. It lets one of two arms win that are driven alike. A
    memory drives them harder than cues do, and needs 0.15; with more than needed a walker that sees nothing walks."""
    full_hz: Positive = 20.0
    """By how much an arm's mean rate exceeds the other's where the walker is at full speed."""


class CueRstdp(Controller):
    """A spiking network that learns by a late reward where to turn; with a memory also by a cue that is gone."""

    Config = CueRstdpConfig

    @staticmethod
    def build(config: CueRstdpConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        speed_m_s = walker_speed_m_s(plant, "cue_rstdp")
        seen = Values(ValuesConfig(observations=("cue_left", "cue_right", "choosing")), plant, period_us)
        per_s = 1e6 / period_us

        def reward(obs: NDArray, events: Events, reward: float, info: Mapping[str, float], modulators: NDArray) -> None:
            modulators[0] = per_s * reward  # in all, the reward

        return BuiltController(arms(config, seed), seen, _Walk(speed_m_s), reward)


def arms(config: CueRstdpConfig, seed: int) -> Network:
    """Cues and the junction in, how much more the right arm fires than the left one out.

    Parameters
    ----------
    config : CueRstdpConfig
    seed : int
        Of the first weights.
    """
    net, n = Network(DT_S, seed=seed), config.n
    net.input("cues", 2, units=("1", "1"))
    net.input("choosing", 1, units=("1",))
    net.add("cue_cells", "poisson", 2 * n)
    net.connect("cues", "cue_cells", CUE_HZ * np.kron(np.eye(2), np.ones((n, 1))))
    net.add("go", "poisson", 1)
    net.connect("choosing", "go", [[GO_HZ]])
    source = _add_memory(net, n) if config.memory else "cue_cells"
    net.lif("arms", 2 * n, tau_s=TAU_S, refractory_s=0.002, synapse="delta", reset="zero", threshold_noise=config.noise)
    net.connect("go", "arms", np.full((2 * n, 1), GO))
    net.connect("arms", "arms", sides(n, SAME_ARM, OTHER_ARM), delay_steps=1, name="rivals")
    high = config.largest_weight
    rule = RSTDP(
        modulator="reward", form="mstdpet", learning_rate=config.learning_rate, a_minus=0.0, tau_c_s=config.eligible_s,
        softness=config.softness, w_min=0.0, w_max=high,
    )  # fmt: skip
    random = stream(seed, "controller")
    first = 0.5 * high * (1 + 0.05 * random.standard_normal((2 * n, 2 * n)))
    net.connect(source, "arms", np.clip(first, 0.0, high), rule=rule, name="turning")
    net.readout("side", 1, tau_s=TAU_S, units=("1",))
    net.connect("arms", "side", np.repeat([-1.0, 1.0], n)[None] / (n * DT_S * config.full_hz))
    return net


def _add_memory(net: Network, n: int) -> str:
    """Two groups that each go on firing once their cue was on. Returns their name."""
    net.cuba_lif("memory", 2 * n, tau_s=TAU_S, tau_syn_s=0.1, refractory_s=0.005, synapse="delta", threshold_noise=0.05)
    net.connect("cue_cells", "memory", sides(n, KINDLE, 0.0))
    net.connect("memory", "memory", sides(n, HOLD, RIVAL), delay_steps=1, name="holding")
    return "memory"


def sides(n: int, same: float, other: float) -> NDArray:
    """Weights between two groups of n: from a group to itself, and to the other one, (2 n, 2 n).

    Parameters
    ----------
    n : int
    same, other : float
    """
    return np.kron([[same, other], [other, same]], np.ones((n, n)))


class _Walk(Decoder):
    """A share of full speed, to the right."""

    def __init__(self, speed_m_s: float) -> None:
        self._speed_m_s = speed_m_s

    def decode(self, values: NDArray, events: Events, action: NDArray) -> None:
        action[0] = self._speed_m_s * min(max(float(values[0]), -1.0), 1.0)
