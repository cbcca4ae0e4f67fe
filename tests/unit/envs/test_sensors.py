"""Sensors that plants carry: when they sample, what they show, and the events they tell."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from small_plants import Box, Mass

import hilbench
from hilbench import plugins
from hilbench.envs.cartpole_ladder import CartpoleLadder
from hilbench.envs.sensors import Sensor, SensorConfig
from hilbench.errors import PluginFault, ScenarioError
from hilbench.record.reader import read_run
from hilbench.types import EVENT, EventSensor


def series(n_steps, sensors, speed_m_s=1.0, seed=0, **settings):
    """Observations at each physics step of 1 ms, the reset's included, of a mass that moves by 1 mm a step."""
    with Mass(sensors=sensors, speed_m_s=speed_m_s, **settings) as plant:
        rows = [plant.reset(seed=seed)[0]]
        for _ in range(n_steps):
            plant.advance(1, [0.0])
            rows.append(plant.observe()[0])
    return np.array(rows)


def test_a_sensor_adds_named_observations_with_units_and_bounds():
    table = {"eye": {"kind": "analog", "entries": ["x"], "low": -1.0, "high": 2.0}, "gyro": {"kind": "analog"}}
    with Mass(sensors=table) as plant:
        assert plant.plant_spec.obs_names == ("x", "v", "eye.x", "gyro.x", "gyro.v")
        assert plant.plant_spec.obs_units == ("m", "m/s", "m", "m", "m/s")
        assert plant.metadata["obs_names"] == plant.plant_spec.obs_names
        np.testing.assert_array_equal(plant.observation_space.low, [-1e3, -1e3, -1, -np.inf, -np.inf])
        np.testing.assert_array_equal(plant.observation_space.high, [1e3, 1e3, 2, np.inf, np.inf])
        assert not hasattr(plant, "events")


def test_a_sample_holds_until_the_next_one():
    seen = series(10, {"s": {"kind": "analog", "entries": ["x"], "period_s": 0.004}})[:, 2]
    np.testing.assert_allclose(seen, [0, 0, 0, 0, 4e-3, 4e-3, 4e-3, 4e-3, 8e-3, 8e-3, 8e-3], atol=1e-9)


def test_sensors_have_periods_of_their_own():
    tables = {
        "slow": {"kind": "analog", "entries": ["x"], "period_s": 0.003},
        "fast": {"kind": "analog", "entries": ["x"], "period_s": 0.002},
    }
    seen = series(6, tables)
    np.testing.assert_allclose(seen[:, 2], [0, 0, 0, 3e-3, 3e-3, 3e-3, 6e-3], atol=1e-9)
    np.testing.assert_allclose(seen[:, 3], [0, 0, 2e-3, 2e-3, 4e-3, 4e-3, 6e-3], atol=1e-9)


def test_scale_bias_steps_and_limits_act_in_this_order():
    table = {"kind": "analog", "entries": ["x"], "units": ["V"], "scale": 100.0, "bias": -0.3, "step": 0.25}
    seen = series(10, {"s": table | {"low": 0.0, "high": 0.6}})[:, 2]
    volts = 100.0 * np.arange(11) * 1e-3 - 0.3
    np.testing.assert_allclose(seen, np.clip(np.rint(volts / 0.25) * 0.25, 0.0, 0.6), atol=1e-6)
    assert set(np.round(seen.astype(float), 3)) == {0.0, 0.25, 0.5, 0.6}


def test_noise_has_the_stated_size_is_white_and_new_in_each_sample():
    noisy = {"kind": "analog", "entries": ["x", "v"], "noise_std": [0.2, 0.05], "period_s": 0.002}
    noise = (series(8000, {"s": noisy}, speed_m_s=0.0)[:, 2:])[::2]
    held = series(100, {"s": noisy}, speed_m_s=0.0)[:, 2]
    np.testing.assert_array_equal(held[:-1:2], held[1::2])
    n = len(noise)
    np.testing.assert_allclose(noise.std(axis=0), [0.2, 0.05], rtol=4 / np.sqrt(2 * n))
    assert abs(np.corrcoef(noise[1:, 0], noise[:-1, 0])[0, 1]) < 4 / np.sqrt(n)
    assert abs(np.corrcoef(noise[:, 0], noise[:, 1])[0, 1]) < 4 / np.sqrt(n)


