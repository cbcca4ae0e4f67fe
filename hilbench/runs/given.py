"""A plant that is given from Python, in place of the one that a scenario names.

Its record says `kind = "given"` and which class it was: nothing can make that plant from a record alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from msgspec import Struct

from hilbench import plugins
from hilbench.errors import ScenarioError
from hilbench.record.meta import RunMeta
from hilbench.runs.promises import call, place
from hilbench.scenario.files import resolve
from hilbench.scenario.recorded import table
from hilbench.scenario.resolved import PluginPart, Scenario
from hilbench.types import to_builtins

GIVEN = "given"
WRAPPER = "gymnasium"
"""The plant that an environment of Gymnasium becomes."""
MAKING = ("id", "kwargs", "max_episode_steps")
"""Fields of its Config that say how an environment is made."""


class GivenConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a record can say of a plant that was given."""

    plant: str
    """Its class, as MODULE:NAME."""
    physics_step_s: float | None = None
    """Absent where a step of it takes a control period."""
    settings: dict[str, Any] = {}
    """The fields of `[plant]` that say what its observations, actions and infos are."""


def with_given(scenario: Scenario, plant: Any) -> tuple[Scenario, Any]:
    """A scenario that names a given plant, and the plant as a loop drives it. Raises ScenarioError for what is none.

    Parameters
    ----------
    scenario : Scenario
        Where its plant is of kind "gymnasium", the names, units, error and infos there hold for a given environment.
    plant : gymnasium.Env or Plant
        An environment, wrapped or not, or a plant of hilbench's contract. It stays open.
    """
    kind = type(getattr(plant, "unwrapped", plant))
    name = f"{kind.__module__}:{kind.__qualname__}"
    if hasattr(plant, "plant_spec") and hasattr(plant, "advance"):
        tables, sensors = _own(scenario, plant, "disturbances"), _own(scenario, plant, "sensors")
        config = GivenConfig(plant=name, physics_step_s=plant.plant_spec.physics_step_s)
        return replace(scenario, plant=PluginPart(GIVEN, config), disturbances=tables, sensors=sensors), plant
    stated = to_builtins(scenario.plant.config) if scenario.plant.kind == WRAPPER else {}
    settings = {field: value for field, value in stated.items() if field not in MAKING and value is not None}
    with place(scenario.where), call("the plant given from Python"):
        ready = plugins.get("envs", WRAPPER)(
            env=plant, control_period_s=scenario.loop.period_s, disturbances=scenario.disturbances,
            sensors=scenario.sensors, **settings,
        )  # fmt: skip
    config = GivenConfig(plant=name, physics_step_s=settings.get("physics_step_s"), settings=settings)
    return replace(scenario, plant=PluginPart(GIVEN, config)), ready


def recorded_scenario(meta: RunMeta, where: str, *, trust: bool = False) -> Scenario:
    """The scenario of a run's record; of a plant that was given, only what does not need it.

    Parameters
    ----------
    meta : RunMeta
        What the run's `run.json` says.
    where : str
        Its place, for messages.
    trust : bool
        Whether modules that it names as MODULE:NAME may be imported, also from where its scenario's file was.
    """
    raw = table(meta.scenario)
    if was_given(meta):
        raw = raw | {"plant": {"kind": WRAPPER, **raw["plant"]["settings"]}}
    return resolve(raw, where, trust=trust, folder=meta.scenario_folder)


def was_given(meta: RunMeta) -> str:
    """The class of a plant that a recorded run was given; empty where its scenario names one."""
    plant = meta.scenario.plant
    return plant["plant"] if plant["kind"] == GIVEN else ""


def _own(scenario: Scenario, plant: Any, section: str) -> dict[str, dict[str, Any]]:
    """A given plant's own tables of a section. Raises ScenarioError where the scenario has others, which never act."""
    own, stated = getattr(plant, section, {}), getattr(scenario, section)
    if stated and own != stated:
        raise ScenarioError(
            f"{scenario.where}: {section}: found {', '.join(stated)}; a plant that is given has only"
            " those that it was made with; allowed: the same, as hilbench.make_plant(scenario) makes it, or none"
        )
    return dict(own)
