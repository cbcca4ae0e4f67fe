"""The model: populations, projections, ports and the execution profile, built piece by piece and held sparsely.

It knows no backend, no file and no robot. What one network step means is written in `backends/reference.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isclose
from typing import Literal

import msgspec
import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray

from hilbench.errors import NetworkError, choose
from hilbench.nal.rules import Rule
from hilbench.types import Port

Integrator = Literal["exact", "euler"]
Reset = Literal["value", "zero", "subtract"]
MAX_NEURONS = 50_000_000
MAX_DELAY_STEPS = 65_535
MAX_REFRACTORY_STEPS = 2**31 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Neurons of one kind: tau dv/dt = (v_leak - v) + r I, per-neuron arrays (size,) float32.

    A `lif` spikes when v passes its threshold, is then reset and held for `refractory_s`; a `li` never spikes and
    gives its v out as a value. Its kinds are NIR's LIF and LI, times in seconds.
    """

    name: str
    kind: Literal["lif", "li"]
    size: int
    tau_s: NDArray
    r: NDArray
    v_leak: NDArray
    v_threshold: NDArray
    v_reset: NDArray
    refractory_s: float = 0.0
    reset: Reset = "value"
    threshold: Literal[">", ">="] = ">"


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Synapses from one node onto a population, and a constant input beside them (NIR's Linear and Affine)."""

    name: str
    source: str
    target: str
    weights: scipy.sparse.csc_array
    """(n_target, n_source) float32, column by column, so that a source's synapses lie together."""
    bias: NDArray | None = None
    delay_steps: int = 0
    rule: Rule | None = None


@dataclass(slots=True, eq=False)
class Network:
    """A spiking network with its execution profile. Its numbers are float32, whatever an engine computes with.

    `dt_s` is the network step. `integrator` is `exact` (input held over a step) or forward `euler`.
    `spike_amplitude` is the value a spike has for the one step it lasts: 1/dt_s makes it a unit impulse, so that
    weights do not depend on the step. `seed` is the construction seed, kept for the record.
    """

    dt_s: float
    integrator: Integrator = "exact"
    spike_amplitude: float = 1.0
    seed: int = 0
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    modulators: tuple[Port, ...] = ()
    populations: dict[str, Population] = field(default_factory=dict)
    projections: dict[str, Projection] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (np.isfinite(self.dt_s) and self.dt_us >= 1 and isclose(self.dt_us, self.dt_s * 1e6, rel_tol=1e-12)):
            raise NetworkError(f"dt_s: found {self.dt_s!r}; allowed: a whole number of microseconds, as 0.001")
        if self.integrator not in ("exact", "euler"):
            raise NetworkError(f"integrator: found {self.integrator!r}; {choose(self.integrator, ['exact', 'euler'])}")
        if not (np.isfinite(self.spike_amplitude) and self.spike_amplitude > 0):
            raise NetworkError(f"spike_amplitude: found {self.spike_amplitude!r}; allowed: a positive number")
        if type(self.seed) is not int or not 0 <= self.seed < 2**64:
            raise NetworkError(f"seed: found {self.seed!r}; allowed: 0 to 2**64 - 1")

    @property
    def dt_us(self) -> int:
        """The network step in microseconds."""
        return round(self.dt_s * 1e6)

    def input(
        self, name: str, size: int, *, kind: Literal["values", "events"] = "values", units: tuple[str, ...] = ()
    ) -> str:
        """Add an input port; `values` are held over a tick, `events` act in the step they fall in."""
        self._new_name(name)
        self.inputs += (_port(name, size, kind, units),)
        return name

    def lif(
        self,
        name: str,
        size: int,
        *,
        tau_s: ArrayLike,
        r: ArrayLike = 1.0,
        v_leak: ArrayLike = 0.0,
        v_threshold: ArrayLike = 1.0,
        v_reset: ArrayLike = 0.0,
        refractory_s: float = 0.0,
        reset: Reset = "value",
        threshold: Literal[">", ">="] = ">",
        output: bool = False,
    ) -> str:
        """Add spiking neurons; with `output` their spikes leave through an event port of the same name."""
        self._add("lif", name, size, tau_s, r, v_leak, v_threshold, v_reset, refractory_s, reset, threshold)
        if output:
            self.outputs += (_port(name, size, "events", ()),)
        return name

    def readout(
        self, name: str, size: int, *, tau_s: ArrayLike, r: ArrayLike = 1.0, units: tuple[str, ...] = ()
    ) -> str:
        """Add leaky integrators whose values leave through a value port of the same name."""
        self._add("li", name, size, tau_s, r, 0.0, np.inf, 0.0, 0.0, "value", ">")
        self.outputs += (_port(name, size, "values", units),)
        return name

    def connect(
        self,
        source: str,
        target: str,
        weights: ArrayLike | scipy.sparse.sparray | scipy.sparse.spmatrix,
        *,
        bias: ArrayLike | None = None,
        delay_steps: int = 0,
        rule: Rule | None = None,
        name: str | None = None,
    ) -> str:
        """Add synapses: `weights` (n_target, n_source), dense or sparse, and a constant `bias` (n_target,).

        Zeros are no synapses, unless a rule may change them. A rule's modulator becomes a port with one value per
        target neuron.
        """
        name = name or f"{source}_to_{target}"
        self._new_name(name)
        where = f"projection {name!r}"
        shape = (self._target_size(target, where), self._source_size(source, where))
        matrix = _sparse(weights, shape, keep_zeros=rule is not None, where=where)
        if type(delay_steps) is not int or not 0 <= delay_steps <= MAX_DELAY_STEPS:
            raise NetworkError(f"{where}: delay_steps: found {delay_steps!r}; allowed: 0 to {MAX_DELAY_STEPS}")
        if delay_steps and source not in self.populations and self.port(source).kind == "values":
            raise NetworkError(f"{where}: values are held over a tick and take no delay_steps; found {delay_steps}")
        constant = None if bias is None else _per_neuron(bias, shape[0], f"{where}: bias")
        if rule is not None:
            self._check_rule(rule, source, target, where)
        self.projections[name] = Projection(name, source, target, matrix, constant, delay_steps, rule)
        try:
            self.order()
        except NetworkError:
            del self.projections[name]
            raise
        return name

    def order(self) -> list[str]:
        """Populations so that each comes after those whose spikes reach it in the same step.

        Raises NetworkError for a loop without delay: such a network has no step order.
        """
        place = {name: i for i, name in enumerate(self.populations)}
        waits = dict.fromkeys(place, 0)
        feeds: dict[str, list[str]] = {name: [] for name in place}
        for p in self.projections.values():
            if p.source in place and p.delay_steps == 0:
                waits[p.target] += 1
                feeds[p.source].append(p.target)
        done: list[str] = []
        ready = [name for name in place if not waits[name]]
        while ready:
            done += ready
            reached = [target for name in ready for target in feeds[name]]
            for target in reached:
                waits[target] -= 1
            ready = sorted({target for target in reached if not waits[target]}, key=place.__getitem__)
        if len(done) < len(waits):
            loop = ", ".join(sorted(set(waits) - set(done)))
            raise NetworkError(f"a loop without delay through {loop}; give one projection delay_steps=1 or more")
        return done

    def port(self, name: str) -> Port | None:
        """The input port of this name."""
        return next((port for port in self.inputs if port.name == name), None)

    def _add(self, kind: str, name: str, size: int, *columns: object) -> None:
        self._new_name(name)
        where = f"population {name!r}"
        size = int(size) if isinstance(size, np.integer) else size
        if type(size) is not int or not 1 <= size <= MAX_NEURONS:
            raise NetworkError(f"{where}: size: found {size!r}; allowed: 1 to {MAX_NEURONS}")
        *arrays, refractory_s, reset, threshold = columns
        fields = ("tau_s", "r", "v_leak", "v_threshold", "v_reset")
        named = zip(fields, arrays, strict=True)
        values = [_per_neuron(a, size, f"{where}: {f}", f != "v_threshold") for f, a in named]
        if not (values[0] > 0).all():
            raise NetworkError(f"{where}: tau_s: found {values[0].min()}; allowed: more than 0 s")
        if reset not in ("value", "zero", "subtract"):
            raise NetworkError(f"{where}: reset: found {reset!r}; {choose(str(reset), ['value', 'zero', 'subtract'])}")
        if threshold not in (">", ">="):
            raise NetworkError(f"{where}: threshold: found {threshold!r}; allowed: '>', '>='")
        steps = refractory_s / self.dt_s
        if not (0 <= steps <= MAX_REFRACTORY_STEPS and abs(steps - round(steps)) < 1e-6):
            allowed = f"0 to {MAX_REFRACTORY_STEPS} whole steps of {self.dt_s} s"
            raise NetworkError(f"{where}: refractory_s: found {refractory_s}; allowed: {allowed}")
        self.populations[name] = Population(name, kind, size, *values, refractory_s, reset, threshold)

    def _new_name(self, name: str) -> None:
        taken = {p.name for p in self.inputs} | set(self.populations) | set(self.projections)
        if name in taken:
            raise NetworkError(f"name {name!r} is taken; every port, population and projection needs its own")
        _port(name, 1, "values", ())

    def _source_size(self, source: str, where: str) -> int:
        if port := self.port(source):
            return port.size
        population = self.populations.get(source)
        if population is None:
            names = [p.name for p in self.inputs] + list(self.populations)
            raise NetworkError(f"{where}: source: found {source!r}; {choose(source, names)}")
        if population.kind == "li":
            raise NetworkError(f"{where}: source {source!r} is a readout and gives values out; it drives no population")
        return population.size

    def _target_size(self, target: str, where: str) -> int:
        if target not in self.populations:
            raise NetworkError(f"{where}: target: found {target!r}; {choose(target, self.populations)}")
        return self.populations[target].size

    def _check_rule(self, rule: Rule, source: str, target: str, where: str) -> None:
        if source not in self.populations or self.populations[target].kind != "li":
            raise NetworkError(f"{where}: {type(rule).__name__} learns from a lif population onto a readout only")
        try:
            msgspec.convert(msgspec.to_builtins(rule), type(rule))
        except msgspec.ValidationError as error:
            raise NetworkError(f"{where}: rule: {error}") from None
        size = self.populations[target].size
        known = next((m for m in self.modulators if m.name == rule.modulator), None)
        if known is not None and known.size != size:
            raise NetworkError(f"{where}: modulator {rule.modulator!r} has {known.size} values; this one needs {size}")
        if known is None:
            self.modulators += (_port(rule.modulator, size, "values", ()),)


def _port(name: str, size: int, kind: str, units: tuple[str, ...]) -> Port:
    try:
        return msgspec.convert({"name": name, "size": size, "kind": kind, "units": units}, Port)
    except msgspec.ValidationError as error:
        raise NetworkError(f"port {name!r}: {error}") from None


def _numbers(value: object, where: str) -> NDArray:
    """`value` as float32; what is too large for it becomes infinite, and is refused where that matters."""
    try:
        with np.errstate(over="ignore"):
            return np.asarray(value, np.float32)
    except (TypeError, ValueError):
        raise NetworkError(f"{where}: found {type(value).__name__}; allowed: numbers in a regular array") from None


def _per_neuron(value: ArrayLike, size: int, where: str, finite: bool = True) -> NDArray:
    array = _numbers(value, where)
    if array.shape not in ((), (1,), (size,)):
        raise NetworkError(f"{where}: found shape {array.shape}; allowed: a number or ({size},)")
    if np.isnan(array).any() or (finite and np.isinf(array).any()):
        raise NetworkError(f"{where}: found NaN or infinity; allowed: finite numbers")
    return np.broadcast_to(array, (size,)).copy()


def _sparse(weights: object, shape: tuple[int, int], keep_zeros: bool, where: str) -> scipy.sparse.csc_array:
    if scipy.sparse.issparse(weights):
        matrix = scipy.sparse.csc_array(weights, dtype=np.float32, copy=True)
    else:
        dense = _numbers(weights, f"{where}: weights")
        if keep_zeros and dense.shape == shape:
            n_target, n_source = shape
            rows = np.tile(np.arange(n_target, dtype=np.int32), n_source)
            starts = np.arange(0, dense.size + 1, n_target)
            matrix = scipy.sparse.csc_array((dense.T.ravel().copy(), rows, starts), shape=shape)
        else:
            matrix = scipy.sparse.csc_array(dense) if dense.ndim == 2 else dense
    if matrix.shape != shape:
        raise NetworkError(f"{where}: weights: found shape {matrix.shape}; allowed: {shape} (targets, sources)")
    if not np.isfinite(matrix.data).all():
        raise NetworkError(f"{where}: weights: found NaN or infinity; allowed: finite numbers")
    matrix.sum_duplicates()
    if not keep_zeros:
        matrix.eliminate_zeros()
    return matrix