def test_noise_belongs_to_the_seed_and_to_the_sensors_name():
    noisy = {"kind": "analog", "entries": ["x"], "noise_std": 1.0}
    alone = series(20, {"a": noisy})[:, 2]
    np.testing.assert_array_equal(series(20, {"b": noisy, "a": noisy})[:, 3], alone)
    assert np.abs(series(20, {"b": noisy})[:, 2] - alone).min() > 0
    assert np.abs(series(20, {"a": noisy}, seed=1)[:, 2] - alone).min() > 0


def test_a_lost_sample_leaves_the_one_before():
    seen = series(4000, {"s": {"kind": "analog", "entries": ["x"], "dropout": 0.3}})
    lost = np.diff(seen[:, 2]) == 0
    assert lost.mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / 4000))
    kept = np.flatnonzero(~lost) + 1
    np.testing.assert_array_equal(seen[kept, 2], seen[kept, 0])


def test_disturbances_reach_what_a_sensor_shows_and_leave_the_plants_own():
    tables = {"drift": {"kind": "sensor_bias", "bias": {"s.x": 0.5}, "at_s": 0.003}}
    seen = series(6, {"s": {"kind": "analog", "entries": ["x"]}}, disturbances=tables)
    np.testing.assert_allclose(seen[:, 2] - seen[:, 0], [0, 0, 0, 0.5, 0.5, 0.5, 0.5], atol=1e-6)


def test_a_plant_of_pybullet_carries_the_same_sensors_and_moves_as_without():
    tables = {"s": {"kind": "analog", "entries": ["theta"], "noise_std": 0.1}}
    with CartpoleLadder(sensors=tables) as plant, CartpoleLadder() as bare:
        obs = plant.reset(seed=3)[0]
        np.testing.assert_array_equal(obs[:4], bare.reset(seed=3)[0])
        for _ in range(50):
            seen, without = plant.step([1.0])[0], bare.step([1.0])[0]
            np.testing.assert_array_equal(seen[:4], without)
        np.testing.assert_array_equal(plant.state(), bare.state())
        again = copy.deepcopy(plant)
        np.testing.assert_array_equal(again.reset(seed=3)[0], obs)
        again.close()


def told(plant, n_steps, force=0.0):
    plant.advance(n_steps, [force])
    events = plant.events()
    return list(zip(events["t_us"].tolist(), events["address"].tolist(), strict=True))


def test_delta_events_have_exact_times_within_physics_steps():
    """With x = t the level is passed at each 0.75 ms; an event at an instant is in the microsecond before it."""
    table = {"d": {"kind": "delta", "entries": ["x"], "threshold": 0.75e-3}}
    with Mass(sensors=table, speed_m_s=1.0, control_period_s=0.003) as plant:
        assert plant.plant_spec.event_sensors == (EventSensor("d", (1, 2), ("channel", "polarity")),)
        plant.reset(seed=0)
        assert plant.events().size == 0
        assert told(plant, 3) == [(749, 1), (1499, 1), (2249, 1), (2999, 1)]
        assert told(plant, 3) == [(749, 1), (1499, 1), (2249, 1), (2999, 1)]
        assert plant.events().size == 0
        plant.v = -1.0
        assert told(plant, 3) == [(749, 0), (1499, 0), (2249, 0), (2999, 0)]


def test_events_of_sensors_lie_side_by_side_in_order_of_time():
    tables = {
        "p": {"kind": "delta", "threshold": 0.75e-3, "entries": ["v", "x"]},
        "s": {"kind": "analog"},
        "q": {"kind": "delta", "threshold": 1e-3, "entries": ["x"]},
    }
    with Mass(sensors=tables, speed_m_s=1.0, control_period_s=0.002) as plant:
        assert [sensor.name for sensor in plant.plant_spec.event_sensors] == ["p", "q"]
        plant.reset(seed=0)
        assert told(plant, 2) == [(749, 3), (999, 5), (1499, 3), (1999, 5)]


