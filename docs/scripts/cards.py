"""Writes the tables of the scenarios' cards, docs/scenarios/NAME.md, between their marks: `make cards`.

Everything but the results comes from the scenario and its plant. Results come from docs/scenarios/NAME.json, which
`python docs/scripts/cards.py NAME --run` makes by evaluating the suite scenarios/suites/NAME.toml; that takes minutes.

    python docs/scripts/cards.py [NAME ...] [--run] [--check]

`--check` writes nothing, and exits with 1 where a card is not what it would write.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from hilbench.nal import Network
from hilbench.report import words
from hilbench.runs.build import make_control, make_plant
from hilbench.runs.explain import fit
from hilbench.scenario.files import load
from hilbench.scenario.losses import better
from hilbench.scenario.resolved import Scenario, budget_of, choose_controller

ROOT = Path(__file__).parents[2]
CARDS = ROOT / "docs" / "scenarios"
MARK = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.S)
METRICS = ("adaptivity", "retained", "control_undisturbed", "control_blind", "horizon_loss")
"""Kept of each cell, besides its errors and losses."""
CHIPS = ("loihi1", "loihi2", "spinnaker2")
"""Targets that the table of chips asks."""
ROLES = {"": "", "floor": "floor", "oracle": "told", "untold": "untold", "twin": "frozen twin", "twin_2": "second twin"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="scenarios; every one with a card when absent")
    parser.add_argument("--run", action="store_true", help="evaluate their suites first, and keep the results")
    parser.add_argument("--check", action="store_true", help="write nothing; say which card is not up to date")
    given = parser.parse_args()
    stale = []
    for name in given.names or sorted(path.stem for path in CARDS.glob("*.md")):
        if given.run:
            keep(name)
        path = CARDS / f"{name}.md"
        before = path.read_text("utf-8")
        after = written(name, before)
        if before != after:
            stale.append(path)
            if not given.check:
                path.write_text(after, "utf-8")
                print(f"wrote {path.relative_to(ROOT)}")
    for path in stale if given.check else ():
        print(f"{path.relative_to(ROOT)}: not up to date; run `make cards`", file=sys.stderr)
    return int(bool(given.check and stale))


def keep(name: str) -> None:
    """Evaluate a scenario's suite, and keep what its card shows.

    Parameters
    ----------
    name : str
        The scenario's and the suite's.
    """
    from hilbench.studies.evaluation import evaluate

    summary = evaluate(
        name, ROOT / "runs" / "cards" / name, lambda step: print(f"{step.done}/{step.total} {step.name}")
    )
    made = summary.provenance
    assert made is not None, "an evaluation that has ended says where it was made"
    cells = [_kept(cell, grid) for grid, cell in _by_grid(summary)]
    found = {
        "command": f"python docs/scripts/cards.py {name} --run",
        "made": {"started_at": made.started_at[:10], "cpu_model": made.host.cpu_model, "commit": made.commit},
        "realtime_factors": sorted(summary.realtime_factors.values()),
        "cells": cells,
    }
    (CARDS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def _by_grid(summary: Any) -> Iterator[tuple[str, Any]]:
    """A suite's grids one after another, as (its label, cell): its own cells, then what those are compared with."""
    grids: dict[str, list[Any]] = {}
    for cell in summary.cells:
        grids.setdefault(cell.label.removeprefix(cell.controller).strip(), []).append(cell)
    for grid, own in grids.items():
        compared = [(role, folders) for cell in own for role, folders in cell.reference_folders.items()]
        yield from ((grid, cell) for cell in own)
        yield from ((grid, cell) for cell in summary.references if (cell.role, cell.run_folders) in compared)


def _kept(cell: Any, grid: str) -> dict[str, Any]:
    metrics = {
        key: {"value": metric.value, "ci95": metric.ci95, "unit": metric.unit, "note": metric.note}
        for key, metric in cell.metrics.items()
        if key.partition("[")[0] in (*METRICS, "error_rms", "loss")
    }
    said = {"grid": grid, "role": cell.role or "", "controller": cell.controller, "seeds": cell.seeds}
    verdict = cell.map.said if cell.map else None
    return said | {"failures": len(cell.failures), "controls": cell.controls, "map": verdict, "metrics": metrics}


