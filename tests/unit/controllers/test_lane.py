"""The lane's controllers: which way they turn, what they learn from, and what the told one makes of weak wheels."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench import plugins
from hilbench.envs.cartpole_ladder import CartpoleLadder
from hilbench.envs.lane_dvs import LaneDVS
from hilbench.errors import ScenarioError
from hilbench.settings import to_config
from hilbench.types import EVENT, Probes, Tick, size_of

PERIOD_US = 20_000
INFO = {"lane_error_m": 0.0, "curvature_per_m": 0.0, "gain_left": 1.0, "gain_right": 1.0}


@pytest.fixture(scope="module")
def spec():
    with LaneDVS(control_period_s=0.02) as plant:
        yield plant.plant_spec


class Driver:
    """A controller that runs on its own: observations, events and infos in, the turn out."""

    def __init__(self, name, spec, **settings):
        cls = plugins.get("controllers", name)
        self.built = cls.build(to_config(cls.Config, settings, name), spec, PERIOD_US, 1)
        kind = plugins.get("backends", cls.backend or "numba")
        self.backend = kind(kind.Config())
        self.backend.load(self.built.program, PERIOD_US, Probes())
        self.backend.reset(1, "none")
        self.seq = 0

    def turn(self, obs=(0.0, 0.0), events=(), learning=True, **info):
        """One period; `events` are (t_us, y, x, polarity)."""
        built, action = self.built, np.zeros(1)
        seen = np.array(sorted((t, (y * 64 + x) * 2 + p) for t, y, x, p in events), EVENT)
        values = np.zeros(size_of(built.program.inputs, "values"), np.float32)
        modulators = np.zeros(size_of(built.program.modulators, "values"), np.float32)
        obs = np.zeros(6, np.float32) + np.array((*obs, 0, 0, 0, 0), np.float32)
        told = built.encoder.encode(obs, seen, values)
        if built.modulate is not None:
            built.modulate(obs, seen, 0.0, INFO | info, modulators)
        tick = Tick(self.seq, events=told, values=values, modulators=modulators, learning=learning)
        self.seq += 1
        reply = self.backend.step(tick)
        built.decoder.decode(reply.values, reply.events, action)
        return float(action[0])


def burst(column, per_ms=4):
    """Events of one field through a period, of which each step's give one spike."""
    return [(1000 * step + k, 20, column, 1) for step in range(20) for k in range(per_ms)]


@pytest.mark.parametrize("name", ["lane_pes", "lane_rstdp"])
def test_a_learner_turns_back_where_it_saw_what_it_sees_and_nowhere_else(name, spec):
    one, other = Driver(name, spec), Driver(name, spec)
    assert one.turn(events=burst(3)) == pytest.approx(0.0, abs=1e-9)
    for _ in range(100):
        left, right = one.turn(events=burst(3), lane_error_m=0.1), other.turn(events=burst(3), lane_error_m=-0.1)
    assert left < -0.1
    assert right > 0.1
    for _ in range(25):  # what it saw is over
        one.turn(learning=False)
    assert abs(one.turn(events=burst(60), learning=False)) < 0.2 * abs(left)


def test_pes_learns_at_the_rate_that_its_rule_says(spec):
    """After a time t the weight is -rate/n e a t, and the turn the weight times the rate."""
    driver, rate_hz, n = Driver("lane_pes", spec), 1000.0, 64
    for _ in range(150):
        found = driver.turn(events=burst(3), lane_error_m=0.05)
    weight = -1.9e-3 / n * 0.05 * rate_hz * 3.0
    assert found == pytest.approx(weight * rate_hz, rel=0.05)


def test_what_comes_in_one_step_beyond_a_spike_is_lost(spec):
    """So that the events of a fast turn drown nothing: twenty times as many events are no more spikes."""
    few, many = Driver("lane_pes", spec), Driver("lane_pes", spec)
    for _ in range(20):
        slow = few.turn(events=burst(3), lane_error_m=0.05)
        fast = many.turn(events=burst(3, per_ms=80), lane_error_m=0.05)
    assert fast == pytest.approx(slow, rel=1e-6)


def test_the_told_one_gets_the_turn_that_it_wants_from_weak_wheels(spec):
    wanted = Driver("lane_pd", spec).turn((0.02, -0.05), curvature_per_m=0.5)
    assert wanted == pytest.approx(-16 * 0.02 + 6 * np.sin(0.05) + 0.5 / 1.125, rel=1e-5)
    asked = Driver("lane_pd", spec, knows_change=True).turn(
        (0.02, -0.05), curvature_per_m=0.5, gain_left=0.85, gain_right=1.1
    )
    left, right = 0.85 * (1 - 0.08 * asked), 1.1 * (1 + 0.08 * asked)
    assert (right - left) / 0.16 == pytest.approx(wanted, rel=1e-5)


def test_the_centroid_turns_away_from_where_events_are(spec):
    driver = Driver("lane_centroid", spec, kp=0.5, kd=0.0, middle=0.0)
    assert driver.turn() == 0.0
    assert driver.turn(events=burst(63)) == pytest.approx(0.5 * 3.5, rel=1e-5)
    assert driver.turn() == pytest.approx(0.5 * 3.5, rel=1e-5)  # the last place holds


@pytest.mark.parametrize("name", ["lane_pes", "lane_rstdp", "lane_pd"])
def test_a_plant_without_a_lane_is_refused(name):
    with CartpoleLadder() as plant, pytest.raises(ScenarioError, match=f"controller '{name}' needs a lane"):
        Driver(name, plant.plant_spec)


def test_a_plant_without_an_event_camera_is_refused():
    with LaneDVS(sensors={}) as plant, pytest.raises(ScenarioError, match="needs one event camera; this plant has 0"):
        Driver("lane_pes", plant.plant_spec)
