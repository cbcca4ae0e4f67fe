"""Programs as bounded, typed bytes: what LOAD carries, and what crosses from the process that reads a file.

No code, no pickle: msgpack, checked against types and bounds before anything is built.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import scipy.sparse
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench import plugins
from hilbench.errors import NetworkError, PluginError, ProtocolError
from hilbench.nal.network import MAX_DELAY_STEPS, MAX_NEURONS, Network
from hilbench.nal.rules import Rule
from hilbench.types import LawProgram, Name, Port, Program

MAX_SYNAPSES = 500_000_000
MAX_NODES = 100_000

Numbers = Annotated[bytes, Meta(max_length=8 * MAX_SYNAPSES)]
Parameter = Annotated[bytes, Meta(max_length=4 * MAX_NEURONS)]


class _Population(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    kind: Literal["lif", "li"]
    size: Annotated[int, Meta(ge=1, le=MAX_NEURONS)]
    parameters: tuple[Parameter, Parameter, Parameter, Parameter, Parameter]
    refractory_s: Annotated[float, Meta(ge=0)]
    reset: Literal["value", "zero", "subtract"]
    threshold: Literal[">", ">="]


class _Projection(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    source: Name
    target: Name
    shape: tuple[int, int]
    starts: Numbers
    targets: Numbers
    weights: Numbers
    bias: Parameter | None
    delay_steps: Annotated[int, Meta(ge=0, le=MAX_DELAY_STEPS)]
    rule: dict[str, Any] | None


class _Network(Struct, frozen=True, tag="network", forbid_unknown_fields=True):
    dt_s: Annotated[float, Meta(gt=0)]
    integrator: Literal["exact", "euler"]
    spike_amplitude: Annotated[float, Meta(gt=0)]
    seed: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    modulators: tuple[Port, ...]
    populations: Annotated[list[_Population], Meta(max_length=MAX_NODES)]
    projections: Annotated[list[_Projection], Meta(max_length=MAX_NODES)]


_decoder = msgspec.msgpack.Decoder(_Network | LawProgram)


def pack(program: Program) -> bytes:
    """A Network or a LawProgram as msgpack."""
    if isinstance(program, LawProgram):
        return msgspec.msgpack.encode(program)
    if not isinstance(program, Network):
        raise NetworkError(f"a program is a Network or a LawProgram; found {type(program).__name__}")
    fields = ("tau_s", "r", "v_leak", "v_threshold", "v_reset")
    populations = [
        _Population(
            p.name, p.kind, p.size, tuple(_raw(getattr(p, f), "<f4") for f in fields), p.refractory_s, p.reset,
            p.threshold,
        )
        for p in program.populations.values()
    ]  # fmt: skip
    projections = [
        _Projection(
            p.name, p.source, p.target, p.weights.shape, _raw(p.weights.indptr, "<i8"),
            _raw(p.weights.indices, "<i4"), _raw(p.weights.data, "<f4"),
            None if p.bias is None else _raw(p.bias, "<f4"), p.delay_steps, rule_to_dict(p.rule),
        )
        for p in program.projections.values()
    ]  # fmt: skip
    return msgspec.msgpack.encode(
        _Network(
            program.dt_s, program.integrator, program.spike_amplitude, program.seed,
            program.inputs, program.outputs, program.modulators, populations, projections,
        )
    )  # fmt: skip


def unpack(data: bytes) -> Program:
    """The program in `data`. Raises ProtocolError or NetworkError, and never half-builds."""
    try:
        program = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"program: {error}") from None
    return program if isinstance(program, LawProgram) else _build(program)


def rule_to_dict(rule: Rule | None) -> dict[str, Any] | None:
    """A rule as its plug-in name and its fields."""
    if rule is None:
        return None
    return {"kind": type(rule).__module__.rpartition(".")[2], **msgspec.to_builtins(rule)}


def rule_from_dict(found: dict[str, Any] | None) -> Rule | None:
    """The rule that `rule_to_dict` wrote. Raises NetworkError for an unknown kind or field."""
    if found is None:
        return None
    fields = dict(found)
    try:
        return msgspec.convert(fields, plugins.get("rules", str(fields.pop("kind", ""))))
    except (msgspec.ValidationError, PluginError) as error:
        raise NetworkError(f"rule: {error}") from None


def _build(found: _Network) -> Network:
    network = Network(found.dt_s, found.integrator, found.spike_amplitude, found.seed)
    for port in found.inputs:
        network.input(port.name, port.size, kind=port.kind, units=port.units)
    for p in found.populations:
        columns = [_array(raw, "<f4", p.size, p.name) for raw in p.parameters]
        network._add(p.kind, p.name, p.size, *columns, p.refractory_s, p.reset, p.threshold)
    for p in found.projections:
        bias = None if p.bias is None else _array(p.bias, "<f4", p.shape[0], p.name)
        network.connect(
            p.source, p.target, _matrix(p),
            bias=bias, delay_steps=p.delay_steps, rule=rule_from_dict(p.rule), name=p.name,
        )  # fmt: skip
    if found.modulators != network.modulators:
        raise ProtocolError("modulators: they are not the ones that the rules name")
    set_outputs(network, found.outputs)
    return network


def _matrix(p: _Projection) -> scipy.sparse.csc_array:
    n_target, n_source = p.shape
    if not (1 <= n_target <= MAX_NEURONS and 1 <= n_source <= MAX_NEURONS):
        raise ProtocolError(f"projection {p.name!r}: shape {p.shape} is out of bounds")
    starts = _array(p.starts, "<i8", n_source + 1, p.name)
    n_synapses = len(p.weights) // 4
    targets = _array(p.targets, "<i4", n_synapses, p.name)
    weights = _array(p.weights, "<f4", n_synapses, p.name)
    ordered = starts[0] == 0 and starts[-1] == n_synapses and (starts[1:] >= starts[:-1]).all()
    if not ordered or (n_synapses and not (targets.min() >= 0 and targets.max() < n_target)):
        raise ProtocolError(f"projection {p.name!r}: synapses point outside their arrays")
    return scipy.sparse.csc_array((weights, targets, starts), shape=p.shape)


def set_outputs(network: Network, ports: tuple[Port, ...]) -> None:
    """Give a network its output ports. Raises NetworkError for one that no population, or an earlier port, allows."""
    for i, port in enumerate(ports):
        population = network.populations.get(port.name)
        kind = {"lif": "events", "li": "values"}.get(population.kind if population else "")
        if population is None or (port.kind, port.size) != (kind, population.size):
            raise NetworkError(f"output {port.name!r}: no population gives {port.size} {port.kind} of that name")
        if port.name in {other.name for other in ports[:i]}:
            raise NetworkError(f"output {port.name!r}: stands twice; allowed: one port for each population")
    network.outputs = ports


def _raw(array: NDArray, dtype: str) -> bytes:
    return np.ascontiguousarray(array, dtype).tobytes()


def _array(raw: bytes, dtype: str, size: int, where: str) -> NDArray:
    if len(raw) != size * np.dtype(dtype).itemsize:
        raise ProtocolError(f"{where!r}: found {len(raw)} bytes; allowed: {size} numbers of type {dtype}")
    return np.frombuffer(raw, dtype).copy()
