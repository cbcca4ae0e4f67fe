"""The reflex of a skirt: to the goal, and away from what it touches, whatever the lidar shows."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hilbench import plugins
from hilbench.controllers.skirt_reflex import ReflexLaw, SkirtReflex, SkirtReflexConfig

POSE = {"facing": ["heading"], "at_m": [0.0, 0.0, 0.15]}
SENSORS = {
    "lidar": {"kind": "lidar", **POSE},
    "skirt": {"kind": "proximity", "radius_m": 0.18, "normalised": True, **POSE},
}


@pytest.fixture(scope="module")
def plant():
    with plugins.get("envs", "lidar_nav")(sensors=SENSORS) as found:
        return found.plant_spec


def law(plant, **settings):
    program = SkirtReflex.build(SkirtReflexConfig(**settings), plant, 50_000, 0).program
    found = ReflexLaw(msgspec.convert(program.config, ReflexLaw.Config))
    found.reset(0)
    return found


def driven(found, plant, bearing=0.0, left=0.0, right=0.0):
    """Turn rate and speed."""
    values = np.zeros(len(plant.obs_names), np.float32)
    for name, value in (("goal_bearing", bearing), ("skirt.left", left), ("skirt.right", right)):
        values[plant.obs_names.index(name)] = value
    wheels = found.step(values, np.zeros(0), False)
    return (wheels[1] - wheels[0]) / 0.3, wheels.mean()


def test_it_heads_for_the_goal_and_turns_away_from_a_touch(plant):
    found = law(plant)
    assert driven(found, plant, bearing=0.2) == pytest.approx((0.4, 0.5))
    assert driven(found, plant, bearing=-3.0) == pytest.approx((-1.2, 0.5))
    # Half a touch on the left: half the goal's pull, 3 x 0.5 to the right, and 0.4 of the speed less.
    assert driven(found, plant, bearing=0.2, left=0.5) == pytest.approx((0.2 - 1.5, 0.5 * 0.6))
    assert driven(found, plant, right=1.0) == pytest.approx((3.0, 0.5 * 0.2))


def test_touched_on_both_sides_it_turns_on_as_it_turns(plant):
    for bearing, away in ((0.2, 1.5), (-0.2, -1.5)):
        found = law(plant)
        driven(found, plant, bearing=bearing)
        assert driven(found, plant, left=0.5, right=0.5) == pytest.approx((away, 0.5 * 0.2))


def test_without_gain_it_is_blind(plant):
    found = law(plant, gain=0.0)
    assert driven(found, plant, bearing=0.2, left=1.0, right=0.7) == pytest.approx((0.4, 0.5))
