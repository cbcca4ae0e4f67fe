"""A Network of real numbers on Loihi's integers, and a line for everything that is then not as it was.

Of each population one number is free: `scale`, how many steps of v a threshold has (where nothing spikes: how many the
largest v has). It is as large as u, v and the bias allow, and then such that the largest weight just fits its bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, floor, log2
from typing import NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from hilbench.errors import NetworkError
from hilbench.nal.compile.grid import divisions, off_grid
from hilbench.nal.compile.host_part import check_at_once
from hilbench.nal.compile.zeros import Inputless, Inputs, Zeros, told
from hilbench.nal.loihi import equations
from hilbench.nal.loihi.equations import ALIGN_BITS, LIMIT, UNITY
from hilbench.nal.loihi.membrane import Membrane, amplitude, holds, membrane_of, onto, row_sums
from hilbench.nal.loihi.model import RANGES, IntegerNetwork, ValueInput
from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import Population
from hilbench.nal.model.projection import Projection

HEADROOM = 4
"""How many thresholds below its reset a membrane can fall before it stops."""
LOWEST_EXPONENT, HIGHEST_EXPONENT = RANGES["weight_exp"]
BIAS_LIMIT = RANGES["bias_mant"][1] << RANGES["bias_exp"][1]
FINE_STEPS = 256
"""A step of a threshold of so many is no coarser than one of an 8-bit weight."""


class Quantised(NamedTuple):
    """What `from_network` makes of a network."""

    integers: IntegerNetwork
    lines: list[str]
    """What is approximated, as `NAME: how`."""
    zeros: list[Zeros]
    """Of each projection of spikes or events."""
    inputless: list[Inputless]


def from_network(network: Network, weight_bits: int = 8, largest_value: float = 1.0) -> Quantised:
    """The integer network, and all that is approximate in it. Raises NetworkError for what the chip cannot do.

    Parameters
    ----------
    network : Network
        The network, without relays (`nal.compile.fold`).
    weight_bits : int
        Bits of a weight, 1 to 8.
    largest_value : float
        The largest input value that the biases leave room for.
    """
    work = _Work(network, IntegerNetwork(network.dt_us, inputs=network.inputs), weight_bits, largest_value)
    placed = [work.population(p) for p in network.populations.values()]
    for p, membrane, scale in placed:
        for q in onto(network, p):
            work.projection(q, membrane, scale)
        if neurons := work.inputs[p.name].lost():
            work.inputless.append(Inputless(p.name, neurons, p.size))
    for port in network.outputs:
        work.integers.output(port.name, network.output_sources[port.name], port.kind, port.units)
    lines = [*work.lines, *told(work.zeros, work.inputless)]
    return Quantised(work.integers, lines, work.zeros, work.inputless)


@dataclass(slots=True)
class _Work:
    network: Network
    integers: IntegerNetwork
    weight_bits: int
    largest_value: float
    lines: list[str] = field(default_factory=list)
    zeros: list[Zeros] = field(default_factory=list)
    inputless: list[Inputless] = field(default_factory=list)
    inputs: dict[str, Inputs] = field(default_factory=dict)

    def population(self, p: Population) -> tuple[Population, Membrane, float]:
        """Add a population at the scale that suits it and the synapses onto it."""
        m, lines = membrane_of(self.network, p, self.largest_value)
        constants = [q.bias for q in onto(self.network, p) if q.bias is not None]
        bias = m.bias + m.held_drive * sum(constants, np.zeros(p.size))
        initial = (p.v_initial - m.zero) / m.depth
        n = self._divisions(p, m, bias, initial)
        scale = self._scale(p, m, bias) if n is None else float(n << ALIGN_BITS)
        held = np.array([equations.registered(step) for step in np.rint(bias * scale).astype(np.int64).tolist()])
        mantissa, exponent = registers(held)
        self.integers.lif(
            p.name, p.size, du=m.du, dv=m.dv, vth=self._threshold(p, int(scale) >> ALIGN_BITS, n, lines),
            bias_mant=mantissa, bias_exp=exponent,
            v_initial=np.clip(np.rint(initial * scale), -LIMIT, LIMIT).astype(np.int64),
            refractory_steps=round(p.behaviour.refractory_s / self.network.dt_s),
            volts=m.depth / scale, v_zero=m.zero,
        )  # fmt: skip
        off = np.abs(held - bias * scale).max()
        if off > 1e-6 and n is None:
            lines.append(f"the constant input is off by up to {off / scale:.2g} {_unit(p)} a step")
        if m.dv or m.du + 1 < UNITY:
            lines.append(f"u and v are rounded towards 0 in each step, to {1 / scale:.2g} {_unit(p)}")
        self.lines += [f"{p.name}: {line}" for line in lines]
        self.inputs[p.name] = Inputs(p.size)
        self.inputs[p.name].add(np.arange(p.size), bias, held)
        return p, m, scale

    def _threshold(self, p: Population, vth: int, n: int | None, lines: list[str]) -> int | None:
        """The register of a threshold that is `vth` of its steps high, and in `lines` what is approximate in it."""
        if not p.spiking:
            return None
        if p.behaviour.threshold_test == ">":
            return vth
        if n is None and vth < FINE_STEPS:
            lines.append("a spike needs v > v_threshold, not >=: v moves on no grid that the chip can hold")
            return vth
        if n is None:
            text = f"a spike needs v > v_threshold less {1 / vth:.2g} of it, not >="
            lines.append(f"{text}: v moves on no grid that the chip can hold")
        return vth - 1

    def _divisions(self, p: Population, m: Membrane, bias: NDArray, initial: NDArray) -> int | None:
        """Into how many steps a threshold falls so that v moves by whole ones; None where it cannot be held so.

        An `if` alone keeps to a grid: a leak divides v, and values come in between.
        """
        inputs = onto(self.network, p)
        if p.kind != "if" or any(holds(self.network, q) for q in inputs):
            return None
        rows = [self._rows(q, m) for q in inputs]
        numbers = np.concatenate([bias, initial, *(row.data for row in rows)])
        n = divisions(numbers, RANGES["vth"][1])
        if n is None or not self._fit(n, rows, bias, initial):
            return None
        if off := off_grid(numbers, n):
            text = f"its input is read in whole parts of 1/{n} of its threshold"
            self.lines.append(f"{p.name}: {text}: off by up to {off:.1g} of itself")
        return n

    def _fit(self, n: int, rows: list[scipy.sparse.csc_array], bias: NDArray, initial: NDArray) -> bool:
        """Whether weights, biases and first v can be written in steps of an n-th of a threshold, and u holds them."""
        scale = n << ALIGN_BITS
        for row in rows:
            steps = np.rint(row.data * n)
            _, _, exponent, whole = self._written(steps)
            if not np.array_equal(whole * 2.0**exponent, steps):
                return False
        held = np.rint(bias * n).astype(np.int64) << ALIGN_BITS
        arriving = sum((_sums(row) for row in rows), np.zeros(bias.size))
        return (
            max(arriving.max(), np.abs(initial).max()) * scale <= LIMIT
            and [equations.registered(step) for step in held.tolist()] == held.tolist()
        )  # fmt: skip

    def projection(self, q: Projection, m: Membrane, scale: float) -> None:
        """Add what a population receives: values as bias currents, all else as synapses."""
        if q.rule is not None:
            text = "allowed in Loihi's integers: none (backends numba and reference learn)"
            raise NetworkError(f"projection {q.name!r}: rule: found {type(q.rule).__name__}; {text}")
        if holds(self.network, q):
            check_at_once(q, "in Loihi's integers")
            self.lines.append(f"{q.name}: values become bias currents of 13 bits, once a tick")
            self.integers.value_inputs.append(ValueInput(q.name, q.source, q.target, q.weights, scale * m.held_drive))
            most = self.largest_value * np.abs(scale * m.held_drive) * row_sums(q)
            self.inputs[q.target].add(np.arange(most.size), most, np.rint(most))
            return
        if q.bias is not None and m.du + 1 < UNITY:
            self.lines.append(f"{q.name}: its bias acts at once, not through the synaptic current")
        self._synapses(q, m, scale)

    def _synapses(self, q: Projection, m: Membrane, scale: float) -> None:
        wanted = self._rows(q, m) * (scale / (1 << ALIGN_BITS))
        sign, largest, exponent, whole = self._written(wanted.data)
        per_weight = m.drive * amplitude(self.network, q) * scale / (1 << ALIGN_BITS)
        self.integers.dense(
            q.source, q.target, scipy.sparse.csc_array((whole, wanted.indices, wanted.indptr), shape=wanted.shape),
            weight_exp=exponent, weight_bits=self.weight_bits, sign=sign, delay_steps=self._delays(q),
            worth=np.divide(1, per_weight, out=np.zeros_like(per_weight), where=per_weight != 0), name=q.name,
        )  # fmt: skip
        alone = whole << exponent if exponent >= 0 else whole >> -exponent
        off = np.abs(alone - wanted.data).max(initial=0)
        if off > 1e-7 * largest:
            text = f"weights of {self.weight_bits} bits times 2^{exponent}"
            self.lines.append(f"{q.name}: {text}: off by up to {100 * off / largest:.2g} % of the largest")
        there = wanted.data != 0
        self.zeros.append(Zeros(q.name, int((there & (alone == 0)).sum()), int(there.sum())))
        self.inputs[q.target].add(wanted.indices, wanted.data, alone)

    def _written(self, wanted: NDArray) -> tuple[equations.SignMode, float, int, NDArray]:
        """The sign mode of weights, their largest magnitude, their exponent, and the whole numbers that it goes with.

        `wanted` counts in what arrives: 64 steps of v.
        """
        sign, full, grain = self._format(wanted)
        largest = np.abs(wanted).max(initial=0)
        needed = ceil(log2(largest / full) - 1e-9) if largest else 0
        exponent = min(max(needed, LOWEST_EXPONENT), HIGHEST_EXPONENT)
        whole = np.clip(np.rint(wanted / 2.0**exponent / grain) * grain, -full, full).astype(np.int64)
        return sign, largest, exponent, whole

    def _delays(self, q: Projection) -> NDArray:
        """Steps until a spike acts. On the chip, as behind Lava's Dense, that is the next step at the earliest."""
        delays = np.asarray(q.delay_steps, np.int64) + q.after_threshold
        if q.after_threshold:
            self.lines.append(f"{q.name}: acts before the next step, not after the threshold test of this one")
        elif (delays == 0).any():
            self.lines.append(f"{q.name}: a spike without delay acts in the next step")
        return np.maximum(delays, 1)

    def _scale(self, p: Population, m: Membrane, bias: NDArray) -> float:
        """Steps of v per threshold; of a population that spikes, a multiple of what the threshold counts in."""
        rows = [self._rows(q, m) for q in onto(self.network, p) if not holds(self.network, q)]
        held = [np.abs(m.held_drive) * row_sums(q) for q in onto(self.network, p) if holds(self.network, q)]
        biases = np.abs(bias) + self.largest_value * sum(held, np.zeros(p.size))
        arriving = sum((_sums(row) for row in rows), np.zeros(p.size)).max()
        strongest = max((row.data for row in rows), key=lambda data: np.abs(data).max(initial=0), default=np.zeros(0))
        largest, (_, full, _) = np.abs(strongest).max(initial=0), self._format(strongest)
        needs = ((arriving * UNITY / (m.du + 1), LIMIT), (biases.max(), BIAS_LIMIT))
        scale = min([LIMIT / HEADROOM if p.spiking else LIMIT, *(have / need for need, have in needs if need)])
        if largest:
            fits = floor(log2(scale * largest / (full << ALIGN_BITS)))
            aligned = (full << ALIGN_BITS) * 2.0 ** min(fits, HIGHEST_EXPONENT) / largest
            scale = aligned if fits >= LOWEST_EXPONENT else scale
        if p.spiking:
            scale = float(int(scale) >> ALIGN_BITS << ALIGN_BITS)
        if scale < 1:
            found = "found weights or biases of too many thresholds for 24 bits"
            raise NetworkError(f"population {p.name!r}: {found}; allowed in Loihi's integers: smaller ones")
        return scale

    def _rows(self, q: Projection, m: Membrane) -> scipy.sparse.csc_array:
        """A projection's weights in thresholds per sending."""
        rows = q.weights.astype(np.float64)
        rows.data *= (m.drive * amplitude(self.network, q))[rows.indices]
        return rows

    def _format(self, weights: NDArray) -> tuple[equations.SignMode, int, int]:
        """The sign mode of weights, the largest magnitude that it holds, and the step between two of them."""
        sign = equations.sign_of(weights)
        grain = 1 << equations.lost_bits(sign, self.weight_bits)
        return sign, equations.SIGNS["excitatory"][1] // grain * grain, grain


def _sums(row: scipy.sparse.csc_array) -> NDArray:
    """(n_target,) all magnitudes onto each neuron together."""
    return np.ravel(abs(row).sum(axis=1))


def registers(bias: NDArray) -> tuple[NDArray, NDArray]:
    """The registers of biases that they can hold."""
    exponent = np.zeros_like(bias)
    for _ in range(RANGES["bias_exp"][1]):
        mantissa = bias >> exponent
        exponent += (mantissa < RANGES["bias_mant"][0]) | (mantissa > RANGES["bias_mant"][1])
    return bias >> exponent, exponent


def _unit(p: Population) -> str:
    return "thresholds" if p.spiking else "of its range"
