"""Checks a plant against what it promises, before anything runs.

It makes one reset and one physics step in the safe action. The first broken promise is an error that names it.
The plant must be reset again afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from numbers import Real
from typing import Any, get_type_hints

import msgspec
import numpy as np

from hilbench.errors import PluginFault, allowed_hint
from hilbench.runs.promises import call, check_events, check_finite, place, wrong
from hilbench.scenario.resolved import Scenario
from hilbench.settings import whole_steps
from hilbench.types import PlantSpec

STEP_TOLERANCE = 1e-9
"""By how much two statements of the physics step may differ through rounding, as a share."""


def check_plant(scenario: Scenario, plant: Any) -> PlantSpec:
    """Reset a scenario's plant, step it once, and return its spec. Raises ScenarioError for a broken promise.

    Parameters
    ----------
    scenario : Scenario
        For its seed, control period and disturbances.
    plant : Plant
        The scenario's plant.
    """
    with place(f"{scenario.where}: plant {scenario.plant.kind!r}"):
        with call("plant_spec"):
            plant_spec = plant.plant_spec
        _check_types(plant_spec)
        _check_sheet(plant_spec, scenario.plant.config.physics_step_s or scenario.loop.period_s)
        _check_spaces(plant, plant_spec)
        _check_period(plant, plant_spec, scenario.loop.period_s)
        sensed_whole = all(
            table.get("at_s", 0.0) > plant_spec.physics_step_s for table in scenario.disturbances.values()
        )
        space = plant.observation_space if sensed_whole else None  # a faulty sensor may leave the observation space
        with call(f"reset(seed={scenario.loop.seed})"):
            obs, info = plant.reset(seed=scenario.loop.seed)
        _check_obs("reset: observation", obs, plant_spec, space)
        _check_info("reset: info", info, plant_spec)
        n_state = look(plant, plant_spec, space, scenario.period_us)
        with call("advance(1, safe_action)"):
            plant.advance(1, list(plant_spec.safe_action))
        if (found := look(plant, plant_spec, space, scenario.period_us)) != n_state:
            raise wrong("state() after a physics step", f"{found} numbers", f"{n_state}, as many as after the reset")
    return plant_spec


def check_close(plant: Any, where: str) -> None:
    """Close a plant. Raises PluginFault for one that raises then.

    Parameters
    ----------
    plant : object
        The plant.
    where : str
        Its place, for the message.
    """
    with place(where), call("close()"):
        plant.close()


def _check_types(plant_spec: Any) -> None:
    if not isinstance(plant_spec, PlantSpec):
        raise wrong("plant_spec", f"a {type(plant_spec).__name__}", "a PlantSpec")
    for field, kind in get_type_hints(PlantSpec).items():
        if field == "physics_step_s":  # compared below with the setting
            continue
        found = getattr(plant_spec, field)
        try:
            msgspec.convert(found, kind, strict=True)
        except (msgspec.ValidationError, TypeError) as error:
            raise wrong(f"plant_spec.{field}", repr(found), str(error)) from None


def _check_sheet(plant_spec: PlantSpec, step_s: float) -> None:
    for whole, names in ((("obs_units",), "obs_names"), (ACTION_FIELDS, "action_names")):
        n = len(getattr(plant_spec, names))
        if not n or len(set(getattr(plant_spec, names))) < n:
            raise wrong(f"plant_spec.{names}", list(getattr(plant_spec, names)), "one name or more, each once")
        for field in whole:
            if (found := len(getattr(plant_spec, field))) != n:
                raise wrong(f"plant_spec.{field}", found, f"{n}, one for each of {names}")
    for name, low, high, safe in zip(
        plant_spec.action_names, plant_spec.action_low, plant_spec.action_high, plant_spec.safe_action, strict=True
    ):
        if not (isfinite(low) and isfinite(high) and low < high):
            raise wrong(
                f"plant_spec.action_low, action_high of {name!r}", f"{low}, {high}", "two numbers, the lower first"
            )
        if not low <= safe <= high:
            raise wrong(f"plant_spec.safe_action of {name!r}", safe, f"{low} to {high}, its limits")
    choices = plant_spec.action_choices
    if choices and len(choices) != len(plant_spec.action_names):
        allowed = f"{len(plant_spec.action_names)}, one for each action, or none"
        raise wrong("plant_spec.action_choices", len(choices), allowed)
    for name, n, low, high in zip(
        plant_spec.action_names, plant_spec.choices, plant_spec.action_low, plant_spec.action_high, strict=True
    ):
        if n and not (high - low == n - 1 and low == int(low)):
            raise wrong(f"plant_spec.action_choices of {name!r}", n, f"as many as whole numbers from {low} to {high}")
    if plant_spec.error and plant_spec.error not in plant_spec.info_units:
        raise PluginFault(
            f"plant_spec.error: found {plant_spec.error!r};"
            f" {allowed_hint(str(plant_spec.error), plant_spec.info_units)}"
        )
    own_s = plant_spec.physics_step_s
    if not isinstance(own_s, Real) or not abs(own_s - step_s) <= STEP_TOLERANCE * step_s:
        raise wrong("plant_spec.physics_step_s", own_s, f"{step_s}, as plant.physics_step_s says")


ACTION_FIELDS = ("action_units", "action_low", "action_high", "safe_action")


def _check_spaces(plant: Any, plant_spec: PlantSpec) -> None:
    _check_box(plant, "observation_space", plant_spec.obs_names)
    if any(plant_spec.choices):
        return _check_choices(plant, plant_spec)
    _check_box(plant, "action_space", plant_spec.action_names)
    for field in ("low", "high"):
        found, stated = getattr(plant.action_space, field), getattr(plant_spec, f"action_{field}")
        if not np.allclose(found, stated, rtol=1e-6, atol=0):
            raise wrong(f"action_space.{field}", found.tolist(), f"{list(stated)}, as plant_spec.action_{field} says")


def _check_box(plant: Any, field: str, names: tuple[str, ...]) -> None:
    space: Any = getattr(plant, field, None)
    if not hasattr(space, "low") or space.shape != (len(names),):
        found = f"a {type(space).__name__} of shape {getattr(space, 'shape', None)}"
        raise wrong(field, found, f"a Box of shape ({len(names)},), as plant_spec has names")


def _check_choices(plant: Any, plant_spec: PlantSpec) -> None:
    space: Any = getattr(plant, "action_space", None)
    sizes = np.ravel(getattr(space, "nvec", getattr(space, "n", ()))).tolist()
    if sizes != list(plant_spec.choices):
        allowed = f"Discrete or MultiDiscrete of {list(plant_spec.choices)}, as plant_spec.action_choices says"
        raise wrong("action_space", f"{space}", allowed)


def _check_period(plant: Any, plant_spec: PlantSpec, period_s: float) -> None:
    wanted = whole_steps(period_s, plant_spec.physics_step_s, "control_period_s")
    if (found := getattr(plant, "control_steps", wanted)) != wanted:
        raise wrong("control_steps", found, f"{wanted}, the physics steps of a control period of {period_s} s")


def look(plant: Any, plant_spec: PlantSpec, space: Any, period_us: int) -> int:
    """Check one instant of a plant against its spec; return how many numbers its state has. Raises PluginFault.

    Parameters
    ----------
    plant : Plant
        A plant that was reset. Its event sensors are empty afterwards.
    plant_spec : PlantSpec
    space : Box, optional
        What its observation must lie in.
    period_us : int
        The control period, in microseconds.
    """
    answers = []
    for _ in range(2):
        with call("state()"):
            state = plant.state()
        _check_numbers("state()", state, np.float64, None)
        with call("observe()"):
            obs, reward, *ends, info = plant.observe()
        _check_obs("observe(): observation", obs, plant_spec, space)
        _check_info("observe(): info", info, plant_spec)
        if not isinstance(reward, Real) or not isfinite(reward):
            raise wrong("observe(): reward", repr(reward), "a finite number")
        if len(ends) != 2 or not all(isinstance(end, bool | np.bool_) for end in ends):
            raise wrong("observe(): terminated, truncated", ends, "two of True and False")
        told = {name: float(info[name]) for name in plant_spec.info_units}
        answers.append({"observation": obs.copy(), "reward": reward, "ends": ends, "info": told, "state": state.copy()})
    for name, first in answers[0].items():
        if not _same(first, second := answers[1][name]):
            raise wrong(f"observe(), asked twice at one instant: {name}", f"{first}, then {second}", "the same twice")
    _check_sensors(plant, plant_spec, period_us)
    return state.size


def _check_sensors(plant: Any, plant_spec: PlantSpec, period_us: int) -> None:
    sensors = plant_spec.event_sensors
    if hasattr(plant, "events") != bool(sensors):
        found = "a plant with events()" if hasattr(plant, "events") else "a plant without events()"
        raise wrong("plant_spec.event_sensors", f"{len(sensors)}, and {found}", "one or more with events(), else none")
    if len({sensor.name for sensor in sensors}) < len(sensors):
        raise wrong("plant_spec.event_sensors", [sensor.name for sensor in sensors], "each name once")
    for sensor in sensors:
        named = len(sensor.shape) == len(sensor.axes) == len(set(sensor.axes))
        sizes = dict(zip(sensor.axes, sensor.shape, strict=False))
        if not named or min(sensor.shape, default=0) < 1 or sizes.get("polarity", 2) != 2:
            raise wrong(f"plant_spec.event_sensors: {sensor.name!r}", f"shape {sensor.shape}, axes {sensor.axes}",
                        "sizes of 1 or more, 2 for a polarity, and a name of its own for each axis")  # fmt: skip
    if sensors:
        with call("events()"):
            events = plant.events()
        check_events("events()", events, sum(sensor.size for sensor in sensors), "its event sensors", period_us)


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, Mapping):
        return all(np.array_equal(one[name], two[name], equal_nan=True) for name in one)
    return bool(np.array_equal(one, two))


def _check_obs(where: str, obs: Any, plant_spec: PlantSpec, space: Any) -> None:
    _check_numbers(where, obs, np.float32, plant_spec.obs_names)
    if space is None:
        return
    outside = np.flatnonzero((obs < space.low) | (obs > space.high))
    for i in outside[:1]:
        allowed = f"{space.low[i]:g} to {space.high[i]:g}, as observation_space says"
        raise wrong(f"{where}: {plant_spec.obs_names[i]!r}", f"{obs[i]:g}", allowed)


def _check_numbers(where: str, found: Any, dtype: Any, names: tuple[str, ...] | None) -> None:
    if not isinstance(found, np.ndarray) or found.ndim != 1:
        shape = f" of shape {found.shape}" if isinstance(found, np.ndarray) else ""
        raise wrong(where, f"a {type(found).__name__}{shape}", "a NumPy array with one dimension")
    if names is not None and found.size != len(names):
        raise wrong(where, f"{found.size} values", f"{len(names)}: {', '.join(names)}")
    if found.dtype != dtype:
        raise wrong(where, f"type {found.dtype}", np.dtype(dtype).name)
    check_finite(where, found, names)


def _check_info(where: str, info: Any, plant_spec: PlantSpec) -> None:
    if not isinstance(info, Mapping):
        raise wrong(where, f"a {type(info).__name__}", "a dict")
    for name in plant_spec.info_units:
        if name not in info:
            raise PluginFault(
                f"{where}: found no {name!r}, which plant_spec.info_units names; {allowed_hint(name, info)}"
            )
        if not isinstance(info[name], Real | np.bool_):
            raise wrong(f"{where}: {name!r}", f"a {type(info[name]).__name__}", "a number")
    if plant_spec.error and not isfinite(info[plant_spec.error]):
        raise wrong(f"{where}: {plant_spec.error!r}, the tracking error", info[plant_spec.error], "a finite number")
