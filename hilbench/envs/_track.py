"""A closed track of straights and arcs on the ground: where a point is along it and beside it. No plant here."""

from __future__ import annotations

from collections.abc import Sequence
from math import atan2, cos, floor, hypot, pi, sin
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Segment(NamedTuple):
    """A straight or an arc of the centreline."""

    x_m: float
    """Where it begins."""
    y_m: float
    heading_rad: float
    """Its direction there."""
    length_m: float
    curvature_per_m: float
    """Positive turns left; 0 is a straight."""

    def along(self, s_m: float) -> tuple[float, float, float]:
        """x, y in m and the heading in rad, at a distance from its start."""
        k, h = self.curvature_per_m, self.heading_rad
        if k == 0:
            return self.x_m + s_m * cos(h), self.y_m + s_m * sin(h), h
        turned = h + k * s_m
        return self.x_m + (sin(turned) - sin(h)) / k, self.y_m - (cos(turned) - cos(h)) / k, turned

    def beside(self, x_m: float, y_m: float) -> tuple[float, float]:
        """Distance along it and to the left of it, in m; before its start the first is negative.

        Parameters
        ----------
        x_m, y_m : float
        """
        c, s, k = cos(self.heading_rad), sin(self.heading_rad), self.curvature_per_m
        ahead, left = c * (x_m - self.x_m) + s * (y_m - self.y_m), c * (y_m - self.y_m) - s * (x_m - self.x_m)
        if k == 0:
            return ahead, left
        # From the arc's middle, which is at (0, 1 / k), with the angle 0 at its start.
        side = 1.0 if k > 0 else -1.0
        angle = atan2(ahead, side * (1 / k - left))
        half = 0.5 * self.length_m * abs(k)  # the angle jumps where the arc is farthest away
        angle = half + wrapped(angle - half)
        return angle / abs(k), side * (1 / abs(k) - hypot(ahead, 1 / k - left))


class Place(NamedTuple):
    """Where a point is on a track."""

    segment: int
    s_m: float
    """From the segment's start."""
    left_m: float
    """How far it is to the left of the centreline."""


class Track:
    """A closed track.

    Parameters
    ----------
    parts : sequence of (length_m, curvature_per_m)
        One behind the other, from (0, 0) along x. They have to come back there.
    """

    def __init__(self, parts: Sequence[tuple[float, float]]) -> None:
        x_m, y_m, heading_rad = 0.0, 0.0, 0.0
        found = []
        for length_m, curvature in parts:
            found.append(Segment(x_m, y_m, heading_rad, length_m, curvature))
            x_m, y_m, heading_rad = found[-1].along(length_m)
        if hypot(x_m, y_m) > 1e-9 or abs(wrapped(heading_rad)) > 1e-9:
            raise ValueError(f"found a track that ends at ({x_m:g}, {y_m:g}), {heading_rad:g} rad; allowed: its start")
        self.segments = tuple(found)
        self.starts_m = np.cumsum([0.0, *(part.length_m for part in found)])
        """Where each segment begins on the way round; at last the length of the track."""

    @property
    def length_m(self) -> float:
        """Of the centreline, once round."""
        return float(self.starts_m[-1])

    def at(self, s_m: float) -> tuple[int, float]:
        """The segment at a distance on the way round, and the distance from that segment's start."""
        s_m -= self.length_m * floor(s_m / self.length_m)
        index = min(int(np.searchsorted(self.starts_m, s_m, side="right")) - 1, len(self.segments) - 1)
        return index, s_m - float(self.starts_m[index])

    def pose(self, s_m: float, left_m: float) -> tuple[float, float, float]:
        """x, y in m and the track's heading in rad, at a distance on the way round and beside the centreline.

        Parameters
        ----------
        s_m, left_m : float
        """
        index, rest_m = self.at(s_m)
        x_m, y_m, heading_rad = self.segments[index].along(rest_m)
        return x_m - left_m * sin(heading_rad), y_m + left_m * cos(heading_rad), heading_rad

    def distance(self, place: Place) -> float:
        """How far a place is on the way round, in m."""
        return float(self.starts_m[place.segment]) + place.s_m

    def between(self, before: Place, after: Place) -> float:
        """How far it is from one place to another that is near, in m; negative backwards.

        Parameters
        ----------
        before, after : Place
        """
        way_m = self.distance(after) - self.distance(before)
        return way_m - self.length_m * floor(way_m / self.length_m + 0.5)

    def heading(self, place: Place) -> float:
        """The direction of the centreline there, in rad."""
        part = self.segments[place.segment]
        return part.heading_rad + part.curvature_per_m * place.s_m

    def follow(self, place: Place, x_m: float, y_m: float) -> Place:
        """Where a point is that was at `place` a short way before.

        Parameters
        ----------
        place : Place
            Its segment alone counts.
        x_m, y_m : float
        """
        index = place.segment
        s_m, left_m = self.segments[index].beside(x_m, y_m)
        if s_m >= self.segments[index].length_m:
            index = (index + 1) % len(self.segments)
            s_m, left_m = self.segments[index].beside(x_m, y_m)
        elif s_m < 0:
            index = (index - 1) % len(self.segments)
            s_m, left_m = self.segments[index].beside(x_m, y_m)
        return Place(index, s_m, left_m)

    def beside(
        self, x_m: NDArray[np.float64], y_m: NDArray[np.float64], reach_m: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of points on the ground the distance along the track and to its left, by the nearest of its segments.

        Parameters
        ----------
        x_m, y_m : array
            Of one shape.
        reach_m : float
            Points further away than this from the centreline get inf to the left, and 0 along.
        """
        along, left = np.zeros(x_m.shape), np.full(x_m.shape, np.inf)
        for start_m, part in zip(self.starts_m, self.segments, strict=False):
            near = _box(part, x_m, y_m, reach_m)
            s_m, d_m = _beside(part, x_m[near], y_m[near])
            taken = (s_m >= 0) & (s_m <= part.length_m) & (np.abs(d_m) <= np.minimum(reach_m, np.abs(left[near])))
            along[near] = np.where(taken, start_m + s_m, along[near])
            left[near] = np.where(taken, d_m, left[near])
        return along, left


def wrapped(angle_rad: float) -> float:
    """An angle from -pi to below pi."""
    return angle_rad - 2 * pi * floor((angle_rad + pi) / (2 * pi))


def _box(part: Segment, x_m: NDArray, y_m: NDArray, reach_m: float) -> NDArray[np.bool_]:
    """Which points are in the box around a segment."""
    path = np.array([part.along(s_m)[:2] for s_m in np.linspace(0.0, part.length_m, 65)])
    low, high = path.min(0) - reach_m - 0.01, path.max(0) + reach_m + 0.01
    return (x_m > low[0]) & (x_m < high[0]) & (y_m > low[1]) & (y_m < high[1])


def _beside(part: Segment, x_m: NDArray, y_m: NDArray) -> tuple[NDArray, NDArray]:
    """As `Segment.beside`, of many points."""
    c, s, k = cos(part.heading_rad), sin(part.heading_rad), part.curvature_per_m
    ahead, left = c * (x_m - part.x_m) + s * (y_m - part.y_m), c * (y_m - part.y_m) - s * (x_m - part.x_m)
    if k == 0:
        return ahead, left
    side = 1.0 if k > 0 else -1.0
    half = 0.5 * part.length_m * abs(k)
    angle = np.arctan2(ahead, side * (1 / k - left)) - half
    angle += half - 2 * pi * np.floor((angle + pi) / (2 * pi))
    return angle / abs(k), side * (1 / abs(k) - np.hypot(ahead, 1 / k - left))
