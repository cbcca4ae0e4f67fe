"""PyBullet plants with free bases, thrusters, wheels and several bodies: against mechanics, and repeatable."""

from __future__ import annotations

import numpy as np
import pytest
from small_plants import AXLE_M, BOX_KG, BOX_KG_M2, WHEEL_M, Box, Rover

G = 9.81


def test_a_free_body_falls_by_half_g_t_squared(tmp_path):
    with Box(folder=str(tmp_path), physics_step_s=1e-4) as plant:
        plant.reset(seed=0)
        plant.advance(10_000, [0.0, 0.0])
        state = plant.state()
    assert 100.0 - state[2] == pytest.approx(G / 2, rel=1e-3)
    assert state[9] == pytest.approx(-G, rel=1e-9)
    np.testing.assert_allclose(np.delete(state, [2, 9]), [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0], atol=1e-12)


def test_a_thrown_body_keeps_its_speed_and_its_spin(tmp_path):
    """Ballistics: no drag, so velocity and the spin about a main axis are kept."""
    start = (0, 0, 100.0, 0, 0, 0, 1, 3.0, -1.0, 5.0, 0, 0, 4.0)
    with Box(folder=str(tmp_path), physics_step_s=1e-4, start=start) as plant:
        plant.reset(seed=0)
        plant.advance(5000, [0.0, 0.0])
        x, y, z, *facing, vx, vy, vz, wx, wy, wz = plant.state()
    assert (x, y) == (pytest.approx(1.5, rel=1e-6), pytest.approx(-0.5, rel=1e-6))
    assert z == pytest.approx(100 + 5.0 * 0.5 - G * 0.25 / 2, rel=1e-5)
    energy = [0.5 * (9 + 1 + 25) + G * 100, 0.5 * (vx**2 + vy**2 + vz**2) + G * z]
    assert energy[1] == pytest.approx(energy[0], rel=1e-5)
    assert (wx, wy, wz) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9), pytest.approx(4.0, rel=1e-6))
    np.testing.assert_allclose(facing, [0, 0, np.sin(1.0), np.cos(1.0)], atol=1e-4)


def test_thrusters_push_where_they_stand(tmp_path):
    with Box(folder=str(tmp_path)) as plant:
        plant.reset(seed=0)
        plant.advance(100, [BOX_KG * G, 0.0])
        np.testing.assert_allclose(plant.state()[7:], 0, atol=1e-9)  # it hovers
        plant.advance(1, [BOX_KG * G, 3.0])
        speeds = plant.state()[7:]
    # F = m a along x, and the torque r x F = (0, 0.2, 0) x (3, 0, 0) = (0, 0, -0.6) N m.
    assert speeds[0] == pytest.approx(3.0 / BOX_KG * 1e-3, rel=1e-6)
    assert speeds[5] == pytest.approx(-0.6 / BOX_KG_M2[2] * 1e-3, rel=1e-6)


def test_a_thruster_turns_with_its_body(tmp_path):
    half = float(np.sqrt(0.5))
    start = (0, 0, 100.0, 0, half, 0, half, 0, 0, 0, 0, 0, 0)  # a quarter turn about y: its z is the world's x
    with Box(folder=str(tmp_path), start=start) as plant:
        plant.reset(seed=0)
        plant.advance(1, [BOX_KG, 0.0])
        velocity = plant.state()[7:10]
    np.testing.assert_allclose(velocity, [1e-3, 0, -G * 1e-3], atol=1e-8)


def test_a_weak_thruster_is_a_disturbance_like_any(tmp_path):
    weak = {"weak": {"kind": "actuator_gain", "factor": {"lift": 0.5}}}
    with Box(folder=str(tmp_path), disturbances=weak) as plant:
        plant.reset(seed=0)
        plant.advance(1, [2 * BOX_KG * G, 0.0])
        assert plant.state()[9] == pytest.approx(0, abs=1e-9)


def test_bodies_are_several_and_rays_find_what_is_there(tmp_path):
    with Box(folder=str(tmp_path), with_floor=True) as plant:
        plant.reset(seed=0)
        assert plant.base(plant.other)[:3] == [50.0, 0.0, 7.0]
        down = plant.rays([[0, 0, 50.0], [50.0, 0, 20.0], [0, 0, 50.0]], [[0, 0, -50.0], [50.0, 0, 0.0], [0, 0, 10.0]])
    # The floor halfway, the top of the other box at 7 + 0.05 m, and nothing.
    np.testing.assert_allclose(down, [0.5, (20 - 7.05) / 20, 1.0], atol=1e-6)


def test_a_box_comes_to_rest_on_the_floor(tmp_path):
    start = (0, 0, 0.3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
    with Box(folder=str(tmp_path), with_floor=True, start=start) as plant:
        plant.reset(seed=0)
        plant.advance(2000, [0.0, 0.0])
        state = plant.state()
    assert state[2] == pytest.approx(0.05, abs=1e-3)
    np.testing.assert_allclose(state[7:], 0, atol=1e-3)


def test_wheels_roll_without_slip_and_turn_the_base(tmp_path):
    with Rover(folder=str(tmp_path)) as plant:
        plant.reset(seed=0)
        plant.advance(300, [0.005, 0.005])
        straight = dict(zip(plant.traits.sensors, plant.state(), strict=True))
        plant.reset(seed=0)
        plant.advance(300, [-0.01, 0.01])
        turning = dict(zip(plant.traits.sensors, plant.state(), strict=True))
    # A wheel turns by the joint's speed and the base's, and the base's centre hangs 0.02 m below the axle.
    axle = straight["vx"] + 0.02 * straight["wy"]
    assert axle > 0.03
    assert (straight["left"] + straight["wy"]) * WHEEL_M == pytest.approx(axle, rel=0.01)
    assert straight["y"] == pytest.approx(0, abs=1e-3)
    assert turning["wz"] > 0.1
    assert (turning["right"] - turning["left"]) * WHEEL_M / AXLE_M == pytest.approx(turning["wz"], rel=0.03)


@pytest.mark.parametrize("kind", [Box, Rover])
def test_a_reset_repeats_bit_for_bit_in_any_plant_of_the_kind(kind, tmp_path):
    def states(plant):
        plant.reset(seed=0)
        found = []
        for step in range(300):
            plant.advance(1, [0.3 * np.sin(step / 20), 0.2])
            found.append(plant.state())
        return np.array(found)

    settings = {"with_floor": True, "start": (0, 0, 0.06, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)} if kind is Box else {}
    with kind(folder=str(tmp_path), **settings) as plant, kind(folder=str(tmp_path), **settings) as other:
        first = states(plant)
        np.testing.assert_array_equal(states(plant), first)
        np.testing.assert_array_equal(states(other), first)
        assert np.ptp(first, axis=0)[7] > 0


def test_the_camera_sees_a_free_body_fall(tmp_path):
    start = (0, 0, 0.5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
    with Box(folder=str(tmp_path), render_mode="rgb_array", start=start) as plant:
        plant.reset(seed=0)
        first = plant.render()
        np.testing.assert_array_equal(plant.picture(plant.view), first)
        plant.advance(300, [0.0, 0.0])
        assert not np.array_equal(plant.render(), first)
