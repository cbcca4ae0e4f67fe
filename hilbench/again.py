"""A run's program and its ticks once more, in this process: for whatever is asked of them without the plant."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench import plugins
from hilbench.agent import make_agent, make_plant
from hilbench.errors import RecordError
from hilbench.loop_config import LoopConfig
from hilbench.recorder import read_run
from hilbench.scenario import Part, resolve
from hilbench.types import Link, RunData, Tick


def recorded_run(folder: str | Path, what: str) -> tuple[RunData, list[list[Tick]]]:
    """A run and what its device was sent, by episode. Raises RecordError, naming `what`, when there is nothing."""
    recorded = read_run(folder)
    ticks = [list(_ticks(episode)) for episode in recorded.episodes]
    if not any(ticks) or "scenario" not in recorded.meta:
        raise RecordError(f"{folder}: no tick reached a device, so there is nothing to {what}")
    return recorded, ticks


def program_of(recorded: RunData, where: str, stack: ExitStack, backend: str | None = None) -> tuple[Link, LoopConfig]:
    """The run's program, loaded in this process, on its own backend or another; the plant is needed for its sheet."""
    scenario = resolve(recorded.meta["scenario"], where)
    inside = replace(scenario, link=Part("inprocess", plugins.get("links", "inprocess").Config()))
    if backend is not None:
        part = Part(backend, plugins.get("backends", backend).Config())
        inside = replace(inside, controllers={inside.controller: replace(inside.chosen, backend=part)})
    plant = make_plant(inside)
    try:
        agent = stack.enter_context(make_agent(inside, plant.sheet))
    finally:
        plant.close()
    return agent.link, scenario.loop


def write_beside(folder: Path, name: str, found: dict[str, Any]) -> None:
    """Put `found` into a run's folder as JSON, whole or not at all. Raises RecordError."""
    draft = folder / f".{name}"
    try:
        draft.write_text(json.dumps(found, indent=2), "utf-8")
        os.replace(draft, folder / name)
    except OSError as error:
        raise RecordError(f"{folder}: cannot hold {name}: {error.strerror}") from None


def _ticks(columns: dict[str, NDArray]) -> Iterator[Tick]:
    """What reached the device, as it was sent."""
    blank = Tick()
    for k in np.flatnonzero(columns["processed"]):
        yield Tick(
            seq=int(k),
            t_ns=int(columns["t_us"][k]) * 1000,
            learning=bool(columns["learning"][k]),
            events=columns["events"][k],
            values=columns["values_in"][k] if "values_in" in columns else blank.values,
            modulators=columns["modulators"][k] if "modulators" in columns else blank.modulators,
        )
