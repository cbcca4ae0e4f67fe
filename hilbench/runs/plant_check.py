"""Checks a plant, and a controller that was built for it, against what they promise, before anything runs.

It makes one reset, one physics step in the safe action, one encode and one decode. The first broken promise is an error
that names it. Plant and coder must be reset again afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from numbers import Real
from typing import Any, get_type_hints

import msgspec
import numpy as np

from hilbench.coders.values import Whole, values_to_action
from hilbench.errors import HilbenchError, PluginFault, ScenarioError, allowed_hint, said
from hilbench.nal.model.network import Network
from hilbench.scenario.resolved import Scenario
from hilbench.settings import whole_steps
from hilbench.types import EVENT, BuiltController, LawProgram, PlantSpec, Reply, Tick, size_of

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
    with _place(f"{scenario.where}: plant {scenario.plant.kind!r}"):
        with _call("plant_spec"):
            plant_spec = plant.plant_spec
        _check_types(plant_spec)
        _check_sheet(plant_spec, scenario.plant.config.physics_step_s)
        _check_spaces(plant, plant_spec)
        _check_period(plant, plant_spec, scenario.loop.period_s)
        sensed_whole = all(
            table.get("at_s", 0.0) > plant_spec.physics_step_s for table in scenario.disturbances.values()
        )
        space = plant.observation_space if sensed_whole else None  # a faulty sensor may leave the observation space
        with _call(f"reset(seed={scenario.loop.seed})"):
            obs, info = plant.reset(seed=scenario.loop.seed)
        _check_obs("reset: observation", obs, plant_spec, space)
        _check_info("reset: info", info, plant_spec)
        n_state = _look(plant, plant_spec, space)
        with _call("advance(1, safe_action)"):
            plant.advance(1, list(plant_spec.safe_action))
        if (found := _look(plant, plant_spec, space)) != n_state:
            raise _wrong("state() after a physics step", f"{found} numbers", f"{n_state}, as many as after the reset")
    return plant_spec


def check_control(scenario: Scenario, plant: Any, control: BuiltController) -> None:
    """Encode a plant's present observation, and decode a reply of zeros. Raises ScenarioError where one does not fit.

    Parameters
    ----------
    scenario : Scenario
    plant : Plant
        A plant that was reset.
    control : BuiltController
        The scenario's controller, built for this plant.
    """
    plant_spec, program = plant.plant_spec, control.program
    sizes = {f"{way} {kind}": size_of(getattr(program, way), kind) for way in ("inputs", "outputs") for kind in KINDS}
    n_in, n_out = sizes["inputs values"], sizes["outputs values"]
    n_obs, n_actions = len(plant_spec.obs_names), len(plant_spec.action_names)
    with _place(f"{scenario.where}: controllers.{scenario.controller}"):
        if isinstance(control.coder, Whole) and n_in != n_obs:
            raise _wrong("the program's inputs", f"{n_in} values", f"{n_obs}, one for each observation of the plant")
        if control.decode is values_to_action and n_out != n_actions:
            raise _wrong("the program's outputs", f"{n_out} values", f"{n_actions}, one for each action of the plant")
        obs, reward, _, _, info = plant.observe()
        with _call("coder.reset()"):
            control.coder.reset()
        tick = Tick(values=np.zeros(n_in, np.float32))
        tick.modulators = np.zeros(size_of(program.modulators, "values"), np.float32)
        with _call(f"encode, for {n_obs} observations and inputs of {n_in} values,"):
            tick.events = control.coder.encode(obs, tick.values)
        _check_finite("encode: values", tick.values)
        _check_events("encode: events", tick.events, sizes["inputs events"])
        if control.modulate is not None:
            with _call("the modulators"):
                control.modulate(obs, reward, info, tick.modulators)
            _check_finite("modulators", tick.modulators)
        action = np.full(n_actions, np.nan)
        with _call(f"decode, for outputs of {n_out} values and {n_actions} actions,"):
            control.decode(Reply(values=np.zeros(n_out, np.float32)), action)
        _check_finite("decode of a reply of zeros: action", action)
        with _call("coder.reset()"):
            control.coder.reset()


KINDS = ("values", "events")


def check_built(control: Any, where: str) -> None:
    """Raise PluginFault for what a controller's `build` gave and is no BuiltController.

    Parameters
    ----------
    control : object
        What `build` gave.
    where : str
        The controller's place, for the message.
    """
    with _place(where):
        if not isinstance(control, BuiltController):
            raise _wrong("build", f"a {type(control).__name__}", "a BuiltController")
        if not isinstance(control.program, Network | LawProgram):
            raise _wrong("build: program", f"a {type(control.program).__name__}", "a Network or a LawProgram")
        for name in ("reset", "encode"):
            if not callable(getattr(control.coder, name, None)):
                raise _wrong("build: coder", f"a {type(control.coder).__name__} without {name}", "reset and encode")
        if not callable(control.decode):
            raise _wrong("build: decode", f"a {type(control.decode).__name__}", "a function")
        if not (control.modulate is None or callable(control.modulate)):
            raise _wrong("build: modulate", f"a {type(control.modulate).__name__}", "a function, or None")
        if not isinstance(control.notes, tuple) or not all(isinstance(note, str) for note in control.notes):
            raise _wrong("build: notes", repr(control.notes), "a tuple of text")


def check_close(plant: Any, where: str) -> None:
    """Close a plant. Raises PluginFault for one that raises then.

    Parameters
    ----------
    plant : object
        The plant.
    where : str
        Its place, for the message.
    """
    with _place(where), _call("close()"):
        plant.close()


def _check_types(plant_spec: Any) -> None:
    if not isinstance(plant_spec, PlantSpec):
        raise _wrong("plant_spec", f"a {type(plant_spec).__name__}", "a PlantSpec")
    for field, kind in get_type_hints(PlantSpec).items():
        if field == "physics_step_s":  # compared below with the setting
            continue
        found = getattr(plant_spec, field)
        try:
            msgspec.convert(found, kind, strict=True)
        except (msgspec.ValidationError, TypeError) as error:
            raise _wrong(f"plant_spec.{field}", repr(found), str(error)) from None


def _check_sheet(plant_spec: PlantSpec, step_s: float) -> None:
    for whole, names in ((("obs_units",), "obs_names"), (ACTION_FIELDS, "action_names")):
        n = len(getattr(plant_spec, names))
        if not n or len(set(getattr(plant_spec, names))) < n:
            raise _wrong(f"plant_spec.{names}", list(getattr(plant_spec, names)), "one name or more, each once")
        for field in whole:
            if (found := len(getattr(plant_spec, field))) != n:
                raise _wrong(f"plant_spec.{field}", found, f"{n}, one for each of {names}")
    for name, low, high, safe in zip(
        plant_spec.action_names, plant_spec.action_low, plant_spec.action_high, plant_spec.safe_action, strict=True
    ):
        if not (isfinite(low) and isfinite(high) and low < high):
            raise _wrong(
                f"plant_spec.action_low, action_high of {name!r}", f"{low}, {high}", "two numbers, the lower first"
            )
        if not low <= safe <= high:
            raise _wrong(f"plant_spec.safe_action of {name!r}", safe, f"{low} to {high}, its limits")
    if plant_spec.error not in plant_spec.info_units:
        raise PluginFault(
            f"plant_spec.error: found {plant_spec.error!r};"
            f" {allowed_hint(str(plant_spec.error), plant_spec.info_units)}"
        )
    own_s = plant_spec.physics_step_s
    if not isinstance(own_s, Real) or not abs(own_s - step_s) <= STEP_TOLERANCE * step_s:
        raise _wrong("plant_spec.physics_step_s", own_s, f"{step_s}, as plant.physics_step_s says")


ACTION_FIELDS = ("action_units", "action_low", "action_high", "safe_action")


def _check_spaces(plant: Any, plant_spec: PlantSpec) -> None:
    for field, names in (("observation_space", plant_spec.obs_names), ("action_space", plant_spec.action_names)):
        space: Any = getattr(plant, field, None)
        found = f"a {type(space).__name__} of shape {getattr(space, 'shape', None)}"
        if not hasattr(space, "low") or space.shape != (len(names),):
            raise _wrong(field, found, f"a Box of shape ({len(names)},), as plant_spec has names")
    for field in ("low", "high"):
        found, stated = getattr(plant.action_space, field), getattr(plant_spec, f"action_{field}")
        if not np.allclose(found, stated, rtol=1e-6, atol=0):
            raise _wrong(f"action_space.{field}", found.tolist(), f"{list(stated)}, as plant_spec.action_{field} says")


def _check_period(plant: Any, plant_spec: PlantSpec, period_s: float) -> None:
    wanted = whole_steps(period_s, plant_spec.physics_step_s, "control_period_s")
    if (found := getattr(plant, "control_steps", wanted)) != wanted:
        raise _wrong("control_steps", found, f"{wanted}, the physics steps of a control period of {period_s} s")


def _look(plant: Any, plant_spec: PlantSpec, space: Any) -> int:
    """Check one instant of a plant against its spec; return how many numbers its state has."""
    answers = []
    for _ in range(2):
        with _call("state()"):
            state = plant.state()
        _check_numbers("state()", state, np.float64, None)
        with _call("observe()"):
            obs, reward, *ends, info = plant.observe()
        _check_obs("observe(): observation", obs, plant_spec, space)
        _check_info("observe(): info", info, plant_spec)
        if not isinstance(reward, Real) or not isfinite(reward):
            raise _wrong("observe(): reward", repr(reward), "a finite number")
        if len(ends) != 2 or not all(isinstance(end, bool | np.bool_) for end in ends):
            raise _wrong("observe(): terminated, truncated", ends, "two of True and False")
        told = {name: float(info[name]) for name in plant_spec.info_units}
        answers.append({"observation": obs.copy(), "reward": reward, "ends": ends, "info": told, "state": state.copy()})
    for name, first in answers[0].items():
        if not _same(first, second := answers[1][name]):
            raise _wrong(f"observe(), asked twice at one instant: {name}", f"{first}, then {second}", "the same twice")
    if hasattr(plant, "events"):
        with _call("events()"):
            events = plant.events()
        _check_events("events()", events, None)
    return state.size


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
        raise _wrong(f"{where}: {plant_spec.obs_names[i]!r}", f"{obs[i]:g}", allowed)


def _check_numbers(where: str, found: Any, dtype: Any, names: tuple[str, ...] | None) -> None:
    if not isinstance(found, np.ndarray) or found.ndim != 1:
        shape = f" of shape {found.shape}" if isinstance(found, np.ndarray) else ""
        raise _wrong(where, f"a {type(found).__name__}{shape}", "a NumPy array with one dimension")
    if names is not None and found.size != len(names):
        raise _wrong(where, f"{found.size} values", f"{len(names)}: {', '.join(names)}")
    if found.dtype != dtype:
        raise _wrong(where, f"type {found.dtype}", np.dtype(dtype).name)
    _check_finite(where, found, names)


def _check_finite(where: str, found: Any, names: tuple[str, ...] | None = None) -> None:
    for i in np.flatnonzero(~np.isfinite(found))[:1]:
        raise _wrong(f"{where}: {names[i]!r}" if names else f"{where}[{i}]", found[i], "finite numbers")


def _check_info(where: str, info: Any, plant_spec: PlantSpec) -> None:
    if not isinstance(info, Mapping):
        raise _wrong(where, f"a {type(info).__name__}", "a dict")
    for name in plant_spec.info_units:
        if name not in info:
            raise PluginFault(
                f"{where}: found no {name!r}, which plant_spec.info_units names; {allowed_hint(name, info)}"
            )
        if not isinstance(info[name], Real | np.bool_):
            raise _wrong(f"{where}: {name!r}", f"a {type(info[name]).__name__}", "a number")
    if not isfinite(info[plant_spec.error]):
        raise _wrong(f"{where}: {plant_spec.error!r}, the tracking error", info[plant_spec.error], "a finite number")


def _check_events(where: str, events: Any, n_addresses: int | None) -> None:
    if not isinstance(events, np.ndarray) or events.dtype != EVENT or events.ndim != 1:
        kind = events.dtype if isinstance(events, np.ndarray) else type(events).__name__
        raise _wrong(where, kind, "an array of hilbench.types.EVENT with one dimension")
    if n_addresses is not None and events.size and events["address"].max() >= n_addresses:
        raise _wrong(f"{where}: address", events["address"].max(), f"less than {n_addresses}, the program's addresses")


def _wrong(what: str, found: Any, allowed: str) -> PluginFault:
    return PluginFault(f"{what}: found {found}; allowed: {allowed}")


@contextmanager
def _place(where: str) -> Iterator[None]:
    """Put the place in front of a ScenarioError."""
    try:
        yield
    except ScenarioError as error:
        raise type(error)(f"{where}: {error}") from error.__cause__


@contextmanager
def _call(what: str) -> Iterator[None]:
    """Turn whatever a plug-in raises into a ScenarioError of one line."""
    try:
        yield
    except HilbenchError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginFault(f"{what} raised {said(error)}") from error
