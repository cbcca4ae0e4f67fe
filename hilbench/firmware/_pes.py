"""Readouts that learn by PES, as the arrays that pes.c reads. What pes.c cannot do is refused by name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from hilbench.errors import NetworkError
from hilbench.firmware._text import array, doubles, floats, structs
from hilbench.nal.loihi.lower import Flat, first_of, where
from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import Population, step_constants
from hilbench.nal.model.projection import Projection
from hilbench.nal.rules import bounds
from hilbench.nal.rules.pes import PES

FROM_EVENTS, FROM_VALUES = -1, -2
LARGEST = 1e30
"""The bound of a weight that has none, small enough that no sum of weights overflows."""
LONGEST_STEPS = 1000
"""The longest time constant in steps: with a longer one, 1 - decay has too few bits in single precision."""
LOST = "changes below 6e-8 of a weight are lost"
"""2**-24: what a float32 is rounded by at most, for a number just above a power of two."""
ALLOWED = "allowed on backend 'cortexm'"


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """What of a network is computed beside its integers: readouts, and the projections onto them."""

    network: Network
    populations: list[Population]
    projections: list[Projection]

    @property
    def n_neurons(self) -> int:
        """How many readout neurons there are."""
        return sum(p.size for p in self.populations)

    @property
    def n_weights(self) -> int:
        """How many weights change."""
        return sum(q.weights.nnz for q in self.projections if q.rule is not None)

    def lines(self) -> list[str]:
        """What is approximate, as `NAME: how`."""
        kinds = {
            False: "weights in single precision",
            True: f"weights in single precision, learnt on the board; {LOST}",
        }
        return [f"{q.name}: {kinds[q.rule is not None]}" for q in self.projections]


@dataclass(frozen=True, slots=True, eq=False)
class _Spread:
    """The synapses of a projection that share a delay, and where theirs begin in the arrays."""

    projection: Projection
    delay_steps: int
    weights: scipy.sparse.csc_array
    start: int
    synapse: int
    weight: int
    """Among those that learn, or those that do not."""

    @property
    def learns(self) -> bool:
        """Whether its weights change."""
        return self.projection.rule is not None


def learnt_part(network: Network, beside: list[str]) -> Learnt | None:
    """The readouts of these names; None without any. Raises NetworkError for what pes.c does not compute."""
    found = Learnt(
        network,
        [network.populations[name] for name in beside],
        [q for q in network.projections.values() if q.target in beside],
    )
    for p in found.populations:
        if p.behaviour.v_floor is not None:
            text = f"v_floor: found {p.behaviour.v_floor:g}; {ALLOWED} where it learns: none"
            raise NetworkError(f"population {p.name!r}: {text}")
    for q in found.projections:
        _refuse(network, q)
    return found if beside else None


def _refuse(network: Network, q: Projection) -> None:
    where_ = f"projection {q.name!r}"
    if q.source in network.populations and not network.populations[q.source].spiking:
        text = f"source: found {q.source!r}, which does not spike; {ALLOWED} onto a readout that learns: spikes"
        raise NetworkError(f"{where_}: {text}, events and input values")
    if q.after_threshold:
        raise NetworkError(f"{where_}: after_threshold: found True; {ALLOWED} onto a readout that learns: False")
    if isinstance(q.rule, PES) and q.rule.pre_tau_s > LONGEST_STEPS * network.dt_s:
        text = f"{ALLOWED}: up to {LONGEST_STEPS * network.dt_s:g}, {LONGEST_STEPS} steps of the network"
        raise NetworkError(f"{where_}: rule: pre_tau_s: found {q.rule.pre_tau_s:g}; {text}")
    if q.rule is not None and not isinstance(q.delay_steps, int):
        text = f"found {q.min_delay_steps} to {q.max_delay_steps}; {ALLOWED} where weights learn: one for all synapses"
        raise NetworkError(f"{where_}: delay_steps: {text}")
    if q.rule is not None and q.rule.softness:
        raise NetworkError(f"{where_}: rule: softness: found {q.rule.softness:g}; {ALLOWED}: 0")


def learnt_c(learnt: Learnt, chip: list[str], flat: Flat) -> list[str]:
    """The parts of program.c for pes.c. `chip` are the populations of the integer network, in order."""
    spreads, first = _laid_out(learnt), _first_readouts(learnt)
    outputs = _output_rows(learnt.network, first)
    return [
        _readouts(learnt),
        *_synapses(spreads),
        _state(learnt, spreads),
        _spread_rows(spreads, _sources(learnt.network, chip, flat), first),
        *_rules(learnt.network, spreads),
        structs("struct pes_output pes_outputs", outputs, "Output values: which value, which readout."),
        _program(learnt, spreads, len(outputs)),
    ]


def _laid_out(learnt: Learnt) -> list[_Spread]:
    found: list[_Spread] = []
    start, synapse, weight = 0, 0, {False: 0, True: 0}
    for q in learnt.projections:
        for delay, weights in _by_delay(q):
            found.append(_Spread(q, delay, weights, start, synapse, weight[q.rule is not None]))
            start += weights.indptr.size
            synapse += weights.nnz
            weight[q.rule is not None] += weights.nnz
    return found


def _by_delay(q: Projection) -> list[tuple[int, scipy.sparse.csc_array]]:
    if q.rule is not None:  # has one delay, and may be without a weight
        return [(q.max_delay_steps, q.weights)]
    delays = np.broadcast_to(np.asarray(q.delay_steps, np.int64), q.weights.data.shape)
    return [(delay, where(q.weights, delays == delay)) for delay in np.unique(delays).tolist()]


def _first_readouts(learnt: Learnt) -> dict[str, int]:
    """The first neuron of each readout."""
    ends = np.cumsum([0, *(p.size for p in learnt.populations)]).tolist()
    return {p.name: end for p, end in zip(learnt.populations, ends, strict=False)}


def _sources(network: Network, chip: list[str], flat: Flat) -> dict[str, tuple[int, int, float]]:
    """By name of what sends: the C's `population`, where its first source is, and what one of its sendings counts."""
    amplitude = network.spike_amplitude
    found = {name: (place, flat.at[name].start, amplitude) for place, name in enumerate(chip)}
    found |= {name: (FROM_EVENTS, start, 1.0) for name, start in first_of(network.inputs, "events").items()}
    return found | {name: (FROM_VALUES, start, 1.0) for name, start in first_of(network.inputs, "values").items()}


