"""Programs as bounded, typed bytes, for LOAD messages and for the process that reads files.

No code, no pickle: msgpack, checked against types and bounds before anything is built.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Annotated, Any

import msgspec
import numpy as np
import scipy.sparse
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench import plugins
from hilbench.errors import NetworkError, PluginError, ProtocolError
from hilbench.nal.model.arrays import MAX_DELAY_STEPS
from hilbench.nal.model.forms import MAX_SYNAPSES, Form, FormKind
from hilbench.nal.model.network import MAX_NEURONS, Network
from hilbench.nal.model.neurons import PARAMETERS, Behaviour, Integrator, Kind, Population
from hilbench.nal.model.projection import Projection
from hilbench.nal.model.rule import Rule
from hilbench.nal.model.short_term import ShortTerm
from hilbench.types import LawProgram, Name, Port, Program

MAX_NODES = 100_000
FREE_CLAIM, FREE_CELLS = 100_000, 2**24
"""Neurons with port values, and cells of delay lines, that a program of any length may ask for. One that asks for more
must have a byte for each neuron and a byte for each 64 cells: neurons that do anything have parameters or synapses.
"""
CELLS_PER_BYTE = 64

Count = Annotated[int, Meta(ge=1, le=MAX_NEURONS)]
RANK_MAX = 32
"""Dimensions of an array, as many as every version of numpy holds."""
Shape = Annotated[tuple[Count, ...], Meta(max_length=RANK_MAX)]
Numbers = Annotated[bytes, Meta(max_length=8 * MAX_SYNAPSES)]
Parameter = Annotated[bytes, Meta(max_length=4 * MAX_NEURONS)]


class _Population(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    kind: Kind
    shape: Shape
    parameters: dict[Name, Parameter]
    behaviour: Behaviour
    rule: dict[str, Any] | None


class _Array(Struct, frozen=True, forbid_unknown_fields=True):
    shape: Annotated[tuple[Annotated[int, Meta(ge=0, le=MAX_NEURONS)], ...], Meta(max_length=RANK_MAX)]
    data: Numbers


class _Form(Struct, frozen=True, forbid_unknown_fields=True):
    kind: FormKind
    shape_in: Shape
    shape_out: Shape
    arrays: dict[Name, _Array]
    settings: dict[Name, Any]


class _Projection(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    name: Name
    source: Name
    target: Name
    shape: tuple[int, int]
    starts: Numbers
    targets: Numbers
    weights: Numbers
    bias: Parameter | None
    delay_steps: Annotated[int, Meta(ge=0, le=MAX_DELAY_STEPS)] | Numbers
    after_threshold: bool
    rule: dict[str, Any] | None
    form: _Form | None
    short_term: ShortTerm | None = None


class _Network(Struct, frozen=True, tag="network", forbid_unknown_fields=True):
    dt_s: Annotated[float, Meta(gt=0)]
    integrator: Integrator
    spike_amplitude: Annotated[float, Meta(gt=0)]
    seed: int
    inputs: tuple[Port, ...]
    outputs: tuple[tuple[Port, Name], ...]
    modulators: tuple[Port, ...]
    shapes: dict[Name, Shape]
    populations: Annotated[list[_Population], Meta(max_length=MAX_NODES)]
    projections: Annotated[list[_Projection], Meta(max_length=MAX_NODES)]


_decoder = msgspec.msgpack.Decoder(_Network | LawProgram)


def pack(program: Program) -> bytes:
    """A Network or a LawProgram as msgpack."""
    if isinstance(program, LawProgram):
        return msgspec.msgpack.encode(program)
    if not isinstance(program, Network):
        raise NetworkError(f"a program is a Network or a LawProgram; found {type(program).__name__}")
    return msgspec.msgpack.encode(
        _Network(
            program.dt_s, program.integrator, program.spike_amplitude, program.seed, program.inputs,
            tuple((port, program.output_sources[port.name]) for port in program.outputs), program.modulators,
            program.shapes,
            [_pack_population(p) for p in program.populations.values()],
            [_pack_projection(p) for p in program.projections.values()],
        )
    )  # fmt: skip


def _pack_population(p: Population) -> _Population:
    parameters = {name: _raw(getattr(p, name), "<f4") for name in PARAMETERS[p.kind]}
    return _Population(p.name, p.kind, p.shape, parameters, p.behaviour, rule_to_dict(p.rule))


def _pack_projection(p: Projection) -> _Projection:
    return _Projection(
        p.name, p.source, p.target, p.weights.shape, _raw(p.weights.indptr, "<i8"), _raw(p.weights.indices, "<i4"),
        _raw(p.weights.data, "<f4"), None if p.bias is None else _raw(p.bias, "<f4"),
        p.delay_steps if isinstance(p.delay_steps, int) else _raw(p.delay_steps, "<u2"),
        p.after_threshold, rule_to_dict(p.rule), None if p.form is None else _pack_form(p.form),
        p.short_term,
    )  # fmt: skip


def _pack_form(form: Form) -> _Form:
    arrays = {name: _Array(array.shape, _raw(array, "<f4")) for name, array in form.arrays.items()}
    return _Form(form.kind, form.shape_in, form.shape_out, arrays, form.settings)


def unpack(data: bytes) -> Network | LawProgram:
    """The program in `data`, whole. Raises ProtocolError or NetworkError."""
    try:
        program = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"program: {error}") from None
    _check_claims(program, len(data))
    if isinstance(program, LawProgram):
        return program
    with _collector_off():
        return _build(program)


@contextmanager
def _collector_off() -> Iterator[None]:
    """Without the garbage collector: it would look through all the parts again and again, and every one stays."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _check_claims(found: _Network | LawProgram, n_bytes: int) -> None:
    """Raise ProtocolError, before anything is built, where few bytes would make an engine reserve gigabytes."""
    claimed, longest = sum(port.size for port in (*found.inputs, *found.modulators)), 0
    if isinstance(found, _Network):
        claimed += sum(prod(p.shape) for p in found.populations)
        longest = max((_longest_delay(p) for p in found.projections), default=0)
    if claimed > max(FREE_CLAIM, n_bytes):
        raise ProtocolError(
            f"program: {claimed} neurons and port values in {n_bytes} bytes; so few cannot describe them"
        )
    if (cells := (longest + 1) * claimed) > max(FREE_CELLS, CELLS_PER_BYTE * n_bytes):
        raise ProtocolError(
            f"program: delays of up to {longest} steps for {claimed} neurons and port values need {cells} numbers; "
            f"allowed for {n_bytes} bytes: {max(FREE_CELLS, CELLS_PER_BYTE * n_bytes)}"
        )


