"""The robot's two sensors: a lidar, and an event camera that sees brightness change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.types import EVENT, Events, EventSensor
from hilbench_diffdrive.world import World

N_RAYS = 16
RANGE_M = 4.0
SIZE = 32
"""Rows, and columns, of the camera."""
FOV_RAD = np.pi / 2
CONTRAST = 0.15
"""How much the logarithm of a pixel's brightness changes between two events."""
CAMERA = EventSensor("camera", (SIZE, SIZE, 2), ("y", "x", "polarity"))
RAYS_RAD = np.linspace(0, 2 * np.pi, N_RAYS, endpoint=False)
COLUMNS_RAD = np.linspace(FOV_RAD / 2, -FOV_RAD / 2, SIZE)
"""Where each column looks: the first one to the left."""
ROWS = np.tan(np.linspace(FOV_RAD / 2, -FOV_RAD / 2, SIZE))
"""The slope at which each row looks: the first one up."""


def lidar(world: World, x_m: float, y_m: float, heading_rad: float) -> NDArray[np.float64]:
    """Ranges (N_RAYS,) in m, counted from straight ahead to the left, RANGE_M where nothing is nearer.

    Parameters
    ----------
    world : World
    x_m, y_m, heading_rad : float
        Where the robot is, and where it looks.
    """
    return np.minimum(world.ranges_m(x_m, y_m, heading_rad + RAYS_RAD)[0], RANGE_M)


def view(world: World, x_m: float, y_m: float, heading_rad: float) -> NDArray[np.float64]:
    """The logarithm of brightness in each pixel, (SIZE, SIZE): floor, sky, and striped walls and posts between.

    Parameters
    ----------
    world : World
    x_m, y_m, heading_rad : float
        Where the camera is, and where it looks.
    """
    angles_rad = heading_rad + COLUMNS_RAD
    ranges_m, met = world.ranges_m(x_m, y_m, angles_rad)
    hit_x, hit_y = x_m + ranges_m * np.cos(angles_rad), y_m + ranges_m * np.sin(angles_rad)
    stripes = np.sin(8.0 * (hit_x + hit_y)) > 0
    solid = np.where(met >= 0, 0.15, np.where(stripes, 0.7, 0.4))
    top = 0.5 / np.maximum(ranges_m * np.cos(COLUMNS_RAD), 1e-6)  # the slope of an edge 0.5 m above the camera
    slope = ROWS[:, None]
    shade = np.where(slope > top, 1.0, np.where(slope < -0.3 * top, 0.25, solid))
    return np.log(shade)


class EventCamera:
    """Pixels that tell when the logarithm of their brightness has changed by CONTRAST, and which way.

    The logarithm is taken to change linearly between two looks: a change of n contrasts is n events at times between.
    """

    def reset(self, seen: NDArray[np.float64]) -> None:
        """Start an episode with this view; nothing has been told yet."""
        self._last, self._told = seen, seen.copy()
        self._events: list[Events] = []

    def look(self, seen: NDArray[np.float64], from_us: int, to_us: int) -> None:
        """Take in a view. Times are counted from the episode's start.

        Parameters
        ----------
        seen : (SIZE, SIZE) float64
            The logarithm of brightness at `to_us`.
        from_us, to_us : int
            When the camera looked before, and now.
        """
        n = np.trunc((seen - self._told) / CONTRAST).astype(np.int64)
        if (y_x := np.flatnonzero(n)).size:
            count = np.abs(n.ravel()[y_x])
            pixel = np.repeat(y_x, count)
            nth = np.arange(pixel.size) - np.repeat(np.cumsum(count) - count, count) + 1
            sign = np.sign(n.ravel()[pixel])
            level = self._told.ravel()[pixel] + nth * sign * CONTRAST
            last = self._last.ravel()[pixel]
            change = seen.ravel()[pixel] - last  # 0 where rounding kept an event back
            share = np.clip(np.divide(level - last, change, out=np.ones_like(change), where=change != 0), 0.0, 1.0)
            events = np.empty(pixel.size, EVENT)
            # Counted in the half-open window (from, to]: one at its very end belongs to it.
            events["t_us"] = np.maximum(np.ceil(from_us + share * (to_us - from_us)), from_us + 1)
            events["address"] = 2 * pixel + (sign > 0)
            self._events.append(events[np.lexsort((events["address"], events["t_us"]))])
            self._told += n * CONTRAST
        self._last = seen

    def read(self, now_us: int, window_us: int) -> Events:
        """The events since the last reading, `t_us` counted in the window that ends now.

        Parameters
        ----------
        now_us : int
            The present instant.
        window_us : int
            The control period.
        """
        found = np.concatenate(self._events) if self._events else np.empty(0, EVENT)
        self._events = []
        since = found["t_us"].astype(np.int64) - (now_us - window_us) - 1
        found = found[since >= 0]
        found["t_us"] = since[since >= 0]
        return found
