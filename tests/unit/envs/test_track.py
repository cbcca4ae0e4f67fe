"""A closed track: where a point is along it and beside it, against the closed forms of lines and circles."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np
import pytest

from hilbench.envs._track import Place, Track
from hilbench.envs.lane_dvs import LANE_M, TRACK

OVAL = Track([(4.0, 0.0), (2 * pi, 0.5), (4.0, 0.0), (2 * pi, 0.5)])
"""Two straights of 4 m and two half circles of 2 m, to the left."""


@pytest.mark.parametrize(
    ("s_m", "expected"),
    [
        (1.0, (1.0, 0.3, 0.0)),
        (4.0 + pi, (4.0 + 1.7, 2.0, pi / 2)),  # a quarter round, 0.3 m nearer to the middle at (4, 2)
        (4.0 + 2 * pi + 1.0, (3.0, 3.7, pi)),
        (8.0 + 3 * pi, (-1.7, 2.0, 3 * pi / 2)),
        (-1.0, (2.0 * cos(-pi / 2 - 0.5) * 0.85, 2.0 + 2.0 * sin(-pi / 2 - 0.5) * 0.85, 2 * pi - 0.5)),
    ],
)
def test_an_oval_has_its_points_where_geometry_has_them(s_m, expected):
    assert OVAL.pose(s_m, 0.3) == pytest.approx(expected, abs=1e-12)


def test_to_the_left_is_to_the_outside_of_a_right_bend():
    (right,) = [part for part in TRACK.segments if part.curvature_per_m < 0]
    middle = right.x_m + sin(right.heading_rad) / 0.5, right.y_m - cos(right.heading_rad) / 0.5
    place = Place(TRACK.segments.index(right), 1.0, 0.3)
    x, y, _ = TRACK.pose(TRACK.distance(place), place.left_m)
    assert np.hypot(x - middle[0], y - middle[1]) == pytest.approx(2.3)


def test_a_point_is_found_again_beside_every_piece_by_one_way_and_by_the_other():
    s_m = np.arange(0.0, TRACK.length_m, 0.1)
    for left_m in (-0.7, LANE_M, 0.0, 0.4):
        points = np.array([TRACK.pose(s, left_m)[:2] for s in s_m])
        along, left = TRACK.beside(points[:, 0], points[:, 1], 0.8)
        np.testing.assert_allclose(along, s_m, atol=1e-9)
        np.testing.assert_allclose(left, left_m, atol=1e-9)
        place = Place(len(TRACK.segments) - 1, 0.0, 0.0)  # the one before the first point
        for (x, y), s in zip(points, s_m, strict=True):
            place = TRACK.follow(place, x, y)
            assert TRACK.distance(place) == pytest.approx(s, abs=1e-9)
            assert place.left_m == pytest.approx(left_m, abs=1e-9)


def test_the_way_between_two_places_goes_over_the_start():
    last, first = Place(len(TRACK.segments) - 1, 4.9, 0.0), Place(0, 0.2, 0.0)
    assert TRACK.between(last, first) == pytest.approx(0.3)
    assert TRACK.between(first, last) == pytest.approx(-0.3)


def test_a_point_out_of_reach_is_beside_nothing():
    _, left = OVAL.beside(np.array([2.0, 2.0]), np.array([2.0, 0.5]), 0.6)
    assert left.tolist() == [np.inf, 0.5]


def test_the_track_of_the_lane_has_its_stated_length_and_a_track_that_does_not_close_is_refused():
    assert TRACK.length_m == pytest.approx(38 + 8 * pi)
    with pytest.raises(ValueError, match="allowed: its start"):
        Track([(4.0, 0.0), (2 * pi, 0.5)])
