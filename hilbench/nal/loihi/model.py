"""A network of Loihi's integers: populations, projections and ports, checked against the chip's ranges.

It knows no engine and no file. What its numbers do in a step is written in `equations.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray

from hilbench.errors import NetworkError, allowed_hint
from hilbench.nal.loihi import equations
from hilbench.nal.model.index import PortIndex
from hilbench.types import Port

Sign = Literal["auto"] | equations.SignMode
SIGNS = ("auto", *get_args(equations.SignMode))

RANGES = {
    "du": (0, 4095),
    "dv": (0, 4095),
    "vth": (0, 131_071),
    "bias_mant": (-4096, 4095),
    "bias_exp": (-7, 7),
    "v_initial": (-equations.LIMIT, equations.LIMIT),
    "refractory_steps": (0, 63),
    "weight_exp": (-8, 7),
    "weight_bits": (1, 8),
    "delay_steps": (1, 64),
}
"""What each number may be. The chip's bias exponent is 0 to 7; Lava also shifts to the right."""


@dataclass(frozen=True, slots=True, eq=False)
class IntegerPopulation:
    """Neurons that share du, dv and vth. Without vth they never spike: leaky integrators to be read out."""

    name: str
    size: int
    du: int
    dv: int
    vth: int | None
    bias: NDArray
    """(size,) int64: mantissa and exponent, put together."""
    v_initial: NDArray  # (size,) int64
    refractory_steps: int
    """Steps for which v is held after a spike. The chip has them, Lava's integer LIF has not."""
    volts: NDArray
    """(size,) float64: what one step of v is worth where it is read as a value."""
    v_zero: NDArray
    """(size,) float64: the value at v = 0."""


@dataclass(frozen=True, slots=True, eq=False)
class IntegerProjection:
    """Synapses as the chip keeps them, truncated to their bits."""

    name: str
    source: str
    target: str
    weights: scipy.sparse.csc_array
    """(n_target, n_source) int64."""
    weight_exp: int
    delay_steps: NDArray
    """(n_synapses,) int64, in the order of `weights.data`. Lava's Dense is 1: its output waits for a step."""
    worth: NDArray
    """(n_target,) float64: the weight that a 1 here, exponent and all, stands for."""


@dataclass(frozen=True, slots=True, eq=False)
class ValueInput:
    """Values that a host turns into bias currents, once a tick: round(scale x weights x values)."""

    name: str
    source: str
    target: str
    weights: scipy.sparse.csc_array  # (n_target, n_source) float32
    scale: NDArray  # (n_target,) float64


def written(p: IntegerProjection) -> NDArray:
    """A projection's weights in the unit they came in, float64, in the order of its synapses."""
    return p.weights.data * 2.0**p.weight_exp * p.worth[p.weights.indices]


