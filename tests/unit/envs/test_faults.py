"""Faults of sensors and motors: each mode against its closed form, and what is off tells nothing."""

from __future__ import annotations

import numpy as np
import pytest
from small_plants import Mass

import hilbench
from hilbench.envs._schedule import Schedule
from hilbench.envs.arm_payload import ArmPayload
from hilbench.envs.cartpole_ladder import CartpoleLadder
from hilbench.envs.disturbances import Traits
from hilbench.envs.gymnasium import Gymnasium
from hilbench.errors import ScenarioError
from hilbench.record.reader import read_run
from hilbench.runs.replay import replay
from hilbench.types import EVENT, EventSensor

STEP_S, STEP_US = 0.001, 1000
EAR, EYE = EventSensor("ear", (10,), ("channel",)), EventSensor("eye", (4, 4, 2), ("y", "x", "polarity"))
TRAITS = Traits(sensors=("a", "b", "gyro.x", "gyro.y"), actuators=("left", "right"), event_sensors=(EAR, EYE))
N = EAR.size + EYE.size


def made(seed=0, kind="sensor_fault", traits=TRAITS, **table):
    schedule = Schedule({"f": {"kind": kind, **table}}, traits, STEP_S)
    schedule.reset(seed)
    return schedule


def sensed(schedule, x, call="sense"):
    """What is measured of numbers (n_steps, n), from step 0 on; or what motors do of them."""
    found = []
    for step, row in enumerate(np.asarray(x, float).tolist()):
        if step >= schedule.wake:
            schedule.at(step)
        for each in schedule.active:
            getattr(each, call)(row)
        found.append(row)
    return np.array(found)


def ramp(n_steps=200):
    """Four different numbers that all grow."""
    return np.arange(n_steps)[:, None] * [1.0, -2.0, 0.5, 3.0] + [5.0, 6.0, 7.0, 8.0]


def test_off_is_the_stated_value_from_its_first_step_to_before_its_last():
    x = ramp()
    found = sensed(made(mode="off", sensors=["b"], value=-4.0, at_s=0.05, until_s=0.15), x)
    expected = x.copy()
    expected[50:150, 1] = -4.0
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(sensed(made(mode="off", sensors=["gyro"]), x)[:, 2:], 0.0)
    each = sensed(made(mode="off", sensors=["a", "gyro"], value={"gyro.y": 2.0, "a": 1.0}), x)
    np.testing.assert_array_equal(each, np.stack([np.ones(200), x[:, 1], np.zeros(200), np.full(200, 2.0)], axis=1))


def test_stuck_holds_what_there_was_when_it_began():
    x = ramp()
    found = sensed(made(mode="stuck", sensors=["a"], at_s=0.05, until_s=0.1), x)
    expected = x.copy()
    expected[50:100, 0] = x[50, 0]
    np.testing.assert_array_equal(found, expected)


def test_garbage_is_uniform_within_its_limits_white_and_of_its_seed():
    table = {"mode": "garbage", "sensors": ["a", "b"], "low": [-1.0, 10.0], "high": [3.0, 10.5]}
    found = sensed(made(**table), ramp(8000))
    np.testing.assert_array_equal(found[:, 2:], ramp(8000)[:, 2:])
    share = (found[:, :2] - [-1.0, 10.0]) / [4.0, 0.5]
    assert share.min() >= 0
    assert share.max() <= 1
    np.testing.assert_allclose(share.mean(axis=0), 0.5, atol=4 / np.sqrt(12 * 8000))
    np.testing.assert_allclose(share.var(axis=0), 1 / 12, atol=4 / np.sqrt(180 * 8000))
    assert abs(np.corrcoef(share[1:, 0], share[:-1, 0])[0, 1]) < 4 / np.sqrt(8000)
    np.testing.assert_array_equal(sensed(made(**table), ramp(50)), found[:50])
    assert np.abs(sensed(made(seed=1, **table), ramp(50)) - found[:50])[:, 0].min() > 0


def test_wrong_is_a_gain_and_a_bias_and_ramps():
    x = ramp()
    found = sensed(made(mode="wrong", sensors=["a"], gain=0.5, bias=3.0, at_s=0.05, ramp_s=0.1), x)
    level = np.clip((np.arange(200) - 50) / 100, 0, 1)
    np.testing.assert_allclose(found[:, 0], x[:, 0] * (1 - 0.5 * level) + 3.0 * level, rtol=1e-14)
    np.testing.assert_array_equal(found[:, 1:], x[:, 1:])


