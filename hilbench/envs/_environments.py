"""What is asked of Gymnasium and of an environment, once, before it is stepped: its making, its step, its names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from math import isfinite
from numbers import Real
from typing import Annotated, Any

import gymnasium
import numpy as np
from msgspec import Meta, Struct

from hilbench.envs._plant import Plant
from hilbench.envs._spaces import Actions
from hilbench.errors import HilbenchError, MissingExtra, ScenarioError, allowed_hint, said
from hilbench.types import PlantSpec

ERROR = "none, reward, obs:NAME or info:KEY"
OWN_INFO = {"t_s": "s", "disturbances": "1"}
REWARD_ERROR = "negative_reward"


class GymnasiumConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which environment, and what it cannot say of itself."""

    id: str = ""
    """As `gymnasium.make` takes it: "CartPole-v1", or "my_module:Mine-v0", which imports that module first."""
    kwargs: dict[str, Any] = {}
    """What else `gymnasium.make` gets."""
    error: Annotated[str, Meta(pattern=r"^(none|reward|(obs|info):.+)$", description=ERROR)] = "none"
    """The tracking error: "none", "reward" for minus the reward, "obs:NAME" for a true observation, or "info:KEY"."""
    obs_names: tuple[str, ...] = ()
    """What each observation is called; obs_0, obs_1 and so on when empty."""
    obs_units: tuple[str, ...] = ()
    """The unit of each observation; 1 when empty."""
    action_names: tuple[str, ...] = ()
    """What each action is called; act_0, act_1 and so on when empty."""
    action_units: tuple[str, ...] = ()
    """The unit of each action; 1 when empty."""
    info: dict[str, str] = {}
    """Which numbers of its info are recorded, each with its unit. What `reset` does not give is NaN then."""
    safe_action: tuple[float, ...] = ()
    """What acts where no reply does. When empty, the number nearest to 0 within the limits, or the first choice."""
    max_episode_steps: Annotated[int, Meta(ge=0)] | None = None
    """Steps after which an episode is truncated; as the environment was registered when absent, and 0 for no limit."""
    physics_step_s: Annotated[float, Meta(ge=1e-6, le=1e3)] | None = None
    """How long a step of the environment is; the control period when absent."""