def _readouts(learnt: Learnt) -> str:
    found = []
    for p in learnt.populations:
        biases = [q.bias for q in learnt.projections if q.target == p.name and q.bias is not None]
        constant = sum((bias.astype(np.float64) for bias in biases), np.zeros(p.size))
        columns = (*step_constants(p, learnt.network.dt_s), constant, p.v_initial)
        found += [(doubles(row), f"{p.name} {i}") for i, row in enumerate(np.array(columns, np.float64).T)]
    heads = "rest, decay, from_current, from_input, syn_decay, syn_gain, constant input, where v starts"
    return structs("struct readout readouts", found, f"Readouts that learn: {heads}.")


def _synapses(spreads: list[_Spread]) -> list[str]:
    fixed, learns = ([s.weights.data for s in spreads if s.learns == kind] for kind in (False, True))
    starts, targets = (_joined([getattr(s.weights, name) for s in spreads]) for name in ("indptr", "indices"))
    found = [
        array("uint32_t pes_starts", starts.astype(int).tolist(), "Where sources' synapses start, spread by spread."),
        array("uint16_t pes_targets", targets.astype(int).tolist(), "Places within the spread's readouts."),
        array("float weights_initial", floats(_joined(learns)), "Where weights that learn start, a synapse each."),
    ]
    if fixed:  # a compiler finds an array that nothing uses
        found.append(array("float weights_fixed", floats(_joined(fixed)), "Weights that do not, a synapse each."))
    return found


def _joined(parts: list[NDArray]) -> NDArray:
    return np.concatenate([*parts, []])