def test_wrong_is_what_bias_and_gain_are_as_disturbances_of_their_own():
    x = ramp()
    bias = made(kind="sensor_bias", bias={"a": 0.3, "gyro.x": 2.0})
    wrong = made(mode="wrong", sensors=["a", "gyro.x"], bias={"a": 0.3, "gyro.x": 2.0})
    np.testing.assert_array_equal(sensed(bias, x), sensed(wrong, x))
    gain = made(kind="actuator_gain", factor=0.3)
    wrong = made(kind="motor_fault", mode="wrong", gain=0.3)
    np.testing.assert_array_equal(sensed(gain, x[:, :2], "actuate"), sensed(wrong, x[:, :2], "actuate"))


@pytest.mark.parametrize(
    ("table", "left"),
    [
        ({"mode": "off", "actuators": ["right"]}, [1.0, 0.0]),
        ({"mode": "off", "value": 0.2}, [1.0, 1.0]),
        ({"mode": "wrong", "gain": {"left": 0.3}}, [0.3, 1.0]),
        ({"mode": "wrong", "gain": 0.3, "bias": {"left": 0.1}}, [1.0, 0.3]),
        ({"mode": "wrong", "gain": 0.5, "order": "reversed"}, [1.0, 1.0]),
        ({"mode": "slow", "lag_s": 0.01}, [1.0, 1.0]),
    ],
)
def test_what_a_fault_leaves_of_motors_is_known_where_it_only_weakens_them(table, left):
    """So a plant can tell an oracle, as of `actuator_gain`."""
    assert made(kind="motor_fault", **table).at(0).gains == pytest.approx(left)


def test_a_wrong_order_mirrors_or_swaps_before_gain_and_limits():
    x = ramp()
    found = sensed(made(mode="wrong", sensors=["gyro", "a"], order="reversed", gain=2.0, high=100.0, at_s=0.05), x)
    expected = x.copy()
    expected[50:, [0, 2, 3]] = np.minimum(2.0 * x[50:, [3, 2, 0]], 100.0)
    np.testing.assert_array_equal(found, expected)
    found = sensed(made(mode="wrong", sensors=["a", "b", "gyro.x"], order=["b", "gyro.x", "b"]), x)
    np.testing.assert_array_equal(found, x[:, [1, 2, 1, 3]])
    swapped = sensed(made(kind="motor_fault", mode="wrong", order="reversed"), x[:, :2], "actuate")
    np.testing.assert_array_equal(swapped, x[:, 1::-1])
    bounded = sensed(made(mode="wrong", sensors=["a", "b"], bias=1.0, low={"b": -9.0}), x)[:, :2]
    np.testing.assert_array_equal(bounded, np.stack([x[:, 0] + 1.0, np.maximum(x[:, 1] + 1.0, -9.0)], axis=1))


def test_slow_is_a_lag_of_first_order():
    """After n steps of a jump it has gone 1 - exp(-n h / lag)."""
    x = np.zeros((300, 4))
    x[100:] = 1.0
    found = sensed(made(mode="slow", sensors=["a"], lag_s=0.02, at_s=0.05), x)
    n = np.clip(np.arange(300) - 99, 0, None)
    np.testing.assert_allclose(found[:, 0], 1 - np.exp(-n * STEP_S / 0.02), atol=1e-14)
    np.testing.assert_array_equal(found[:, 1:], x[:, 1:])


def test_a_lag_begins_where_the_sensor_was():
    x = np.full((100, 4), 7.0)
    np.testing.assert_array_equal(sensed(made(mode="slow", sensors=["a"], lag_s=0.02, at_s=0.03), x), x)