def test_events_that_nobody_reads_are_forgotten_after_a_period():
    with Mass(sensors={"d": {"kind": "delta", "entries": ["x"], "threshold": 0.9e-3}}, speed_m_s=1.0) as plant:
        plant.reset(seed=0)
        assert told(plant, 500) == [(499, 1)]  # 0.9 ms x 555, in the period from 499 ms on
        plant.advance(1, [0.0])
        assert len(plant._rack._batches) == 1
        plant.reset(seed=0)
        assert plant.events().size == 0


def test_a_slow_event_sensor_tells_late_and_within_the_window():
    """Its sample at 4 ms tells of 1, 2, 3 and 4 ms; the window is the last 2 ms."""
    table = {"d": {"kind": "delta", "entries": ["x"], "threshold": 1e-3, "period_s": 0.004}}
    with Mass(sensors=table, speed_m_s=1.0, control_period_s=0.002) as plant:
        plant.reset(seed=0)
        assert told(plant, 2) == []
        assert told(plant, 2) == [(0, 1), (0, 1), (999, 1), (1999, 1)]
        assert told(plant, 2) == []


def test_a_refractory_channel_is_silent_over_physics_steps():
    table = {"d": {"kind": "delta", "entries": ["x"], "threshold": 0.5e-3, "refractory_s": 1.2e-3}}
    with Mass(sensors=table, speed_m_s=1.0, control_period_s=0.006) as plant:
        plant.reset(seed=0)
        assert told(plant, 6) == [(499, 1), (1999, 1), (3499, 1), (4999, 1)]


class Range(Sensor):
    """Height over ground by a ray, as a foreign sensor casts one."""

    Config = SensorConfig
    needs = ("rays",)
    channels, units = ("height",), ("m",)

    def sample(self, plant):
        (x, y, z) = plant.truth[:3]
        return [200.0 * plant.rays([[x, y, z - 0.06]], [[x, y, z - 200.06]])[0] + 0.06]


class Silhouette(Sensor):
    """Pixels that change between pictures, as a foreign camera tells them."""

    Config = SensorConfig
    needs = ("picture",)
    shape, axes = (360, 480), ("y", "x")

    def reset(self, seed):
        self._last = None

    def sample(self, plant):
        grey = plant.picture(plant.view).mean(axis=2)
        changed = np.zeros(0, int) if self._last is None else np.flatnonzero(np.abs(grey - self._last) > 5)
        self._last = grey
        events = np.zeros(changed.size, EVENT)
        events["t_us"], events["address"] = self.mount.period_us - 1, changed
        return events


class Odd(Sensor):
    """Promises one value, gives two."""

    Config = SensorConfig
    channels, units = ("a",), ("1",)

    def sample(self, plant):
        return [1.0, 2.0]


@pytest.fixture
def foreign(monkeypatch):
    made = {
        name: plugins.Plugin(name, "", __name__, cls.__name__)
        for name, cls in (("range", Range), ("camera", Silhouette), ("odd", Odd))
    }
    known = plugins.all_of("sensors") | made
    all_of = plugins.all_of
    monkeypatch.setattr(plugins, "all_of", lambda kind: known if kind == "sensors" else all_of(kind))