def _longest_delay(p: _Projection) -> int:
    if isinstance(p.delay_steps, int):
        return p.delay_steps
    n_delays = len(p.delay_steps) // 2
    return int(np.frombuffer(p.delay_steps, "<u2", n_delays).max(initial=0))


def rule_to_dict(rule: Rule | None) -> dict[str, Any] | None:
    """A rule as its plug-in name and its fields."""
    if rule is None:
        return None
    return {"kind": plugins.name_of("rules", type(rule)), **msgspec.to_builtins(rule)}


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
    if len({port.name for port in found.inputs}) < len(found.inputs):
        raise ProtocolError("inputs: two of them have one name; every port needs its own")
    network = Network(found.dt_s, found.integrator, found.spike_amplitude, found.seed, found.inputs)
    for name, shape in found.shapes.items():
        port = network.port(name)
        if port is None or prod(shape) != port.size:
            raise ProtocolError(f"shape of {name!r}: no input port has {shape} values")
    network.shapes.update(found.shapes)
    network.modulators = found.modulators
    for p in found.populations:
        if set(p.parameters) != set(PARAMETERS[p.kind]):
            raise ProtocolError(f"population {p.name!r}: a {p.kind} has {', '.join(PARAMETERS[p.kind]) or 'no arrays'}")
        size = prod(p.shape)
        columns = {name: _array(raw, "<f4", size, p.name) for name, raw in p.parameters.items()}
        stated = msgspec.structs.asdict(p.behaviour)
        network.add_stated(p.name, p.kind, p.shape, columns | stated, rule=rule_from_dict(p.rule))
    for q in found.projections:
        _connect(network, q)
    network.order()
    check_modulators(network, found.modulators)
    for port, source in found.outputs:
        network.output(port.name, source, kind=port.kind, units=port.units)
        if network.outputs[-1] != port:
            raise NetworkError(f"output {port.name!r}: {source!r} gives {network.outputs[-1].size} {port.kind}")
    return network


def check_modulators(network: Network, stated: tuple[Port, ...]) -> None:
    """Raise NetworkError for modulators that are not those of the network's rules.

    Parameters
    ----------
    network : Network
        Its rules name modulators.
    stated : tuple of Port
        The modulator ports that a file, or a message, gives.
    """
    rules = [p.rule for p in network.populations.values()] + [q.rule for q in network.projections.values()]
    named = {rule.modulator for rule in rules if rule is not None and rule.modulator_is == "port"} - {None}
    if network.modulators != stated or {port.name for port in stated} != named:
        raise NetworkError("modulators: they are not the ones that the rules name")


def _connect(network: Network, p: _Projection) -> None:
    delay_steps: int | NDArray
    if isinstance(p.delay_steps, bytes):
        delay_steps = _array(p.delay_steps, "<u2", len(p.weights) // 4, p.name)
    else:
        delay_steps = p.delay_steps
    network.connect(
        p.source, p.target, _matrix(p), bias=None if p.bias is None else _array(p.bias, "<f4", p.shape[0], p.name),
        delay_steps=delay_steps, after_threshold=p.after_threshold, rule=rule_from_dict(p.rule), name=p.name,
        form=None if p.form is None else _form(p.form, p.name), short_term=p.short_term, bulk=True,
    )  # fmt: skip
    if network.projections[p.name].weights.nnz * 4 != len(p.weights):
        raise ProtocolError(f"projection {p.name!r}: synapses stand twice, or are 0 without a rule")


def _form(found: _Form, where: str) -> Form:
    arrays = {name: _shaped(a, f"{where}.{name}") for name, a in found.arrays.items()}
    return Form(found.kind, found.shape_in, found.shape_out, arrays, found.settings)


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
    return scipy.sparse.csc_array((weights.copy(), targets.copy(), starts), shape=p.shape)


def _raw(array: NDArray, dtype: str) -> bytes:
    return np.ascontiguousarray(array, dtype).tobytes()


def _array(raw: bytes, dtype: str, size: int, where: str) -> NDArray:
    if len(raw) != size * int(dtype[2]):
        raise ProtocolError(f"{where!r}: found {len(raw)} bytes; allowed: {size} numbers of type {dtype}")
    return np.frombuffer(raw, dtype)


def _shaped(found: _Array, where: str) -> NDArray:
    if prod(max(1, n) for n in found.shape) > MAX_SYNAPSES:  # a 0 among huge sizes: numpy cannot hold their product
        raise ProtocolError(f"{where!r}: found the shape {found.shape}; allowed: {MAX_SYNAPSES} numbers at most")
    return _array(found.data, "<f4", prod(found.shape), where).reshape(found.shape)