def _spread_rows(spreads: list[_Spread], sources: dict[str, tuple[int, int, float]], first: dict[str, int]) -> str:
    found = []
    for s in spreads:
        q, (population, source, sent) = s.projection, sources[s.projection.source]
        weights = f"{'weights_learnt' if s.learns else 'weights_fixed'} + {s.weight}"
        numbers = (population, source, q.weights.shape[1], first[q.target], s.delay_steps, *floats([sent]))
        found.append(((*numbers, f"pes_starts + {s.start}", f"pes_targets + {s.synapse}", weights), q.name))
    heads = "population, first source, sources, first readout, delay, sent, starts, targets, weights"
    return structs("struct spread spreads", found, f"Synapses: {heads}.")


def _rules(network: Network, spreads: list[_Spread]) -> list[str]:
    modulators, source, target = first_of(network.modulators, "values"), 0, 0
    found: list[tuple[tuple[object, ...], str]] = []
    fan_in: list[NDArray] = []
    for k, s in enumerate(spreads):
        if not s.learns:
            continue
        rule, (n_target, n_source) = s.projection.rule, s.weights.shape
        assert isinstance(rule, PES)  # `beside_chip` refuses any other
        c, limits = rule.constants(network, s.projection), np.clip(np.array(bounds(rule)), -LARGEST, LARGEST)
        numbers = floats([c.decay, (1 - c.decay) / c.dt_s, c.scale, *limits])
        places = (f"fan_in + {target}", f"weights_learnt + {s.weight}", f"rates + {source}", f"changes + {target}",
                  f"under_way + {_n_slots(spreads) * source}")  # fmt: skip
        row = (f"spreads + {k}", *numbers, n_target, modulators[rule.modulator], *places)
        found.append((row, s.projection.name))
        fan_in.append(np.bincount(s.weights.indices, minlength=n_target))
        source, target = source + n_source, target + n_target
    heads = "synapses, decay and gain of rates, scale, least and largest weight, targets, modulator, arrays"
    return [
        array("uint32_t fan_in", _joined(fan_in).astype(int).tolist(), "Synapses onto each target, rule after rule."),
        structs("struct rule rules", found, f"PES: {heads}."),
    ]


def _n_slots(spreads: list[_Spread]) -> int:
    """How many steps of input wait."""
    return 1 + max(s.delay_steps for s in spreads)


def _output_rows(network: Network, first: dict[str, int]) -> list[tuple[tuple[int, int], str]]:
    found = []
    for port, value in first_of(network.outputs, "values").items():
        name = network.output_sources[port]
        if name in first:
            found += [((value + i, first[name] + i), f"{name} {i}") for i in range(network.populations[name].size)]
    return found


def _state(learnt: Learnt, spreads: list[_Spread]) -> str:
    n_targets, n_sources = np.sum([s.weights.shape for s in spreads if s.learns], axis=0).tolist()
    n, slots = learnt.n_neurons, _n_slots(spreads)
    return f"""/* What changes of them, in RAM. */
static double pes_v[{n}], pes_current[{n}];
static float arriving[{n * slots}], weights_learnt[{max(1, learnt.n_weights)}];
static float rates[{n_sources}], changes[{n_targets}];
static uint16_t under_way[{n_sources * slots}];
struct pes_state pes_state = {{
    .v = pes_v, .current = pes_current, .arriving = arriving, .weights = weights_learnt,
}};
"""


def _program(learnt: Learnt, spreads: list[_Spread], n_outputs: int) -> str:
    n_rules = sum(s.learns for s in spreads)
    return f"""const struct pes pes = {{
    .n_readouts = {learnt.n_neurons}, .n_spreads = {len(spreads)}, .n_rules = {n_rules}, .n_outputs = {n_outputs},
    .n_slots = {_n_slots(spreads)}, .n_weights = {learnt.n_weights}, .readouts = readouts, .spreads = spreads,
    .rules = rules, .outputs = pes_outputs, .weights_initial = weights_initial,
}};
"""
