"""The contracts that plug-ins fulfil: laws, backends, links, meters and controllers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.errors import LinkError, NetworkError, stays_here
from hilbench.types.coders import Decoder, Encoder
from hilbench.types.plants import PlantSpec
from hilbench.types.programs import Carry, LoadReport, Probes, Program
from hilbench.types.ticks import Events, Reply, States, Tick, Values


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
    def step(self, values: Values, modulators: Values, learning: bool) -> NDArray[np.floating[Any]]:
        """Run one control period; the program's output values, (n_outputs,).

        Parameters
        ----------
        values : (n_values,) float32
            The program's input values.
        modulators : (n_modulators,) float32
            Its learning signals.
        learning : bool
            Whether what is `learnt` may change.
        """


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

        Parameters
        ----------
        program : Program
            A LawProgram or a `hilbench.nal.Network`.
        period_us : int
            The control period, in microseconds.
        probes : Probes
            What replies report beside the outputs.
        """

    @abstractmethod
    def reset(self, seed: int, carry: Carry) -> None:
        """Start an episode.

        Parameters
        ----------
        seed : int
            Seed of the program's own randomness.
        carry : {"none", "weights", "all"}
            What survives: nothing, learnt weights, or all states too.
        """

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

    def snapshot(self) -> States:
        """Copies of all that changes while it runs, by name.

        A network's learnt weights are `weights/PROJECTION` in the order of its synapses, learnt thresholds
        `thresholds/POPULATION`, whatever the backend; the other names are its own. Raises NetworkError where it cannot.
        """
        raise NetworkError(f"backend {type(self).__name__!r} cannot save its state")

    def restore(self, arrays: Mapping[str, NDArray[Any]], carry: Carry) -> None:
        """Put a snapshot back: all of it, what was learnt, or nothing; the rest stays as it is.

        With `all`, what follows is what followed then. Raises NetworkError, and changes nothing, when it does not fit.

        Parameters
        ----------
        arrays : dict of arrays
            What `snapshot` returned.
        carry : {"none", "weights", "all"}
            How much of it to take.
        """
        raise NetworkError(f"backend {type(self).__name__!r} cannot take a state back")


class Link(ABC):
    """How an Agent reaches a backend. One plant, one device, one Program at a time."""

    config: Any
    """At least `timeout_s`: how long an answer may take."""
    same_clock: bool = False
    """Whether `recv_ns` of a Reply and this process's monotonic clock may be subtracted."""
    __reduce__ = stays_here

    @abstractmethod
    def load(self, program: Program, period_us: int, probes: Probes) -> LoadReport:
        """Reach the device, if that has not happened yet, and have its backend load the program.

        Raises LinkError when there is no device or it refuses, NetworkError when the backend cannot run the program.

        Parameters
        ----------
        program, period_us, probes
            As in `Backend.load`.
        """

    @abstractmethod
    def reset(self, seed: int, carry: Carry, catch_up: int) -> None:
        """Start an episode; ticks are counted from 0 again, and checkpoints not yet received are given up.

        Parameters
        ----------
        seed : int
            Seed of the program's own randomness.
        carry : {"none", "weights", "all"}
            What survives: nothing, learnt weights, or all states too.
        catch_up : int
            Periods of a gap between ticks through which the device advances its network.
        """

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

    def snapshot(self) -> States:
        """Copies of all that changes in the backend, by name. Raises LinkError or NetworkError when there is none."""
        raise LinkError(f"{self}: this link cannot save a state")

    def restore(self, arrays: Mapping[str, NDArray[Any]], carry: Carry) -> None:
        """Put a snapshot back, as `Backend.restore` does; ticks go on counting. Raises as `snapshot` does.

        Parameters
        ----------
        arrays, carry
            As in `Backend.restore`.
        """
        raise LinkError(f"{self}: this link cannot take a state back")

    def request_checkpoint(self, received: Callable[[States], None]) -> None:
        """Ask for a snapshot while ticks go on; a later `receive` that meets it calls `received` with it.

        The snapshot is of the state after the ticks sent so far. Where the device cannot take one, or it is lost,
        `received` is not called. A link with a wire must not wait here; this one, for links without, takes it at once.
        """
        received(self.snapshot())

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


Modulate = Callable[[Values, Events, float, Mapping[str, float], Values], None]
"""A function of obs, sensor events, reward, info and the modulators, (n_modulators,) float32, written in place."""


@dataclass(frozen=True, slots=True)
class BuiltController:
    """A controller, built: a Program with its coders and learning signals."""

    program: Program
    encoder: Encoder
    """Fills the program's inputs."""
    decoder: Decoder
    """Reads all of its outputs."""
    modulate: Modulate | None = None
    """Writes the learning signals."""
    notes: tuple[str, ...] = ()
    """A line for whatever its user should know of it."""
    steps_per_period: int | None = None
    """How many steps its network runs in a control period, where those are not plant time."""
    blind_inputs: tuple[str, ...] | None = None
    """Input ports that the blind control holds: those that what is learnt depends on. All of them when None."""


class Controller(ABC):
    """Makes a BuiltController for a plant."""

    Config: ClassVar[type[Struct]]
    backend: ClassVar[str | None] = None
    """The backend this controller needs; None takes the scenario's."""

    @staticmethod
    @abstractmethod
    def build(config: Any, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        """Make the Program and its coders.

        Parameters
        ----------
        config : Config
            This controller's settings.
        plant : PlantSpec
            The plant it is to control.
        period_us : int
            The control period, in microseconds.
        seed : int
            Feeds the construction alone, such as the choice of encoders and decoders.
        """


class Empty(Struct, frozen=True, forbid_unknown_fields=True):
    """A plug-in without settings."""


def to_builtins(config: Struct) -> dict[str, Any]:
    """A Config as plain dicts, lists and numbers, ready for TOML, JSON or msgpack."""
    return msgspec.to_builtins(config)
