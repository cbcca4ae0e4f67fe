"""`hilbench import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hilbench.cli._shared import print_json
from hilbench.errors import ScenarioError

if TYPE_CHECKING:
    from hilbench.nal import Network
    from hilbench.nal.model.neurons import Population


USUAL = {
    "tau_unit": "s", "spike_amplitude": 1.0, "reset_at": "now", "threshold_test": ">", "fires": "always",
    "spikes": "single", "synapse": "current", "synapse_update": "before", "refractory_s": 0.0, "inputs": "values",
}  # fmt: skip
"""What holds of a network where nothing else is stated."""


def import_network(
    network: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="NETWORK")],
    /,
    *,
    preset: str | None = None,
    dt_s: float | None = None,
    tau_unit: Literal["s", "dt", "1/dt"] | None = None,
    integrator: Literal["exact", "euler", "discrete"] | None = None,
    reset: Literal["value", "zero", "subtract"] | None = None,
    recurrent_delay: Literal[0, 1] | None = None,
    reset_at: Literal["now", "next"] | None = None,
    threshold_test: Literal[">", ">="] | None = None,
    fires: Literal["always", "on_arrival"] | None = None,
    spikes: Literal["single", "multiple", "graded"] | None = None,
    synapse: Literal["current", "delta"] | None = None,
    synapse_update: Literal["before", "after"] | None = None,
    refractory_s: float | None = None,
    spike_amplitude: str | None = None,
    inputs: Literal["values", "events"] | None = None,
    profile: Path | None = None,
    out: Path | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """State what a NIR file of another tool leaves open, and save it with that as its execution profile.

    Parameters
    ----------
    network
        a NIR file without a profile
    preset
        a framework, as snntorch or norse, whose answers hold where no other option is given; docs/presets.md lists them
    dt_s
        the network step, in whole microseconds
    tau_unit
        what the file counts time constants and delays in: seconds, steps, or seconds per step
    integrator
        the exact solution over a step, forward Euler, or decay as in Euler and the input added whole
    reset
        what a spike does to the membrane: set it to v_reset or to 0, or subtract the threshold
    recurrent_delay
        steps from a spike to what it does through a loop; 0 acts after the threshold test of its own step
    reset_at
        whether the reset acts in the spike's step, as usual, or in the next one
    threshold_test
        what the membrane must pass, `>` as usual, or reach
    fires
        whether the threshold is tested in every step, as usual, or only in those in which something arrives
    spikes
        one spike in a step, as usual, as many as thresholds fit, or one that carries the membrane's value
    synapse
        whether what arrives is a current over the step, as usual, or a delta pulse: the state that it meets jumps
    synapse_update
        whether the synaptic current is updated before the membrane in a step, as usual, or after it
    refractory_s
        how long the membrane is held after a spike, usually 0
    spike_amplitude
        the value that a spike has for its step, usually 1; `impulse` is 1/dt_s
    inputs
        what the Input nodes take, values as usual, or events
    profile
        a TOML file of these fields, with a table [nodes.NAME] for each node that differs
    out
        where the network is saved; NETWORK.hilbench.nir beside it when absent
    as_json
        print the network and what was stated as JSON
    """
    from hilbench.nal import save
    from hilbench.nal.nir import read_with_notes
    from hilbench.nal.nir.presets import PRESETS
    from hilbench.nal.nir.statements import read_statements

    options = {
        "preset": preset, "tau_unit": tau_unit, "synapse": synapse,
        "dt_s": dt_s, "integrator": integrator, "reset": reset, "recurrent_delay": recurrent_delay,
        "reset_at": reset_at, "threshold_test": threshold_test, "fires": fires, "spikes": spikes,
        "synapse_update": synapse_update, "refractory_s": refractory_s,
        "spike_amplitude": _amplitude(spike_amplitude), "inputs": inputs,
    }  # fmt: skip
    stated = {} if profile is None else read_statements(profile)
    stated |= {name: value for name, value in options.items() if value is not None}
    target = out or network.with_name(f"{network.stem}.hilbench.nir")
    if target.resolve() == network.resolve():
        raise ScenarioError(f"--out: found {target}, the file that is read; allowed: another one")
    found, notes = read_with_notes(network, stated)
    save(found, target)
    usual = USUAL if "preset" not in stated else {"tau_unit": PRESETS[stated["preset"]].tau_unit}
    usual = {name: value for name, value in usual.items() if name not in stated}
    said = _described(found, notes) | {"stated": stated, "usual": usual, "saved": str(target)}
    if as_json:
        print_json(said)
    else:
        _print(said)
    return 0


def _amplitude(given: str | None) -> float | str | None:
    try:
        return given if given in (None, "impulse") else float(given)
    except ValueError:
        raise ScenarioError(f"--spike-amplitude: found {given!r}; allowed: a number above 0, or impulse") from None


def _described(network: Network, notes: list[str]) -> dict[str, Any]:
    return {
        "dt_s": network.dt_s,
        "populations": {
            p.name: {"kind": p.kind, "shape": list(p.shape), "times_s": _times_s(p), "behaviour": _behaviour(p)}
            for p in network.populations.values()
            if p.kind != "passthrough"
        },
        "projections": {
            p.name: {
                "source": p.source,
                "target": p.target,
                "form": p.form.kind if p.form else "linear",
                "synapses": int(p.weights.nnz),
                "delay_steps": [p.min_delay_steps, p.max_delay_steps],
                "delay_s": [p.min_delay_steps * network.dt_s, p.max_delay_steps * network.dt_s],
                "after_threshold": p.after_threshold,
            }
            for p in network.projections.values()
        },
        "inputs": {port.name: {"size": port.size, "kind": port.kind} for port in network.inputs},
        "outputs": {port.name: {"size": port.size, "kind": port.kind} for port in network.outputs},
        "notes": notes,
    }


def _times_s(p: Population) -> dict[str, list[float]]:
    """The shortest and the longest of each time that a population has, in seconds."""
    b = p.behaviour
    found = {"tau": p.tau_s, "tau_syn": p.tau_syn_s, "refractory": b.refractory_s or None, "adapt_tau": b.adapt_tau_s}
    return {name: [float(np.min(s)), float(np.max(s))] for name, s in found.items() if s is not None}


def _behaviour(p: Population) -> dict[str, Any]:
    """What holds of a population, whether it was stated, a preset's or usual: always the chief three."""
    from hilbench.nal.nir.export import stated

    chief = {"integrator": p.tau_s is not None or p.r is not None, "reset": p.v_reset is not None,
             "threshold_test": p.v_threshold is not None}  # fmt: skip
    return {key: getattr(p.behaviour, key) for key, has in chief.items() if has} | stated(
        p.behaviour, p.behaviour.integrator
    )


