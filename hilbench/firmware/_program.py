"""The one C file that differs from network to network: its numbers, in arrays with names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.firmware._pes import Learnt, learnt_c
from hilbench.firmware._text import array, doubles, floats, structs
from hilbench.nal.loihi import IntegerNetwork, lower
from hilbench.nal.loihi.equations import UNITY
from hilbench.nal.loihi.lower import BundleColumn, Flat
from hilbench.nal.model.network import Network
from hilbench.types import Port, Probes, size_of

FIXED_BYTES, EVENT_BYTES, VALUE_BYTES, CRC_BYTES = 32, 8, 4, 2
LEAST_ROOM = 1024
"""Room for a HELLO and a short ECHO, however small a TICK is."""
EVENTS_LEAST, EVENTS_MAX = 512, 4096
"""Of one TICK, where each input once a step would be fewer, or more. A sensor may tell of an address several times."""


def n_events_in(net: IntegerNetwork, period_us: int) -> int:
    """How many events the firmware leaves room for in a TICK: each input once a step, within limits."""
    n_inputs = size_of(net.inputs, "events")
    return min(max(n_inputs * (period_us // net.dt_us), EVENTS_LEAST), EVENTS_MAX) if n_inputs else 0


def program_c(
    net: IntegerNetwork, period_us: int, probes: Probes, program_hash: bytes, learnt: Learnt | None = None
) -> str:
    """The text of program.c for a network whose sizes the firmware can count. `learnt` is what stands beside it."""
    flat, whole = lower.lower(net, probes), learnt.network if learnt else net
    parts = [
        "/* A network for network.c, written by `hilbench build cortexm`: write it anew rather than change it. */\n"
        + f'#include "{"pes" if learnt else "network"}.h"\n',
        *_neurons(net, flat),
        *_synapses(net, flat),
        *_held(net, flat),
        *_outputs(net, flat, whole.outputs),
        _state(net, flat, period_us, whole),
        _program(net, flat, period_us, whole, program_hash),
        *(learnt_c(learnt, list(net.populations), flat) if learnt else ()),
    ]
    return "\n".join(parts)


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
        structs("struct population populations", rows, f"Populations: {heads}."),
        array("int32_t bias", flat.bias.tolist(), "Constant bias, a neuron each."),
        array("int32_t v_initial", flat.v_initial.tolist(), "Where v starts, a neuron each."),
    ]


def _synapses(net: IntegerNetwork, flat: Flat) -> list[str]:
    names = [p.name for p in net.projections.values() for _ in np.unique(p.delay_steps)]
    rows = []
    for bundle, name in zip(flat.bundles.tolist(), names, strict=True):
        c = {column.name: bundle[column] for column in BundleColumn}
        ends = c["SOURCE_LO"], c["SOURCE_HI"], c["TARGET_LO"], c["TARGET_HI"] - c["TARGET_LO"]
        rows.append(((*ends, c["ROW"], c["POPULATION"], c["DELAY"], c["EXPONENT"]), name))
    heads = "first source, the one after the last, first target, targets, row, population, delay in steps, exponent"
    starts, targets, weights = flat.synapses
    return [
        structs("struct bundle bundles", rows, f"Bundles of synapses: {heads}."),
        array("uint32_t starts", starts.tolist(), "Where each source's synapses start, bundle after bundle."),
        array("uint16_t targets", targets.tolist(), "Places within the bundle's targets, a synapse each."),
        array("int16_t weights", weights.tolist(), "Weights without their exponent, a synapse each."),
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
        structs("struct held_input held", rows, f"Values that act as bias currents: {heads}."),
        array("uint32_t held_starts", starts.tolist(), "Where each value's weights start."),
        array("uint16_t held_targets", targets.tolist(), "Places within the input's targets."),
        array("float held_weights", floats(weights), "Weights of values."),
        array("double held_scales", doubles(scales), "Bias per weight x value, by target."),
    ]


def _outputs(net: IntegerNetwork, flat: Flat, ports: tuple[Port, ...]) -> list[str]:
    read = [row for port in ports if port.kind == "values" for row in _readings(net, flat, port)]
    taps = [[(row, "") for row in table.tolist()] for table in (flat.outputs, flat.probes)]
    return [
        structs("struct tap outputs", taps[0], "Populations whose spikes go out: population, its first address."),
        structs("struct tap probes", taps[1], "Populations that the run watches."),
        structs(
            "struct reading readings", read, "Output values: neuron, what a step of v is worth, the value at v = 0."
        ),
    ]


def _readings(net: IntegerNetwork, flat: Flat, port: Port) -> list[tuple[tuple, str]]:
    """The rows of a value port; of one that pes.c writes, rows that read nothing."""
    if port.name not in net.output_sources:
        return [((0, 0.0, 0.0), "of pes.c")] * port.size
    p = net.populations[net.output_sources[port.name]]
    return [
        ((flat.at[p.name].start + i, float(p.volts[i]).hex(), float(p.v_zero[i]).hex()), f"{p.name} {i}")
        for i in range(p.size)
    ]


def _room(flat: Flat, taps: NDArray, n_steps: int) -> int:
    """Events of a period in which every tapped neuron fires in every step; no array is without elements."""
    spans = flat.populations[taps[:, lower.TapColumn.POPULATION]]
    return max(1, int((spans[:, lower.PopulationColumn.HI] - spans[:, lower.PopulationColumn.LO]).sum()) * n_steps)


def _state(net: IntegerNetwork, flat: Flat, period_us: int, whole: IntegerNetwork | Network) -> str:
    n, n_steps, n_values = flat.bias.size, period_us // net.dt_us, size_of(net.inputs, "values")
    values_bytes = VALUE_BYTES * (n_values + size_of(whole.modulators, "values"))
    tick_bytes = FIXED_BYTES + EVENT_BYTES * n_events_in(net, period_us) + values_bytes
    targets = [p.size for p in net.populations.values()]
    return f"""/* What changes, in RAM. */
static int32_t u[{n}], v[{n}], bias_now[{n}], ring[{n * flat.n_slots}], total[{max(targets)}];
static uint8_t wait[{n}];
static uint16_t fired[{n}];
static uint32_t fired_to[{len(targets) + 1}];
static double held_total[{max(targets)}];
static int64_t held_bias[{n}];
static float values[{max(1, n_values)}], values_out[{max(1, size_of(whole.outputs, "values"))}];
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


def _program(
    net: IntegerNetwork, flat: Flat, period_us: int, whole: IntegerNetwork | Network, program_hash: bytes
) -> str:
    sizes = (
        period_us, size_of(net.inputs, "values"), size_of(net.inputs, "events"), size_of(whole.modulators, "values"),
        size_of(whole.outputs, "values"), size_of(whole.outputs, "events"),
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
