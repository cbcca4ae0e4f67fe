"""What a card keeps of evaluations, and its tables of results and of critical delays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import delays
from scenario_tables import table

METRICS = ("adaptivity", "retained", "control_undisturbed", "control_blind", "horizon_loss")
"""Kept of each cell, besides its errors and losses."""
ROLES = {"": "", "floor": "floor", "oracle": "told", "untold": "untold", "twin": "frozen twin", "twin_2": "second twin"}


def kept(summary: Any) -> list[dict[str, Any]]:
    """A suite's grids one after another: what their cells are worth, then what those are compared with."""
    return [_kept(cell, grid) for grid, cell in _by_grid(summary)]


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
        key: {"value": metric.value, "ci95": metric.ci95, "n": metric.n, "unit": metric.unit, "note": metric.note}
        for key, metric in cell.metrics.items()
        if key.partition("[")[0] in (*METRICS, "error_rms", "loss")
    }
    said = {"grid": grid, "role": cell.role or "", "controller": cell.controller, "seeds": cell.seeds}
    verdict = cell.map.said if cell.map else None
    return said | {"failures": len(cell.failures), "controls": cell.controls, "map": verdict, "metrics": metrics}


def renewed(stored: dict[str, Any], grid: str, made: dict[str, Any], cells: list[dict[str, Any]]) -> dict[str, Any]:
    """What is kept, with one grid's cells in place of its old ones, and where they came from.

    Parameters
    ----------
    stored : dict
    grid : str
        The label.
    made : dict
        The command and where it ran.
    cells : list of dict
        As `kept` gives them.
    """
    before = [cell for cell in stored["cells"] if cell["grid"] != grid]
    at = next((k for k, cell in enumerate(stored["cells"]) if cell["grid"] == grid), len(before))
    again = stored.get("again", {}) | {grid: made}
    return stored | {"again": again, "cells": [*before[:at], *cells, *before[at:]]}


def results(stored: dict[str, Any] | None) -> Iterator[str]:
    """A table for each change, of what `kept` found."""
    if stored is None:
        yield "Not measured yet."
        return
    yield origin(stored)
    for grid, cells in groupby(stored["cells"], lambda cell: cell["grid"]):
        again = stored.get("again", {}).get(grid)
        yield from _grid(grid, list(cells), f", b{origin(again)[1:-1]}" if again else "")
    if factors := stored["realtime_factors"]:
        yield ""
        yield f"Runs, each in one process, were {factors[0]:.3g} to {factors[-1]:.3g} times as fast as real time."


def _grid(grid: str, cells: Sequence[dict[str, Any]], made: str) -> Iterator[str]:
    """A change's table, where it was made if not with the others, and what its controls say."""
    losses = [key for key in _keys(cells) if key.startswith("loss[")] or [
        key for key in _keys(cells) if key.startswith("error_rms[")
    ]
    if not any(key.startswith("loss[") for key in losses) and "horizon_loss" in _keys(cells):
        losses.append("horizon_loss")
    units = {key: next(c["metrics"][key]["unit"] for c in cells if key in c["metrics"]) for key in losses}
    headings = [
        "controller",
        "A [95 %]",
        *(f"{key}, {units[key]}" for key in losses),
        "retained",
        "undisturbed",
        "blind",
        "controls",
    ]
    yield ""
    yield f"{grid[:1].upper() + grid[1:] or 'All'}, {_span(cells[0]['seeds'])}{made}:"
    yield ""
    yield from table(headings, (_row(cell, losses) for cell in cells))
    said = [
        f"- `{cell['controller']}`: {text}."
        for cell in cells
        for text in [*(cell["controls"] or ()), *filter(None, [cell["map"]])]
    ]
    yield from ["", *said] if said else ()
    if few := _without(cells):
        yield from ["", *few]


def _without(cells: Sequence[dict[str, Any]]) -> list[str]:
    """Why seeds of a cell have no A; what was found of each is in docs/scenarios/NAME.json."""
    found = [(cell, cell["metrics"].get("adaptivity")) for cell in cells]
    return [
        f"- `{cell['controller']}`: no A on {len(cell['seeds']) - metric['n']} of {len(cell['seeds'])} seeds:"
        f" {metric['note'].partition(':')[0]}."
        for cell, metric in found
        if metric and metric["value"] is not None and metric.get("n", len(cell["seeds"])) < len(cell["seeds"])
    ]


def critical_delays(stored: dict[str, Any] | None) -> Iterator[str]:
    """A table of losses by delay."""
    if stored is None:
        yield "Not measured yet."
        return
    unit = "" if stored["unit"] == "1" else f" in {stored['unit']}"
    yield f"{origin(stored)} {_span(stored['seeds']).capitalize()}."
    yield f"Entries are `{stored['judged']}`{unit}, {stored['better']} is better. {delays.RULE.format(**stored)}"
    yield ""
    yield from table(*delays.table(stored))


def origin(stored: dict[str, Any]) -> str:
    """By which command, when and on which processor something was found."""
    made = stored["made"]
    return f"By `{stored['command']}` on {made['started_at']} on {made['cpu_model']}."


def _row(cell: dict[str, Any], losses: Sequence[str]) -> list[str]:
    role = ROLES[cell["role"]]
    name = f"`{cell['controller']}`" + (f", {role}" if role else "")
    return [
        name,
        adaptivity(cell),
        *(_figure(cell, key) for key in losses),
        *(_figure(cell, key) for key in ("retained", "control_undisturbed", "control_blind")),
        controls(cell),
    ]


def controls(cell: dict[str, Any]) -> str:
    """Whether a cell's controls passed; nothing where it has none.

    Parameters
    ----------
    cell : dict
        As `kept` gives it.
    """
    return "" if cell["controls"] is None else "failed" if cell["controls"] else "passed"


def adaptivity(cell: dict[str, Any]) -> str:
    """A cell's A with its interval, and of how many seeds it is where some have none.

    Parameters
    ----------
    cell : dict
        As `kept` gives it.
    """
    shown, metric, asked = _figure(cell, "adaptivity", True), cell["metrics"].get("adaptivity"), len(cell["seeds"])
    few = metric is not None and metric["value"] is not None and metric.get("n", asked) < asked
    return f"{shown}, {metric['n']} of {asked} seeds" if few else shown


def _figure(cell: dict[str, Any], key: str, bounds: bool = False) -> str:
    metric = cell["metrics"].get(key)
    if metric is None or metric["value"] is None:
        return metric["note"].partition(":")[0] if metric and metric["note"] else ""
    shown = f"{metric['value']:.3g}"
    return f"{shown} [{metric['ci95'][0]:.3g}, {metric['ci95'][1]:.3g}]" if bounds and metric["ci95"] else shown


def _keys(cells: Iterable[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for cell in cells for key in cell["metrics"]))


def _span(seeds: Sequence[int]) -> str:
    return f"{len(seeds)} seeds from {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"