def test_a_sensor_may_cast_rays(foreign, tmp_path):
    start = (0, 0, 5.0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
    with Box(folder=str(tmp_path), with_floor=True, start=start, sensors={"r": {"kind": "range"}}) as plant:
        assert plant.reset(seed=0)[0][-1] == pytest.approx(5.0, abs=1e-4)
        plant.advance(500, [0.0, 0.0])
        obs = plant.observe()[0]
    assert obs[-1] == pytest.approx(obs[2], abs=1e-4)
    assert obs[-1] < 4.0
    with pytest.raises(ScenarioError, match=r"sensors.r: found a plant without rays\(\); allowed: one that has it"):
        Mass(sensors={"r": {"kind": "range"}})


def test_a_sensor_may_render(foreign, tmp_path):
    eye = {"eye": {"kind": "camera", "period_s": 0.05}}
    start = (0, 0, 0.5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
    with Box(folder=str(tmp_path), sensors=eye, control_period_s=0.1, start=start) as plant:
        plant.reset(seed=0)
        plant.step([0.0, 0.0])
        events = plant.events()
    assert set(events["t_us"]) == {49_999, 99_999}
    # The box falls by 1.2 cm and by 3.7 cm more: its upper and its lower edge move, left and right stay.
    rows, columns = np.unravel_index(events["address"].astype(int), (360, 480))
    assert 100 < columns.min() < columns.max() < 380
    assert np.ptp(rows) > 5


def test_a_sensor_that_gives_what_it_does_not_promise_is_named(foreign):
    with Mass(sensors={"s": {"kind": "odd"}}) as plant, pytest.raises(PluginFault, match=r"sensors\.s: found 2 values"):
        plant.reset(seed=0)


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({"kind": "analogue"}, "sensors.s.kind: found 'analogue'; allowed: analog, cochlea, concentration, "),
        ({"kind": "analog", "entries": ["y"]}, "sensors.s.entries: the plant has no 'y'; allowed: v, x"),
        ({"kind": "analog", "period_s": 0.0015}, "sensors.s.period_s: "),
        ({"kind": "analog", "noise_std": -1.0}, "sensors.s.noise_std: found -1; allowed: 0 or more"),
        ({"kind": "analog", "bias": [1.0]}, "sensors.s.bias: found 1 numbers; allowed: one, or 2"),
        ({"kind": "analog", "low": 1.0, "high": 1.0}, "sensors.s.low, high: found 1 and 1; allowed: the lower first"),
        ({"kind": "analog", "units": ["V"]}, "sensors.s.units: found 1; allowed: 2, one a channel"),
        ({"kind": "delta", "threshold": 0.0}, "sensors.s.threshold: found 0; allowed: more than 0"),
        ({"kind": "delta"}, "sensors.s: object missing required field `threshold`"),
    ],
)
def test_wrong_tables_are_refused_in_one_line(table, line):
    with pytest.raises(ScenarioError) as caught:
        Mass(sensors={"s": table})
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_scenario_gives_its_plant_sensors_and_the_record_has_them(tmp_path):
    sensors = {
        "sensors.tilt.kind": "analog", "sensors.tilt.entries": ["theta"], "sensors.tilt.noise_std": 0.01,
        "sensors.spikes.kind": "delta", "sensors.spikes.threshold": 1e-4, "loop.duration_s": 0.2,
    }  # fmt: skip
    scenario = hilbench.load("cartpole_ladder", sensors, "lqr")
    assert hilbench.run(scenario, tmp_path / "run").status == "done"
    run = read_run(tmp_path / "run")
    assert run.meta.plant_spec.obs_names[4:] == ("tilt.theta",)
    obs = run.episodes[0]["obs"]
    assert 0 < np.std(obs[:, 4] - obs[:, 2]) < 0.03
    assert run.meta.scenario.sensors["tilt"]["noise_std"] == 0.01


class Bare(CartpoleLadder):
    def __init__(self, *, render_mode=None, control_period_s=0.001, disturbances=None, physics_step_s=0.001):
        """Takes no sensors."""


class Robot(Mass):
    def __init__(self, **arguments):
        """Takes what its base takes."""


def test_a_plant_that_carries_none_says_so(monkeypatch):
    scenario = hilbench.load("cartpole_ladder", {"sensors.s.kind": "analog"}, "lqr")
    line = r"plant 'cartpole_ladder': found \[sensors\], which this plant cannot carry; allowed: none"
    for kind, takes in ((Bare, False), (object, False), (Robot, True)):
        monkeypatch.setattr(plugins, "get", lambda *_, kind=kind: kind)
        if takes:
            hilbench.make_plant(scenario).close()
            continue
        with pytest.raises(ScenarioError, match=line):
            hilbench.make_plant(scenario)
