"""Spiking cells of random inputs, and a readout of their spikes that learns which class a sample is by PES.

Each cell is excited by a few addresses and inhibited by a few more, drawn by the seed; its threshold follows its rate,
so that all of them take part. What teaches is the label, after the decision: the error of a score is its softmax minus
1 for the right class, which is the gradient of the cross-entropy.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from hilbench.coders.sensor import Sensor, SensorConfig
from hilbench.controllers._streams import Scores, Stream, stream_of
from hilbench.nal import Network
from hilbench.nal.rules.homeostatic import Homeostatic
from hilbench.nal.rules.pes import PES
from hilbench.seeding import stream as random_stream
from hilbench.types import BuiltController, Controller, PlantSpec

Positive = Annotated[float, Meta(gt=0, le=1e6)]
NotNegative = Annotated[float, Meta(ge=0, le=1e6)]
Count = Annotated[int, Meta(ge=1, le=100_000)]
REFRACTORY_S, THRESHOLD = 0.002, 8.0


class StreamPESConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `stream_pes`."""

    dt_s: Positive = 0.001
    """The network's step."""
    n_cells: Count = 150
    """Cells of random inputs."""
    n_exciting: Count = 3
    """Addresses that excite a cell."""
    n_inhibiting: Annotated[int, Meta(ge=0, le=100_000)] = 6
    """Addresses that inhibit it; one may do both."""
    tau_s: Positive = 0.02
    """Time constant of cells."""
    rate_hz: Positive = 8.0
    """Which rate a cell's threshold holds."""
    homeostasis: NotNegative = 0.1
    """By how much a threshold of 8 rises with each spike."""
    read_s: Positive = 0.3
    """Time constant of the readout, and of the rates that the rule sees."""
    learning_rate: NotNegative = 0.3
    """PES step size, in score per (score x Hz x s); divided by the number of cells."""


class StreamPES(Controller):
    """Random spiking cells and a readout that learns labels by PES."""

    Config = StreamPESConfig

    @staticmethod
    def build(config: StreamPESConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        stream = stream_of(plant, "stream_pes", period_us)
        scores = Scores(stream)
        encoder = Sensor(SensorConfig(), plant, period_us)
        return BuiltController(stream_network(config, stream, seed), encoder, scores, scores.teach)


def stream_network(config: StreamPESConfig, stream: Stream, seed: int) -> Network:
    """Events in, a score for each class out.

    Parameters
    ----------
    config : StreamPESConfig
    stream : Stream
    seed : int
        Of the cells' inputs.
    """
    n, n_inputs, classes = config.n_cells, stream.n_addresses, stream.classes
    random, weights = random_stream(seed, "controller"), np.zeros((n, n_inputs))
    for sign, count in ((-1.0, config.n_inhibiting), (1.0, config.n_exciting)):
        for row in weights:
            np.add.at(row, random.choice(n_inputs, min(count, n_inputs), replace=False), sign)
    net = Network(config.dt_s, spike_amplitude=1 / config.dt_s, seed=seed)
    net.input("spikes", n_inputs, kind="events", units=("1",) * n_inputs)
    rule = Homeostatic(target_rate_hz=config.rate_hz, step=config.homeostasis)
    net.add(
        "cells", "lif", n, tau_s=config.tau_s, synapse="delta", reset="zero", refractory_s=REFRACTORY_S,
        v_threshold=THRESHOLD, rule=rule,
    )  # fmt: skip
    net.connect("spikes", "cells", weights)
    net.readout("scores", len(classes), tau_s=config.read_s, units=("1",) * len(classes))
    learns = PES(modulator="score_error", learning_rate=config.learning_rate, pre_tau_s=config.read_s)
    net.connect("cells", "scores", np.zeros((len(classes), n)), rule=learns, name="meanings")
    return net
