"""Moves a recorded run's plant again by the actions on record, without its controller: what pictures of a run need."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import RecordError, ScenarioError, said
from hilbench.record.data import RunData
from hilbench.runs.build import close_plant, make_plant
from hilbench.runs.given import recorded_scenario, was_given

log = logging.getLogger(__name__)
COLUMNS = ("t_us", "actions", "state", "terminated", "truncated")
"""What it reads of a run."""


@contextmanager
def drawn_plant(recorded: RunData, folder: Path, *, trust: bool = False) -> Iterator[Any]:
    """A recorded run's plant, made with `render_mode="rgb_array"`.

    Raises RecordError for one that cannot be made again, ScenarioError for one that draws nothing.

    Parameters
    ----------
    recorded : RunData
    folder : Path
        The run's, for messages.
    trust : bool
        Whether modules that the run names as MODULE:NAME may be imported, which runs their code.
    """
    if recorded.meta.plant_spec.nondeterministic:
        raise RecordError(f"{folder}: its plant is a robot, which does nothing twice: there is no picture of it")
    if name := was_given(recorded.meta):
        raise RecordError(f"{folder}: its plant, {name}, was given from Python, so that it cannot be made again here")
    scenario = recorded_scenario(recorded.meta, f"{folder}: run.json", trust=trust)
    plant = make_plant(scenario, "rgb_array")
    try:
        if "rgb_array" not in plant.metadata.get("render_modes", ()):
            raise ScenarioError(f"{folder}: plant {scenario.plant.kind!r} draws no pictures (render_mode 'rgb_array')")
        yield plant
    finally:
        close_plant(scenario, plant)


def redriven(recorded: RunData, plant: Any, number: int) -> Iterator[int]:
    """Give each tick of an episode, with the plant in the state that it had then.

    Where its state is another than the record's, a warning says so once, and it goes on.

    Parameters
    ----------
    recorded : RunData
        Its columns named by COLUMNS, at least.
    plant : Plant
        As `drawn_plant` gives it.
    number : int
        Of the episode.
    """
    episode, seed = recorded.episodes[number], recorded.meta.scenario.loop.seed + number
    n_actions = len(recorded.meta.plant_spec.action_names)
    actions = np.asarray(episode["actions"]).reshape(len(episode["t_us"]), -1, n_actions)
    if hasattr(plant, "next_episode"):
        plant.next_episode = number
    plant.reset(seed=seed)
    told, last = False, len(actions) - 1
    for k, steps in enumerate(actions.tolist()):
        if not told and not _same(plant.state(), episode["state"][k]):
            told = True
            log.warning("the plant moves otherwise than recorded from tick %d on", k)
        yield k
        if k < last:
            _advance(plant, steps, k)


def _same(state: NDArray[np.float64], recorded: NDArray[np.float64]) -> bool:
    return np.array_equal(state, recorded, equal_nan=True)


def _advance(plant: Any, steps: list[list[float]], k: int) -> None:
    try:
        for action in steps:
            plant.advance(1, tuple(action))
    except Exception as error:
        raise RecordError(f"tick {k}: the plant does not take the action on record: {said(error)}") from error
