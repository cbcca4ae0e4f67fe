"""Lidar and proximity: ranges to walls, discs and spheres against trigonometry, in plain Python and in PyBullet."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from small_plants import Box, Cart

from hilbench.errors import ScenarioError

MAX_M = 2.5


class Room(Cart):
    """A wall at x = 2 m, a disc of 0.5 m at (0, 2) m."""

    walls_x_m = (2.0,)
    discs_m = ((0.0, 2.0, 0.5),)


def at(plant, x, y, yaw):
    """What the plant shows at a place, without its own state."""
    plant.reset(seed=0)
    plant.place_m, plant.yaw_rad = np.array([x, y]), yaw
    plant.advance(1, [0.0, 0.0])
    return plant.observe()[0][10:].astype(float)


def wall(x, angles, wall_x=2.0):
    """Range to the wall across x from the angle of each ray in the world: the leg of a right triangle."""
    with np.errstate(divide="ignore"):
        ranges = (wall_x - x) / np.cos(angles)
    return np.where(ranges > 0, ranges, np.inf)


def disc(x, y, angles, centre=(0.0, 2.0), radius=0.5):
    """Range to a circle, by the law of cosines: r = d cos a - sqrt(R2 - d2 sin2 a), a from the centre's bearing."""
    d, bearing = np.hypot(centre[0] - x, centre[1] - y), np.arctan2(centre[1] - y, centre[0] - x)
    off = angles - bearing
    under = radius**2 - (d * np.sin(off)) ** 2
    with np.errstate(invalid="ignore"):
        return np.where((under >= 0) & (np.cos(off) > 0), d * np.cos(off) - np.sqrt(under), np.inf)


