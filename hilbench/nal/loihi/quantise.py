"""A Network of real numbers on Loihi's integers, and a line for everything that is then not as it was.

Of each population one number is free: `scale`, how many steps of v a threshold has (where nothing spikes: how many the
largest v has). It is as large as u, v and the bias allow, and then such that the largest weight just fits its bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, floor, log2

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from hilbench.errors import NetworkError
from hilbench.nal.loihi import equations
from hilbench.nal.loihi.equations import ALIGN_BITS, LIMIT, UNITY
from hilbench.nal.loihi.membrane import Membrane, amplitude, holds, membrane_of, onto, row_sums
from hilbench.nal.loihi.model import RANGES, IntegerNetwork, ValueInput
from hilbench.nal.network import Network
from hilbench.nal.neurons import Population
from hilbench.nal.projection import Projection

HEADROOM = 4
"""How many thresholds below its reset a membrane can fall before it stops."""
LOWEST_EXPONENT, HIGHEST_EXPONENT = RANGES["weight_exp"]
BIAS_LIMIT = RANGES["bias_mant"][1] << RANGES["bias_exp"][1]


def from_network(
    network: Network, weight_bits: int = 8, largest_value: float = 1.0
) -> tuple[IntegerNetwork, list[str]]:
    """The integer network, and lines `NAME: what is approximate`. Raises NetworkError for what the chip cannot do.

    `largest_value` is the largest input value that the biases leave room for.
    """
    work = _Work(network, IntegerNetwork(network.dt_us, inputs=network.inputs), weight_bits, largest_value)
    placed = [work.population(p) for p in network.populations.values()]
    for p, membrane, scale in placed:
        for q in onto(network, p):
            work.projection(q, membrane, scale)
    for port in network.outputs:
        work.integers.output(port.name, network.taps[port.name], port.kind, port.units)
    return work.integers, work.lines


@dataclass(slots=True)
class _Work:
    network: Network
    integers: IntegerNetwork
    weight_bits: int
    largest_value: float
    lines: list[str] = field(default_factory=list)

    def population(self, p: Population) -> tuple[Population, Membrane, float]:
        """Add a population at the scale that suits it and the synapses onto it."""
        m, lines = membrane_of(self.network, p, self.largest_value)
        constants = [q.bias for q in onto(self.network, p) if q.bias is not None]
        bias = m.bias + m.held_drive * sum(constants, np.zeros(p.size))
        scale = self._scale(p, m, bias)
        held = np.array([equations.registered(step) for step in np.rint(bias * scale).astype(np.int64).tolist()])
        mantissa, exponent = registers(held)
        self.integers.lif(
            p.name, p.size, du=m.du, dv=m.dv, vth=int(scale) >> ALIGN_BITS if p.spiking else None,
            bias_mant=mantissa, bias_exp=exponent,
            v_initial=np.clip(np.rint((p.v_initial - m.zero) / m.depth * scale), -LIMIT, LIMIT).astype(np.int64),
            refractory_steps=round(p.behaviour.refractory_s / self.network.dt_s),
            volts=m.depth / scale, v_zero=m.zero,
        )  # fmt: skip
        off = np.abs(held - bias * scale).max()
        if off > 1e-6:
            lines.append(f"the constant input is off by up to {off / scale:.2g} {_unit(p)} a step")
        if m.dv or m.du + 1 < UNITY:
            lines.append(f"u and v are rounded towards 0 in each step, to {1 / scale:.2g} {_unit(p)}")
        self.lines += [f"{p.name}: {line}" for line in lines]
        return p, m, scale

    def projection(self, q: Projection, m: Membrane, scale: float) -> None:
        """Add what a population receives: values as bias currents, all else as synapses."""
        if q.rule is not None:
            text = "allowed in Loihi's integers: none (backends numba and reference learn)"
            raise NetworkError(f"projection {q.name!r}: rule: found {type(q.rule).__name__}; {text}")
        if holds(self.network, q):
            self.lines.append(f"{q.name}: values become bias currents of 13 bits, once a tick")
            self.integers.value_inputs.append(ValueInput(q.name, q.source, q.target, q.weights, scale * m.held_drive))
            return
        if q.bias is not None and m.du + 1 < UNITY:
            self.lines.append(f"{q.name}: its bias acts at once, not through the synaptic current")
        self._synapses(q, m, scale)

    def _synapses(self, q: Projection, m: Membrane, scale: float) -> None:
        wanted = self._rows(q, m) * (scale / (1 << ALIGN_BITS))
        sign, full, grain = self._format(wanted.data)
        largest = np.abs(wanted.data).max(initial=0)
        needed = ceil(log2(largest / full) - 1e-9) if largest else 0
        exponent = min(max(needed, LOWEST_EXPONENT), HIGHEST_EXPONENT)
        whole = np.clip(np.rint(wanted.data / 2.0**exponent / grain) * grain, -full, full).astype(np.int64)
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

    def _delays(self, q: Projection) -> NDArray:
        """Steps until a spike acts. On the chip, as behind Lava's Dense, that is the next step at the earliest."""
        delays = np.asarray(q.delay_steps, np.int64) + q.late
        if q.late:
            self.lines.append(f"{q.name}: acts before the next step, not after the threshold test of this one")
        elif (delays == 0).any():
            self.lines.append(f"{q.name}: a spike without delay acts in the next step")
        return np.maximum(delays, 1)

    def _scale(self, p: Population, m: Membrane, bias: NDArray) -> float:
        """Steps of v per threshold; of a population that spikes, a multiple of what the threshold counts in."""
        rows = [self._rows(q, m) for q in onto(self.network, p) if not holds(self.network, q)]
        held = [np.abs(m.held_drive) * row_sums(q) for q in onto(self.network, p) if holds(self.network, q)]
        biases = np.abs(bias) + self.largest_value * sum(held, np.zeros(p.size))
        arriving = sum((np.ravel(abs(row).sum(axis=1)) for row in rows), np.zeros(p.size)).max()
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

    def _format(self, weights: NDArray) -> tuple[str, int, int]:
        """The sign mode of weights, the largest magnitude that it holds, and the step between two of them."""
        sign = equations.sign_of(weights)
        grain = 1 << equations.lost_bits(sign, self.weight_bits)
        return sign, equations.SIGNS["excitatory"][1] // grain * grain, grain


def registers(bias: NDArray) -> tuple[NDArray, NDArray]:
    """The registers of biases that they can hold."""
    exponent = np.zeros_like(bias)
    for _ in range(RANGES["bias_exp"][1]):
        mantissa = bias >> exponent
        exponent += (mantissa < RANGES["bias_mant"][0]) | (mantissa > RANGES["bias_mant"][1])
    return bias >> exponent, exponent


def _unit(p: Population) -> str:
    return "thresholds" if p.spiking else "of its range"
