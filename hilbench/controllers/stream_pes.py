"""Spiking cells of random inputs, and a readout of their spikes that learns which class a sample is by PES.

Each cell is excited by a few fields of addresses and inhibited by a few more, drawn by the seed. Delays on the way may
be as long as a sample, so that what came early still counts when it is decided on: each cell then waits for one part of
a sample. Its threshold follows its rate, so that all of them take part. What teaches is the label, after the decision:
the error of a score is its softmax minus 1 for the right class, which is the gradient of the cross-entropy.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.coders.sensor import Sensor, SensorConfig
from hilbench.controllers._fields import Fields, wiring
from hilbench.controllers._streams import Scores, Stream, stream_of
from hilbench.nal import Network
from hilbench.nal.rules.homeostatic import Homeostatic
from hilbench.nal.rules.pes import PES
from hilbench.seeding import stream as random_stream
from hilbench.types import BuiltController, Controller, PlantSpec

Positive = Annotated[float, Meta(gt=0, le=1e6)]
NotNegative = Annotated[float, Meta(ge=0, le=1e6)]
Count = Annotated[int, Meta(ge=1, le=100_000)]


class StreamPESConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `stream_pes`."""

    dt_s: Positive = 0.001
    """The network's step."""
    n_cells: Count = 150
    """Cells of random inputs."""
    n_exciting: Count = 3
    """Fields that excite a cell; each is one address where `radius` is 0."""
    n_inhibiting: Annotated[int, Meta(ge=0, le=100_000)] = 6
    """Fields that inhibit it; one may do both."""
    radius: Annotated[float, Meta(ge=0, le=1000)] = 0.0
    """How far a field reaches around its middle, in pixels or channels, for one polarity and one ear."""
    spread: Annotated[float, Meta(ge=0, le=1000)] | None = None
    """How far a cell's other fields are from its first, as a standard deviation; anywhere when absent."""
    delay_s: Annotated[float, Meta(ge=0, le=10)] = 0.0
    """The longest delay of a cell's first field; each is drawn evenly from 0 on."""
    delay_more_s: Annotated[float, Meta(ge=0, le=10)] = 0.0
    """By how much its other fields are late beside that at most."""
    tau_s: Positive = 0.02
    """Time constant of cells."""
    tau_high_s: Positive | None = None
    """Where stated, each cell's is drawn evenly between `tau_s` and this."""
    refractory_s: NotNegative = 0.002
    """How long a cell rests after a spike: a whole number of steps, one at least unless it is 0."""
    rate_hz: Positive | Annotated[tuple[Positive, ...], Meta(min_length=1)] = 8.0
    """Which rate a cell's threshold holds. Of several, each holds for a part of the cells, of about equal size."""
    threshold: Positive = 8.0
    """With which cells begin, in events at one instant."""
    homeostasis: NotNegative = 0.1
    """By how much a threshold rises with each spike."""
    read_s: Positive = 0.3
    """Time constant of the readout, and of the rates that the rule sees."""
    learning_rate: NotNegative = 0.3
    """PES step size, in score per (score x Hz x s); divided by the number of cells."""
    class_weights: tuple[Positive, ...] = ()
    """What the error is multiplied by where the label is of each class, as for rare ones; 1 where it is empty."""


class StreamPES(Controller):
    """Random spiking cells and a readout that learns labels by PES."""

    Config = StreamPESConfig

    @staticmethod
    def build(config: StreamPESConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        stream = stream_of(plant, "stream_pes", period_us)
        scores = Scores(stream, config.class_weights)
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
    longest = tuple(round(each / config.dt_s) for each in (config.delay_s, config.delay_more_s))
    fields = Fields(config.n_exciting, config.n_inhibiting, config.radius, config.spread, *longest)
    random = random_stream(seed, "controller")
    weights, delay_steps = wiring(fields, stream, n, random)
    high_s = config.tau_high_s
    tau_s = np.full(n, config.tau_s) if high_s is None else random.uniform(config.tau_s, high_s, n)
    net = Network(config.dt_s, spike_amplitude=1 / config.dt_s, seed=seed)
    net.input("spikes", n_inputs, kind="events", units=("1",) * n_inputs)
    rests = max(1, round(config.refractory_s / config.dt_s)) if config.refractory_s else 0
    groups = _groups(config)
    for suffix, part, rate_hz in groups:
        rule = Homeostatic(target_rate_hz=rate_hz, step=config.homeostasis)
        net.add(
            f"cells{suffix}", "lif", part.size, tau_s=tau_s[part], synapse="delta", reset="zero",
            refractory_s=rests * config.dt_s, v_threshold=config.threshold, rule=rule,
        )  # fmt: skip
        net.connect("spikes", f"cells{suffix}", weights[part], delay_steps=delay_steps[part])
    net.readout("scores", len(classes), tau_s=config.read_s, units=("1",) * len(classes))
    for suffix, part, _ in groups:
        rate = config.learning_rate * part.size / n  # PES divides by the cells that it reads
        learns = PES(modulator="score_error", learning_rate=rate, pre_tau_s=config.read_s)
        start = np.zeros((len(classes), part.size))
        net.connect(f"cells{suffix}", "scores", start, rule=learns, name=f"meanings{suffix}")
    return net


def _groups(config: StreamPESConfig) -> list[tuple[str, NDArray[np.int64], float]]:
    """Of each rate what its population's name ends with, which cells hold it, and the rate: one population a rate."""
    if not isinstance(config.rate_hz, tuple):
        return [("", np.arange(config.n_cells), config.rate_hz)]
    parts = np.array_split(np.arange(config.n_cells), len(config.rate_hz))
    found = enumerate(zip(parts, config.rate_hz, strict=True))
    return [(f"_{k}", part, rate_hz) for k, (part, rate_hz) in found if part.size]