@pytest.mark.parametrize("pose", [(0.0, 0.0, 0.0), (1.2, -0.4, 0.3), (0.3, 1.0, 1.9), (-0.5, 0.2, 2.5)])
def test_lidar_ranges_are_those_of_trigonometry(pose):
    x, y, yaw = pose
    fan = np.deg2rad(np.linspace(-85, 85, 18))
    with Room(
        sensors={"l": {"kind": "lidar", "n_rays": 18, "fov_rad": float(np.deg2rad(170)), "max_m": MAX_M}}
    ) as plant:
        spec = plant.plant_spec
        assert spec.obs_names[10:] == tuple(f"l.ray_{i}" for i in range(18))
        assert set(spec.obs_units[10:]) == {"m"}
        np.testing.assert_array_equal(plant.observation_space.high[10:], np.full(18, MAX_M, np.float32))
        np.testing.assert_array_equal(plant.observation_space.low[10:], 0.0)
        found = at(plant, *pose)
    expected = np.minimum(np.minimum(wall(x, fan + yaw), disc(x, y, fan + yaw)), MAX_M)
    assert (expected < MAX_M).sum() > 2
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_lidar_may_stand_beside_the_middle_see_all_round_and_nothing_near():
    table = {"kind": "lidar", "n_rays": 8, "fov_rad": 2 * np.pi, "max_m": 10.0, "at_m": [0.2, 0.1, 0.3], "min_m": 0.5}
    with Room(sensors={"l": table}) as plant:
        found = at(plant, 1.0, -1.0, np.pi / 2)
    angles = np.pi / 2 - np.pi + np.arange(8) * np.pi / 4
    x, y = 1.0 - 0.1, -1.0 + 0.2  # a quarter turn: forwards is +y, left is -x
    expected = np.minimum(np.minimum(wall(x, angles), disc(x, y, angles)), 10.0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    with Room(sensors={"l": table | {"min_m": 1.3}}) as plant:
        near = at(plant, 1.0, -1.0, np.pi / 2)
    # The wall at 1.1 m is within 1.3 m: its ray begins behind it and sees nothing.
    np.testing.assert_allclose(near, np.where(np.isclose(expected, 1.1), 10.0, expected), rtol=1e-6)
    assert np.isclose(expected, 1.1).sum() == 1


def series(table, n_steps=4000, seed=0, name="l"):
    with Room(sensors={name: {"kind": "lidar", "n_rays": 3, "fov_rad": 1.0, "max_m": MAX_M, **table}}) as plant:
        plant.reset(seed=seed)
        rows = []
        for _ in range(n_steps):
            plant.advance(1, [0.0, 0.0])
            rows.append(plant.observe()[0][10:].astype(float))
    return np.array(rows)


def test_noise_is_a_share_of_the_range_and_of_echoes_alone():
    true_m = 2.0 / np.cos([-0.5, 0.0, 0.5])
    noise = series({"noise_share": 0.02}) / true_m - 1
    n = len(noise)
    np.testing.assert_allclose(noise.std(axis=0), 0.02, rtol=4 / np.sqrt(2 * n))
    np.testing.assert_allclose(noise.mean(axis=0), 0.0, atol=4 * 0.02 / np.sqrt(n))
    assert abs(np.corrcoef(noise[:, 0], noise[:, 1])[0, 1]) < 4 / np.sqrt(n)
    np.testing.assert_array_equal(series({"noise_share": 0.02, "max_m": 1.5}, 50), 1.5)
    assert series({"noise_share": 0.3}).max() == MAX_M
    np.testing.assert_allclose(series({"noise_share": 0.02}, 50), (noise[:50] + 1) * true_m, rtol=1e-12)
    assert np.abs(series({"noise_share": 0.02}, 50, seed=1) / true_m - 1 - noise[:50]).min() > 0


def test_a_lost_echo_shows_the_greatest_range():
    found = series({"dropout": 0.3})
    lost = found == MAX_M
    np.testing.assert_allclose(lost.mean(axis=0), 0.3, atol=4 * np.sqrt(0.21 / len(found)))
    np.testing.assert_allclose(found[~lost[:, 1], 1], 2.0, rtol=1e-6)
    assert abs(np.corrcoef(lost[:, 0], lost[:, 1])[0, 1]) < 4 / np.sqrt(len(found))


def test_a_lidar_with_its_order_reversed_shows_the_mirrored_room():
    """Looking along x from (0, 0) the mirror swaps the disc on the left with one on the right."""

    class Mirrored(Room):
        discs_m = ((0.0, -2.0, 0.5),)

    lidar = {"l": {"kind": "lidar", "max_m": MAX_M}}
    wrong = {"f": {"kind": "sensor_fault", "mode": "wrong", "sensors": ["l"], "order": "reversed"}}
    with Room(sensors=lidar, disturbances=wrong) as plant, Mirrored(sensors=lidar) as mirrored:
        found, expected = at(plant, 0.3, 0.0, 0.0), at(mirrored, 0.3, 0.0, 0.0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert (found != found[::-1]).any()


def test_a_skirt_shows_the_least_distance_on_each_side():
    """Before a wall at an angle: of rays at (i + 1/2) pi / 16 each side has another nearest one."""
    table = {"kind": "proximity", "radius_m": 0.18, "reach_m": 0.1}
    side = (np.arange(8) + 0.5) * np.pi / 16
    with Room(sensors={"s": table, "n": table | {"normalised": True}}) as plant:
        assert plant.plant_spec.obs_names[10:] == ("s.left", "s.right", "n.left", "n.right")
        assert plant.plant_spec.obs_units[10:] == ("m", "m", "1", "1")
        found = at(plant, 1.78, 0.0, 0.3)
        nothing = at(plant, 1.0, 0.0, 0.0)
        inside = at(plant, 1.9, 0.0, 0.0)
    left, right = (np.clip(wall(1.78, 0.3 + sign * side) - 0.18, 0, 0.1).min() for sign in (1, -1))
    assert right < left < 0.1
    np.testing.assert_allclose(found, [left, right, 1 - left / 0.1, 1 - right / 0.1], rtol=1e-5)
    np.testing.assert_allclose(nothing, [0.1, 0.1, 0, 0], rtol=1e-6)
    # Within the skirt rays begin behind the wall, as those of a robot that has run into it do; oblique ones meet it.
    assert inside[0] == inside[1] < 0.1


def test_a_skirts_noise_has_its_size_and_keeps_its_limits():
    table = {"kind": "proximity", "radius_m": 0.18, "reach_m": 0.5, "noise_std": 0.01, "n_rays": 1, "fov_rad": 1e-3}
    with Room(sensors={"s": table}) as plant:
        plant.reset(seed=0)
        plant.place_m = np.array([1.6, 0.0])
        rows = []
        for _ in range(2000):
            plant.advance(1, [0.0, 0.0])
            rows.append(plant.observe()[0][10:].astype(float))
    noise = np.array(rows) - 0.22
    np.testing.assert_allclose(noise.std(axis=0), 0.01, rtol=4 / np.sqrt(2 * 2000))
    np.testing.assert_allclose(noise.mean(axis=0), 0.0, atol=4 * 0.01 / np.sqrt(2000))


QUATERNION = {"position": ["x", "y", "z"], "facing": ["qx", "qy", "qz", "qw"]}


class Hall(Box):
    """A free box before a fixed wall at x = 2 m and a fixed sphere of 0.5 m at (0, 2, 5) m."""

    def load(self):
        body = super().load()
        shapes = (("wall", '<box size="1 20 20"/>', (2.5, 0.0, 5.0)), ("ball", '<sphere radius="0.5"/>', (0, 2, 5)))
        for name, shape, at_m in shapes:
            path = Path(self.config.folder).absolute() / f"{name}.urdf"
            path.write_text(
                f'<robot name="{name}"><link name="body"><inertial><mass value="0"/><inertia ixx="0" ixy="0" ixz="0"'
                f' iyy="0" iyz="0" izz="0"/></inertial><collision><geometry>{shape}</geometry></collision></link>'
                "</robot>"
            )
            self.load_urdf(path, fixed=True, at_m=at_m)
        return body


def test_a_plant_of_pybullet_casts_the_same_rays(tmp_path):
    fan = np.deg2rad(np.linspace(-85, 85, 18))
    yaw = 0.9
    start = (0, 0, 5.0, 0, 0, math.sin(yaw / 2), math.cos(yaw / 2), 0, 0, 0, 0, 0, 0)
    table = {"kind": "lidar", "max_m": 4.0, "min_m": 0.3, **QUATERNION}
    with Hall(folder=str(tmp_path), start=start, sensors={"l": table}) as plant:
        found = plant.reset(seed=0)[0][13:].astype(float)
    expected = np.minimum(np.minimum(wall(0.0, fan + yaw), disc(0.0, 0.0, fan + yaw)), 4.0)
    assert (expected < 4.0).sum() > 10
    np.testing.assert_allclose(found, expected, rtol=3e-4)  # Bullet's rays meet a sphere step by step, to 1e-4


def test_a_body_that_pitches_takes_its_rays_along(tmp_path):
    """Nose down by 0.4 rad, the ray ahead meets the wall at 2 / cos 0.4; those aside tilt less."""
    pitch, fan = 0.4, np.array([-0.6, 0.0, 0.6])
    start = (0, 0, 5.0, 0, math.sin(pitch / 2), 0, math.cos(pitch / 2), 0, 0, 0, 0, 0, 0)
    table = {"kind": "lidar", "max_m": 9.0, "min_m": 0.3, "n_rays": 3, "fov_rad": 1.2, **QUATERNION}
    with Hall(folder=str(tmp_path), start=start, sensors={"l": table}) as plant:
        found = plant.reset(seed=0)[0][13:].astype(float)
    np.testing.assert_allclose(found, 2.0 / (np.cos(fan) * np.cos(pitch)), rtol=1e-4)


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({"kind": "lidar", "position": ["x"]}, "sensors.s.position: found 1 names; allowed: 2 or 3"),
        ({"kind": "lidar", "facing": ["yaw", "x"]}, "sensors.s.facing: found 2 names; allowed: 1 or 4"),
        ({"kind": "lidar", "facing": ["yaws"]}, "sensors.s.facing: the plant has no 'yaws'; allowed: "),
        ({"kind": "lidar", "min_m": 2.5}, "sensors.s.min_m, max_m: found 2.5 and 2.5; allowed: the lower first"),
        ({"kind": "lidar", "n_rays": 0}, "sensors.s.n_rays: found 0, expected `int` >= 1"),
        ({"kind": "proximity", "reach_m": 0.0}, "sensors.s.reach_m: found 0.0, expected `float` > 0"),
    ],
)
def test_wrong_tables_are_refused_in_one_line(table, line):
    with pytest.raises(ScenarioError) as caught:
        Cart(sensors={"s": table})
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
