"""Actuators and sensed values that change places."""

from __future__ import annotations

import pytest

from hilbench.envs.disturbances import Traits
from hilbench.envs.disturbances.actuators import ActuatorSwap
from hilbench.envs.disturbances.sensors import SensorSwap
from hilbench.errors import ScenarioError

TRAITS = Traits(
    sensors=("x", "log_left", "log_right", "lidar.0", "lidar.1", "lidar.2", "lidar.3", "lidars.0"),
    actuators=("left", "right", "gripper"),
)


def swap(cls, **settings):
    return cls(cls.Config(**settings), TRAITS, "disturbances.swap")


def sensed(*names, level=1.0):
    swapped = swap(SensorSwap, sensors=names)
    swapped.level = level
    values = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    swapped.sense(values)
    return values


def test_two_sensed_values_change_places():
    assert sensed("log_left", "log_right") == [0, 2, 1, 3, 4, 5, 6, 7]


def test_a_sensor_named_alone_is_mirrored_channel_by_channel():
    assert sensed("lidar") == [0, 1, 2, 6, 5, 4, 3, 7]


def test_the_middle_of_an_odd_row_stays():
    assert sensed("lidar.0", "lidar.1", "lidar.2") == [0, 1, 2, 5, 4, 3, 6, 7]


def test_over_a_ramp_values_mix_by_its_level():
    assert sensed("log_left", "log_right", level=0.25) == [0, 1.25, 1.75, 3, 4, 5, 6, 7]


def test_actuators_change_places_all_or_those_named():
    for names, expected in ((("left", "right"), [2.0, 1.0, 3.0]), ((), [3.0, 2.0, 1.0])):
        swapped = swap(ActuatorSwap, actuators=names)
        swapped.level, forces = 1.0, [1.0, 2.0, 3.0]
        swapped.actuate(forces)
        assert forces == expected


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("log_lefd", "x"), "swap.sensors: found 'log_lefd'; allowed: .*did you mean 'log_left'"),
        (("x",), "swap.sensors: found x; allowed: two values or more, each once"),
        (("x", "x"), "swap.sensors: found x, x; allowed: two values"),
        (("lidar", "lidar.2"), "swap.sensors: found lidar.0, .*; allowed: two values"),
        ((), "swap.sensors: found none; allowed: two values"),
    ],
)
def test_names_that_do_not_fit_are_refused(names, message):
    with pytest.raises(ScenarioError, match=message):
        swap(SensorSwap, sensors=names)


def test_a_single_actuator_cannot_change_places():
    with pytest.raises(ScenarioError, match="actuator_swap needs two actions that are numbers; found 1"):
        ActuatorSwap(ActuatorSwap.Config(), Traits(sensors=(), actuators=("force",)), "disturbances.swap")
