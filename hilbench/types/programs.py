"""What a backend is given to run, and what it says of it: ports, Programs, probes and the LoadReport."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Protocol

from msgspec import Meta, Struct

Carry = Literal["none", "weights", "all"]
"""What survives from one episode to the next: nothing, learnt weights, or all states too."""
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*$", max_length=128)]
"""The name of a port, a population or a projection."""


class Port(Struct, frozen=True, forbid_unknown_fields=True):
    """A named place where a Program takes in or gives out numbers or events.

    Ports of one kind lie side by side in the order of their tuple: the second value port's first value
    follows the first port's last one in `Tick.values`, and event addresses are counted the same way.
    """

    name: Name
    size: Annotated[int, Meta(ge=1, le=1_000_000)]
    kind: Literal["values", "events"] = "values"
    units: tuple[Annotated[str, Meta(max_length=64)], ...] = ()


def size_of(ports: tuple[Port, ...], kind: str) -> int:
    """How many values, or event addresses, these ports have together.

    Parameters
    ----------
    ports : tuple of Port
        A program's inputs, outputs or modulators.
    kind : {"values", "events"}
        Which of them to count.
    """
    return sum(port.size for port in ports if port.kind == kind)


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
    """What a backend runs: a Network or a law. Agent and link ask for its ports; the backend knows the rest."""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """Ports that a Tick's events and values go to."""

    @property
    def outputs(self) -> tuple[Port, ...]:
        """Ports that a Reply's events and values come from."""

    @property
    def modulators(self) -> tuple[Port, ...]:
        """Ports of learning signals, all of values."""


class LawProgram(Struct, frozen=True, tag="law", forbid_unknown_fields=True):
    """A classical controller by name and Config: data, never code."""

    name: Annotated[str, Meta(max_length=64)]
    config: dict[Annotated[str, Meta(max_length=64)], Any]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    modulators: tuple[Port, ...] = ()


Lines = Annotated[tuple[Annotated[str, Meta(max_length=1000)], ...], Meta(max_length=500_000)]
"""What a LoadReport says of parts of a program: a line each."""


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
    warnings: Lines = ()
    """What the user is told at once: of weights that became 0, and neurons that lost all their input."""
