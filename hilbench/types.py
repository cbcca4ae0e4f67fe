"""The nouns that two layers share: Tick and Reply, ports, programs, and the contracts that plug-ins fulfil.

A type stands here only when two layers use it. Nothing here reads a clock, a file or a socket.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.errors import LinkError, NetworkError, stays_here

EVENT = np.dtype([("t_us", "<u4"), ("address", "<u4")])
"""One spike event: microseconds since the start of its tick's window, and its address."""

NO_EVENTS = np.empty(0, EVENT)[:]  # views, for everybody shares them and a view cannot be resized
NO_VALUES = np.empty(0, np.float32)[:]
COUNTERS = ("spikes", "synaptic_operations", "neuron_updates", "weight_updates", "multiplications")

HELD, REPLIED, SAFE = range(3)
"""Where a physics step's action came from: the record's `sources` column."""

Carry = Literal["none", "weights", "all"]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*$", max_length=128)]


class Port(Struct, frozen=True, forbid_unknown_fields=True):
    """A named place where a Program takes in or gives out numbers or events.

    Ports of one kind lie side by side in the order of their tuple: the second value port's first value
    follows the first port's last one in `Tick.values`, and event addresses are counted the same way.
    """

    name: Name
    size: Annotated[int, Meta(ge=1, le=1_000_000)]
    kind: Literal["values", "events"] = "values"
    units: tuple[Annotated[str, Meta(max_length=64)], ...] = ()


@dataclass(slots=True)
class Tick:
    """What the loop sends for one control period."""

    seq: int = 0
    t_ns: int = 0
    learning: bool = True
    events: NDArray = field(default_factory=NO_EVENTS.copy)  # (n,) EVENT, sorted by t_us
    values: NDArray = field(default_factory=NO_VALUES.copy)  # (n_values,) float32
    modulators: NDArray = field(default_factory=NO_VALUES.copy)  # (n_modulators,) float32


@dataclass(slots=True)
class Reply:
    """What a device answers to one Tick. Whoever reads it may put other arrays into it and write over those it has."""

    seq: int = 0
    t_ns: int = 0
    prev_seq: int = -1  # the tick this device ran before this one; -1 when there was none
    recv_ns: int = 0
    compute_ns: int = 0
    counters: NDArray = field(default_factory=lambda: np.zeros(5, np.uint64))  # in the order of COUNTERS
    energy_j: float = float("nan")
    events: NDArray = field(default_factory=NO_EVENTS.copy)
    values: NDArray = field(default_factory=NO_VALUES.copy)
    probe_events: NDArray = field(default_factory=NO_EVENTS.copy)
    probe_values: NDArray = field(default_factory=NO_VALUES.copy)

    def renew(self, values: NDArray, counters: NDArray | None = None) -> None:
        """Give it all its arrays anew, whatever a reader of the last one made of them; no counters are zeros."""
        self.values = values
        self.counters = np.zeros(len(COUNTERS), np.uint64) if counters is None else counters
        self.events = self.probe_events = NO_EVENTS
        self.probe_values = NO_VALUES


class Probes(Struct, frozen=True, forbid_unknown_fields=True):
    """What a run watches inside a Network. Probes never reach the decoder."""

    spikes: tuple[Name, ...] = ()
    """Populations whose spikes are recorded; probe addresses follow this order."""
    weights: tuple[Name, ...] = ()
    """Projections whose weights are recorded."""
    weight_norms: tuple[Name, ...] = ()
    """Projections of which only the Frobenius norm is recorded."""
    weights_period_s: Annotated[float, Meta(gt=0, le=1e6)] = 0.1
    """Time between two records of weights, a multiple of the control period; counted in ticks the network has run."""


class Program(Protocol):
    """What a backend runs: a Network or a law. It says which ports it has; the backend knows the rest."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    modulators: tuple[Port, ...]


class LawProgram(Struct, frozen=True, tag="law", forbid_unknown_fields=True):
    """A classical controller by name and Config: data, never code."""

    name: Annotated[str, Meta(max_length=64)]
    config: dict[Annotated[str, Meta(max_length=64)], Any]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    modulators: tuple[Port, ...] = ()


def size_of(ports: tuple[Port, ...], kind: str) -> int:
    """How many values, or event addresses, these ports have together."""
    return sum(port.size for port in ports if port.kind == kind)


Lines = Annotated[tuple[Annotated[str, Meta(max_length=1000)], ...], Meta(max_length=500_000)]


class LoadReport(Struct, frozen=True, forbid_unknown_fields=True):
    """What a backend made of a Program: which parts it runs as stated, which not."""

    backend: Annotated[str, Meta(max_length=64)]
    exact: Lines = ()
    approximated: Lines = ()
    dropped: Lines = ()
    cores_used: Annotated[int, Meta(ge=0, lt=2**32)] = 1
    n_probe_values: Annotated[int, Meta(ge=0, lt=2**32)] = 0
    instruction_ns: Annotated[int, Meta(ge=1, le=10**9)] | None = None
    """Where `compute_ns` counts instructions and is no time: what each of them is put at."""
    warnings: Lines = ()  # what the user is told at once: weights that became 0, neurons that lost all their input


class Law(ABC):
    """A classical controller: reads values, writes values, and names what it learns. What it is given is its own.

    `reset` makes every state new; a backend carries `learnt` attributes over when a RESET asks for it.
    """

    Config: ClassVar[type[Struct]]
    learnt: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Struct) -> None:
        self.config: Any = config

    def reset(self, seed: int) -> None:
        """Make every state new. `seed` feeds the law's own randomness, if it has any."""

    @abstractmethod
    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        """One control period: `values` (n_values,) float32 in, (n_outputs,) out."""


