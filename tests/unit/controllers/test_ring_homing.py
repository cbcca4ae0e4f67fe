"""Going home: the ring's bump against its equation, the place and the steering, dead reckoning, and what is learnt."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from hilbench import plugins
from hilbench.backends.law import LawRunner
from hilbench.controllers._ring import N_RING, PREFERRED_RAD, REST, STEEP, add_ring, bump, towards, turn_rate
from hilbench.controllers.dead_reckoning import DeadReckoning, DeadReckoningConfig, DeadReckoningLaw
from hilbench.controllers.ring_homing import N_GYRO, RingHoming, RingHomingConfig, homing_network
from hilbench.envs.homing import Homing
from hilbench.errors import ScenarioError
from hilbench.nal import Network
from hilbench.nal.open_loop import run
from hilbench.types import NO_EVENTS, Empty, Probes, Tick

PERIOD_S, PERIOD_US = 0.02, 20_000


def plant(**settings):
    return Homing(physics_step_s=PERIOD_S, control_period_s=PERIOD_S, **settings)


def ring():
    """A ring with a port for a current that turns it, and one for a direction in which its bump rises."""
    net = Network(0.001, spike_amplitude=1000.0)
    net.input("turn", 1)
    net.input("sky", 2)
    add_ring(net)
    for name, sign in (("left", 1.0), ("right", -1.0)):
        net.connect("turn", name, np.full((N_RING, 1), sign))
        net.connect("sky", name, towards(PREFERRED_RAD))
    net.readout("bump", 2, tau_s=0.05)
    for name in ("left", "right"):
        net.connect(name, "bump", towards(PREFERRED_RAD).T / N_RING)
    return net


def bump_of(net, current, start_rad, seconds):
    """The bump as complex numbers, in Hz, with a direction shown for the first second and the current from then on."""
    n = round(seconds / PERIOD_S)
    dark = (np.arange(n) >= 50)[:, None]
    sky = np.where(dark, 0.0, [math.cos(start_rad), math.sin(start_rad)])
    values = run(net, {"turn": current * dark, "sky": sky}, period_s=PERIOD_S).values["bump"]
    return values @ np.array([1.0, 1j])


def test_the_rates_of_a_bump_are_those_of_lif_cells():
    def rate_hz(angle):
        current = REST + STEEP * math.cos(angle)
        return 1 / (0.002 + 0.02 * math.log(current / (current - 1)))

    edge = math.acos((1 - REST) / STEEP) - 1e-9  # where the input passes the threshold
    mean = quad(rate_hz, -edge, edge)[0] / (2 * math.pi)
    first = quad(lambda angle: rate_hz(angle) * math.cos(angle), -edge, edge)[0] / (2 * math.pi)
    assert bump(STEEP, REST) == pytest.approx((mean, first), rel=0.01)
    assert bump(0.2, 0.5) == (0.0, 0.0)


@pytest.mark.parametrize("start_rad", [-2.0, 0.7])
def test_a_bump_stays_where_it_rose_and_as_large_as_its_equation_says(start_rad):
    found = bump_of(ring(), 0.0, start_rad, 21.0)[100:]
    assert np.abs(found).mean() == pytest.approx(2 * bump(STEEP, REST).first_hz, rel=0.05)
    assert np.abs(np.angle(found * np.exp(-1j * start_rad))).max() < 0.15


@pytest.mark.parametrize("current", [-0.2, -0.06, 0.03, 0.1, 0.25])
def test_a_current_turns_the_bump_at_the_rate_of_its_equation(current):
    angles = np.unwrap(np.angle(bump_of(ring(), current, 0.3, 14.0)[150:]))
    assert (angles[-1] - angles[0]) / ((len(angles) - 1) * PERIOD_S) == pytest.approx(turn_rate(current), rel=0.06)


def way(out_rad, speed, ahead=0.0):
    """A network that is led 8 s in one direction and then turned for 1.88 s, a quarter turn at 0.835 rad/s."""
    n = 600
    rest, out = np.arange(n) < 50, (np.arange(n) >= 50) & (np.arange(n) < 450)
    turned = (np.arange(n) >= 450) & (np.arange(n) < 450 + 94)
    given = {
        "gyro": np.full((n, N_GYRO), -0.2),
        "speed": np.where(out, speed, 0.0)[:, None],
        "sky": np.where(rest[:, None], [math.cos(out_rad), math.sin(out_rad)], 0.0),
        "ahead": np.where(turned, ahead, 0.0)[:, None],
    }
    return run(homing_network(RingHomingConfig(sky_pull=0.2)), given, period_s=PERIOD_S).values


@pytest.mark.parametrize(("out_rad", "speed"), [(0.25 * math.pi, 0.2), (math.pi, 0.1), (-1.0, 0.3)])
def test_the_place_is_the_integral_of_speed_along_the_heading(out_rad, speed):
    expected = 8.0 * speed * np.array([math.cos(out_rad), math.sin(out_rad)])
    np.testing.assert_allclose(way(out_rad, speed)["place"][-1], expected, atol=0.08 * 8.0 * speed)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_it_steers_to_the_side_where_home_is(side):
    """Where the bump is told to be ahead to the right, it turns to the left; home, behind it, is then on the left."""
    values = way(0.25 * math.pi, 0.2, ahead=-0.5 * side)
    cosine, sine = values["bump"][-1]
    assert math.atan2(sine, cosine) == pytest.approx(0.25 * math.pi + side * turn_rate(0.1) * 1.88, abs=0.15)
    assert 0.2 < side * values["turn"][-1, 0] < 2.0


def trip(built, backend, robot, seed, *, learning, until_s=25.0):
    """Run a trip's first seconds; the true heading and the bump's, of each tick."""
    backend.reset(seed, "weights")
    robot.reset(seed=seed)
    built.encoder.reset(seed)
    built.decoder.reset(seed)
    values, modulators, action, rows = np.zeros(N_GYRO + 4, np.float32), np.zeros(1, np.float32), np.zeros(2), []
    for k in range(round(until_s / PERIOD_S)):
        obs, reward, _, _, info = robot.observe()
        built.encoder.encode(obs, NO_EVENTS, values)
        built.modulate(obs, NO_EVENTS, reward, info, modulators)
        tick = Tick(k, values=values.copy(), modulators=modulators.copy(), learning=learning)
        found = backend.step(tick).values.copy()
        built.decoder.decode(found, NO_EVENTS, action)
        rows.append((info["heading_rad"], math.atan2(found[1], found[0])))
        robot.advance(1, action)
    heading, shown = np.array(rows).T
    return heading, np.unwrap(shown)


@pytest.mark.parametrize("gain", [1.0, 0.8, 1.25])
def test_the_sky_teaches_the_gyro_to_turn_the_bump_as_the_robot_turns(gain):
    """From weights of 0, by looking around alone; then in the dark, on a winding way that it has not seen."""
    drift = {"drift": {"kind": "sensor_fault", "mode": "wrong", "sensors": ["gyro"], "gain": gain}}
    exact = {"odometry_noise": 0.0, "sky_noise_rad": 0.0}
    with plant(disturbances=drift, **exact) as robot, plant(disturbances=drift, sky_s=1.0, **exact) as dark:
        built = RingHoming.build(RingHomingConfig(learning_rate=3e-5), robot.plant_spec, PERIOD_US, 0)
        engine = plugins.get("backends", "numba")
        backend = engine(engine.Config())
        backend.load(built.program, PERIOD_US, Probes())
        for seed in range(4):
            trip(built, backend, robot, seed, learning=True)
        heading, shown = trip(built, backend, dark, 9, learning=False, until_s=85.0)
    turned, followed = np.diff(heading[50::25]), np.diff(shown[50::25])
    assert followed @ turned / (turned @ turned) == pytest.approx(1.0, abs=0.08)


def law(robot, **settings):
    program = DeadReckoning.build(DeadReckoningConfig(**settings), robot.plant_spec, PERIOD_US, 0).program
    backend = LawRunner(Empty())
    backend.load(program, PERIOD_US, Probes())
    return backend


def error_percent(robot, backend, seed, learning=False):
    """The error of a trip by a law."""
    backend.reset(seed, "weights")
    obs, info = robot.reset(seed=seed)
    ended, k = False, 0
    while not ended:
        told = np.array([info["gyro_rad_s"], info["odometer_m_s"]], np.float32)
        action = backend.step(Tick(k, values=obs, modulators=told, learning=learning)).values
        obs, _, ended, _, info = robot.step(action)
        k += 1
    return info["home_error_percent"]


def test_dead_reckoning_is_exact_where_the_senses_are():
    with plant(odometry_noise=0.0, sky_noise_rad=0.0) as robot:
        for seed in range(3):
            found = error_percent(robot, law(robot), seed)
            assert found < 100 * 0.13 / 9  # it says so within 0.1 m of home, and the way out is 9 m long or more


def test_a_drifted_odometer_does_no_harm_and_a_drifted_gyro_does():
    errors = {}
    for sensor in ("odometer", "gyro"):
        drift = {"drift": {"kind": "sensor_fault", "mode": "wrong", "sensors": [sensor], "gain": 0.8}}
        with plant(odometry_noise=0.0, sky_noise_rad=0.0, disturbances=drift) as robot:
            errors[sensor] = [error_percent(robot, law(robot), seed) for seed in range(4)]
            told = [error_percent(robot, law(robot, knows_change=True), seed) for seed in range(4)]
        assert max(told) < 1.5
    assert max(errors["odometer"]) < 1.7  # its tenth of a metre is 0.125 m
    assert np.mean(errors["gyro"]) > 15


def test_the_observer_undoes_the_drift():
    drift = {"drift": {"kind": "sensor_fault", "mode": "wrong", "sensors": ["gyro"], "gain": 0.8}}
    with plant(odometry_noise=0.0, sky_noise_rad=0.0, disturbances=drift) as robot:
        backend = law(robot, gain_rate=1.0)
        for seed in range(3):
            error_percent(robot, backend, seed, learning=True)
        assert max(error_percent(robot, backend, seed) for seed in range(7, 10)) < 3


def test_the_observer_finds_the_gain_from_the_sky():
    found = DeadReckoningLaw(DeadReckoningLaw.Config(gain_rate=1.0, period_s=PERIOD_S))
    found.reset(0)
    heading = 0.0
    for k in range(2000):
        turn = 1.2 * math.sin(k * PERIOD_S)
        heading += turn * PERIOD_S
        values = np.array([0.8 * turn, 0.0, math.cos(heading), math.sin(heading)])
        found.step(values, np.zeros(2), learning=True)
    assert found.gain[0] == pytest.approx(1 / 0.8, rel=0.01)


def test_another_plant_is_refused():
    with plugins.get("envs", "cartpole_ladder")() as found:
        for controller, config in ((DeadReckoning, DeadReckoningConfig()), (RingHoming, RingHomingConfig())):
            with pytest.raises(ScenarioError, match="needs a robot with a turn and a speed that senses"):
                controller.build(config, found.plant_spec, PERIOD_US, 0)
