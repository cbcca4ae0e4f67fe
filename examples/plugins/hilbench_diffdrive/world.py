"""The world: an arena with round posts. What a ray meets in it, and what a camera row sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class World:
    """A square arena with its centre at 0, and posts in it.

    Parameters
    ----------
    half_m : float
        Half the side of the arena.
    posts : (n, 3) array
        x, y and radius of each post, in m.
    """

    def __init__(self, half_m: float, posts: NDArray[np.float64]) -> None:
        self.half_m, self.posts = half_m, posts

    def clearance_m(self, x_m: float, y_m: float) -> float:
        """How far a point is from the nearest wall or post; below 0 within one."""
        wall_m = self.half_m - max(abs(x_m), abs(y_m))
        away_m = np.hypot(self.posts[:, 0] - x_m, self.posts[:, 1] - y_m) - self.posts[:, 2]
        return float(min(wall_m, away_m.min(initial=np.inf)))

    def ranges_m(
        self, x_m: float, y_m: float, angles_rad: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """How far rays go, (n,) in m, and what each meets, (n,): a post's number, or -1 for a wall.

        Parameters
        ----------
        x_m, y_m : float
            Where all of them start, within the arena.
        angles_rad : (n,) float64
            Where each goes, counted from the x axis.
        """
        dx, dy = np.cos(angles_rad), np.sin(angles_rad)
        with np.errstate(divide="ignore"):
            to_x = np.abs((np.copysign(self.half_m, dx) - x_m) / dx)
            to_y = np.abs((np.copysign(self.half_m, dy) - y_m) / dy)
        ranges_m = np.minimum(to_x, to_y)
        met = np.full(ranges_m.shape, -1)
        for number, (post_x, post_y, radius_m) in enumerate(self.posts):
            # A ray p + s d meets the circle where |p + s d - c| = r; the smaller root is its near side.
            cx, cy = post_x - x_m, post_y - y_m
            along = cx * dx + cy * dy
            under = along**2 - (cx**2 + cy**2 - radius_m**2)
            s = along - np.sqrt(np.maximum(under, 0.0))
            near = (under > 0) & (s > 0) & (s < ranges_m)
            ranges_m[near], met[near] = s[near], number
        return ranges_m, met
