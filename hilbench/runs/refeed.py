"""Feeds a recorded run's ticks to its program again, without the plant, for measurements made after the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench import plugins
from hilbench.errors import LinkError, RecordError
from hilbench.record.data import RunData
from hilbench.record.reader import read_run
from hilbench.record.sealed import write_sealed
from hilbench.runs.build import close_plant, make_agent, make_plant, nearest_link
from hilbench.runs.given import was_given
from hilbench.scenario.loop import LoopConfig
from hilbench.scenario.resolved import PluginPart, Scenario
from hilbench.types import Link, PlantSpec, Reply, Tick


def recorded_run(folder: str | Path, what: str) -> tuple[RunData, list[list[Tick]]]:
    """Read a run and the ticks that its device ran, by episode. Raises RecordError when there are none.

    Parameters
    ----------
    folder : str or Path
        The run's folder.
    what : str
        What the caller is about to do, as a verb for the error: "compare".
    """
    recorded = read_run(folder)
    ticks = [list(_ticks(episode)) for episode in recorded.episodes]
    if not any(ticks):
        raise RecordError(f"{folder}: no tick reached a device, so there is nothing to {what}")
    return recorded, ticks


def program_of(
    recorded: RunData, scenario: Scenario, stack: ExitStack, backend: str | None = None
) -> tuple[Link, LoopConfig]:
    """Load a run's program on its own backend or on another one; return the link to it and the run's loop.

    The backend runs in this process, or on a device of its own where it needs another Python. The plant is made only
    for its spec.

    Parameters
    ----------
    recorded : RunData
        The run.
    scenario : Scenario
        What it ran.
    stack : ExitStack
        Closes the link when it closes.
    backend : str, optional
        Another backend's name, with its default settings.
    """
    if backend is not None:
        part = PluginPart(backend, plugins.get("backends", backend).Config())
        scenario = replace(scenario, controllers={scenario.controller: replace(scenario.chosen, backend=part)})
    scenario = replace(scenario, link=nearest_link(scenario))
    agent = stack.enter_context(make_agent(scenario, _plant_spec(scenario, recorded)))
    return agent.link, scenario.loop


def _plant_spec(scenario: Scenario, recorded: RunData) -> PlantSpec:
    if was_given(recorded.meta) or recorded.meta.plant_spec.nondeterministic:  # no robot is asked for it
        return recorded.meta.plant_spec
    plant = make_plant(scenario)
    try:
        return plant.plant_spec
    finally:
        close_plant(scenario, plant)


def answer(link: Link, tick: Tick) -> Reply:
    """Run one tick and return its reply. Raises LinkError when none comes within the link's timeout.

    Parameters
    ----------
    link : Link
        A loaded link, which was reset.
    tick : Tick
    """
    link.send(tick)
    if (reply := link.receive(round(link.config.timeout_s * 1e9))) is None:
        raise LinkError(f"{link}: no reply to tick {tick.seq} within {link.config.timeout_s:g} s")
    return reply


def write_beside(folder: Path, name: str, found: Struct) -> None:
    """Write a JSON file into a run's folder, whole or not at all. Raises RecordError.

    Parameters
    ----------
    folder : Path
        The run's folder.
    name : str
        The file's name.
    found : Struct
        What the file says.
    """
    try:
        write_sealed(folder / name, found)
    except OSError as error:
        raise RecordError(f"{folder}: cannot hold {name}: {error.strerror}") from None


def _ticks(columns: dict[str, NDArray]) -> Iterator[Tick]:
    """The ticks that the device ran, as they were sent."""
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
