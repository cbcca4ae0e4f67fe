"""The one C file that differs from network to network: its numbers, in arrays with names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import fill

import numpy as np
from numpy.typing import NDArray

from hilbench.nal.loihi import IntegerNetwork, lower
from hilbench.nal.loihi.equations import UNITY
from hilbench.nal.loihi.lower import DELAY, EXPONENT, POPULATION, ROW, SOURCE_HI, SOURCE_LO, TARGET_HI, TARGET_LO, Flat
from hilbench.types import Probes, size_of

FIXED_BYTES, EVENT_BYTES, VALUE_BYTES, CRC_BYTES = 32, 8, 4, 2
LEAST_ROOM = 1024
"""Room for a HELLO and a short ECHO, however small a TICK is."""
EVENTS_MAX = 4096
"""Of one TICK, where each input once a step would be more."""


def n_events_in(net: IntegerNetwork, period_us: int) -> int:
    """How many events the firmware leaves room for in a TICK: each input once a step."""
    return min(size_of(net.inputs, "events") * (period_us // net.dt_us), EVENTS_MAX)


def program_c(net: IntegerNetwork, period_us: int, probes: Probes, program_hash: bytes) -> str:
    """The text of program.c for a network whose sizes the firmware can count."""
    flat = lower.lower(net, probes)
    parts = [
        "/* A network for network.c, written by `hilbench build cortexm`: write it anew rather than change it. */\n"
        '#include "network.h"\n',
        *_neurons(net, flat),
        *_synapses(net, flat),
        *_held(net, flat),
        *_outputs(net, flat),
        _state(net, flat, period_us),
        _program(net, flat, period_us, program_hash),
    ]
    return "\n".join(parts)


def _array(declaration: str, rows: Iterable[object], comment: str) -> str:
    """A constant array; C has none without elements, so an empty one has a zero that nothing reads."""
    found = [str(row) for row in rows]
    inner = fill(", ".join(found or ["0"]), 116, initial_indent="    ", subsequent_indent="    ")
    return f"/* {comment} */\nstatic const {declaration}[] = {{\n{inner}\n}};\n"


def _rows(declaration: str, rows: Sequence[tuple[Sequence[object], str]], comment: str) -> str:
    """A constant array of structs, one a line with its name beside it."""
    lines = [f"    {{{', '.join(map(str, row))}}},{f' /* {name} */' if name else ''}" for row, name in rows]
    return f"/* {comment} */\nstatic const {declaration}[] = {{\n" + "\n".join(lines or ["    {0}"]) + "\n};\n"


def _doubles(numbers: NDArray) -> list[str]:
    return [float(number).hex() for number in numbers]


def _neurons(net: IntegerNetwork, flat: Flat) -> list[str]:
    rows = [
        (
            (
                flat.at[p.name].start, flat.at[p.name].stop, UNITY - p.du - 1, UNITY - p.dv,
                "INT32_MAX" if p.vth is None else p.vth << lower.ALIGN_BITS, p.refractory_steps,
            ),
            p.name,
        )
        for p in net.populations.values()
    ]  # fmt: skip
    heads = "first neuron, the one after the last, kept of u and of v in 4096ths, threshold, refractory steps"
    return [
        _rows("struct population populations", rows, f"Populations: {heads}."),
        _array("int32_t bias", flat.bias.tolist(), "Constant bias, a neuron each."),
        _array("int32_t v_initial", flat.v_initial.tolist(), "Where v starts, a neuron each."),
    ]


def _synapses(net: IntegerNetwork, flat: Flat) -> list[str]:
    names = [p.name for p in net.projections.values() for _ in np.unique(p.delay_steps)]
    columns = (SOURCE_LO, SOURCE_HI, TARGET_LO, TARGET_HI, ROW, POPULATION, DELAY, EXPONENT)
    rows = []
    for bundle, name in zip(flat.bundles[:, columns].tolist(), names, strict=True):
        first, end = bundle[2:4]
        rows.append(((*bundle[:2], first, end - first, *bundle[4:]), name))
    heads = "first source, the one after the last, first target, targets, row, population, delay in steps, exponent"
    starts, targets, weights = flat.synapses
    return [
        _rows("struct bundle bundles", rows, f"Bundles of synapses: {heads}."),
        _array("uint32_t starts", starts.tolist(), "Where each source's synapses start, bundle after bundle."),
        _array("uint16_t targets", targets.tolist(), "Places within the bundle's targets, a synapse each."),
        _array("int16_t weights", weights.tolist(), "Weights without their exponent, a synapse each."),
    ]


def _held(net: IntegerNetwork, flat: Flat) -> list[str]:
    rows, at = [], 0
    for p, (lo, hi, first, end, row, *_) in zip(net.value_inputs, flat.held.tolist(), strict=True):
        rows.append(((lo, hi, first, end - first, row, at), p.name))
        at += end - first
    scales = np.concatenate([*(p.scale for p in net.value_inputs), []])
    starts, targets, weights = flat.held_synapses
    heads = "first value, the one after the last, first target, targets, row, first scale"
    return [
        _rows("struct held_input held", rows, f"Values that act as bias currents: {heads}."),
        _array("uint32_t held_starts", starts.tolist(), "Where each value's weights start."),
        _array("uint16_t held_targets", targets.tolist(), "Places within the input's targets."),
        _array("float held_weights", [f"{w}f" for w in _doubles(weights)], "Weights of values."),
        _array("double held_scales", _doubles(scales), "Bias per weight x value, by target."),
    ]


def _outputs(net: IntegerNetwork, flat: Flat) -> list[str]:
    rows = [
        ((flat.at[p.name].start + i, float(p.volts[i]).hex(), float(p.v_zero[i]).hex()), f"{p.name} {i}")
        for p in (net.populations[net.taps[port.name]] for port in net.outputs if port.kind == "values")
        for i in range(p.size)
    ]
    taps = [[(row, "") for row in table.tolist()] for table in (flat.outputs, flat.probes)]
    return [
        _rows("struct tap outputs", taps[0], "Populations whose spikes go out: population, its first address."),
        _rows("struct tap probes", taps[1], "Populations that the run watches."),
        _rows("struct reading readings", rows, "Output values: neuron, what a step of v is worth, the value at v = 0."),
    ]


def _room(flat: Flat, taps: NDArray, n_steps: int) -> int:
    """Events of a period in which every tapped neuron fires in every step; no array is without elements."""
    spans = flat.populations[taps[:, lower.TAPPED]]
    return max(1, int((spans[:, lower.HI] - spans[:, lower.LO]).sum()) * n_steps)


def _state(net: IntegerNetwork, flat: Flat, period_us: int) -> str:
    n, n_steps, n_values = flat.bias.size, period_us // net.dt_us, size_of(net.inputs, "values")
    values_bytes = VALUE_BYTES * (n_values + size_of(net.modulators, "values"))
    tick_bytes = FIXED_BYTES + EVENT_BYTES * n_events_in(net, period_us) + values_bytes
    targets = [p.size for p in net.populations.values()]
    return f"""/* What changes, in RAM. */
