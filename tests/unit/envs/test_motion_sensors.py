"""Inertial unit, wheel encoders and concentrations: against mechanics, the theory of noise and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from small_plants import BOX_KG, Box, Cart, Mass

from hilbench.envs.sensors import Mount
from hilbench.envs.sensors.imu import Imu, ImuConfig
from hilbench.errors import ScenarioError
from hilbench.types import EventSensor

G, STEP_S = 9.81, 0.001
WORLD = {
    "kind": "imu",
    "rates": ["wx", "wy", "wz"],
    "velocities": ["vx", "vy", "vz"],
    "facing": ["qx", "qy", "qz", "qw"],
}
AXES = ("gyro_x", "gyro_y", "gyro_z", "accel_x", "accel_y", "accel_z")


def measured(plant, actions, n_steps=5):
    """What the sensors show after some steps."""
    plant.reset(seed=0)
    plant.advance(n_steps, actions)
    return plant.observe()[0][13:].astype(float)


def test_a_body_that_falls_feels_nothing_and_one_that_hovers_its_lift(tmp_path):
    with Box(folder=str(tmp_path), sensors={"imu": WORLD}) as plant:
        assert plant.plant_spec.obs_names[13:] == tuple(f"imu.{axis}" for axis in AXES)
        assert plant.plant_spec.obs_units[13:] == ("rad/s",) * 3 + ("m/s2",) * 3
        np.testing.assert_allclose(measured(plant, [0.0, 0.0]), 0.0, atol=1e-5)
        np.testing.assert_allclose(measured(plant, [BOX_KG * G, 0.0]), [0, 0, 0, 0, 0, G], atol=1e-4)
        np.testing.assert_allclose(plant.reset(seed=0)[0][13:], [0, 0, 0, 0, 0, G], atol=1e-6)  # before it was let go


def test_specific_force_and_rates_are_in_the_bodys_axes(tmp_path):
    """A quarter turn about y: the thruster along the body's z pushes along the world's x, and gravity is not felt."""
    half = float(np.sqrt(0.5))
    start = (0, 0, 100.0, 0, half, 0, half, 0, 0, 0, 0.0, 0, 0.3)
    with Box(folder=str(tmp_path), start=start, sensors={"imu": WORLD}) as plant:
        found = measured(plant, [3.0, 0.0], n_steps=2)
    # The world's z is the body's -x.
    np.testing.assert_allclose(found, [-0.3, 0, 0, 0, 0, 3.0 / BOX_KG], atol=2e-3)


def test_a_robot_in_a_circle_feels_the_change_of_its_velocity():
    """Over a sample of T it is the chord 2 v sin(w T / 2) / T, at w T / 2 behind the left of the present heading."""
    table = {"kind": "imu", "rates": ["yaw_rate"], "velocities": ["vx", "vy"], "facing": ["yaw"], "period_s": 0.02}
    with Cart(sensors={"imu": table}) as plant:
        assert plant.plant_spec.obs_names[10:] == ("imu.gyro_z", "imu.accel_x", "imu.accel_y")
        plant.reset(seed=0)
        plant.advance(100, [20.0, 32.0])
        found = plant.observe()[0][10:].astype(float)
    v, w = 26.0 * Cart.RADIUS_M, 12.0 * Cart.RADIUS_M / Cart.TRACK_M
    chord = 2 * v * np.sin(w * 0.01) / 0.02
    np.testing.assert_allclose(found, [w, chord * np.sin(w * 0.01), chord * np.cos(w * 0.01)], rtol=1e-5)
    assert found[2] == pytest.approx(v * w, rel=1e-3)


def test_without_an_attitude_it_shows_entries_as_they_are():
    table = {"kind": "imu", "rates": ["v"], "velocities": ["v"], "gyro_bias": 0.5, "accel_bias": -1.0}
    with Mass(sensors={"imu": table}) as plant:
        assert plant.plant_spec.obs_names[2:] == ("imu.gyro_v", "imu.accel_v")
        plant.reset(seed=0)
        plant.advance(10, [3.0])
        np.testing.assert_allclose(plant.observe()[0][2:], [0.03 + 0.5, 3.0 - 1.0], rtol=1e-5)


class Still:
    time_s, truth = 0.0, [0.0, 0.0]


def noise(n, seed=0, period_us=10_000, **settings):
    """What a unit at rest shows, (n, 2)."""
    config = ImuConfig(rates=("w",), velocities=("v",), gravity_m_s2=0.0, **settings)
    unit = Imu(config, Mount("sensors.imu", ("w", "v"), ("rad/s", "m/s"), period_us))
    unit.reset(seed)
    return np.array([unit.sample(Still()) for _ in range(n)])


def allan(x, m):
    """The Allan deviation over m samples: half the mean square of the difference of neighbouring means."""
    means = x[: len(x) // m * m].reshape(-1, m).mean(axis=1)
    return np.sqrt(0.5 * np.mean(np.diff(means) ** 2)), means.size


@pytest.mark.parametrize("m", [1, 10, 100])
def test_white_noise_falls_with_the_root_of_the_time(m):
    """The Allan deviation of a density N is N / sqrt(tau) (IEEE Std 952)."""
    x = noise(40_000, gyro_noise=2e-3, accel_noise=0.05)
    for column, density in ((0, 2e-3), (1, 0.05)):
        found, n = allan(x[:, column], m)
        assert found == pytest.approx(density / np.sqrt(m * 0.01), rel=4 * np.sqrt(3 / (4 * n)))
    assert x[:, 0].std() == pytest.approx(2e-3 / np.sqrt(0.01), rel=4 / np.sqrt(2 * 40_000))
    assert abs(np.corrcoef(x.T)[0, 1]) < 4 / np.sqrt(40_000)


@pytest.mark.parametrize("m", [1, 10, 100])
def test_a_biass_random_walk_rises_with_the_root_of_the_time(m):
    """Of a density K it is K sqrt(tau / 3) (IEEE Std 952); in samples of T, K sqrt(T (2 m2 + 1) / (6 m))."""
    x = noise(40_000, gyro_walk=1e-3, accel_walk=0.02)
    for column, density in ((0, 1e-3), (1, 0.02)):
        found, n = allan(x[:, column], m)
        assert found == pytest.approx(density * np.sqrt(0.01 * (2 * m**2 + 1) / (6 * m)), rel=4 / np.sqrt(n))
    assert x[0].tolist() == [0.0, 0.0]


def test_a_walk_has_the_same_size_at_any_rate():
    """After 1 s the bias has a standard deviation of K, whether in 100 samples or in 10."""
    for period_us, n in ((10_000, 101), (100_000, 11)):
        ends = [noise(n, seed, period_us, gyro_walk=0.5)[-1, 0] for seed in range(400)]
        assert np.std(ends) == pytest.approx(0.5, rel=4 / np.sqrt(2 * 400))


def test_a_bias_is_drawn_by_the_seed_and_holds():
    biases = np.array([noise(3, seed, gyro_bias=0.1, gyro_bias_std=0.02, accel_bias_std=0.3) for seed in range(400)])
    np.testing.assert_array_equal(biases[:, 0], biases[:, 2])
    np.testing.assert_allclose(biases[:, 0].std(axis=0), [0.02, 0.3], rtol=4 / np.sqrt(2 * 400))
    np.testing.assert_allclose(biases[:, 0].mean(axis=0), [0.1, 0.0], atol=4 * 0.3 / np.sqrt(400))
    assert abs(biases[:, 0, 0].mean() - 0.1) < 4 * 0.02 / np.sqrt(400)


def ticks(n_periods, left, right, **table):
    """(time in us, wheel, forward) of all ticks of two wheels at constant speeds."""
    table = {"kind": "odometry", "entries": ["left", "right"], "ticks_per_turn": 360, **table}
    found = []
    with Cart(sensors={"o": table}, control_period_s=0.01) as plant:
        assert plant.plant_spec.event_sensors == (EventSensor("o", (2, 2), ("channel", "polarity")),)
        plant.reset(seed=3)
        assert plant.events().size == 0
        for period in range(n_periods):
            plant.step([left, right])
            for t_us, address in plant.events().tolist():
                found.append((t_us + period * 10_000, address // 2, address % 2))
    return np.array(found)


@pytest.mark.parametrize("settings", [{}, {"period_s": 0.005}, {"of": "speed", "entries": ["left_rate", "right_rate"]}])
def test_ticks_of_an_even_turn_have_exact_times(settings):
    """The n-th tick is at (n + 1/2) / 360 of a turn; an event at an instant is in the microsecond before it."""
    left, right = 17.3, -5.1
    found = ticks(20, left, right, **settings)
    for wheel, speed in ((0, left), (1, right)):
        s = (np.arange(400) + 0.5) * (2 * np.pi / 360) / abs(speed) * 1e6
        if "of" in settings:
            # Speeds are lines between samples: over the first one the wheel starts, and turns half as far.
            s = s[1:] + 500
            assert s[0] > 1000
        s = s[s <= 200_000]
        own = found[found[:, 1] == wheel]
        own = own[-s.size :] if "of" in settings else own
        np.testing.assert_array_equal(own[:, 0], np.ceil(s - 1e-6) - 1)
        assert set(own[:, 2]) == {int(speed > 0)}
        assert s.size > 50


def test_a_wheel_that_turns_back_passes_the_same_tick_again():
    with Cart(sensors={"o": {"kind": "odometry", "entries": ["left"], "ticks_per_turn": 10}}) as plant:
        plant.reset(seed=0)
        told = []
        for speed in [100.0] * 4 + [-100.0] * 4:  # a tick is at 0.314 rad
            plant.step([speed, 0.0])
            told += [(round(plant.time_s * 1000), *event) for event in plant.events().tolist()]
    at_us = np.pi / 10 / 100 * 1e6
    assert told == [(4, int(np.ceil(at_us - 3000)) - 1, 1), (5, int(np.ceil(4000 - at_us)) - 1, 0)]


def test_counts_are_ticks_since_the_start():
    table = {"kind": "odometry", "entries": ["left", "right"], "ticks_per_turn": 360, "counts": True}
    with Cart(sensors={"o": table}) as plant:
        assert plant.plant_spec.obs_names[10:] == ("o.left", "o.right")
        plant.reset(seed=0)
        assert not hasattr(plant, "events")
        plant.advance(1000, [17.3, -5.1])
        found = plant.observe()[0][10:]
    turned = np.array([17.3, -5.1]) * 360 / (2 * np.pi)
    np.testing.assert_array_equal(found, np.floor(turned + 0.5))


def test_each_wheel_has_a_scale_error_of_its_own():
    rates = []
    for seed in range(300):
        table = {"kind": "odometry", "entries": ["left", "right"], "ticks_per_turn": 10_000, "counts": True}
        with Cart(sensors={"o": table | {"scale_std": 0.05}}, physics_step_s=0.01, control_period_s=0.01) as plant:
            plant.reset(seed=seed)
            plant.advance(10, [60.0, 60.0])
            rates.append(plant.observe()[0][10:] / (6.0 / (2 * np.pi) * 10_000) - 1)
    np.testing.assert_allclose(np.std(rates, axis=0), 0.05, rtol=4 / np.sqrt(600))
    assert abs(np.corrcoef(np.array(rates).T)[0, 1]) < 4 / np.sqrt(300)


def test_a_wheel_gives_no_more_events_than_it_may():
    found = ticks(1, 90.0, 0.0, ticks_per_turn=100_000, max_events=7)
    assert len(found) == 7 * 10
    assert np.bincount(found[:, 0] // 1000).tolist() == [7] * 10


SOURCE = {"kind": "concentration", "sources": [[1.0, 2.0, 1.0]]}


def smelt(plant, x, y, yaw, n=1):
    plant.reset(seed=0)
    plant.place_m, plant.yaw_rad = np.array([x, y]), yaw
    rows = []
    for _ in range(n):
        plant.advance(1, [0.0, 0.0])
        rows.append(plant.observe()[0][10:].astype(float))
    return np.array(rows)


def test_a_concentration_is_that_of_the_distance_of_each_place():
    """log(1 / (r + r0)) at 0.05 m to the left and to the right of a robot that looks along y."""
    with Cart(sensors={"c": SOURCE}) as plant:
        assert plant.plant_spec.obs_names[10:] == ("c.c_0", "c.c_1")
        [found] = smelt(plant, 0.4, -0.3, np.pi / 2)
    r = np.hypot(1.0 - np.array([0.4 - 0.05, 0.4 + 0.05]), 2.3)
    np.testing.assert_allclose(found, -np.log(r + 0.3), rtol=1e-6)


def test_sources_add_up_by_their_strength():
    table = {"kind": "concentration", "sources": [[1.0, 0.0, 2.0], [0.0, -3.0, 0.5]], "r0_m": 0.1, "places_m": [[0, 0]]}
    with Cart(sensors={"c": table}) as plant:
        [found] = smelt(plant, 0.0, 0.0, 0.7)
    assert found[0] == pytest.approx(np.log(2.0 / 1.1 + 0.5 / 3.1), rel=1e-6)


def test_a_concentrations_noise_has_its_size_and_its_seed():
    with Cart(sensors={"c": SOURCE | {"noise_std": 0.005}}) as plant:
        rows = smelt(plant, 0.0, 0.0, 0.0, n=2000)
        np.testing.assert_array_equal(rows[:50], smelt(plant, 0.0, 0.0, 0.0, n=50))
    np.testing.assert_allclose(rows.std(axis=0), 0.005, rtol=4 / np.sqrt(2 * 2000))
    assert abs(np.corrcoef(rows.T)[0, 1]) < 4 / np.sqrt(2000)


class Windy(Cart):
    """A plant with a field of its own, which has nothing behind x = 1 m."""

    def field(self, x_m, y_m):
        return np.where(x_m < 1.0, np.exp(-x_m - 2 * y_m), 0.0)


def test_a_plant_may_say_its_field_itself():
    table = {"kind": "concentration", "places_m": [[0.1, 0.2], [1.5, 0.0]]}
    with Windy(sensors={"c": table}) as plant:
        [found] = smelt(plant, 0.0, 0.0, 0.0)
    np.testing.assert_allclose(found, [-0.1 - 0.4, np.log(1e-12)], rtol=1e-6)
    with pytest.raises(ScenarioError, match=r"sensors.c: found a plant without field\(\); allowed: one that has it"):
        Cart(sensors={"c": table})


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({"kind": "imu"}, "sensors.s: found neither rates nor velocities; allowed: one of them, or both"),
        ({"kind": "imu", "rates": ["yaw_rat"]}, "sensors.s.rates: the plant has no 'yaw_rat'; allowed: "),
        (
            {"kind": "imu", "rates": ["x"], "facing": ["x", "y"]},
            "sensors.s.facing: found 2 names; allowed: 0 or 1 or 4",
        ),
        (
            {"kind": "imu", "velocities": ["vx"], "facing": ["yaw"]},
            "sensors.s.velocities: found 1 names; allowed: 0 or 2",
        ),
        (
            {"kind": "imu", "rates": ["x"], "gyro_noise": -1.0},
            "sensors.s.gyro_noise: found -1.0, expected `float` >= 0",
        ),
        ({"kind": "odometry"}, "sensors.s: object missing required field `ticks_per_turn`"),
        ({"kind": "odometry", "ticks_per_turn": 1, "of": "turn"}, "sensors.s.of: found 'turn'; allowed: angle, speed"),
        (
            {"kind": "concentration", "sources": [[0.0, 0.0, 0.0]]},
            "sensors.s.sources: found a strength of 0; allowed: more than 0",
        ),
        ({"kind": "concentration", "places_m": []}, "sensors.s.places_m: "),
    ],
)
def test_wrong_tables_are_refused_in_one_line(table, line):
    with pytest.raises(ScenarioError) as caught:
        Cart(sensors={"s": table})
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
