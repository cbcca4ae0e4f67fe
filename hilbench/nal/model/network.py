"""The model: populations, projections with sparse weights, ports and the execution profile, added one by one.

It knows no backend, no file and no robot. `backends/reference.py` defines what one network step does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import isclose, prod
from operator import attrgetter
from typing import Any, Literal

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike

from hilbench.errors import NetworkError, allowed_hint
from hilbench.nal.model.accept import accepted
from hilbench.nal.model.add import AddPopulations, Size
from hilbench.nal.model.arrays import delays, make_port, per_neuron, read_shape, sparse
from hilbench.nal.model.firing import check_decay, check_it_can_be_silent
from hilbench.nal.model.forms import Form
from hilbench.nal.model.index import Groups, PortIndex
from hilbench.nal.model.neurons import (
    CHOICES,
    KINDS,
    Behaviour,
    Integrator,
    Kind,
    Population,
    read_behaviour,
    read_parameters,
)
from hilbench.nal.model.projection import Projection
from hilbench.nal.model.rule import Rule
from hilbench.nal.model.short_term import ShortTerm, accepted_short_term
from hilbench.types import Port

MAX_NEURONS = 50_000_000


@dataclass(slots=True, eq=False)
class Network(AddPopulations):
    """A spiking network with its execution profile. Its numbers are float32, whatever an engine computes with.

    `dt_s` is the network step in seconds. `integrator` is that of populations that state none of their own.
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
    output_sources: dict[str, str] = field(default_factory=dict)
    """Which population each output port reads."""
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Of input ports whose values a graph arranges in more than one dimension."""
    _inputs: PortIndex = field(default_factory=PortIndex, init=False, repr=False)
    _outputs: PortIndex = field(default_factory=PortIndex, init=False, repr=False)
    _modulators: PortIndex = field(default_factory=PortIndex, init=False, repr=False)
    _readers: Groups = field(default_factory=lambda: Groups(str), init=False, repr=False)
    _onto: Groups = field(default_factory=lambda: Groups(attrgetter("target")), init=False, repr=False)
    _leaving: Groups = field(default_factory=lambda: Groups(attrgetter("source")), init=False, repr=False)

    def __post_init__(self) -> None:
        if not (np.isfinite(self.dt_s) and self.dt_us >= 1 and isclose(self.dt_us, self.dt_s * 1e6, rel_tol=1e-12)):
            raise NetworkError(f"dt_s: found {self.dt_s!r}; allowed: a whole number of microseconds, as 0.001")
        if self.integrator not in CHOICES["integrator"]:
            allowed = allowed_hint(str(self.integrator), CHOICES["integrator"])
            raise NetworkError(f"integrator: found {self.integrator!r}; {allowed}")
        if not (np.isfinite(self.spike_amplitude) and self.spike_amplitude > 0):
            raise NetworkError(f"spike_amplitude: found {self.spike_amplitude!r}; allowed: a positive number")
        if type(self.seed) is not int or not 0 <= self.seed < 2**64:
            raise NetworkError(f"seed: found {self.seed!r}; allowed: 0 to 2**64 - 1")

    @property
    def dt_us(self) -> int:
        """The network step in microseconds."""
        return round(self.dt_s * 1e6)

    def input(
        self,
        name: str,
        size: int | tuple[int, ...],
        *,
        kind: Literal["values", "events"] = "values",
        units: tuple[str, ...] = (),
    ) -> str:
        """Add an input port; `values` are held over a tick, `events` act in the step they fall in.

        Parameters
        ----------
        name : str
            The port's name.
        size : int or tuple of int
            How many values, or addresses of events; a tuple for what a graph arranges in more than one dimension.
        kind : str
            "values" are held over a tick; "events" act in the step that they fall in.
        units : tuple of str
            Units of the values.
        """
        self._new_name(name)
        shape = size if isinstance(size, tuple) else (size,)
        self.inputs = self._inputs.extended(self.inputs, make_port(name, prod(shape), kind, units))
        if len(shape) != 1:
            self.shapes[name] = shape
        return name

    def output(
        self,
        name: str,
        source: str,
        *,
        kind: Literal["values", "events"] | None = None,
        units: tuple[str, ...] = (),
    ) -> str:
        """Add an output port: the spikes of a population that spikes, else its values.

        `values` of a spiking population are its membranes. Graded spikes have values, which events cannot carry.

        Parameters
        ----------
        name : str
            The port's name.
        source : str
            The population that it reads.
        kind : str, optional
            "values" or "events".
        units : tuple of str
            Units of the values.
        """
        if source not in self.populations:
            raise NetworkError(f"output {name!r}: source: found {source!r}; {allowed_hint(source, self.populations)}")
        p = self.populations[source]
        kind = kind or ("events" if p.spiking else "values")
        if kind == "events" and (not p.spiking or p.behaviour.spikes == "graded"):
            what = "graded spikes" if p.spiking else "values"
            raise NetworkError(f"output {name!r}: {source!r} gives {what}; allowed: kind 'values'")
        if name in self.output_sources:
            raise NetworkError(f"output {name!r} stands twice; every output port needs its own name")
        other = next((port.name for port in self.readers(source) if port.kind == "events"), None)
        if kind == "events" and other is not None:
            raise NetworkError(f"output {name!r}: the spikes of {source!r} leave through {other!r} already")
        self.outputs = self._outputs.extended(self.outputs, make_port(name, p.size, kind, units))
        self.output_sources[name] = source
        return name

    def add_stated(
        self, name: str, kind: Kind, size: Size, stated: dict[str, Any], *, rule: Rule | None = None,
        output: bool = False, units: tuple[str, ...] = (),
    ) -> str:  # fmt: skip
        """Add a population of which all is stated in one dict."""
        self._new_name(name)
        where = f"population {name!r}"
        if kind not in KINDS:
            raise NetworkError(f"{where}: kind: found {kind!r}; {allowed_hint(str(kind), KINDS)}")
        shape = read_shape(size, MAX_NEURONS, where)
        fields = {key: value for key, value in stated.items() if key in Behaviour.__struct_fields__}
        arrays = {key: value for key, value in stated.items() if key not in fields}
        parameters = read_parameters(kind, prod(shape), arrays, where)
        behaviour = read_behaviour({"integrator": self.integrator} | fields, self.dt_s, where)
        if output:
            make_port(name, prod(shape), "values", units)
        self.populations[name] = Population(name, kind, shape, behaviour, rule=None, **parameters)
        try:
            if rule is not None:
                rule = self.take_rule(rule, self.populations[name], where)
                self.populations[name] = replace(self.populations[name], rule=rule)
            check_decay(self.populations[name], self.dt_s)
            check_it_can_be_silent(self.populations[name], self.dt_s)
            if output:
                self.output(name, name, units=units)
        except NetworkError:
            del self.populations[name]
            raise
        return name

    def connect(
        self,
        source: str,
        target: str,
        weights: ArrayLike | scipy.sparse.sparray | scipy.sparse.spmatrix,
        *,
        bias: ArrayLike | None = None,
        delay_steps: int | ArrayLike = 0,
        after_threshold: bool = False,
        rule: Rule | None = None,
        name: str | None = None,
        form: Form | None = None,
        short_term: ShortTerm | None = None,
        bulk: bool = False,
    ) -> str:
        """Add synapses from a port or a population onto a population.

        Zeros are no synapses, unless a rule may change them. A rule's modulator becomes a port, unless it is a
        population.

        Parameters
        ----------
        source : str
            An input port or a population.
        target : str
            A population.
        weights : (n_target, n_source) array_like or sparse matrix
            The weight of each synapse.
        bias : float or (n_target,), optional
            A constant input beside them.
        delay_steps : int, or a matrix of them
            Network steps from a spike to its arrival.
        after_threshold : bool
            Whether what arrives acts after the threshold test of its step, not before the membrane's update.
        rule : Rule, optional
            A learning rule that changes the weights.
        name : str, optional
            The projection's name; SOURCE_to_TARGET without one.
        form : Form, optional
            How a graph writes these weights.
        short_term : ShortTerm, optional
            How the synapses tire and facilitate with each spike.
        bulk : bool
            For a caller that adds many: their matrices are kept without a copy, and loops without delay are left to
            one call of `order` after the last of them.
        """
        name = name or f"{source}_to_{target}"
        self._new_name(name)
        where = f"projection {name!r}"
        shape = (self._target_size(target, where), self._source_size(source, where))
        matrix = sparse(weights, shape, keep_zeros=rule is not None, where=where, copy=not bulk)
        steps = delays(delay_steps, matrix, where)
        constant = None if bias is None else per_neuron(bias, shape[0], f"{where}: bias")
        if after_threshold and self.populations[target].kind in ("passthrough", "threshold", "poisson"):
            raise NetworkError(
                f"{where}: after_threshold: found True; allowed onto {target!r}, which has no membrane: False"
            )
        before = self.modulators
        short_term = accepted_short_term(short_term, *self._sends(source), where)
        projection = Projection(
            name, source, target, matrix, constant, steps, after_threshold, form=form, short_term=short_term
        )
        if rule is not None:
            projection = replace(projection, rule=self.take_rule(rule, projection, where))
        if not bulk and self._closes_loop(projection):
            self.modulators = before
            self.projections[name] = projection
            try:
                self.order()
            finally:
                del self.projections[name]
        self.projections[name] = projection
        return name

    def order(self) -> list[str]:
        """Populations so that each comes after those whose spikes reach it in the same step.

        Raises NetworkError for a loop without delay: such a network has no step order.
        """
        place = {name: i for i, name in enumerate(self.populations)}
        waits = dict.fromkeys(place, 0)
        feeds: dict[str, list[str]] = {name: [] for name in place}
        for p in self.projections.values():
            if p.source in place and p.at_once:
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
        return self._inputs.of(self.inputs).get(name)

    def readers(self, population: str) -> list[Port]:
        """The output ports that read a population."""
        ports = self._outputs.of(self.outputs)
        return [ports[name] for name in self._readers.of(self.output_sources, population)]

    def onto(self, population: str) -> list[Projection]:
        """The projections that a population receives, in the network's order."""
        return [self.projections[name] for name in self._onto.of(self.projections, population)]

    def leaving(self, source: str) -> list[Projection]:
        """The projections that lead from a population or an input port, in the network's order."""
        return [self.projections[name] for name in self._leaving.of(self.projections, source)]

    def heard(self) -> list[str]:
        """The populations that rules hear, as modulators or gates, in the network's order."""
        parts: list[Projection | Population] = [*self.projections.values(), *self.populations.values()]
        rules = [p.rule for p in parts if p.rule is not None]
        inside = {rule.modulator for rule in rules if rule.modulator_is == "population"}
        named = inside | {rule.gate for rule in rules}
        return [name for name in self.populations if name in named]

    def _closes_loop(self, p: Projection) -> bool:
        """Whether what this projection brings comes back to its source within a step."""
        if p.source not in self.populations or not p.at_once:
            return False
        reached, new = set(), {p.target}
        while new and p.source not in new:
            reached |= new
            new = {q.target for name in new for q in self.leaving(name) if q.at_once} - reached
        return bool(new)

    def _new_name(self, name: str) -> None:
        if self.port(name) is not None or name in self.populations or name in self.projections:
            raise NetworkError(f"name {name!r} is taken; every port, population and projection needs its own")
        make_port(name, 1, "values", ())

    def _source_size(self, source: str, where: str) -> int:
        if port := self.port(source):
            return port.size
        if source not in self.populations:
            names = [p.name for p in self.inputs] + list(self.populations)
            raise NetworkError(f"{where}: source: found {source!r}; {allowed_hint(source, names)}")
        return self.populations[source].size

    def _sends(self, source: str) -> tuple[bool, bool]:
        """Whether a source sends graded spikes, and whether it sends spikes or events at all."""
        if port := self.port(source):
            return False, port.kind == "events"
        p = self.populations[source]
        return p.behaviour.spikes == "graded", p.spiking

    def _target_size(self, target: str, where: str) -> int:
        if target not in self.populations:
            raise NetworkError(f"{where}: target: found {target!r}; {allowed_hint(target, self.populations)}")
        return self.populations[target].size

    def take_rule(self, rule: Rule, part: Projection | Population, where: str) -> Rule:
        """Check that a rule can stand here, and give a modulator from outside a port. Returns it with plain numbers.

        Parameters
        ----------
        rule : Rule
            The rule.
        part : Projection or Population
            What it would change.
        where : str
            What a refusal names.
        """
        moves: Literal["weights", "thresholds"] = "weights" if isinstance(part, Projection) else "thresholds"
        rule = accepted(rule, self, part, moves, where)
        if rule.modulator is None or rule.modulator_is == "population":
            return rule
        size = rule.modulator_size(self, part)
        known = self._modulators.of(self.modulators).get(rule.modulator)
        if known is not None and known.size != size:
            raise NetworkError(f"{where}: modulator {rule.modulator!r} has {known.size} values; this one needs {size}")
        if known is None:
            port = make_port(rule.modulator, size, "values", ())
            self.modulators = self._modulators.extended(self.modulators, port)
        return rule
