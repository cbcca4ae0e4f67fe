"""A network as lines of a table, for the commands that show one."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

Row = tuple[str, str, str]


def rows(said: dict[str, Any]) -> list[Row]:
    """What `nal.describe.described` says, a row for each part."""
    found = [("step", "", f"{said['dt_s']:g} s")]
    for name, p in said["populations"].items():
        found.append(("population", name, _population(p)))
    for name, p in said["projections"].items():
        found.append(("projection", name, _projection(p)))
    found += [("loop", "", ", ".join(names)) for names in said["loops"]]
    for way in ("inputs", "outputs", "modulators"):
        found += [(way[:-1], name, _port(port)) for name, port in said[way].items()]
    return found


def show(lines: list[Row]) -> None:
    """Print them as columns."""
    table = Table(show_header=False, box=None, padding=(0, 2))
    for row in lines:
        table.add_row(*map(escape, row))
    Console().print(table)


def _population(p: dict[str, Any]) -> str:
    other = {key: value for key, value in p["behaviour"].items() if key not in ("refractory_s", "adapt_tau_s")}
    return ", ".join(
        [
            f"{p['kind']} {' x '.join(map(str, p['shape']))}",
            *(f"{key} {_range(seconds)} s" for key, seconds in p["times_s"].items()),
            *(f"{key} {value}" for key, value in other.items()),
            *(f"{key} {_range(level)}" for key, level in p["levels"].items()),
            *([f"learns by {p['rule']}"] if p["rule"] else []),
        ]
    )


def _projection(p: dict[str, Any]) -> str:
    steps, seconds = p["delay_steps"], p["delay_s"]
    plural = "" if steps == [1, 1] else "s"
    delay = f", {_range(steps)} step{plural} ({_range(seconds)} s)" if any(steps) else ""
    late = ", after the threshold test" * p["after_threshold"]
    share = f", {p['density']:.3g} of all pairs" if p["density"] < 1 else ""
    weights = f", weights {_range(p['weights'])}" if p["weights"] else ""
    constant = f", constant input {_range(p['constant_input'])}" if p["constant_input"] else ""
    rule = f", learns by {p['rule']}" if p["rule"] else ""
    tires = ", short-term plasticity" if p["short_term"] else ""
    what = f"{p['form']} {p['source']} -> {p['target']}, {p['synapses']} synapses{delay}{late}"
    return f"{what}{share}{weights}{constant}{tires}{rule}"


def _port(port: dict[str, Any]) -> str:
    units = f" ({', '.join(port['units'])})" if any(port["units"]) else ""
    return f"{port['size']} {port['kind']}{units}"


def _range(ends: list[float]) -> str:
    return f"{ends[0]:g}" if ends[0] == ends[1] else f"{ends[0]:g} to {ends[1]:g}"
