"""What controllers of a robot on two wheels with a lidar share: where in the observation what is, and the robot."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from hilbench.errors import ScenarioError
from hilbench.types import PlantSpec

ALIKE = 0.1
"""The difference below which the sides of a skirt say nothing of where something is."""


class LidarRobot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The columns of the observation, and the constants that steering needs."""

    bearing_column: int
    first_ray: int
    n_rays: int
    skirt_column: int | None
    """Of the skirt's left side, with the right one after it; None without a skirt."""
    body_radius_m: float
    track_m: float
    speed_m_s: float


def lidar_robot(plant: PlantSpec, controller: str, lidar: str, skirt: str | None = None) -> LidarRobot:
    """Where the sensors stand and what the robot is. Raises ScenarioError for a plant without them.

    Parameters
    ----------
    plant : PlantSpec
    controller : str
        Its name, for the message.
    lidar : str
        The lidar's name in the scenario.
    skirt : str, optional
        The skirt's; the controller needs none when absent.
    """
    rays = _columns(plant, lidar)
    if not rays or "goal_bearing" not in plant.obs_names or plant.action_names != ("left", "right"):
        raise ScenarioError(
            f"controller {controller!r} needs a robot on two wheels that sees a goal_bearing, and a lidar in"
            f" [sensors.{lidar}]"
        )
    sides = [] if skirt is None else _columns(plant, skirt)
    if skirt is not None and [plant.obs_names[i].rpartition(".")[2] for i in sides] != ["left", "right"]:
        raise ScenarioError(f"controller {controller!r} needs a proximity skirt in [sensors.{skirt}]")
    p = plant.parameters
    return LidarRobot(
        bearing_column=plant.obs_names.index("goal_bearing"),
        first_ray=rays[0],
        n_rays=len(rays),
        skirt_column=sides[0] if sides else None,
        body_radius_m=p["body_radius_m"],
        track_m=p["track_m"],
        speed_m_s=p["speed_m_s"],
    )


def wheels(speed_m_s: float, turn_rad_s: float, track_m: float) -> Sequence[float]:
    """The speeds of the left and the right rim, in m/s.

    Parameters
    ----------
    speed_m_s : float
        Forwards.
    turn_rad_s : float
        To the left.
    track_m : float
        Distance between the wheels.
    """
    half_m_s = turn_rad_s * track_m / 2
    return speed_m_s - half_m_s, speed_m_s + half_m_s


def away_from_touch(left: float, right: float, turn_rad_s: float) -> float:
    """Where a skirt asks to turn: positive to the left, up to 1. Touched on both sides alike, on as it turns.

    Parameters
    ----------
    left, right : float
        How near something is on either side, 0 to 1.
    turn_rad_s : float
        The turn rate that was commanded last.
    """
    away = right - left
    if abs(away) >= ALIKE:
        return away
    return 0.5 * (left + right) if turn_rad_s >= 0 else -0.5 * (left + right)


def _columns(plant: PlantSpec, sensor: str) -> list[int]:
    return [i for i, name in enumerate(plant.obs_names) if name.startswith(f"{sensor}.")]
