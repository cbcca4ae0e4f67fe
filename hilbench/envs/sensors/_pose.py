"""Where a body is and how it is turned, from its plant's named state; and rays that it casts."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, sin

import numpy as np
from numpy.typing import NDArray

from hilbench.coders import columns_of
from hilbench.envs.sensors._base import Carrier, Mount, SensorConfig
from hilbench.errors import ScenarioError


class PosedConfig(SensorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state that says where the sensor's body is."""

    position: tuple[str, ...] = ("x", "y")
    """Names of the body's x and y in the plant's named state, in m; and of its z where it has one."""
    facing: tuple[str, ...] = ("yaw",)
    """The name of its yaw in rad, or of the four numbers of its quaternion, x, y, z and w."""


class RayConfig(PosedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The state that says where the sensor's body is, and where on it the sensor stands."""

    at_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Where on the body: forwards, to the left, up."""


def columns(names: tuple[str, ...], mount: Mount, field: str, sizes: tuple[int, ...]) -> list[int]:
    """Where the names that a setting gives stand among the plant's. Raises ScenarioError for another number of them.

    Parameters
    ----------
    names : tuple of str
    mount : Mount
    field : str
        The setting.
    sizes : tuple of int
        How many there may be.
    """
    if len(names) not in sizes:
        allowed = " or ".join(map(str, sizes))
        raise ScenarioError(f"{mount.where}.{field}: found {len(names)} names; allowed: {allowed}")
    return columns_of(names, mount.names, f"{mount.where}.{field}") if names else []


def rotation(facing: Sequence[float]) -> NDArray[np.float64]:
    """From a body's axes to the world's, (3, 3); of a yaw alone, or of a quaternion x, y, z, w."""
    if len(facing) == 1:
        c, s = cos(facing[0]), sin(facing[0])
        return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    x, y, z, w = facing
    two = 2.0 / (x * x + y * y + z * z + w * w)
    return np.array(
        [
            [1.0 - two * (y * y + z * z), two * (x * y - z * w), two * (x * z + y * w)],
            [two * (x * y + z * w), 1.0 - two * (x * x + z * z), two * (y * z - x * w)],
            [two * (x * z - y * w), two * (y * z + x * w), 1.0 - two * (x * x + y * y)],
        ]
    )


class Pose:
    """A body's place.

    Parameters
    ----------
    config : PosedConfig
    mount : Mount
    """

    def __init__(self, config: PosedConfig, mount: Mount) -> None:
        self._position = columns(config.position, mount, "position", (2, 3))
        self._facing = columns(config.facing, mount, "facing", (1, 4))

    def world(self, points_m: NDArray[np.float64], truth: list[float]) -> NDArray[np.float64]:
        """Points of the body in the world, (n, 3).

        Parameters
        ----------
        points_m : (n, 3) float
            Forwards, to the left and up from the body's origin.
        truth : list of float
            The plant's named state.
        """
        found = points_m @ rotation([truth[column] for column in self._facing]).T
        found[:, : len(self._position)] += [truth[column] for column in self._position]
        return found


class Fan:
    """Rays in the plane of a body's forward and left axes, from one place.

    Parameters
    ----------
    config : RayConfig
    mount : Mount
    angles_rad : (n,) float
        From straight ahead, to the left positive.
    near_m, far_m : float
        How far from the place they begin and end.
    """

    def __init__(
        self, config: RayConfig, mount: Mount, angles_rad: NDArray[np.float64], near_m: float, far_m: float
    ) -> None:
        self._pose, self._n, self._near_m, self._long_m = Pose(config, mount), angles_rad.size, near_m, far_m - near_m
        ahead = np.stack((np.cos(angles_rad), np.sin(angles_rad), np.zeros(angles_rad.size)), axis=1)
        self._ends_m = np.concatenate((near_m * ahead, far_m * ahead)) + np.array(config.at_m)

    def __call__(self, plant: Carrier) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """How far from the place each ray meets something in m, its whole length where nothing; and where it does."""
        ends_m = self._pose.world(self._ends_m, plant.truth)
        found = plant.rays(ends_m[: self._n], ends_m[self._n :])  # type: ignore[attr-defined]  # in `Sensor.needs`
        shares = np.asarray(found)
        return self._near_m + self._long_m * shares, shares < 1.0