def made(config: GymnasiumConfig, render_mode: str | None) -> gymnasium.Env:
    """Make the environment that an id names. Raises ScenarioError or MissingExtra.

    Parameters
    ----------
    config : GymnasiumConfig
    render_mode : str, optional
        As `gymnasium.make` takes it.
    """
    if not config.id:
        raise ScenarioError('plant.id: found none; allowed: the id of an environment, as "CartPole-v1"')
    given = dict(config.kwargs) if render_mode is None else {**config.kwargs, "render_mode": render_mode}
    limit = -1 if config.max_episode_steps == 0 else config.max_episode_steps
    try:
        return gymnasium.make(config.id, max_episode_steps=limit, disable_env_checker=True, **given)
    except gymnasium.error.DependencyNotInstalled as error:
        if "mujoco" in str(error).lower():
            raise MissingExtra("MuJoCo", "mujoco") from error
        raise ScenarioError(f"plant.id: {config.id!r}: {said(error)}") from None
    except (gymnasium.error.UnregisteredEnv, ModuleNotFoundError) as error:
        near = get_close_matches(config.id, gymnasium.registry, n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        why = "" if isinstance(error, gymnasium.error.UnregisteredEnv) else f" ({said(error)})"
        raise ScenarioError(
            f"plant.id: found {config.id!r}{why}; allowed: the id of an environment that Gymnasium knows, or"
            f" MODULE:NAME of a module that registers it{hint}"
        ) from None
    except HilbenchError:
        raise
    except (Exception, SystemExit) as error:  # an environment of somebody else's, or wrong kwargs
        raise ScenarioError(f"plant: {config.id!r} with kwargs {config.kwargs} cannot be made: {said(error)}") from None


def modules_of(env_id: str) -> tuple[str, ...]:
    """The module that an id imports, and the one whose class it names."""
    module, _, name = env_id.rpartition(":")
    if module:
        import_module(module)
    found = gymnasium.registry.get(name)
    entry = found.entry_point if found is not None else None
    place = entry.partition(":")[0] if isinstance(entry, str) else getattr(entry, "__module__", "")
    return tuple(filter(None, (module, place)))


def own_step_s(env: gymnasium.Env) -> float | None:
    """How long a step of an environment is, in s, where it says so: by `dt` or `tau`; None where it does not."""
    inner = env.unwrapped
    if isinstance(inner, Plant):
        return inner.control_steps * inner.plant_spec.physics_step_s
    for name in ("dt", "tau"):
        found = getattr(inner, name, None)
        if isinstance(found, Real) and isfinite(found) and float(found) > 0:
            return float(found)
    return None


def is_mujoco(env: gymnasium.Env) -> bool:
    """Whether it has a state of MuJoCo."""
    data = getattr(env.unwrapped, "data", None)
    return all(isinstance(getattr(data, name, None), np.ndarray) for name in ("qpos", "qvel"))


def spec_of(config: GymnasiumConfig, env: gymnasium.Env, actions: Actions, n_obs: int, step_s: float) -> PlantSpec:
    """What a controller may know of an environment.

    Parameters
    ----------
    config : GymnasiumConfig
    env : gymnasium.Env
    actions : Actions
        Of its action space.
    n_obs : int
        How many numbers an observation has.
    step_s : float
        How long a step of it is, in s.
    """
    stated = getattr(env.unwrapped, "metadata", {})
    obs_names, obs_units = _named(config, stated, "obs", n_obs)
    action_names, action_units = _named(config, stated, "action", len(actions.low))
    error, units = _error(config, dict(zip(obs_names, obs_units, strict=True)))
    return PlantSpec(
        obs_names=obs_names,
        obs_units=obs_units,
        action_names=action_names,
        action_units=action_units,
        action_low=actions.low,
        action_high=actions.high,
        safe_action=_safe(config.safe_action, actions, action_names),
        physics_step_s=step_s,
        info_units=OWN_INFO | units,
        error=error,
        parameters={},
        action_choices=actions.choices,
        state_meaning="qpos, qvel" if is_mujoco(env) else "observation, reward",
    )


def _named(
    config: GymnasiumConfig, stated: Mapping[str, Any], what: str, n: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names and units of observations or actions: those of the settings, of the environment, or numbered ones."""
    numbered = tuple(f"{what[:3]}_{i}" for i in range(n))
    found = []
    for field, default in ((f"{what}_names", numbered), (f"{what}_units", ("1",) * n)):
        given, own = getattr(config, field), tuple(stated.get(field, ()))
        if given and (len(given) != n or (default is numbered and len(set(given)) < n)):
            raise ScenarioError(f"plant.{field}: found {len(given)}: {', '.join(given)}; allowed: {n}, one for each, "
                                f"{'all different' if default is numbered else 'in their order'}")  # fmt: skip
        found.append(given or (own if len(own) == n else default))
    return found[0], found[1]


def _error(config: GymnasiumConfig, obs_units: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The info key that holds the error, and the units of all that is told of the environment."""
    kind, _, name = config.error.partition(":")
    units = dict(config.info)
    if own := OWN_INFO.keys() & units:
        raise ScenarioError(f"plant.info.{min(own)}: the plant has an info of that name itself; allowed: any other")
    if kind == "none":
        return "", units
    if kind == "info":
        return name, units | {name: units.get(name, "1")}
    if kind == "obs" and name not in obs_units:
        raise ScenarioError(f"plant.error: no observation {name!r}; {allowed_hint(name, obs_units)}")
    name = name if kind == "obs" else REWARD_ERROR
    if name in units:
        raise ScenarioError(f"plant.info.{name}: the error is recorded under that name; allowed: any other")
    return name, units | {name: obs_units.get(name, "1")}


def _safe(given: Sequence[float], actions: Actions, names: Sequence[str]) -> tuple[float, ...]:
    if not given:
        if actions.choices:
            return actions.low
        return tuple(min(max(0.0, low), high) for low, high in zip(actions.low, actions.high, strict=True))
    if len(given) != len(names):
        raise ScenarioError(f"plant.safe_action: found {len(given)} numbers; allowed: {len(names)}: {', '.join(names)}")
    for value, low, high in zip(given, actions.low, actions.high, strict=True):
        if not low <= value <= high or (actions.choices and value != round(value)):
            kind = "a whole number" if actions.choices else "a number"
            raise ScenarioError(f"plant.safe_action: found {value:g}; allowed: {kind} from {low:g} to {high:g}")
    return tuple(given)
