"""What the learners of the shipped scenarios have learnt, stored beside them, and scenarios that start from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hilbench.errors import ScenarioError, allowed_hint
from hilbench.scenario.files import find, load, names
from hilbench.scenario.resolved import Scenario

FOLDER = "learnt"
"""Of the shipped scenarios: NAME.npz is what the learner of NAME has learnt."""


def stored() -> dict[str, Path]:
    """By the scenario's name, the file with what its learner has learnt."""
    folder = next(iter(names().values())).parent / FOLDER
    return {path.stem: path for path in sorted(folder.glob("*.npz"))}


def learnt_scenario(name: str, seed: int | None = None, seconds: float = 10.0) -> Scenario:
    """A shipped scenario whose learner has learnt already, with its change from the start and with learning off.

    Raises ScenarioError for one that nothing is stored for.

    Parameters
    ----------
    name : str
    seed : int, optional
        The scenario's own when absent.
    seconds : float
        How long the episode is; where episodes end by themselves, it is as long as the scenario says.
    """
    known = stored()
    if name not in known:
        there = "" if name not in names() else ", which is a scenario"
        raise ScenarioError(f"{name}: nothing is stored for this name{there}; {allowed_hint(name, known)}")
    return load(find(name), _settings(load(name), known[name], seed, seconds))


def _settings(found: Scenario, weights: Path, seed: int | None, seconds: float) -> dict[str, Any]:
    settings: dict[str, Any] = {"loop.start_from": str(weights), "loop.learning": False, "loop.episodes": 1}
    if seed is not None:
        settings["loop.seed"] = seed
    if change := found.score.change:
        table = found.disturbances[change]
        for field in ("at_s", "at_episode", "ramp_s"):
            if field in table:
                settings[f"disturbances.{change}.{field}"] = 0
    if not found.score.by_episode:
        settings["loop.duration_s"] = seconds
    return settings
