"""Gymnasium's spaces as a plant has them: observations as a row of numbers, actions as numbers or as choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from hilbench.errors import ScenarioError

MOST = 4096
"""Numbers that an observation or an action may have; an array of any shape is a row of them in C order."""
PICTURE = "an own plant, or a wrapper that makes features of it"
OWN = "register the wrapped environment under an id of its own, or give it to hilbench.run as plant"

REMEDIES = {
    "Dict": f"gymnasium.wrappers.FlattenObservation, behind FilterObservation to keep some entries; {OWN}",
    "Tuple": f"gymnasium.wrappers.FlattenObservation; {OWN}",
}


class Actions(NamedTuple):
    """An action space as numbers."""

    space: spaces.Space
    """The same actions in one row."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    choices: tuple[int, ...]
    """As `PlantSpec.action_choices` has them."""
    to_env: Callable[[Sequence[float]], Any]
    """What the environment's `step` takes, from a number for each action."""


def observations(space: Any) -> spaces.Box:
    """The box of an environment's observations in one row, float32. Raises ScenarioError for what is no such row."""
    kind = type(space).__name__
    if isinstance(space, spaces.Box):
        if space.dtype == np.uint8 and len(space.shape) > 1:
            raise _refused("observation", f"a picture, {space}", PICTURE)
        low, high = space.low, space.high
    elif isinstance(space, spaces.Discrete):
        low, high = space.start, space.start + space.n - 1
    elif isinstance(space, spaces.MultiDiscrete):
        low, high = space.start, space.start + space.nvec - 1
    elif isinstance(space, spaces.MultiBinary):
        low, high = np.zeros(space.shape), np.ones(space.shape)
    else:
        remedy = REMEDIES.get(kind, f"an ObservationWrapper that gives a Box; {OWN}")
        raise _refused("observation", f"a {kind}", f"a Box, Discrete, MultiDiscrete or MultiBinary; use {remedy}")
    low, high = (np.atleast_1d(np.asarray(bound, np.float32)).ravel() for bound in (low, high))
    _check_size("observation", low.size)
    return spaces.Box(low, high, dtype=np.float32)


def actions(space: Any) -> Actions:
    """An environment's actions as numbers. Raises ScenarioError for those that are none, or have no limits."""
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        return _continuous(space)
    if isinstance(space, spaces.Discrete):
        return _choices(space, [int(space.start)], [int(space.n)], lambda values: np.int64(values[0]))
    if not isinstance(space, spaces.MultiDiscrete | spaces.MultiBinary):
        remedy = f"gymnasium.wrappers.TransformAction or an ActionWrapper gives one of these; {OWN}"
        allowed = f"a Box of floats, Discrete, MultiDiscrete or MultiBinary; {remedy}"
        raise _refused("action", f"a {type(space).__name__} ({space})", allowed)
    binary = isinstance(space, spaces.MultiBinary)
    nvec, start = (np.full(space.shape, 2), np.zeros(space.shape)) if binary else (space.nvec, space.start)
    first, n = (np.ravel(each).astype(int).tolist() for each in (start, nvec))
    own = not binary and len(space.shape) == 1
    same = space if own else spaces.MultiDiscrete(n, start=first)
    return _choices(same, first, n, lambda values: np.array(values, space.dtype).reshape(space.shape))


def _continuous(space: spaces.Box) -> Actions:
    low, high = (np.ravel(bound) for bound in (space.low, space.high))
    _check_size("action", low.size)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        remedy = f"gymnasium.wrappers.TransformAction with a Box of limits, RescaleAction once there are some; {OWN}"
        raise _refused("action", f"a Box without limits ({space})", f"finite limits; use {remedy}")
    row = space if len(space.shape) == 1 else spaces.Box(low, high, dtype=space.dtype)

    def to_env(values: Sequence[float]) -> np.ndarray:
        return np.array(values, space.dtype).reshape(space.shape)

    return Actions(row, tuple(low.tolist()), tuple(high.tolist()), (), to_env)


def _choices(space: Any, start: list[int], n: list[int], to_env: Callable[[Sequence[float]], Any]) -> Actions:
    _check_size("action", len(n))
    if min(n) < 2:
        raise _refused("action", space, "two choices or more for each action")
    low, high = (float(first) for first in start), (float(s + k - 1) for s, k in zip(start, n, strict=True))
    return Actions(space, tuple(low), tuple(high), tuple(n), to_env)


def _check_size(what: str, size: int) -> None:
    if not 0 < size <= MOST:
        raise _refused(what, f"{size} numbers", f"1 to {MOST}; {PICTURE if what == 'observation' else 'fewer actions'}")


def _refused(what: str, found: object, allowed: str) -> ScenarioError:
    return ScenarioError(f"plant: {what}_space: found {found}; allowed: {allowed}")
