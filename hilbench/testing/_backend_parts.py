"""What the promises of backends share: small programs, their ticks, and replies that are compared bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from hilbench.errors import NetworkError
from hilbench.nal import Network
from hilbench.nal.rules.pes import PES
from hilbench.testing._parts import Part
from hilbench.testing.networks import stream
from hilbench.types import COUNTERS, EVENT, Backend, LawProgram, Port, Probes, Program, Reply, Tick, size_of

PERIOD_US = 4000
LAW = LawProgram("random", {"low": [-1.0, -1.0], "high": [1.0, 1.0]}, (Port("x", 2),), (Port("u", 2),))
EACH_TICK = Probes(weights=("learnt",), weights_period_s=PERIOD_US * 1e-6)
Answers = list[tuple[bytes, ...]]


def learner(weights: Any = None) -> Network:
    """Two values and two event lines drive three neurons; a readout of two learns from them.

    The membranes forget within a step, so that each step's spikes follow from its input alone.
    """
    net = Network(0.001, seed=3)
    net.input("x", 2)
    net.input("e", 2, kind="events")
    net.lif("a", 3, tau_s=1e-6, output=True)
    net.readout("y", 2, tau_s=0.01)
    net.connect("x", "a", [[1, 5], [0.2, 5], [1, 0]])
    net.connect("e", "a", [[0, 1], [0, 0], [0, 2]])
    net.connect(
        "a", "y", np.zeros((2, 3)) if weights is None else weights, rule=PES(modulator="error", learning_rate=0.1),
        delay_steps=2, name="learnt",
    )  # fmt: skip
    return net


def static() -> Network:
    """The learner with its weights fixed, for backends that do not learn."""
    net = learner(np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0]]))
    net.projections["learnt"] = replace(net.projections["learnt"], rule=None)
    net.modulators = ()
    return net


def make(part: Part) -> Backend:
    """A new backend of a part's settings."""
    return part.cls(part.config)


def runs(part: Part, program: Program, probes: Probes | None = None) -> bool | None:
    """Whether a backend runs a program whole; None where it refuses it.

    Parameters
    ----------
    part : Part
    program : Program
    probes : Probes, optional
        What it is to record.
    """
    try:
        return not make(part).load(program, PERIOD_US, probes or Probes()).dropped
    except NetworkError:
        return None


class Loaded(NamedTuple):
    """A backend, a program that it takes, and what it records of that."""

    part: Part
    program: Program
    probes: Probes

    def new(self) -> Backend:
        """One more backend with the program."""
        backend = make(self.part)
        backend.load(self.program, PERIOD_US, self.probes)
        backend.reset(0, "none")
        return backend

    @property
    def saves(self) -> bool:
        """Whether it can save its state."""
        try:
            self.new().snapshot()
        except NetworkError:
            return False
        return True

    @property
    def n_probe_values(self) -> int:
        """How many values of probes a reply has, by its LoadReport."""
        return make(self.part).load(self.program, PERIOD_US, self.probes).n_probe_values


def ticks_for(program: Program, n: int = 12) -> list[Tick]:
    """Ticks that a program takes, with random values, errors and events.

    Parameters
    ----------
    program : Program
    n : int
        How many.
    """
    if isinstance(program, Network):
        return stream(program, PERIOD_US, n, seed=5)
    random, n_in = np.random.default_rng(5), size_of(program.inputs, "values")
    n_errors = size_of(program.modulators, "values")
    numbers = random.uniform(-1, 1, (n, n_in + n_errors)).astype(np.float32)
    return [Tick(k, values=row[:n_in].copy(), modulators=row[n_in:].copy()) for k, row in enumerate(numbers)]


def answers(backend: Backend, ticks: Sequence[Tick], seed: int | None = None) -> Answers:
    """What a backend replies, as bytes.

    Parameters
    ----------
    backend : Backend
    ticks : sequence of Tick
    seed : int, optional
        That it is reset with before.
    """
    if seed is not None:
        backend.reset(seed, "none")
    return answers_of(backend.step(tick) for tick in ticks)


def answers_of(replies: Iterable[Reply]) -> Answers:
    """All arrays of replies, as bytes."""
    return [
        tuple(a.tobytes() for a in (r.events, r.values, r.counters, r.probe_events, r.probe_values)) for r in replies
    ]


def arrays(backend: Backend, ticks: Iterable[Tick]) -> list[tuple[np.ndarray, ...]]:
    """What a backend replies: copies of output events, values, counters, probe events and probe values.

    Parameters
    ----------
    backend : Backend
    ticks : iterable of Tick
    """
    found = (backend.step(tick) for tick in ticks)
    return [tuple(a.copy() for a in (r.events, r.values, r.counters, r.probe_events, r.probe_values)) for r in found]


def wrong_reply(reply: Reply, program: Program, n_probe_values: int) -> str:
    """What of a reply the wire could not carry, in words; empty when it is as it should be.

    Parameters
    ----------
    reply : Reply
    program : Program
    n_probe_values : int
        As the LoadReport says.
    """
    n_values, n_addresses = (size_of(program.outputs, kind) for kind in ("values", "events"))
    for name, array, dtype, shape in (
        ("values", reply.values, np.float32, (n_values,)),
        ("counters", reply.counters, np.uint64, (len(COUNTERS),)),
        ("events", reply.events, EVENT, np.shape(reply.events)),
        ("probe_events", reply.probe_events, EVENT, np.shape(reply.probe_events)),
        ("probe_values", reply.probe_values, np.float32, np.shape(reply.probe_values)),
    ):
        found = f"found {getattr(array, 'dtype', type(array).__name__)} {np.shape(array)}"
        if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != shape or array.ndim != 1:
            return f"{name} of a Reply are {np.dtype(dtype).name} {shape}: {found}"
    if reply.probe_values.size not in (0, n_probe_values):
        return f"probe_values are none or {n_probe_values}, as the LoadReport says: found {reply.probe_values.size}"
    if reply.events.size and (reply.events["address"].max() >= n_addresses or reply.events["t_us"].max() >= PERIOD_US):
        return (
            f"events have addresses below {n_addresses} and times below {PERIOD_US} us: found {reply.events.tolist()}"
        )
    return "" if (np.diff(reply.events["t_us"].astype(int)) >= 0).all() else "events are in the order of t_us"