@dataclass(slots=True, eq=False)
class IntegerNetwork:
    """A network in the chip's own numbers. Backend `loihi` runs it as it is."""

    dt_us: int
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    modulators: tuple[Port, ...] = ()
    populations: dict[str, IntegerPopulation] = field(default_factory=dict)
    projections: dict[str, IntegerProjection] = field(default_factory=dict)
    value_inputs: list[ValueInput] = field(default_factory=list)
    output_sources: dict[str, str] = field(default_factory=dict)
    """Which population each output port reads."""
    _inputs: PortIndex = field(default_factory=PortIndex, init=False, repr=False)

    def input(self, name: str, size: int) -> str:
        """Add an event port: each of its events is a spike.

        Parameters
        ----------
        name : str
            The port's name.
        size : int
            How many addresses it has.
        """
        self.inputs = self._inputs.extended(self.inputs, Port(name, size, "events"))
        return name

    def lif(
        self,
        name: str,
        size: int,
        *,
        du: int,
        dv: int,
        vth: int | None,
        bias_mant: ArrayLike = 0,
        bias_exp: ArrayLike = 0,
        v_initial: ArrayLike = 0,
        refractory_steps: int = 0,
        volts: ArrayLike = 1.0,
        v_zero: ArrayLike = 0.0,
    ) -> str:
        """Add neurons. `RANGES` says which numbers the chip can hold.

        Parameters
        ----------
        name : str
            The population's name.
        size : int
            How many neurons.
        du, dv : int
            4096ths that u and v lose in a step; one is added to du.
        vth : int or None
            The threshold, in 64 steps of v; None makes integrators that never spike.
        bias_mant, bias_exp : int or (size,)
            Mantissa and exponent of the constant input.
        v_initial : int or (size,)
            Where v starts.
        refractory_steps : int
            Steps for which v is held after a spike.
        volts : float or (size,)
            What one step of v is worth where it is read as a value.
        v_zero : float or (size,)
            The value at v = 0.
        """
        where = f"population {name!r}"
        if name in self.populations or name in self._inputs.of(self.inputs):
            raise NetworkError(f"{where}: the name is taken")
        du, dv, refractory_steps = (
            int(_whole(value, (), where, what))
            for what, value in (("du", du), ("dv", dv), ("refractory_steps", refractory_steps))
        )
        vth = None if vth is None else int(_whole(vth, (), where, "vth"))
        mant, exp, initial = (
            _whole(value, (size,), where, what)
            for what, value in (("bias_mant", bias_mant), ("bias_exp", bias_exp), ("v_initial", v_initial))
        )
        bias = np.where(exp >= 0, mant << np.maximum(exp, 0), mant >> np.maximum(-exp, 0))
        worth, zero = (np.broadcast_to(np.asarray(a, np.float64), (size,)) for a in (volts, v_zero))
        self.populations[name] = IntegerPopulation(
            name, size, du, dv, vth, bias, initial, refractory_steps, worth, zero
        )
        return name

    def dense(
        self,
        source: str,
        target: str,
        weights: ArrayLike | scipy.sparse.sparray,
        *,
        weight_exp: int = 0,
        weight_bits: int = 8,
        sign: Sign = "auto",
        delay_steps: ArrayLike = 1,
        worth: ArrayLike = 1.0,
        name: str | None = None,
    ) -> str:
        """Add synapses.

        Parameters
        ----------
        source : str
            An event port, or a population that spikes.
        target : str
            A population.
        weights : (n_target, n_source) array_like or sparse matrix
            Integers.
        weight_exp : int
            The exponent that all of them share.
        weight_bits : int
            Bits of a weight, 1 to 8.
        sign : str
            The sign mode; "auto" takes the one that the weights call for.
        delay_steps : int or (n_synapses,)
            One number, or one for each weight that is not 0.
        worth : float or (n_target,)
            The weight that a 1 stands for, exponent and all.
        name : str, optional
            The projection's name; SOURCE_to_TARGET without one.
        """
        name = name or f"{source}_to_{target}"
        where = f"projection {name!r}"
        if name in self.projections:
            raise NetworkError(f"{where}: the name is taken")
        matrix = scipy.sparse.csc_array(weights)
        if matrix.dtype.kind not in "iu":
            raise NetworkError(f"{where}: weights: found {matrix.dtype} numbers; allowed: integers")
        matrix = matrix.astype(np.int64)
        n_target = self._size(target, f"{where}: target", self.populations)
        shape = (n_target, self._n_sources(source, f"{where}: source of spikes"))
        if matrix.shape != shape:
            raise NetworkError(f"{where}: weights: found shape {matrix.shape}; allowed: {shape} (targets, sources)")
        exponent, bits = (
            int(_whole(value, (), where, what))
            for what, value in (("weight_exp", weight_exp), ("weight_bits", weight_bits))
        )
        matrix.data = equations.truncated(matrix.data, _sign_mode(matrix.data, sign, where), bits)
        delays = _whole(delay_steps, (matrix.nnz,), where, "delay_steps")
        worth = np.broadcast_to(np.asarray(worth, np.float64), shape[:1])
        self.projections[name] = IntegerProjection(name, source, target, matrix, exponent, delays, worth)
        return name

    def output(self, name: str, source: str, kind: Literal["values", "events"], units: tuple[str, ...] = ()) -> None:
        """Add an output port: a population's spikes, or its v as values.

        Parameters
        ----------
        name : str
            The port's name.
        source : str
            The population that it reads.
        kind : str
            "values" or "events".
        units : tuple of str
            Units of the values.
        """
        size = self._size(source, f"output {name!r}", self.populations)
        if kind == "events" and self.populations[source].vth is None:
            raise NetworkError(f"output {name!r}: {source!r} never spikes; allowed: kind 'values'")
        self.outputs += (Port(name, size, kind, units),)
        self.output_sources[name] = source

    def _n_sources(self, name: str, where: str) -> int:
        port, population = self._inputs.of(self.inputs).get(name), self.populations.get(name)
        if port is not None and port.kind == "events":
            return port.size
        if population is not None and population.vth is not None:
            return population.size
        events = [port.name for port in self.inputs if port.kind == "events"]
        spiking = [p.name for p in self.populations.values() if p.vth is not None]
        raise NetworkError(f"{where}: found {name!r}; {allowed_hint(name, events + spiking)}")

    @staticmethod
    def _size(name: str, where: str, known: dict[str, IntegerPopulation]) -> int:
        if name not in known:
            raise NetworkError(f"{where}: found {name!r}; {allowed_hint(name, known)}")
        return known[name].size


def _whole(value: ArrayLike, shape: tuple[int, ...], where: str, what: str) -> NDArray:
    """`value` as int64 of this shape, within its range. Raises NetworkError."""
    array = np.asarray(value)
    if array.shape not in ((), shape):
        raise NetworkError(f"{where}: {what}: found shape {array.shape}; allowed: a whole number or {shape}")
    if array.dtype.kind not in "iu":
        raise NetworkError(f"{where}: {what}: found {array.dtype} numbers; allowed: integers")
    low, high = RANGES[what]
    outside = array[(array < low) | (array > high)]
    if outside.size:
        raise NetworkError(f"{where}: {what}: found {outside.flat[0]}; allowed: {low} to {high}")
    return np.broadcast_to(array.astype(np.int64), shape).copy()


def _sign_mode(weights: NDArray, sign: Sign, where: str) -> equations.SignMode:
    if sign not in SIGNS:
        raise NetworkError(f"{where}: sign: found {sign!r}; {allowed_hint(str(sign), SIGNS)}")
    mode = equations.sign_of(weights) if sign == "auto" else sign
    low, high = equations.SIGNS[mode]
    outside = weights[(weights < low) | (weights > high)]
    if outside.size:
        raise NetworkError(f"{where}: weights: found {outside[0]}; allowed: {low} to {high} ({mode})")
    return mode