def written(name: str, text: str) -> str:
    """A card with its tables as they are now.

    Parameters
    ----------
    name : str
        The scenario's.
    text : str
        The card.
    """
    scenario = load(name)
    plant = make_plant(scenario)
    try:
        spec, networks = plant.plant_spec, _networks(scenario, plant.plant_spec)
    finally:
        plant.close()
    results = CARDS / f"{name}.json"
    stored = json.loads(results.read_text("utf-8")) if results.exists() else None
    tables = {
        "constants": lambda: _constants(spec),
        "spaces": lambda: _spaces(spec),
        "score": lambda: _score(scenario, spec),
        "results": lambda: _results(stored),
        "budgets": lambda: _budgets(scenario),
        "chips": lambda: _chips(name, networks),
    }

    def filled(found: re.Match[str]) -> str:
        return found[1] + "\n".join(tables[found[2]]()) + "\n" + found[3]

    return MARK.sub(filled, text)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield "|" + " --- |" * len(headings)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _constants(spec: Any) -> Iterator[str]:
    rows = [(f"`{key}`", f"{value:g}") for key, value in spec.parameters.items()]
    rows.append(("`physics_step_s`", f"{spec.physics_step_s:g}"))
    return _table(("constant, its unit in its name", "value"), rows)


def _spaces(spec: Any) -> Iterator[str]:
    rows = [("observation", f"`{n}`", unit, "") for n, unit in zip(spec.obs_names, spec.obs_units, strict=True)]
    for sensor in spec.event_sensors:
        shape = " x ".join(f"{n} {axis}" for n, axis in zip(sensor.shape, sensor.axes, strict=True))
        rows.append(("events", f"`{sensor.name}`", "", shape))
    limits = zip(spec.action_names, spec.action_units, spec.action_low, spec.action_high, strict=True)
    rows += [("action", f"`{n}`", unit, f"{low:g} to {high:g}") for n, unit, low, high in limits]
    return _table(("", "name", "unit", "limits, or shape"), rows)


def _score(scenario: Scenario, spec: Any) -> Iterator[str]:
    score, loop = scenario.score, scenario.loop
    loss = type(score.loss).__name__.lower()
    key = getattr(score.loss, "key", None) or spec.error
    change = f"`{score.change}`: " + words.disturbance("", scenario.disturbances[score.change]).lstrip(": ")
    if score.window_episodes:
        spans = f"{score.before_episodes} before, {score.horizon_episodes} after, in windows of {score.window_episodes}"
        when = f"with episode {scenario.changes[0].at_episode} of {loop.episodes}"
    else:
        spans = f"{score.before_s:g} s before, {score.horizon_s:g} s after, in windows of {score.window_s:g} s"
        when = f"at {scenario.changes[0].at_s:g} s of {loop.duration_s:g} s"
    rows = [
        ("loss", f"{loss} of `{key}`, {better(score.loss)} is better"),
        ("change", f"{change}, {when}"),
        ("windows", spans),
        ("floor, told, untold", ", ".join(f"`{each or 'none'}`" for each in (score.floor, score.oracle, score.untold))),
        ("control", f"{1 / loop.period_s:g} Hz"),
    ]
    return _table(("", "what runs are judged by"), rows)


def _networks(scenario: Scenario, spec: Any) -> dict[str, Network]:
    """Every controller of a scenario that is a network, as the scenario has it."""
    found = {name: make_control(choose_controller(scenario, name), spec).program for name in scenario.controllers}
    return {name: program for name, program in found.items() if isinstance(program, Network)}


def _chips(name: str, networks: dict[str, Network]) -> Iterator[str]:
    yield f"By `python docs/scripts/cards.py {name}`, of each network before it learns: what 8 bits do to what it"
    yield "learns is not judged, and `spinnaker2` states no limit of rules. [targets.md](../targets.md) shows how a"
    yield "controller becomes a file, of which `hilbench compile` says the same and more."
    yield ""
    fits = {each: {chip: fit(network, chip) for chip in CHIPS} for each, network in networks.items()}
    rows = []
    for each, network in networks.items():
        rules = sorted({type(p.rule).__name__ for p in network.projections.values() if p.rule is not None})
        neurons = sum(p.size for p in network.populations.values())
        cells = ["no" if f.broken else words.counted(f.cores, "core") for f in fits[each].values()]
        rows.append((f"`{each}`", str(neurons), ", ".join(rules), *cells))
    yield from _table(("network", "neurons", "rules", *(f"`{chip}`" for chip in CHIPS)), rows)
    lines = [(each, chip, line) for each, found in fits.items() for chip, f in found.items() for line in f.broken]
    yield from [""] if lines else ()
    yield from (f"- `{each}` on `{chip}`: {line}." for each, chip, line in lines)