def test_slow_may_be_a_low_rate():
    x = ramp()
    found = sensed(made(mode="slow", sensors=["a"], period_s=0.007, at_s=0.05), x)
    k = np.arange(200)
    np.testing.assert_array_equal(found[:, 0], x[np.where(k < 50, k, 50 + (k - 50) // 7 * 7), 0])


def test_delayed_is_late_by_whole_physics_steps():
    """Until the first late number comes, the last one that came in time holds."""
    x = ramp()
    found = sensed(made(mode="delayed", sensors=["b"], delay_s=0.012, at_s=0.05, until_s=0.15), x)
    k = np.arange(200)
    source = np.where((k < 50) | (k >= 150), k, np.maximum(k - 12, 50))
    np.testing.assert_array_equal(found[:, 1], x[source, 1])


def outages(found, x):
    """Of numbers that grow all the time: where they do not show what is true, and how long each such stretch is."""
    out = found != x
    edges = np.flatnonzero(np.diff(np.concatenate(([0], out.astype(int), [0]))))
    return out, edges[1::2] - edges[::2]


@pytest.mark.parametrize("probability", [0.1, 0.4])
def test_intermittent_outages_have_their_share_and_mean_length(probability):
    """Exponential lengths of a mean of 50 ms and of 50 ms (1 - p) / p between them, seen in steps of 1 ms."""
    x = ramp(400_000)
    found = sensed(made(mode="intermittent", sensors=["a"], probability=probability, outage_s=0.05), x)
    out, lengths = outages(found[:, 0], x[:, 0])
    n = lengths.size
    # Of an alternating renewal process of n cycles the share has a standard error of p (1 - p) sqrt(2 / n).
    assert out.mean() == pytest.approx(probability, abs=4 * probability * (1 - probability) * np.sqrt(2 / n))
    # Outages within a step are not seen; of those that are, the length in steps is geometric, with 1 / (1 - exp(-h/m)).
    assert lengths.mean() == pytest.approx(1 / -np.expm1(-STEP_S / 0.05), rel=4 / np.sqrt(n))
    assert n > 500


def test_an_outage_holds_the_last_value_or_shows_a_stated_one():
    x = ramp(3000)
    table = {"mode": "intermittent", "sensors": ["a", "gyro"], "probability": 0.5, "outage_s": 0.02}
    stated = sensed(made(**table, value=-1.0), x)
    out = stated[:, 0] == -1.0
    np.testing.assert_array_equal(stated[:, [0, 2, 3]], np.where(out[:, None], -1.0, x[:, [0, 2, 3]]))  # all at once
    last = np.maximum.accumulate(np.where(out, 0, np.arange(3000)))
    found = sensed(made(**table), x)
    np.testing.assert_array_equal(found[:, [0, 2, 3]], x[last][:, [0, 2, 3]])
    np.testing.assert_array_equal(found[:, 1], x[:, 1])
    other = sensed(made(seed=1, **table), x)
    assert (other != found).any()


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"mode": "off"}, lambda u, k: np.where(k < 50, u, 0.0)),
        ({"mode": "off", "value": 1.5}, lambda u, k: np.where(k < 50, u, 1.5)),
        ({"mode": "stuck"}, lambda u, k: u[np.minimum(k, 50)]),
        ({"mode": "wrong", "gain": -1.0, "bias": 0.5}, lambda u, k: np.where(k < 50, u, 0.5 - u)),
        ({"mode": "delayed", "delay_s": 0.02}, lambda u, k: u[np.where(k < 50, k, np.maximum(k - 20, 50))]),
    ],
)
def test_motors_have_the_same_faults(table, expected):
    """What acts is the plant's own force; the mass moves by it."""
    u, k = np.sin(0.05 * np.arange(150)), np.arange(150)
    fault = {"f": {"kind": "motor_fault", "at_s": 0.05, **table}}
    with Mass(disturbances=fault) as plant:
        plant.reset(seed=0)
        forces = []
        for force in u:
            plant.advance(1, [force])
            forces.append(plant.forces[0])
        np.testing.assert_allclose(forces, expected(u, k), atol=1e-15)
        assert plant.v == pytest.approx(sum(forces) * STEP_S, rel=1e-12)


def test_a_motors_lag_and_outages():
    u = np.zeros((100, 2))
    u[20:] = 1.0
    found = sensed(made(kind="motor_fault", mode="slow", lag_s=0.01, actuators=["right"]), u, "actuate")
    n = np.clip(np.arange(100) - 19, 0, None)
    np.testing.assert_allclose(found[:, 1], 1 - np.exp(-n * STEP_S / 0.01), atol=1e-14)
    np.testing.assert_array_equal(found[:, 0], u[:, 0])
    cut = made(kind="motor_fault", mode="intermittent", probability=0.5, outage_s=0.01)
    found = sensed(cut, np.ones((20_000, 2)), "actuate")
    assert set(np.unique(found)) == {0.0, 1.0}
    assert found.mean() == pytest.approx(0.5, abs=4 * 0.25 * np.sqrt(2 / 1000))


