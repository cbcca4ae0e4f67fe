"""What a plant shows over some control periods of random actions, and how two of such rollouts differ."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench.testing._parts import brief, same
from hilbench.types import NO_EVENTS, PlantSpec

N_TICKS = 40


class Instant(NamedTuple):
    """All that a plant shows at one instant."""

    observation: NDArray[np.float32]
    reward: float
    ends: tuple[bool, bool]
    info: tuple[float, ...]
    state: NDArray[np.float64]
    events: NDArray[np.void]


def instant(plant: Any) -> Instant:
    """What a plant shows now, in copies. Its event sensors are empty afterwards."""
    obs, reward, terminated, truncated, info = plant.observe()
    events = plant.events() if hasattr(plant, "events") else NO_EVENTS
    told = tuple(float(info[name]) for name in plant.plant_spec.info_units)
    ends = (bool(terminated), bool(truncated))
    return Instant(obs.copy(), float(reward), ends, told, plant.state().copy(), events.copy())


def random_actions(plant_spec: PlantSpec, seed: int) -> Iterator[list[float]]:
    """Actions within the limits without end: at random, a third of them at a limit.

    Parameters
    ----------
    plant_spec : PlantSpec
    seed : int
    """
    random = np.random.default_rng(seed)
    low, high = np.array(plant_spec.action_low), np.array(plant_spec.action_high)
    discrete = np.array(plant_spec.choices) > 0
    while True:
        action = random.choice([random.uniform(low, high), low, high])
        yield np.where(discrete, np.rint(action), action).tolist()


def rollout(plant: Any, steps: int, seed: int = 3, n_ticks: int = N_TICKS) -> list[Instant]:
    """What a plant shows over some control periods of random actions. An episode that ends is followed by another one.

    Parameters
    ----------
    plant : Plant
    steps : int
        Physics steps in a control period.
    seed : int
        Of the plant and of the actions.
    n_ticks : int
        How many control periods.
    """
    plant.reset(seed=seed)
    found, episode = [instant(plant)], seed
    for _, action in zip(range(n_ticks), random_actions(plant.plant_spec, seed), strict=False):
        if any(found[-1].ends):
            episode += 1
            plant.reset(seed=episode)
        else:
            plant.advance(steps, action)
        found.append(instant(plant))
    return found


def difference(one: list[Instant], two: list[Instant]) -> str:
    """The first of two rollouts' differences, in words; empty when they are equal bit for bit."""
    for k, (left, right) in enumerate(zip(one, two, strict=True)):
        for name, a, b in zip(Instant._fields, left, right, strict=True):
            if not same(a, b):
                return f"tick {k}: {name} is {brief(a)}, then {brief(b)}"
    return ""


def digest(rows: list[Instant]) -> str:
    """One for everything that a rollout shows."""
    return hashlib.sha256(b"".join(np.asarray(value).tobytes() for row in rows for value in row)).hexdigest()