class Backend(ABC):
    """Runs one Program. A Session (bridge) owns it, counts ticks and reads the clock around it."""

    Config: ClassVar[type[Struct]]
    own_time: ClassVar[bool] = False
    """Whether its replies bring `compute_ns`, by the hardware's own clock; else the Session measures the call."""
    environment: ClassVar[str | None] = None
    """The Python environment that its device needs, where that is not this one: `hilbench device install NAME`."""

    def __init__(self, config: Struct) -> None:
        self.config: Any = config

    __reduce__ = stays_here

    @abstractmethod
    def load(self, program: Program, period_us: int, probes: Probes) -> LoadReport:
        """Build everything a step needs, and run it once so that nothing is compiled later.

        Raises NetworkError when this backend cannot run the Program, with the reason.
        """

    @abstractmethod
    def reset(self, seed: int, carry: Carry) -> None:
        """Start an episode; `carry` says what survives: nothing, learnt weights, or all states too."""

    @abstractmethod
    def step(self, tick: Tick) -> Reply:
        """Run one control period. The Reply belongs to the backend and holds until the next call.

        Its reader may put other arrays into it and write over those it has, and nothing later may depend on that: every
        step gives it all its arrays anew, as copies or as views of arrays that nothing else is read from.
        The Tick's arrays are used again for the next one: a backend copies what it keeps, and leaves them alone.
        """

    @abstractmethod
    def advance(self, n_periods: int) -> None:
        """Let time pass without a tick: last values and modulators held, no events, learning off."""

    def snapshot(self) -> dict[str, NDArray]:
        """Copies of all that changes while it runs, by name.

        A network's learnt weights are `weights/PROJECTION` in the order of its synapses, learnt thresholds
        `thresholds/POPULATION`, whatever the backend; the other names are its own. Raises NetworkError where it cannot.
        """
        raise NetworkError(f"backend {type(self).__name__!r} cannot save its state")

    def restore(self, arrays: Mapping[str, NDArray], carry: Carry) -> None:
        """Put a snapshot back: all of it, what was learnt, or nothing; the rest stays as it is.

        With `all`, what follows is what followed then. Raises NetworkError, and changes nothing, when it does not fit.
        """
        raise NetworkError(f"backend {type(self).__name__!r} cannot take a state back")


class Checkpoint(NamedTuple):
    """A snapshot, and the episode and the tick of it at which it was asked for."""

    arrays: dict[str, NDArray]
    episode: int
    tick: int


