"""Energy per decision: modelled from counted operations and a chip's constants, or measured. Never both in one."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import numpy as np

from hilbench.metrics import Measure, Measures, column, metric, n_periods
from hilbench.nal.compile.energy import STATIC, EnergyPart, Events, Range, account, baselines, dynamic
from hilbench.nal.compile.target import Target, load_target, targets
from hilbench.record.data import RunData
from hilbench.types import COUNTERS, NetworkFacts

NO_HOPS = "without routing, which needs a placement, and without the coding of inputs"
IN_45_NM = "arithmetic alone in 45 nm, at most with one weight read from a cache per operation; no chip"


@metric("J", "lower")
def energy_modelled(run: RunData) -> Measures:
    """What a network's counted operations would cost on each target, beside the static power of the cores it fills.

    E = N_syn e_syn + N_upd e_upd + N_spk e_spk + N_w e_learn per answered tick, and
    P_static (cores used / cores of a chip) T / N for N answered ticks in the time T: events times energies, as Davies
    et al. (2018), IEEE Micro 38(1), give them and SANA-FE adds them up. A constant that nobody has published makes what
    needs it unknown. Baselines are the same network as arithmetic in 45 nm, with spikes and without.
    """
    network = run.meta.network
    answered = column(run, "answered").astype(bool)
    if network is None or not (n := int(answered.sum())):
        return {}
    counts = {name: float(column(run, name)[answered].mean()) for name in COUNTERS}
    return modelled(network, counts, n, run.meta.scenario.loop.period_s * n_periods(run) / n)


def modelled(network: NetworkFacts, counts: Mapping[str, float], n: int, period_s: float) -> Measures:
    """What counted operations would cost on each target; empty where the device counted none.

    Parameters
    ----------
    network : NetworkFacts
        The network that ran.
    counts : mapping
        Each of COUNTERS, per answered tick.
    n : int
        Answered ticks.
    period_s : float
        Time of the run for each of them, in s.
    """
    spikes, operations, updates, learnt, macs = (counts[name] for name in COUNTERS)
    if not any((operations, updates, learnt, macs)):
        return {}
    found = {}
    for name in targets():
        target = load_target(name)
        busy_s = period_s * _share(network, target)
        # Which updates are active is not counted: none may be, or all.
        events = Events(operations, updates, Range(updates, 0, updates), learnt, busy_s, spikes)
        parts = account(events, target.energy)
        found[name] = _modelled(dynamic(parts), n, NO_HOPS)
        if target.energy.static_power_w is not None:
            found[f"{name} static"] = _modelled(parts[STATIC], n, "")
    synapses = sum(p.n_synapses for p in network.projections.values() if p.n_dense_synapses)
    for name, joules in baselines(synapses, operations - min(macs, operations), min(macs, operations)).items():
        found[f"45 nm {name}"] = _modelled(EnergyPart(0, joules), n, IN_45_NM)
    return found


def _modelled(part: EnergyPart, n: int, note: str) -> Measure:
    if part.joules is None:
        return _unavailable(f"unknown: {part.reason}")
    value, low, high = part.joules
    return Measure(value, n, interval=(low, high), origin="modelled", note=note)


def _share(network: NetworkFacts, target: Target) -> float:
    """The part of a chip whose cores the neurons fill; memory and axons, which a placement knows, may need more."""
    neurons = sum(p.n_neurons for p in network.populations.values() if p.kind != "passthrough")
    cores = ceil(neurons / target.neurons_per_core) if target.neurons_per_core else 1
    return cores / target.cores_per_chip


@metric("J", "lower")
def energy_measured(run: RunData) -> Measures:
    """Joules per decision by the device's own meter, or by the host's while the record was fed to the program again."""
    joules = column(run, "energy_j")[column(run, "answered").astype(bool)] if run.episodes else np.empty(0)
    own = joules[~np.isnan(joules)]
    if own.size:
        return {
            "": _unavailable("unavailable: the device's meter tells no idle power"),
            "total": Measure(float(own.mean()), own.size, origin="measured", note="the device's own meter"),
        }
    if (metered := run.energy) is None:
        return {"": _unavailable(f"unavailable: {_reason(run)}")} if joules.size else {}
    note = f"{metered.meter}: {metered.accuracy}"
    return {
        label: Measure(joules / metered.n_ticks, metered.n_ticks, origin="measured", note=note)
        for label, joules in (("", metered.dynamic_j), ("total", metered.total_j), ("idle", metered.idle_j))
    }


def _unavailable(reason: str) -> Measure:
    return Measure(None, 0, origin="unavailable", note=reason)


def _reason(run: RunData) -> str:
    """Why no meter could be read where the loop ran; where one could, nobody has."""
    reasons = run.meta.meter_refusals
    if not reasons or None in reasons.values():
        return "not metered"
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
