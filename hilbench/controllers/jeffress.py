"""A spiking network that turns to where a sound came from, and learns what its ears' delays mean.

Coincidence cells compare both ears, as Jeffress (1948), "A place theory of sound localization", J. Comp. Physiol.
Psychol. 41: 35, has it: each gets one channel of each ear, one of them later by a lag of its own, and fires where both
arrive together. Cells of all channels that share a lag excite a cell of that lag, and all inhibit it, so that it fires
by how much its lag stands out. What a lag means is a readout's map, in rad: it begins as that of two ears in the open,
asin(lag c / distance), and learns by PES.

Two errors teach it. Where the head sees the source after it has turned, that is the angle which is left: `vision`, a
teacher. In all trials a second burst is heard from where the head now looks. It has lag cells and a map of its own,
`second`, which learns by vision too. Where nothing is seen, the angle that this map gives is taken for what was left:
`turn`. Without vision that needs no teacher, and cannot find an offset, for the head turns until it hears zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.coders import PortEncoders
from hilbench.coders.sensor import Sensor, SensorConfig
from hilbench.controllers._ears import SOUND_M_S, Ears, Lesson, ears_of
from hilbench.nal import Network
from hilbench.nal.rules.pes import PES
from hilbench.types import BuiltController, Controller, Decoder, Events, PlantSpec

Positive = Annotated[float, Meta(gt=0, le=1e6)]
NotNegative = Annotated[float, Meta(ge=0, le=1e6)]
LAG_S, FARTHEST_S = 1e-4, 1.3e-3
"""From lag to lag, and the largest one: beyond what any angle gives, or angles at the sides would fold back."""
MEET_S, MEET = 2e-4, 0.8
"""Time constant of a coincidence cell, and what a spike adds to it: two within 0.28 ms reach its threshold of 1."""
TAU_S, REFRACTORY_S = 0.02, 0.002
READ_S = 0.2
"""Time constant of readouts, and for how long the rule remembers what was heard."""
SHUT = 200.0
"""How far below their threshold lag cells rest where they are not awake."""


class JeffressConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `jeffress`."""

    dt_s: Positive = 1e-4
    """The network's step; lags are whole numbers of it."""
    excite: Positive = 0.3
    """What a coincidence adds to the cell of its lag, whose threshold is 1."""
    inhibit: NotNegative = 1.0
    """The share of the mean over all lags that is taken from each."""
    innate_hz: Positive = 27.0
    """Mean rate of the lag cells, as readouts have it when the head turns, at which the first map is right."""
    learning_rate: NotNegative = 0.02
    """PES step size of `gaze`, in rad per (rad x Hz x s); divided by the number of lags."""
    second_rate: NotNegative = 0.002
    """The same of `second`, which hears its burst just before."""
    vision: NotNegative = 1.0
    """What the angle that is left is multiplied by where it is seen; 0 for one that sees nothing."""
    turn: NotNegative = 0.8
    """What the angle of the second burst is multiplied by, where nothing is seen."""


class Jeffress(Controller):
    """Coincidences of two ears, and a map from lags to angles that learns from what is seen and heard after a turn."""

    Config = JeffressConfig

    @staticmethod
    def build(config: JeffressConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        ears, lesson, gaze = ears_of(plant, "jeffress", period_us), Lesson(plant, period_us), _Gaze()

        def teach(obs: NDArray, events: Events, reward: float, info: Mapping[str, float], modulators: NDArray) -> None:
            modulators[:] = 0.0
            seen_rad = lesson.offset_rad if config.vision else None
            if lesson.sees:
                modulators[0] = -config.vision * (seen_rad or 0.0)
            elif lesson.heard and seen_rad is None:
                modulators[0] = -config.turn * gaze.second_rad
            elif lesson.heard and seen_rad is not None:
                modulators[1] = gaze.second_rad - seen_rad

        encoder = PortEncoders([Sensor(SensorConfig(), plant, period_us), lesson])
        return BuiltController(jeffress_network(config, ears, seed), encoder, gaze, teach, blind_inputs=("ears",))


def lags_s(dt_s: float) -> NDArray:
    """The lags by which cells delay the left ear, (n_lags,): negative ones delay the right ear.

    Parameters
    ----------
    dt_s : float
        The network's step.
    """
    step_s = dt_s * max(1, round(LAG_S / dt_s))
    n = int(FARTHEST_S / step_s + 1e-9)
    return step_s * np.arange(-n, n + 1)


def jeffress_network(config: JeffressConfig, ears: Ears, seed: int = 0) -> Network:
    """Spikes of both ears in; the angle to turn to, and that of a second burst, out.

    Parameters
    ----------
    config : JeffressConfig
    ears : Ears
    seed : int
        Kept for the record: nothing in the network is drawn.
    """
    net, n = Network(config.dt_s, spike_amplitude=1 / config.dt_s, seed=seed), ears.n_channels
    lags = lags_s(config.dt_s)
    steps, each = np.rint(lags / config.dt_s).astype(int), np.kron(np.ones((lags.size, 1)), np.eye(n))
    net.input("ears", 2 * n, kind="events", units=("1",) * (2 * n))
    net.input("listening", 2, units=("1", "1"))
    net.add("coincidence", "lif", lags.size * n, tau_s=MEET_S, synapse="delta", reset="zero")
    later = [np.repeat(np.maximum(0, side * steps), n)[:, None] * each for side in (1, -1)]
    net.connect("ears", "coincidence", MEET * np.hstack([each, each]), delay_steps=np.hstack(later).astype(int))
    angles_rad = np.arcsin(np.clip(lags * SOUND_M_S / ears.ears_m, -1, 1))
    _add_map(net, config, "gaze", 0, config.learning_rate, angles_rad)
    _add_map(net, config, "second", 1, config.second_rate, angles_rad)
    return net


def _add_map(net: Network, config: JeffressConfig, name: str, when: int, rate: float, angles_rad: NDArray) -> None:
    """Cells of each lag that are awake while `listening` to a burst, and a readout of the angles they stand for."""
    n_lags, lags = angles_rad.size, f"{name}_lags"
    n = net.populations["coincidence"].size // n_lags
    net.lif(lags, n_lags, tau_s=TAU_S, v_leak=-SHUT, refractory_s=REFRACTORY_S)
    net.connect("listening", lags, np.outer(np.ones(n_lags), np.eye(2)[when] * SHUT))
    own = np.kron(np.eye(n_lags), np.ones((1, n)))
    net.connect("coincidence", lags, config.excite * TAU_S * (own - config.inhibit / n_lags))
    net.readout(name, 1, tau_s=READ_S, units=("rad",))
    rule = PES(modulator=f"{name}_error", learning_rate=rate, pre_tau_s=READ_S)
    net.connect(lags, name, angles_rad[None] / (config.innate_hz * n_lags), rule=rule, name=f"{name}_map")


class _Gaze(Decoder):
    """The angle to turn to; and where the second burst seems to be."""

    def __init__(self) -> None:
        self.reset(0)

    def reset(self, seed: int) -> None:
        self.second_rad = 0.0

    def decode(self, values: NDArray, events: Events, action: NDArray) -> None:
        action[0], self.second_rad = float(values[0]), float(values[1])