def _results(stored: dict[str, Any] | None) -> Iterator[str]:
    if stored is None:
        yield "Not measured yet."
        return
    made = stored["made"]
    yield f"By `{stored['command']}` on {made['started_at']} on {made['cpu_model']}."
    for grid, cells in groupby(stored["cells"], lambda cell: cell["grid"]):
        yield from _grid(grid, list(cells))
    if factors := stored["realtime_factors"]:
        yield ""
        yield f"Runs were {factors[0]:.3g} to {factors[-1]:.3g} times as fast as real time."


def _grid(grid: str, cells: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A change's table, and what its controls say."""
    losses = [key for key in _keys(cells) if key.startswith("loss[")] or [
        key for key in _keys(cells) if key.startswith("error_rms[")
    ]
    if not any(key.startswith("loss[") for key in losses) and "horizon_loss" in _keys(cells):
        losses.append("horizon_loss")
    units = {key: next(c["metrics"][key]["unit"] for c in cells if key in c["metrics"]) for key in losses}
    headings = ["controller", "A [95 %]", *(f"{key}, {units[key]}" for key in losses), "retained", "controls"]
    yield ""
    yield f"{grid[:1].upper() + grid[1:] or 'All'}, seeds {_span(cells[0]['seeds'])}:"
    yield ""
    yield from _table(headings, (_row(cell, losses) for cell in cells))
    yield ""
    for cell in cells:
        for text in [*(cell["controls"] or ()), *filter(None, [cell.get("map")])]:
            yield f"- `{cell['controller']}`: {text}."


def _budgets(scenario: Scenario) -> Iterator[str]:
    budgets = budget_of(scenario)
    if not budgets:
        yield "Nothing of this scenario may be tuned: it has no `[tune]`."
        return
    rows = []
    for one in budgets:
        tuned = scenario.tuned.controllers[one.controller].tuned if scenario.tuned and one.runs else {}
        numbers = ("" if n is None else f"{n:.3g}" for n in (one.loss_default, one.loss_tuned, one.control_undisturbed))
        values = ", ".join(f"`{field}` {value:g}" for field, value in tuned.items())
        rows.append((f"`{one.controller}`", str(one.runs), ", ".join(map(str, one.seeds)), *numbers, values))
    headings = ("controller", "runs", "seeds", "loss before", "loss tuned", "its control_undisturbed", "values")
    yield from _table(headings, rows)


def _row(cell: dict[str, Any], losses: Sequence[str]) -> list[str]:
    role = ROLES[cell["role"]]
    name = f"`{cell['controller']}`" + (f", {role}" if role else "")
    controls = "" if cell["controls"] is None else "failed" if cell["controls"] else "passed"
    return [
        name,
        _figure(cell, "adaptivity", True),
        *(_figure(cell, key) for key in losses),
        _figure(cell, "retained"),
        controls,
    ]


def _figure(cell: dict[str, Any], key: str, bounds: bool = False) -> str:
    metric = cell["metrics"].get(key)
    if metric is None or metric["value"] is None:
        return metric["note"].partition(":")[0] if metric and metric["note"] else ""
    shown = f"{metric['value']:.3g}"
    return f"{shown} [{metric['ci95'][0]:.3g}, {metric['ci95'][1]:.3g}]" if bounds and metric["ci95"] else shown


def _keys(cells: Iterable[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for cell in cells for key in cell["metrics"]))


def _span(seeds: Sequence[int]) -> str:
    return f"{seeds[0]} to {seeds[-1]} ({len(seeds)})" if len(seeds) > 1 else str(seeds[0])


if __name__ == "__main__":
    sys.exit(main())
