"""Energy per decision: modelled from counted operations and a chip's constants, or measured. Never both in one."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np

from hilbench.metrics import Measure, Measures, column, metric
from hilbench.nal.target import Constant, Target, load_target, targets
from hilbench.types import RunData

NO_HOPS = "without routing, which needs a placement, and without the coding of inputs"


@metric("J", "lower")
def energy_modelled(run: RunData) -> Measures:
    """What a network's counted operations would cost on each target, beside the static power of the cores it fills.

    E = N_syn e_syn + N_upd e_upd + N_w e_learn per answered tick, and P_static (cores used / cores of a chip) T / N for
    N answered ticks in the time T: events times energies, as Davies et al. (2018), IEEE Micro 38(1), give them and
    SANA-FE adds them up.
    """
    network = run.meta.get("network")
    answered = column(run, "answered").astype(bool)
    counters = ("synaptic_operations", "neuron_updates", "weight_updates")
    counts = [float(column(run, name)[answered].mean()) if answered.any() else 0.0 for name in counters]
    if network is None or not any(counts):  # a device that counted nothing tells nothing
        return {}
    found, n = {}, int(answered.sum())
    for name in targets():
        target = load_target(name)
        e = target.energy
        dynamic = zip(counts, (e.synaptic_operation_j, e.neuron_update_j, e.weight_update_j), strict=True)
        found[name] = _modelled(list(dynamic), n, NO_HOPS)
        busy_s = run.meta["scenario"]["loop"]["period_s"] * answered.size / n * _share(network, target)
        found[f"{name} static"] = _modelled([(busy_s, e.static_power_w)], n, "")
    return found


def _modelled(terms: list[tuple[float, Constant]], n: int, note: str) -> Measure:
    """The sum of amount x constant, from its constants' lowest to their highest."""
    value, low, high = (sum(amount * getattr(c, bound) for amount, c in terms) for bound in ("value", "low", "high"))
    return Measure(value, n, interval=(low, high), origin="modelled", note=note)


def _share(network: dict[str, Any], target: Target) -> float:
    """The part of a chip whose cores the neurons fill."""
    neurons = sum(p["size"] for p in network["populations"].values())
    return ceil(neurons / target.neurons_per_core) / target.cores_per_chip


@metric("J", "lower")
def energy_measured(run: RunData) -> Measures:
    """Joules per decision by the device's own meter, or by the host's while the record was fed to the program again."""
    joules = column(run, "energy_j")[column(run, "answered").astype(bool)] if run.episodes else np.empty(0)
    own = joules[~np.isnan(joules)]
    if own.size:
        return {
            "": _unavailable("the device's meter tells no idle power"),
            "total": Measure(float(own.mean()), own.size, origin="measured", note="the device's own meter"),
        }
    metered = run.meta.get("energy")
    if metered is None:
        return {"": _unavailable(_reason(run))} if joules.size else {}
    note = f"{metered['meter']}: {metered['accuracy']}"
    return {
        label: Measure(metered[key] / metered["ticks"], metered["ticks"], origin="measured", note=note)
        for label, key in (("", "dynamic_j"), ("total", "total_j"), ("idle", "idle_j"))
    }


def _unavailable(reason: str) -> Measure:
    return Measure(None, 0, origin="unavailable", note=f"unavailable: {reason}")


def _reason(run: RunData) -> str:
    """Why no meter could be read where the loop ran; where one could, nobody has."""
    reasons = run.meta.get("meters", {})
    if not reasons or None in reasons.values():
        return "not metered"
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
