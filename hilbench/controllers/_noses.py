"""What controllers of a robot on two wheels with two noses share: its constants, and a turn rate as wheel speeds."""

from __future__ import annotations

from typing import NamedTuple

from numpy.typing import NDArray

from hilbench.errors import ScenarioError
from hilbench.types import Decoder, Events, PlantSpec

NOSES = ("log_left", "log_right")


class Robot(NamedTuple):
    """The constants that steering needs."""

    track_m: float
    """Distance between the wheels."""
    speed_m_s: float
    """The forward speed that it drives at."""

    def wheels(self, turn_rad_s: float) -> tuple[float, float]:
        """The speeds of the left and the right rim, in m/s, for a turn to the left."""
        half_m_s = turn_rad_s * self.track_m / 2
        return self.speed_m_s - half_m_s, self.speed_m_s + half_m_s


def robot_of(plant: PlantSpec, controller: str) -> Robot:
    """The constants of a robot with two noses. Raises ScenarioError for another plant.

    Parameters
    ----------
    plant : PlantSpec
    controller : str
        The controller's name, for the message.
    """
    if plant.obs_names[:2] != NOSES or plant.action_names != ("left", "right"):
        raise ScenarioError(f"controller {controller!r} needs a robot on two wheels that smells log_left and log_right")
    return Robot(plant.parameters["track_m"], plant.parameters["speed_m_s"])


class Steering(Decoder):
    """A turn rate in rad/s, kept within a limit, as the speeds of both wheels.

    Parameters
    ----------
    robot : Robot
    limit_rad_s : float
        The largest turn rate, either way.
    """

    def __init__(self, robot: Robot, limit_rad_s: float) -> None:
        self._robot, self._limit = robot, limit_rad_s

    def decode(self, values: NDArray, events: Events, action: NDArray) -> None:
        action[:] = self._robot.wheels(min(max(float(values[0]), -self._limit), self._limit))
