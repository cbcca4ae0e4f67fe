"""The execution profile: what a NIR graph needs beside itself to have one meaning. JSON in the graph's metadata.

Only what differs from a default is written. Arrays stand beside it in the metadata, under `hilbench.WHAT.NAME`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from hilbench.errors import NetworkError
from hilbench.nal.model.forms import FormKind
from hilbench.nal.model.neurons import Integrator, Kind
from hilbench.nal.model.short_term import ShortTerm
from hilbench.nal.nir.graph import KEY, Graph
from hilbench.types import Name, Port

Steps = Annotated[int, Meta(ge=0)]
Stored = Literal["nonzero", "all", "mask"]


class NodeEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What every part may say. `node`: its name in the graph, where that is not its own."""

    node: str | None = None


class InputEntry(NodeEntry, frozen=True):
    port: Port


class OutputEntry(NodeEntry, frozen=True):
    port: Port
    source: Name


class PopulationEntry(NodeEntry, frozen=True):
    kind: Kind | None = None
    """Where the node does not say it: `poisson` is written as a Threshold, and `passthrough` is no node."""
    shape: tuple[int, ...] | None = None
    """Where the node does not say it."""
    behaviour: dict[str, Any] = {}
    rule: dict[str, Any] | None = None


class ProjectionEntry(NodeEntry, frozen=True):
    source: Name
    target: Name
    form: FormKind | None = None
    """None is a matrix that no graph wrote; `identity` is an edge without a node."""
    delay_steps: Steps | Literal["array"] = 0
    after_threshold: bool = False
    rule: dict[str, Any] | None = None
    stored: Stored = "nonzero"
    """Which entries of a dense matrix are synapses; `mask` stands under the key hilbench.mask.NAME."""
    short_term: ShortTerm | None = None


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parts of a Network in their order, each with what the graph does not say of it."""

    version: Literal[2]
    dt_s: Annotated[float, Meta(gt=0)]
    integrator: Integrator
    spike_amplitude: Annotated[float, Meta(gt=0)]
    seed: int
    inputs: dict[Name, InputEntry]
    outputs: dict[Name, OutputEntry]
    modulators: tuple[Port, ...] = ()
    populations: dict[Name, PopulationEntry]
    projections: dict[Name, ProjectionEntry]


class _Version(Struct):
    version: int = 1


class _Synapses1(Struct, frozen=True, forbid_unknown_fields=True):
    delay_steps: Steps = 0
    rule: dict[str, Any] | None = None
    stored: Stored = "nonzero"


class _Profile1(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What hilbench 0.1 wrote: `lif` and `li` populations, one delay for a projection."""

    version: Literal[1] = 1
    dt_s: float
    integrator: Literal["exact", "euler"]
    spike_amplitude: float
    seed: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    populations: dict[Name, dict[str, Any]]
    projections: dict[Name, _Synapses1]


def profile_of(graph: Graph) -> Profile | None:
    """The profile that a graph carries, None where there is none. Raises NetworkError for one that is broken."""
    text = graph.metadata.get(KEY)
    if text is None:
        return None
    try:
        raw = text.encode() if isinstance(text, str) else bytes(text)
        version = msgspec.json.decode(raw, type=_Version).version
        if version == 1:
            return _from_version_1(msgspec.json.decode(raw, type=_Profile1), graph)
        if version != 2:
            raise NetworkError(f"profile: version: found {version}; allowed: 1, 2")
        return msgspec.json.decode(raw, type=Profile)
    except (msgspec.DecodeError, TypeError, UnicodeDecodeError, RecursionError) as error:
        raise NetworkError(f"profile: {error}") from None


def _from_version_1(old: _Profile1, graph: Graph) -> Profile:
    """In version 1 a port had its population's name, and edges alone gave the ends of a projection."""
    before, after = graph.sources(), graph.targets()

    def projection(name: str, found: _Synapses1) -> ProjectionEntry:
        if len(before.get(name, ())) != 1 or len(after[name]) != 1:
            raise NetworkError(f"node {name!r}: absent, or without one edge in and one out")
        return ProjectionEntry(
            source=before[name][0], target=after[name][0], delay_steps=found.delay_steps, rule=found.rule,
            stored=found.stored,
        )  # fmt: skip

    def output(port: Port) -> OutputEntry:
        nodes = [b for b in after.get(port.name, ()) if graph.nodes[b].type == "Output"]
        return OutputEntry(port=port, source=port.name, node=nodes[0] if nodes else None)

    return Profile(
        version=2,
        dt_s=old.dt_s,
        integrator=old.integrator,
        spike_amplitude=old.spike_amplitude,
        seed=old.seed,
        inputs={port.name: InputEntry(port=port) for port in old.inputs},
        outputs={port.name: output(port) for port in old.outputs},
        populations={name: PopulationEntry(behaviour=stated) for name, stated in old.populations.items()},
        projections={name: projection(name, found) for name, found in old.projections.items()},
    )