# Events.

PERIOD_US = 10_000


def windows(n, rate_hz=20_000.0, seed=9):
    """Windows of `n` periods with random events."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        events = np.zeros(int(rate_hz * PERIOD_US * 1e-6), EVENT)
        events["t_us"] = np.sort(random.integers(0, PERIOD_US, events.size))
        events["address"] = random.integers(0, N, events.size)
        events.flags.writeable = False
        found.append(events)
    return found


def told(schedule, given):
    """(plant time in us, address) of all windows."""
    times, addresses = [], []
    for k, events in enumerate(given):
        found = schedule.tell(events, 0, k * PERIOD_US, PERIOD_US)
        assert (np.diff(found["t_us"].astype(int)) >= 0).all()
        assert found.size == 0 or found["t_us"].max() < PERIOD_US
        times.append(found["t_us"].astype(int) + k * PERIOD_US)
        addresses.append(found["address"].astype(int))
    return np.concatenate(times), np.concatenate(addresses)


def plain(given):
    """Without a fault."""
    whole = [np.array([(t + k * PERIOD_US, a) for t, a in events.tolist()]) for k, events in enumerate(given)]
    return tuple(np.concatenate(whole).T)


@pytest.mark.parametrize("mode", ["off", "stuck"])
def test_event_sensors_that_are_off_or_stuck_tell_nothing(mode):
    given = windows(10)
    t, a = plain(given)
    found = told(made(mode=mode, sensors=["eye"], at_s=0.014, until_s=0.073), given)
    gone = (a >= EAR.size) & (t >= 14_000) & (t < 73_000)
    np.testing.assert_array_equal(found[0], t[~gone])
    np.testing.assert_array_equal(found[1], a[~gone])


def test_a_garbage_event_sensor_is_a_poisson_process_alone():
    found = told(made(mode="garbage", sensors=["ear"], rate_hz=100.0), windows(1000, 1000.0))
    ear = found[1] < EAR.size
    assert ear.sum() == pytest.approx(100 * EAR.size * 10, abs=4 * np.sqrt(100 * EAR.size * 10))
    counts = np.histogram(found[0][ear], 1000, (0, 1000 * PERIOD_US))[0]
    assert counts.var() == pytest.approx(10.0, abs=4 * np.sqrt((10 + 2 * 10**2) / 1000))
    empty = [np.zeros(0, EVENT)] * 1000
    alone = told(made(mode="garbage", sensors=["ear"], rate_hz=100.0), empty)
    np.testing.assert_array_equal(alone[0], found[0][ear])  # no matter what the ear heard
    np.testing.assert_array_equal(alone[1], found[1][ear])


def test_a_wrong_event_sensor_loses_and_adds_events():
    given = windows(200)
    _, a = plain(given)
    n = (a < EAR.size).sum()
    found = told(made(mode="wrong", sensors=["ear"], gain=0.25), given)[1]
    assert (found < EAR.size).sum() == pytest.approx(n / 4, abs=4 * np.sqrt(n * 0.25 * 0.75))
    assert (found >= EAR.size).sum() == (a >= EAR.size).sum()
    found = told(made(mode="wrong", sensors=["ear"], rate_hz=50.0), given)[1]
    assert (found < EAR.size).sum() == pytest.approx(n + 50 * 2 * EAR.size, abs=4 * np.sqrt(50 * 2 * EAR.size))


@pytest.mark.parametrize("delay_s", [0.0032, 0.0457])
def test_delayed_events_come_later_by_exactly_the_delay(delay_s):
    """From 14 ms to before 73 ms; what is still under way at the end is lost."""
    given, delay_us = windows(12), round(delay_s * 1e6)
    t, a = plain(given)
    found = told(made(mode="delayed", sensors=["eye"], delay_s=delay_s, at_s=0.014, until_s=0.073), given)
    mine = (a >= EAR.size) & (t >= 14_000) & (t < 73_000)
    late = np.where(mine, t + delay_us, t)
    kept = ~mine | (late < 73_000)
    expected = sorted(zip(late[kept].tolist(), a[kept].tolist(), strict=True))
    assert sorted(zip(*(each.tolist() for each in found), strict=True)) == expected
    assert 0 < (mine & kept).sum() < mine.sum()


def test_events_that_are_late_in_a_window_that_nobody_read_are_lost():
    schedule, given = made(mode="delayed", delay_s=0.01), windows(4)
    schedule.tell(given[0], 0, 0, PERIOD_US)
    assert schedule.tell(given[2], 0, 2 * PERIOD_US, PERIOD_US).size == 0
    found = schedule.tell(given[3], 0, 3 * PERIOD_US, PERIOD_US)
    np.testing.assert_array_equal(found, given[2])


def test_intermittent_events_are_lost_when_the_values_of_the_fault_are():
    table = {"mode": "intermittent", "probability": 0.3, "outage_s": 0.03, "at_s": 0.02}
    given, x = windows(600), ramp(6000)
    t, _ = plain(given)
    kept = set(told(made(**table), given)[0].tolist())
    out = sensed(made(**table, value=-1.0, sensors=["a"]), x)[:, 0] == -1.0
    assert 0.2 < out.mean() < 0.4
    steady = t // STEP_US
    inside = (steady >= 20) & (steady < 5999)
    inside[inside] = out[steady[inside]] == out[steady[inside] + 1]  # both ends of the step are alike
    lost = np.array([time not in kept for time in t.tolist()])
    assert (lost[inside] == out[steady[inside]]).mean() > 0.99  # an outage may also lie within a step
    assert not lost[t < 20_000].any()


# What is off tells nothing of the truth.

CARRIED = {
    "gyro": {"kind": "analog", "entries": ["v"], "noise_std": 0.1},
    "spikes": {"kind": "delta", "threshold": 1e-3},
}
OFF = [
    {"mode": "off"},
    {"mode": "off", "value": 0.7},
    {"mode": "off", "sensors": ["x", "v", "gyro", "spikes"]},
    {"mode": "garbage", "low": -1.0, "high": 1.0, "rate_hz": 500.0},
]


@pytest.mark.parametrize("table", OFF)
def test_sensors_that_are_off_show_the_same_whatever_is_true(table):
    """Two masses of different speeds that are pushed differently."""
    seen, states = [], []
    for speed_m_s, force in ((1.0, 0.0), (-3.0, 2.0)):
        fault = {"f": {"kind": "sensor_fault", **table}}
        with Mass(sensors=CARRIED, disturbances=fault, speed_m_s=speed_m_s, control_period_s=0.005) as plant:
            rows, events = [plant.reset(seed=4)[0].tobytes()], []
            for _ in range(100):
                rows.append(plant.step([force])[0].tobytes())
                events.append(plant.events().tobytes())
            states.append(plant.state().tolist())
        seen.append((rows, events))
    assert seen[0] == seen[1]
    assert states[0] != states[1]


def test_any_environments_sensors_that_are_off_show_the_same():
    fault = {"f": {"kind": "sensor_fault", "mode": "off"}}
    carried = {"tilt": {"kind": "analog", "entries": ["obs_2"]}, "spikes": {"kind": "delta", "threshold": 1e-3}}
    seen = []
    for seed in (1, 2):
        with Gymnasium(id="CartPole-v1", sensors=carried, disturbances=fault) as plant:
            rows = [plant.reset(seed=seed)[0].tobytes()]
            rows += [plant.step([float(seed - 1)])[0].tobytes() + plant.events().tobytes() for _ in range(5)]
        seen.append(rows)
    assert seen[0] == seen[1]


def test_infos_and_the_reward_go_on_showing_what_is_true():
    """They are no sensors: scores are made of them, and learning signals may be."""
    fault = {"f": {"kind": "sensor_fault", "mode": "off"}}
    with CartpoleLadder(disturbances=fault) as plant:
        plant.reset(seed=3)
        obs, reward, _, _, info = plant.step([1.0])
        np.testing.assert_array_equal(obs, 0.0)
        assert info["theta_error_rad"] == abs(plant.state()[2]) > 0
        assert reward == 1.0


def test_one_channel_that_is_off_leaves_all_others():
    def rows(**tables):
        with Mass(sensors=CARRIED, disturbances=tables, speed_m_s=1.0) as plant:
            plant.reset(seed=0)
            return np.array([plant.step([0.5])[0] for _ in range(50)])

    with_fault, without = rows(f={"kind": "sensor_fault", "mode": "off", "sensors": ["v"]}), rows()
    np.testing.assert_array_equal(with_fault[:, 1], 0.0)
    np.testing.assert_array_equal(np.delete(with_fault, 1, axis=1), np.delete(without, 1, axis=1))


def test_an_own_controller_of_a_plant_sees_the_fault_too():
    """The arm's inner loop asks its sensors: off at 0 it holds another pose's torque."""
    fault = {"f": {"kind": "sensor_fault", "mode": "off", "sensors": ["q_1", "q_2", "qd_1", "qd_2"]}}
    torques = []
    for seed in (0, 1):
        with ArmPayload(disturbances=fault) as plant:
            plant.reset(seed=seed)
            plant._phase_1 = plant._phase_2 = 0.0
            plant.advance(1, [0.0, 0.0])
            torques.append(plant.step([0.0, 0.0])[4]["torque_1_nm"])
    assert torques[0] == torques[1]


def test_faults_belong_to_their_episodes():
    fault = {"f": {"kind": "sensor_fault", "mode": "stuck", "sensors": ["x"], "at_s": 0.002, "at_episode": 1}}
    with Mass(disturbances=fault, speed_m_s=1.0) as plant:
        ends = []
        for speed in (1.0, 2.0, 3.0):
            plant.reset(seed=0)
            plant.v = speed
            plant.advance(9, [0.0])
            ends.append(float(plant.observe()[0][0]))
    np.testing.assert_allclose(ends, [0.009, 0.004, 0.006], rtol=1e-6)


def test_a_run_with_faults_is_repeated_bit_for_bit(tmp_path):
    """Of values, of events and of the motor, in the modes that remember."""
    faults = {
        "late": {"kind": "sensor_fault", "mode": "delayed", "delay_s": 0.003, "sensors": ["theta", "spikes"]},
        "lost": {"kind": "sensor_fault", "mode": "intermittent", "probability": 0.3, "outage_s": 0.005},
        "junk": {"kind": "sensor_fault", "mode": "garbage", "low": -1.0, "high": 1.0, "sensors": ["xd"], "at_s": 0.1},
        "weak": {"kind": "motor_fault", "mode": "slow", "lag_s": 0.002, "until_s": 0.15},
    }
    settings = {f"disturbances.{name}.{field}": v for name, table in faults.items() for field, v in table.items()}
    settings |= {"sensors.spikes.kind": "delta", "sensors.spikes.threshold": 1e-4, "loop.duration_s": 0.2}
    settings |= {"loop.mode": "delayed", "loop.delay.kind": "constant", "loop.delay.s": 0.002}
    scenario = hilbench.load("cartpole_ladder", settings, "lqr")
    assert hilbench.run(scenario, tmp_path / "a").status == "done"
    same, ticks = replay(tmp_path / "a", tmp_path / "b")
    assert same
    first, again = (read_run(tmp_path / name).episodes[0] for name in "ab")
    assert ticks == len(first["seq"]) > 150
    for column in ("state", "obs", "actions", "t_us"):
        np.testing.assert_array_equal(first[column], again[column])
    shows = first["obs"][:, 0] != first["state"][:, 0].astype(np.float32)
    assert 0.1 < shows.mean() < 0.9


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({}, "disturbances.f: object missing required field `mode`"),
        ({"mode": "broken"}, "disturbances.f.mode: found 'broken'; allowed: delayed, garbage, intermittent, off, slow"),
        ({"mode": "off", "sensors": ["gyr"]}, "disturbances.f.sensors: found 'gyr'; allowed: a, b, ear, eye, gyro, "),
        ({"mode": "off", "gain": 1.0}, "disturbances.f.gain: mode 'off' has none; allowed: value"),
        ({"mode": "off", "value": float("nan")}, "disturbances.f.value: found nan, expected a finite number"),
        ({"mode": "off", "value": [1.0]}, "disturbances.f.value: found 1 values, expected 4: a, b, gyro.x, gyro.y"),
        ({"mode": "stuck", "value": 1.0}, "disturbances.f.value: mode 'stuck' has none; allowed: none"),
        (
            {"mode": "off", "ramp_s": 1.0},
            "disturbances.f.ramp_s: mode 'off' comes at once; allowed: 0, or gain and bias",
        ),
        ({"mode": "garbage", "low": 0.0}, "disturbances.f.high: found none; mode 'garbage' needs it"),
        (
            {"mode": "garbage", "low": 0.0, "high": {"a": 1.0}, "sensors": ["a", "b"]},
            "disturbances.f.high: found none for 'b'; mode 'garbage' needs one for each",
        ),
        (
            {"mode": "garbage", "low": 1.0, "high": 1.0, "sensors": ["a"]},
            "disturbances.f.low, high: found 1 and 1; allowed: the lower first",
        ),
        ({"mode": "garbage", "sensors": ["eye"]}, "disturbances.f.rate_hz: found none; mode 'garbage' needs it"),
        ({"mode": "wrong", "sensors": ["a"]}, "disturbances.f: found no gain, bias or order; mode 'wrong' needs"),
        ({"mode": "wrong", "sensors": ["eye"]}, "disturbances.f: found neither gain nor rate_hz; mode 'wrong' needs"),
        ({"mode": "wrong", "sensors": ["eye"], "gain": 2.0}, "disturbances.f.gain: found 2.0; allowed for an event"),
        (
            {"mode": "wrong", "sensors": ["eye"], "bias": 2.0},
            "disturbances.f.bias: found no value that it could reach;",
        ),
        (
            {"mode": "wrong", "sensors": ["a"], "gain": 2.0, "rate_hz": 1.0},
            "disturbances.f.rate_hz: found no event sensor that it could reach; allowed: none",
        ),
        ({"mode": "wrong", "order": ["a"]}, "disturbances.f.order: found 1 names; allowed: 4: a, b, gyro.x, gyro.y"),
        (
            {"mode": "wrong", "sensors": ["a", "b"], "order": ["b", "gyro.x"]},
            "disturbances.f.order: found 'gyro.x'; allowed: a, b",
        ),
        (
            {"mode": "wrong", "sensors": ["a", "b"], "order": "reversed", "ramp_s": 1.0},
            "disturbances.f.ramp_s: mode 'wrong' comes at once; allowed: 0, or gain and bias",
        ),
        ({"mode": "slow", "sensors": ["a"]}, "disturbances.f: found neither of lag_s and period_s; mode 'slow' needs"),
        ({"mode": "slow", "lag_s": 1.0}, "disturbances.f.mode: found 'slow' for an event sensor; allowed: any other"),
        ({"mode": "delayed"}, "disturbances.f.delay_s: found none; mode 'delayed' needs it"),
        ({"mode": "delayed", "delay_s": 0.0015}, "disturbances.f.delay_s: found 0.0015 s, expected a whole number of"),
        (
            {"mode": "intermittent", "outage_s": 1.0},
            "disturbances.f.probability: found none; mode 'intermittent' needs",
        ),
        (
            {"mode": "intermittent", "probability": 1.0, "outage_s": 1.0},
            "disturbances.f.probability: found 1.0, expect",
        ),
        (
            {"kind": "motor_fault", "mode": "off", "actuators": ["lef"]},
            "disturbances.f.actuators: the plant has no 'lef'; all",
        ),
        ({"kind": "motor_fault", "mode": "garbage", "rate_hz": 1.0}, "disturbances.f.rate_hz: no such field"),
    ],
)
def test_wrong_tables_are_refused_in_one_line(table, line):
    with pytest.raises(ScenarioError) as caught:
        made(**table)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_plants_without_what_a_fault_needs_are_refused():
    with pytest.raises(ScenarioError, match="motor_fault needs actions that are numbers"):
        made(kind="motor_fault", mode="off", traits=Traits(sensors=("a",)))
    with pytest.raises(ScenarioError, match="found a plant without sensors"):
        made(mode="off", traits=Traits(sensors=()))


def test_a_fault_of_a_plant_of_pybullet_stops_its_cart():
    fault = {"f": {"kind": "motor_fault", "mode": "off"}}
    with CartpoleLadder(disturbances=fault) as plant, CartpoleLadder() as idle:
        for one, force in ((plant, 5.0), (idle, 0.0)):
            one.reset(seed=0)
            one.advance(100, [force])
        np.testing.assert_array_equal(plant.state(), idle.state())
