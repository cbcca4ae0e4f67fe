"""Learning rules put on the parts of a finished network, as a scenario states them for a file that has none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from hilbench.errors import NetworkError, allowed_hint
from hilbench.nal.model.arrays import sparse
from hilbench.nal.model.network import Network
from hilbench.nal.model.projection import Projection
from hilbench.nal.model.rule import Rule


def with_rules(network: Network, rules: Mapping[str, Rule], every_synapse: Collection[str] = ()) -> Network:
    """A copy of a network that learns by these rules, in place of those that it has there. Raises NetworkError.

    Parameters
    ----------
    network : Network
        The network.
    rules : dict of Rule
        By the name of a projection or, for a rule that changes thresholds, of a population.
    every_synapse : collection of str
        The projections whose weights of 0 are synapses, too, which the rule may change.
    """
    learner = replace(
        network,
        populations=dict(network.populations),
        projections=dict(network.projections),
        output_sources=dict(network.output_sources),
        shapes=dict(network.shapes),
    )
    for name, rule in rules.items():
        where = f"rules.{name}"
        if name in learner.projections:
            projection = learner.projections[name]
            if name in every_synapse:
                projection = _dense(projection, where)
            if not projection.weights.nnz:
                raise NetworkError(f"{where}: found no weight but 0; allowed: synapses = 'all', which may learn, too")
            learner.projections[name] = replace(projection, rule=learner.take_rule(rule, projection, where))
        elif name in learner.populations:
            population = learner.populations[name]
            learner.populations[name] = replace(population, rule=learner.take_rule(rule, population, where))
        else:
            known = [*learner.projections, *learner.populations]
            raise NetworkError(f"{where}: no projection or population of this name; {allowed_hint(name, known)}")
    return learner


def _dense(projection: Projection, where: str) -> Projection:
    """The same projection with a synapse for each entry of its matrix."""
    kind = "linear" if projection.form is None else projection.form.kind
    if kind != "linear" or projection.min_delay_steps != projection.max_delay_steps:
        raise NetworkError(f"{where}: synapses = 'all': allowed for a dense matrix with one delay; found {kind!r}")
    shape = projection.weights.shape
    weights = sparse(projection.weights.toarray(), shape, keep_zeros=True, where=where, copy=True)
    return replace(projection, weights=weights, delay_steps=projection.min_delay_steps)