static int32_t u[{n}], v[{n}], bias_now[{n}], ring[{n * flat.n_slots}], total[{max(targets)}];
static uint8_t wait[{n}];
static uint16_t fired[{n}];
static uint32_t fired_to[{len(targets) + 1}];
static double held_total[{max(targets)}];
static int64_t held_bias[{n}];
static float values[{max(1, n_values)}], values_out[{max(1, size_of(net.outputs, "values"))}];
static struct wire_event output_events[{_room(flat, flat.outputs, n_steps)}];
static struct wire_event probe_events[{_room(flat, flat.probes, n_steps)}];
struct state state = {{
    .u = u, .v = v, .bias = bias_now, .wait = wait, .ring = ring, .total = total, .fired = fired,
    .fired_to = fired_to, .held_total = held_total, .held_bias = held_bias, .values = values,
    .readings = values_out, .output_events = output_events, .probe_events = probe_events,
}};
uint8_t frame_room[{max(tick_bytes, LEAST_ROOM) + CRC_BYTES}];
const uint32_t frame_room_bytes = sizeof frame_room;
"""


def _program(net: IntegerNetwork, flat: Flat, period_us: int, program_hash: bytes) -> str:
    sizes = (
        period_us, size_of(net.inputs, "values"), size_of(net.inputs, "events"), size_of(net.modulators, "values"),
        size_of(net.outputs, "values"), size_of(net.outputs, "events"),
    )  # fmt: skip
    pairs = {
        "dt_us": net.dt_us, "n_neurons": flat.bias.size, "n_slots": flat.n_slots,
        "n_populations": len(flat.populations), "n_bundles": len(flat.bundles), "n_held": len(flat.held),
        "n_outputs": len(flat.outputs),
        "n_probes": len(flat.probes),
    }  # fmt: skip
    pointers = (
        "populations", "bias", "v_initial", "bundles", "starts", "targets", "weights", "held", "held_starts",
        "held_targets", "held_weights", "held_scales", "outputs", "probes", "readings",
    )  # fmt: skip
    lines = [
        f".sizes = {{{', '.join(map(str, sizes))}}},",
        f".hash = {{{', '.join(map(str, program_hash))}}},",
        *(f".{name} = {value}," for name, value in pairs.items()),
        *(f".{name} = {name}," for name in pointers),
    ]
    return "const struct program program = {\n" + "\n".join(f"    {line}" for line in lines) + "\n};\n"
