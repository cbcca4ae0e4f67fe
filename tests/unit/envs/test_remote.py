"""A robot as a plant: what its spec says, what `advance` sends, and that `observe` holds still until then."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from robots import ESTOPPED, LONG_S, Oddity, example, serving

from hilbench.envs.remote import Remote
from hilbench.errors import RobotError, ScenarioError
from hilbench.types import EVENT

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def robot():
    with serving() as found:
        yield found


@pytest.fixture
def plant(robot):
    with Remote(address=robot[0], physics_step_s=0.001, error="obs:xd", lost_s=LONG_S) as plant:
        yield plant


def looked(plant, holds):
    """The first observation of which this holds, without an action that is new."""
    for _ in range(10**6):
        plant.advance(1, plant.plant_spec.safe_action)
        plant._robot._transport.wait(10**8)
        if holds(found := plant.observe()):
            return found
    raise AssertionError("it never held")


def test_its_spec_is_what_the_robot_says(plant):
    spec = plant.plant_spec
    assert (spec.obs_names, spec.obs_units) == (("x", "xd", "theta", "thetad"), ("m", "m/s", "rad", "rad/s"))
    assert (spec.action_names, spec.action_low, spec.action_high) == (("force",), (-20.0,), (20.0,))
    assert (spec.safe_action, spec.physics_step_s, spec.parameters["pole_m"]) == ((0.0,), 0.001, 1.0)
    assert (spec.nondeterministic, spec.state_meaning) == (True, "observation")
    assert (spec.error, spec.info_units[spec.error]) == ("xd_error_m_per_s", "m/s")
    assert plant.action_space == gymnasium.spaces.Box(-20, 20, (1,), np.float32)
    assert Remote.realtime_only


def test_a_scenario_may_state_parameters(robot):
    with Remote(address=robot[0], parameters={"pole_m": 2.0, "drag": 0.1}) as plant:
        found = plant.plant_spec.parameters
    assert (found["pole_m"], found["drag"], found["pole_kg"]) == (2.0, 0.1, 0.1)


def test_a_look_holds_until_the_next_advance(robot, plant):
    plant.reset(seed=3)
    first = plant.observe()
    while plant._robot.newest.sense.seq < 100:  # others have come meanwhile
        plant._robot._transport.wait(10**8)
        plant._robot.take()
    again = plant.observe()
    assert first[0].tolist() == again[0].tolist()
    assert first[1:] == again[1:]
    assert np.array_equal(plant.state(), first[0])
    plant.advance(1, [0.0])
    assert plant.observe()[4]["sense_seq"] >= 100


def test_an_action_is_sent_when_it_is_new_and_once_a_control_period(plant):
    plant.reset(seed=3)
    sent = []
    plant._robot.act = lambda values, safe: sent.append((np.frombuffer(values, "<f4").tolist(), safe))
    for _ in range(25):
        plant.advance(1, [5.0])
    plant.advance(1, [6.0])
    plant.advance(1, [99.0])
    plant.advance(1, [0.0])
    assert sent == [([5.0], False)] * 3 + [([6.0], False), ([20.0], False), ([0.0], True)]


def test_an_action_that_is_none_is_refused(plant):
    plant.reset(seed=3)
    with pytest.raises(ValueError, match="finite"):
        plant.advance(1, [np.nan])
    with pytest.raises(ValueError, match="expected"):
        plant.advance(1, [0.0, 0.0])


def test_it_reaches_the_robot_and_is_echoed(robot, plant):
    plant.reset(seed=3)
    plant.advance(1, [7.0])
    info = looked(plant, lambda found: found[4]["act_sent_s"] >= 0)[4]
    assert 7.0 in robot[1].forces
    # On one clock or two, the robot cannot have an action for longer than the exchange took.
    assert info["sense_sent_s"] - info["act_taken_s"] <= info["sense_arrived_s"] - info["act_sent_s"]


def test_the_error_is_how_far_a_value_is_from_0(plant):
    plant.reset(seed=3)
    obs, _, _, _, info = looked(plant, lambda found: found[0][1] != 0)
    assert info["xd_error_m_per_s"] == pytest.approx(abs(float(obs[1])))


@pytest.mark.parametrize("newest", [None, "what the robot told of itself meanwhile"])
def test_it_needs_a_reset(plant, newest):
    plant._robot.take, plant._robot.age_ns = lambda: None, lambda: 0
    plant._robot.newest = newest
    with pytest.raises(gymnasium.error.ResetNeeded):
        plant.observe()
    with pytest.raises(gymnasium.error.ResetNeeded):
        plant.state()


def test_after_a_refused_reset_the_next_one_may_follow(robot, plant):
    robot[1].estop = True
    with pytest.raises(RobotError, match="emergency stop is on"):
        plant.reset(seed=3)
    robot[1].estop = False
    plant.reset(seed=3)
    assert plant._robot.newest.sense.episode == 1


def test_what_cannot_be_asked_of_a_robot_is_one_line(robot):
    for settings, said in (
        ({"disturbances": {"wind": {}}}, "disturbances: found 'wind'; a plant of kind 'remote' takes none"),
        ({"render_mode": "human"}, "a robot cannot be drawn"),
        ({"stale_s": 2.0}, r"plant\.stale_s: found 2 s; allowed: less than plant\.lost_s, 1 s"),
        ({"physics_step_s": 0.003}, "control_period_s: found 0.01 s"),
        ({"error": "theta"}, r"plant\.error: found 'theta'"),
        ({"colour": "red"}, r"plant\.colour: no such field"),
    ):
        with pytest.raises(ScenarioError, match=said):
            Remote(address=robot[0], **settings)
    assert robot[1].plant is None, "every session that was opened was ended"


ALL = {
    "obs": example.ABOUT["obs"], "name": "walker", "period_us": 5000, "watchdog_us": 100_000,
    "actions": [{"name": "gait", "unit": "1", "low": 0, "high": 3, "safe": 0, "choices": 4}],
    "sensors": [
        {"name": "eye", "shape": [2, 3], "axes": ["y", "x"]}, {"name": "ear", "shape": [4], "axes": ["channel"]},
    ],
}  # fmt: skip


class Eventful(Oddity):
    """Each SENSE brings an event at the beginning and one at the end of the robot's period."""

    def outgoing(self, frame):
        if frame[3] != 4:
            return (frame,)
        events = np.array([(0, 9), (4999, 2)], EVENT).tobytes()
        return (frame[:24] + b"\2" + frame[25:72] + events + frame[72:],)


def test_choices_and_event_sensors(monkeypatch):
    monkeypatch.setattr(example, "ABOUT", ALL)
    with serving(Eventful()) as (address, _), Remote(address=address, lost_s=LONG_S) as plant:
        spec = plant.plant_spec
        assert spec.action_choices == (4,)
        assert plant.action_space == gymnasium.spaces.Discrete(4)
        assert [(each.name, each.shape, each.axes) for each in spec.event_sensors] == [
            ("eye", (2, 3), ("y", "x")), ("ear", (4,), ("channel",))
        ]  # fmt: skip
        plant.reset(seed=0)
        found = plant.events()
        # The period of 10 ms ends with the newest SENSE: its events are 5 ms and 1 us old.
        assert found[-2:].tolist() == [(5000, 9), (9999, 2)]
        assert (np.diff(found["t_us"].astype(int)) >= 0).all()
        assert plant.events().size == 0, "reading empties the sensors"


def test_a_robot_that_stopped_says_why(robot, plant):
    plant.reset(seed=3)
    robot[1].estop = True
    with pytest.raises(RobotError, match=ESTOPPED):
        looked(plant, lambda found: False)