def _range(ends: list[float]) -> str:
    return f"{ends[0]:g}" if ends[0] == ends[1] else f"{ends[0]:g} to {ends[1]:g}"


def _print(said: dict[str, Any]) -> None:
    rows = [("step", "", f"{said['dt_s']:g} s")]
    for name, p in said["populations"].items():
        times = "".join(f", {key} {_range(seconds)} s" for key, seconds in p["times_s"].items())
        other = {key: value for key, value in p["behaviour"].items() if key not in ("refractory_s", "adapt_tau_s")}
        behaviour = "".join(f", {key} {value}" for key, value in other.items())
        rows.append(("population", name, f"{p['kind']} {' x '.join(map(str, p['shape']))}{times}{behaviour}"))
    for name, p in said["projections"].items():
        steps, seconds = p["delay_steps"], p["delay_s"]
        delay = f", {_range(steps)} steps ({_range(seconds)} s)" if any(steps) else ""
        late = ", after the threshold test" * p["after_threshold"]
        what = f"{p['form']} {p['source']} -> {p['target']}, {p['synapses']} synapses{delay}{late}"
        rows.append(("projection", name, what))
    for way in ("inputs", "outputs"):
        rows += [(way[:-1], name, f"{port['size']} {port['kind']}") for name, port in said[way].items()]
    for how in ("stated", "usual"):
        rows += [(how, name, str(value)) for name, value in said[how].items()]
    rows += [("note", "", note) for note in said["notes"]]
    table = Table(show_header=False, box=None, padding=(0, 2))
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)
    print(f"saved to {said['saved']}")
