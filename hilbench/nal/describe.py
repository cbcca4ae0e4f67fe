"""What a network is made of, as plain numbers and words: its parts, their constants, and its loops."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import Population
from hilbench.nal.model.projection import Projection
from hilbench.nal.nir.export import stated
from hilbench.nal.nir.loops import has_loop
from hilbench.types import Port


def described(network: Network) -> dict[str, Any]:
    """A network's profile, ports, populations, projections and loops. Ranges are [least, greatest], times in seconds.

    Relays, which are no neurons, are left out of `populations`.
    """
    neurons = [p for p in network.populations.values() if p.kind != "passthrough"]
    return {
        "dt_s": network.dt_s,
        "integrator": network.integrator,
        "spike_amplitude": network.spike_amplitude,
        "neurons": sum(p.size for p in neurons),
        "synapses": sum(int(p.weights.nnz) for p in network.projections.values()),
        "populations": {p.name: _population(p) for p in neurons},
        "projections": {p.name: _projection(p, network.dt_s) for p in network.projections.values()},
        "loops": _loops(network),
        "inputs": {port.name: _port(port) for port in network.inputs},
        "outputs": {port.name: _port(port) for port in network.outputs},
        "modulators": {port.name: _port(port) for port in network.modulators},
    }


def _port(port: Port) -> dict[str, Any]:
    return {"size": port.size, "kind": port.kind, "units": list(port.units)}


def _population(p: Population) -> dict[str, Any]:
    b = p.behaviour
    times = {"tau": p.tau_s, "tau_syn": p.tau_syn_s, "refractory": b.refractory_s or None, "adapt_tau": b.adapt_tau_s}
    levels = {"v_threshold": p.v_threshold, "v_reset": p.v_reset, "v_leak": p.v_leak}
    return {
        "kind": p.kind,
        "shape": list(p.shape),
        "times_s": {name: _range(s) for name, s in times.items() if s is not None},
        "levels": {name: _range(v) for name, v in levels.items() if v is not None},
        "behaviour": _behaviour(p),
        "rule": None if p.rule is None else type(p.rule).__name__,
    }


def _projection(p: Projection, dt_s: float) -> dict[str, Any]:
    used = p.weights.data
    return {
        "source": p.source,
        "target": p.target,
        "form": p.form.kind if p.form else "linear",
        "synapses": int(p.weights.nnz),
        "density": float(p.weights.nnz / np.prod(p.weights.shape)),
        "weights": _range(used) if used.size else [],
        "constant_input": None if p.bias is None else _range(p.bias),
        "delay_steps": [p.min_delay_steps, p.max_delay_steps],
        "delay_s": [p.min_delay_steps * dt_s, p.max_delay_steps * dt_s],
        "after_threshold": p.after_threshold,
        "short_term": None if p.short_term is None else msgspec.to_builtins(p.short_term),
        "rule": None if p.rule is None else type(p.rule).__name__,
    }


def _range(values: NDArray[Any] | float) -> list[float]:
    return [float(np.min(values)), float(np.max(values))]


def _behaviour(p: Population) -> dict[str, Any]:
    """What holds of a population, whether it was stated, a preset's or usual: always the chief three."""
    chief = {"integrator": p.tau_s is not None or p.r is not None, "reset": p.v_reset is not None,
             "threshold_test": p.v_threshold is not None}  # fmt: skip
    return {key: getattr(p.behaviour, key) for key, has in chief.items() if has} | stated(
        p.behaviour, p.behaviour.integrator
    )


def _loops(network: Network) -> list[list[str]]:
    """The populations on each loop, or on loops that share one; relays among them."""
    place = {name: i for i, name in enumerate(network.populations)}
    ends = [(place[p.source], place[p.target]) for p in network.projections.values() if p.source in place]
    if not has_loop((p.source, p.target) for p in network.projections.values()):
        return []
    from scipy.sparse.csgraph import connected_components  # slow to import, and most networks have no loop

    rows, columns = np.array(ends).T
    graph = scipy.sparse.coo_array((np.ones(len(ends)), (rows, columns)), shape=(len(place), len(place)))
    labels = connected_components(graph.tocsr(), connection="strong")[1]
    looped = np.unique(labels[[a for a, b in ends if labels[a] == labels[b]]])
    names = np.array(list(place))
    return [names[labels == label].tolist() for label in looped]
