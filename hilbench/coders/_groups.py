"""What a port's addresses stand for: those of one action lie side by side, and the next action's follow."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hilbench.coders._names import spread
from hilbench.errors import ScenarioError
from hilbench.types import PlantSpec, Port

Levels = tuple[float | tuple[float, ...], ...]
"""The type of a Config's levels: numbers, for all continuous actions, or a list of them for each."""


class Groups:
    """Numbers side by side, a group for each action, as the rows of one array.

    Parameters
    ----------
    widths : (n_actions,) sequence of int
        How many addresses each action has.
    spare : int
        How many further columns each row has.
    """

    def __init__(self, widths: Sequence[int], spare: int = 0) -> None:
        n_columns = max(widths, default=0)
        self.size, self.widest = sum(widths), n_columns
        self.rows = np.arange(len(widths))
        self.owner = np.repeat(self.rows, widths)  # (size,): whose action each address is
        self.starts = np.cumsum([0, *widths])[:-1]
        self._inside = np.arange(n_columns + spare) < np.array(widths)[:, None]
        self._grid = np.full(self._inside.shape, -np.inf)

    def fill(self, numbers: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """(size,) numbers as (n_actions, widest + spare), -inf where a row has none; it holds until the next call."""
        self._grid[self._inside] = numbers
        return self._grid


class Scores:
    """Makes actions of scores: a continuous action is its score, a discrete one the choice with the largest.

    The first of equal choices wins. Where one of its scores is NaN, so is the action, and the loop takes the safe one.

    Parameters
    ----------
    plant : PlantSpec
        The plant, with only those of its actions that are written.
    """

    def __init__(self, plant: PlantSpec) -> None:
        self._groups = Groups([n or 1 for n in plant.choices])
        self.size = self._groups.size
        """How many scores there are: one for each continuous action, and one for each choice of a discrete one."""
        self._discrete, self._low = np.array(plant.choices, bool), np.array(plant.action_low)
        self._any_discrete = bool(self._discrete.any())

    def write(self, scores: NDArray[np.floating[Any]], action: NDArray[np.float64]) -> None:
        """Write the action.

        Parameters
        ----------
        scores : (size,) float
            In the order of the actions.
        action : (n_actions,) float64
            Written in place.
        """
        if not self._any_discrete:
            action[:] = scores
            return
        grid = self._groups.fill(scores)
        best = grid.argmax(axis=1)
        top = grid[self._groups.rows, best]
        action[:] = np.where(self._discrete & ~np.isnan(top), self._low + best, top)


def refused(port: Port, allowed: str, reads: Literal["values", "events"] = "events") -> ScenarioError:
    """The error for a port that a decoder cannot read.

    Parameters
    ----------
    port : Port
        The program's output.
    allowed : str
        What it may be.
    reads : {"values", "events"}
        What the decoder reads.
    """
    unit = "values" if port.kind == "values" else "event addresses"
    other = "; decoder 'values' reads values" if port.kind == "values" != reads else ""
    return ScenarioError(f"the program's outputs: found {port.size} {unit} at {port.name!r}; allowed: {allowed}{other}")


def levels_of(given: Levels, port: Port, plant: PlantSpec, field: str) -> list[list[float]]:
    """The action that each address stands for, a list for each action; ScenarioError where port and plant do not fit.

    A discrete action has an address for each choice. A continuous one has the levels given, or as many as the port has
    addresses for it, spread evenly from its lower to its upper limit.

    Parameters
    ----------
    given : Levels
        What the settings say; empty for levels that are spread.
    port : Port
        The program's output.
    plant : PlantSpec
        The plant, with only those of its actions that are written.
    field : str
        The setting, for messages.
    """
    continuous = [i for i, n in enumerate(plant.choices) if not n]
    found = choices_of(plant)
    each = _given(given, len(continuous), field) if given else _spread(port, plant, continuous, field)
    for i, levels in zip(continuous, each, strict=True):
        found[i] = levels
    n = sum(map(len, found))
    if port.kind != "events" or port.size != n:
        per = [f"{len(levels)} for {name!r}" for levels, name in zip(found, plant.action_names, strict=True)]
        raise refused(port, f"{n} event addresses, {', '.join(per)}")
    return found


def choices_of(plant: PlantSpec) -> list[list[float]]:
    """The numbers of each action's choices; none for a continuous one."""
    return [[low + k for k in range(n)] for low, n in zip(plant.action_low, plant.choices, strict=True)]


def _given(given: Levels, n: int, field: str) -> list[list[float]]:
    """The settings' levels for each of n continuous actions."""
    lists = [level for level in given if isinstance(level, tuple)]
    if not lists:
        lists = [tuple(level for level in given if not isinstance(level, tuple))] * n
    elif len(lists) != len(given):
        raise ScenarioError(f"{field}: found numbers and lists; allowed: numbers, or a list for each action")
    if n == 0:
        raise ScenarioError(f"{field}: found {list(given)}; allowed: none, for the actions are choices")
    if len(lists) != n or not all(lists):
        raise ScenarioError(
            f"{field}: found {len(lists)} lists with {', '.join(str(len(each)) for each in lists)} numbers;"
            f" allowed: one list of numbers, or {n} lists of at least one"
        )
    return [list(map(float, each)) for each in lists]


def _spread(port: Port, plant: PlantSpec, continuous: list[int], field: str) -> list[list[float]]:
    """Evenly spread levels for each continuous action, from the port's number of addresses."""
    if not continuous:
        return []
    choices = sum(plant.choices)
    n, rest = divmod(port.size - choices, len(continuous))
    if port.kind != "events" or rest or n < 2:
        also = f"{choices} for the choices and " if choices else ""
        times = f"{len(continuous)} times " if len(continuous) > 1 else ""
        raise refused(port, f"{also}{times}2 or more event addresses, or those of {field!r}")
    return [np.linspace(*limits(plant, i, field), n).tolist() for i in continuous]


def limits(plant: PlantSpec, i: int, field: str) -> tuple[float, float]:
    """An action's lower and upper limit. Raises ScenarioError where one is not finite, so that a setting is needed.

    Parameters
    ----------
    plant : PlantSpec
    i : int
        Which action.
    field : str
        The setting, for the message.
    """
    low, high = plant.action_low[i], plant.action_high[i]
    if not (isfinite(low) and isfinite(high)):
        name = plant.action_names[i]
        raise ScenarioError(f"{field}: found none; allowed: finite numbers, for {name!r} goes from {low} to {high}")
    return low, high


def when_silent(given: str | float | Sequence[float], plant: PlantSpec) -> NDArray[np.float64] | None:
    """The actions while no spike comes, (n_actions,); None for those that act already.

    Raises ScenarioError for an action that the plant does not have.

    Parameters
    ----------
    given : "hold", float or sequence of float
        What the settings say.
    plant : PlantSpec
        The plant, with only those of its actions that are written.
    """
    if given == "hold":
        return None
    if isinstance(given, str):
        raise ScenarioError(f"silent: found {given!r}; allowed: 'hold', or an action")
    actions = spread(given, len(plant.action_names), "silent")
    facts = zip(actions, plant.action_names, plant.action_low, plant.action_high, plant.choices, strict=True)
    for action, name, low, high, n_choices in facts:
        if not low <= action <= high or (n_choices and action != round(action)):
            whole = "a whole number " if n_choices else ""
            raise ScenarioError(
                f"silent: found {action:g} for {name!r}; allowed: 'hold', or {whole}from {low:g} to {high:g}"
            )
    return np.array(actions)
