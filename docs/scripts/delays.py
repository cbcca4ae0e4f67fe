"""From which delay of its replies on a controller fails: what cards keep of suites critical_delay_NAME, and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DELAY = "loop.delay.s"
JUDGED = dict.fromkeys(("arm_payload", "arm7", "beam", "cartpole_track", "hexapod_damage", "quad_hover"), "loss[after]")
"""The loss that decides, by scenario: else that before the change, where no floor follows as well as the others."""
RULE = (
    "A controller fails (×) where on one seed or more its loss is worse than the middle between its own and that of"
    " `{floor}`, both without delay, or where the plant ends the run, as a fallen pole does."
)
Key = tuple[str, float]
"""A controller, and its delay in seconds."""


def kept(name: str, scenario: Any, cells: Sequence[Any]) -> dict[str, Any]:
    """What a card needs of an evaluation.

    Parameters
    ----------
    name : str
        The scenario's file.
    scenario : hilbench.scenario.resolved.Scenario
        As the suite sets it.
    cells : sequence of hilbench.studies.schema.Cell
        Each has one delay; one of them is that of the scenario's floor, without delay.
    """
    judged, loop = JUDGED.get(name, "loss[before]"), scenario.loop
    metric = next(cell.metrics[judged] for cell in cells if judged in cell.metrics)
    # Where windows are whole episodes the plant ends them, as at a goal.
    whole_s = 0.0 if scenario.score.by_episode else loop.duration_s - 1e-9
    found = [
        {
            "controller": cell.controller,
            "delay_s": cell.point[DELAY],
            "losses": list(cell.metrics[judged].values) if judged in cell.metrics and not cell.failures else [],
            "ended": min(cell.metrics["survival"].values) < whole_s,
        }
        for cell in cells
    ]
    about = {"judged": judged, "unit": metric.unit, "better": metric.better, "floor": scenario.score.floor}
    return about | {"seeds": cells[0].seeds, "cells": found}


def critical_s(stored: Mapping[str, Any]) -> dict[str, float | None]:
    """By controller, the shortest delay tried at which it failed; None where it failed at none.

    Parameters
    ----------
    stored : mapping
        As `kept` gives it.
    """
    found: dict[str, float | None] = {}
    failed = _failed(stored)
    for controller, delay_s in sorted(failed, key=lambda key: key[1]):
        if controller != stored["floor"] and found.setdefault(controller, None) is None and failed[controller, delay_s]:
            found[controller] = delay_s
    return found


def table(stored: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows: a row for each controller, with its loss at each delay.

    Parameters
    ----------
    stored : mapping
        As `kept` gives it.
    """
    failed, critical = _failed(stored), critical_s(stored)
    means = {key: sum(losses) / len(losses) if losses else None for key, losses in _losses(stored).items()}
    delays = sorted({delay_s for _, delay_s in means})
    rows = []
    for controller, at_s in critical.items():
        shown = [_shown(means.get((controller, d)), failed.get((controller, d))) for d in delays]
        rows.append([f"`{controller}`", _ms(at_s) if at_s is not None else f"none up to {_ms(delays[-1])}", *shown])
    rows.append([f"`{stored['floor']}`, floor", "", *(_shown(means.get((stored["floor"], d)), False) for d in delays)])
    return ["controller", "fails from", *map(_ms, delays)], rows


def _failed(stored: Mapping[str, Any]) -> dict[Key, bool]:
    losses = _losses(stored)
    ended = {(cell["controller"], cell["delay_s"]): cell["ended"] for cell in stored["cells"]}
    worse = 1 if stored["better"] == "lower" else -1
    floor = losses[stored["floor"], 0.0]

    def one(controller: str, found: Sequence[float]) -> bool:
        idle = losses[controller, 0.0]
        if not len(found) == len(idle) == len(floor):
            return True
        return any(worse * (loss - (own + none) / 2) > 0 for loss, own, none in zip(found, idle, floor, strict=True))

    return {key: ended[key] or one(key[0], found) for key, found in losses.items()}


def _losses(stored: Mapping[str, Any]) -> dict[Key, list[float]]:
    return {(cell["controller"], cell["delay_s"]): cell["losses"] for cell in stored["cells"]}


def _shown(loss: float | None, failed: bool | None) -> str:
    return f"{'' if loss is None else f'{loss:.3g}'}{' ×' if failed else ''}".strip()


def _ms(delay_s: float) -> str:
    return f"{delay_s * 1e3:g} ms"
