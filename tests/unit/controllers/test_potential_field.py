"""The potential field: pulled to the goal, pushed by what rays meet, and told of a mirrored lidar or swapped wheels."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hilbench import plugins
from hilbench.controllers.potential_field import FieldLaw, PotentialField, PotentialFieldConfig
from hilbench.errors import ScenarioError

LIDAR = {"lidar": {"kind": "lidar", "facing": ["heading"], "at_m": [0.0, 0.0, 0.15]}}
FAR_M, ACTS, ACTS_NOT = 2.5, np.ones(1), np.zeros(1)


@pytest.fixture(scope="module")
def plant():
    with plugins.get("envs", "lidar_nav")(sensors=LIDAR) as found:
        return found.plant_spec


def wheels(plant, bearing=0.0, near=(), disturbed=ACTS_NOT, **settings):
    """The law's answer with rays at 2.5 m, but those of `near` at 0.4 m."""
    program = PotentialField.build(PotentialFieldConfig(**settings), plant, 50_000, 0).program
    law = FieldLaw(msgspec.convert(program.config, FieldLaw.Config))
    law.reset(0)
    values = np.zeros(len(plant.obs_names), np.float32)
    values[plant.obs_names.index("goal_bearing")] = bearing
    for i in range(18):
        values[plant.obs_names.index(f"lidar.ray_{i}")] = 0.4 if i in near else FAR_M
    return law.step(values, disturbed, False)


def test_it_drives_straight_at_a_goal_ahead_and_turns_to_one_beside(plant):
    np.testing.assert_allclose(wheels(plant), 0.5)
    left, right = wheels(plant, bearing=0.4)
    assert (right - left) / 0.3 == pytest.approx(2 * 0.4)
    assert (left + right) / 2 == pytest.approx(0.5 * np.cos(0.4))
    left, right = wheels(plant, bearing=-2.0)
    assert (right - left) / 0.3 == pytest.approx(-2.0)  # the limit
    assert (left + right) / 2 == pytest.approx(0.05)


def test_what_is_on_the_right_pushes_it_to_the_left(plant):
    left, right = wheels(plant, near=(4, 5))
    # Rays 4 and 5 are at -45 and -35 degrees; nearness 1 - 0.22 / 1.2.
    push, angles = 0.5 * (1 - 0.22 / 1.2) ** 2, np.radians([-45.0, -35.0])
    turn = np.arctan2(-push * np.sin(angles).sum(), 1 - 0.3 * push * np.cos(angles).sum())
    assert (right - left) / 0.3 == pytest.approx(min(2.0, 2 * turn), rel=1e-3)


def test_it_slows_down_for_what_is_ahead(plant):
    left, right = wheels(plant, near=(8, 9))
    assert left == pytest.approx(right)
    assert (left + right) / 2 == pytest.approx(0.5 * (0.22 - 0.1) / 0.6, rel=1e-3)


def test_who_is_told_undoes_what_acts_while_it_acts(plant):
    plain = wheels(plant, near=(4, 5))
    mirrored = wheels(plant, near=(13, 12), disturbed=ACTS, undoes="mirrored")
    np.testing.assert_allclose(mirrored, plain)
    np.testing.assert_allclose(wheels(plant, near=(4, 5), undoes="mirrored"), plain)
    swapped = wheels(plant, near=(4, 5), disturbed=ACTS, undoes="swapped")
    np.testing.assert_allclose(swapped, plain[::-1])


def shown(plant, ranges_m, disturbed=ACTS, **settings):
    """The wheels for ranges, all of them given."""
    program = PotentialField.build(PotentialFieldConfig(**settings), plant, 50_000, 0).program
    law = FieldLaw(msgspec.convert(program.config, FieldLaw.Config))
    law.reset(0)
    values = np.zeros(len(plant.obs_names), np.float32)
    first = plant.obs_names.index("lidar.ray_0")
    values[first : first + 18] = ranges_m
    return law.step(values, disturbed, False)


def test_who_is_told_of_ranges_puts_them_right(plant):
    true_m = np.random.default_rng(0).uniform(0.3, 1.2, 18)
    plain = shown(plant, true_m)
    np.testing.assert_allclose(shown(plant, 1.5 * true_m, undoes="scaled", scale=1.5), plain, rtol=1e-5)
    turned = np.concatenate((np.full(3, 0.2), true_m[:-3]))
    seen = np.where(np.arange(18) < 15, true_m, FAR_M)
    np.testing.assert_allclose(shown(plant, turned, undoes="turned"), shown(plant, seen), rtol=1e-5)
    stuck = np.where(np.arange(18) % 3 == 1, true_m, 0.5)
    worked = np.repeat(true_m[1::3], 3)  # each stands for its two neighbours
    broken = tuple(f"ray_{i}" for i in range(18) if i % 3 != 1)
    np.testing.assert_allclose(shown(plant, stuck, undoes="broken", broken=broken), shown(plant, worked), rtol=1e-5)
    assert not np.allclose(shown(plant, stuck, ACTS_NOT, undoes="broken", broken=broken), shown(plant, worked))


def test_a_ray_that_is_none_is_refused(plant):
    with pytest.raises(ScenarioError, match=r"lidar's channels in broken; found 'ray_18'; allowed: .*ray_17"):
        PotentialField.build(PotentialFieldConfig(broken=("ray_18",)), plant, 50_000, 0)


def test_a_robot_without_a_lidar_is_refused():
    with (
        plugins.get("envs", "lidar_nav")() as found,
        pytest.raises(ScenarioError, match=r"a lidar in \[sensors.lidar\]"),
    ):
        PotentialField.build(PotentialFieldConfig(), found.plant_spec, 50_000, 0)
