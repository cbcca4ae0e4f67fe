"""From which delay on a pole falls, by its length: what the card of cartpole_ladder keeps of its suite, and a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from delays import DELAY
from scenario_tables import table

from hilbench.controllers.lqr import linear_cart_pole

POLE = "plant.pole_m"


def kept(scenario: Any, cells: Sequence[Any]) -> dict[str, Any]:
    """What the card needs of an evaluation.

    Parameters
    ----------
    scenario : hilbench.scenario.resolved.Scenario
        As the suite sets it.
    cells : sequence of hilbench.studies.schema.Cell
        Each has a length of the pole and a delay.
    """
    whole_s = scenario.loop.duration_s - 1e-9
    found = [
        {
            "controller": cell.controller,
            "pole_m": cell.point[POLE],
            "delay_s": cell.point[DELAY],
            "fell": bool(cell.failures) or min(cell.metrics["survival"].values) < whole_s,
        }
        for cell in cells
    ]
    return {"duration_s": scenario.loop.duration_s, "seeds": cells[0].seeds, "cells": found}


def rungs(stored: Mapping[str, Any], growths: Mapping[float, float]) -> Iterator[str]:
    """A row for each length: how fast the pole falls, and each controller's first delay at which it fell.

    Parameters
    ----------
    stored : mapping
        As `kept` gives it.
    growths : mapping
        By length in m, the rate in 1/s at which the angle grows when nothing acts.
    """
    cells = stored["cells"]
    controllers = list(dict.fromkeys(cell["controller"] for cell in cells))
    rows = []
    for pole_m in sorted({cell["pole_m"] for cell in cells}, reverse=True):
        shown = [_first(cells, pole_m, controller) for controller in controllers]
        rows.append([f"{pole_m:g} m", f"{growths[pole_m]:.3g} /s", *shown])
    return table(["pole", "its angle grows at", *(f"`{name}` falls from" for name in controllers)], rows)


def _first(cells: Sequence[Mapping[str, Any]], pole_m: float, controller: str) -> str:
    own = [cell for cell in cells if (cell["pole_m"], cell["controller"]) == (pole_m, controller)]
    fell = [cell["delay_s"] for cell in own if cell["fell"]]
    return f"{min(fell) * 1e3:g} ms" if fell else f"none up to {max(cell['delay_s'] for cell in own) * 1e3:g} ms"


def growth_per_s(spec: Any) -> float:
    """The fastest eigenvalue of a cart-pole about upright, in 1/s."""
    a, _ = linear_cart_pole(spec, "lqr")
    return float(np.linalg.eigvals(a).real.max())