class Link(ABC):
    """How an Agent reaches a backend. One plant, one device, one Program at a time."""

    config: Any  # at least `timeout_s`: how long an answer may take
    same_clock: bool = False
    """Whether `recv_ns` of a Reply and this process's monotonic clock may be subtracted."""
    kept: Checkpoint | None = None  # the last snapshot that has come of those that `request_checkpoint` asked for
    __reduce__ = stays_here

    @abstractmethod
    def load(self, program: Program, period_us: int, probes: Probes) -> LoadReport: ...

    @abstractmethod
    def reset(self, seed: int, carry: Carry, catch_up: int) -> None:
        """Start an episode; ticks are counted from 0 again."""

    @abstractmethod
    def send(self, tick: Tick) -> None:
        """Hand a tick over without waiting. Raises LinkError when the device is known to be gone."""

    @abstractmethod
    def receive(self, timeout_ns: int) -> Reply | None:
        """The next reply, or None after `timeout_ns`; 0 only looks. The Reply holds until the next call."""

    def send_echo(self, n_bytes: int) -> int | None:
        """Send a frame with a body of about `n_bytes`, which the device sends back past its program; the echo's number.

        None where the link or the device knows no such frame. Echoes are for before the first tick and after the last
        reply: replies that arrive meanwhile may be dropped. Raises LinkError when the device is known to be gone.
        """
        return None

    def receive_echo(self, timeout_ns: int) -> int | None:
        """The number of the next echo that is back, or None after `timeout_ns`. Raises LinkError as `receive` does."""
        return None

    def alive(self) -> bool:
        """Whether the device answers when it is asked, as `send_echo`; False too where it cannot be asked."""
        return False

    def snapshot(self) -> dict[str, NDArray]:
        """Copies of all that changes in the backend, by name. Raises LinkError or NetworkError when there is none."""
        raise LinkError(f"{self}: this link cannot save a state")

    def restore(self, arrays: Mapping[str, NDArray], carry: Carry) -> None:
        """Put a snapshot back, as `Backend.restore` does; ticks go on counting. Raises as `snapshot` does."""
        raise LinkError(f"{self}: this link cannot take a state back")

    def request_checkpoint(self, episode: int, tick: int) -> None:
        """Have a snapshot come while ticks go on: `kept` holds it once a later `receive` has met it.

        A link with a wire must not wait here; this one, for links without, takes it at once.
        """
        self.kept = Checkpoint(self.snapshot(), episode, tick)

    def tally(self) -> dict[str, int]:
        """Frames that were lost at this end of the link, by cause, as `run.json` keeps them; those that it counts."""
        return {}

    def abandon(self) -> None:
        """Let go of a device that is lost: the next `load` looks for it, or starts it, anew. Raises LinkError."""
        raise LinkError(f"{self}: a device of this link cannot come back")

    @abstractmethod
    def close(self) -> None:
        """Release everything; may be called twice."""

    def __str__(self) -> str:
        """Where the device is, for messages."""
        return "the device"

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Meter(ABC):
    """Reads the energy that hardware has used so far. It is read around a stretch of work, never inside a tick."""

    Config: ClassVar[type[Struct]]
    accuracy: ClassVar[str]
    """What is counted, in which steps and how well, as a record states it."""

    def __init__(self, config: Struct) -> None:
        self.config: Any = config

    @abstractmethod
    def unavailable(self) -> str | None:
        """Why it cannot be read here, in one line; None when it can."""

    @abstractmethod
    def domains(self) -> tuple[str, ...]:
        """The parts of the hardware whose energy is added up."""

    @abstractmethod
    def read_j(self) -> float:
        """Joules since the first reading."""


class PlantSpec(Struct, frozen=True):
    """What a controller may know of a plant before it runs: names, units, limits and nominal parameters."""

    obs_names: tuple[str, ...]
    obs_units: tuple[str, ...]
    action_names: tuple[str, ...]
    action_units: tuple[str, ...]
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    safe_action: tuple[float, ...]
    physics_step_s: float
    info_units: dict[str, str]
    error: str
    """The info key that holds the tracking error."""
    parameters: dict[str, float]
    """Nominal constants with units in their names, as a designer would know them. Never a disturbance."""


class Coder(Protocol):
    """Turns an observation into a tick's values and events. It runs beside the loop and never learns."""

    def reset(self) -> None: ...

    def encode(self, obs: NDArray, values: NDArray) -> NDArray:
        """Write `values` (n_values,) float32 in place; return the events (n,) EVENT of the window."""


@dataclass(frozen=True, slots=True)
class BuiltController:
    """A controller, built: a Program with its coders and learning signals."""

    program: Program
    coder: Coder
    decode: Callable[[Reply, NDArray], None]
    """Writes the action (n_actions,) float64 in place."""
    modulate: Callable[[NDArray, float, Mapping[str, float], NDArray], None] | None = None
    """Writes the modulators (n_modulators,) float32 in place from obs, reward and info."""
    notes: tuple[str, ...] = ()
    """A line for whatever its user should know of it."""


class Controller(ABC):
    """Builds a Control for a plant."""

    Config: ClassVar[type[Struct]]
    backend: ClassVar[str | None] = None
    """The backend this controller needs; None takes the scenario's."""

    @staticmethod
    @abstractmethod
    def build(config: Any, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        """Make the Program and its coders. `seed` feeds construction (encoders, decoders) alone."""


class Empty(Struct, frozen=True, forbid_unknown_fields=True):
    """A plug-in without settings."""


def to_builtins(config: Struct) -> dict[str, Any]:
    """A Config as plain dicts, lists and numbers, ready for TOML, JSON or msgpack."""
    return msgspec.to_builtins(config)


@dataclass(frozen=True, slots=True)
class RunData:
    """A run, read back: its `run.json`, and per episode a dict of columns, one row per tick."""

    meta: dict[str, Any]
    episodes: list[dict[str, NDArray]]
    echo_ns: NDArray = field(default_factory=lambda: np.empty(0, np.int64))
    """(n,) int64: the bare echo of the run's link, from each echo's scheduled instant to its return."""

    @property
    def mode(self) -> str:
        """`lockstep`, `delayed` or `realtime`; `replay` for a real-time run that was run again on the virtual clock."""
        return "replay" if "replay_of" in self.meta else self.meta["scenario"]["loop"].get("mode", "lockstep")

    @property
    def instruction_ns(self) -> int | None:
        """As in the run's LoadReport: None where `compute_ns` is time."""
        return self.meta.get("report", {}).get("instruction_ns")
