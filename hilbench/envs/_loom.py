"""Balls that come at a camera, or do not: how a trial is drawn, where its ball is, and who is hit. No events here."""

from __future__ import annotations

from math import asin, cos, exp, pi, sin, sqrt, tan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

KINDS = ("approach", "near_miss", "recede", "translate", "light")
"""What happens in a trial. Only the first is to be alarmed of."""
BALL_M, CONTACT_S = (0.1, 0.3), (1.2, 1.7)
"""A ball's radius, and when one on a collision course meets a robot that stays."""
BODY_M = 0.1
"""The robot's radius: a ball hits it that comes nearer than this to its own surface."""
AIMED, WIDE = (0.0, 0.5), (3.0, 5.0)
"""How far beside the robot's middle a ball passes that hits it, and one that does not, in sums of both radii."""
CROSSES_M, CROSSES_S = (1.0, 3.0), (1.4, 0.5)
"""How far away a ball crosses; when it is before the robot, and how fast at least, in distances a second."""
RECEDES_S = 0.5
"""When a ball that goes away has come past the robot."""
LUMINANCE = 0.5
"""Of the background on average, which is the scene's grey too."""
BALL_LN = (0.9, 1.3)
"""By how much the logarithm of a ball's luminance differs from the background's, either way."""
LIGHT, LIGHT_S = (0.6, 1.6), (1.0, 0.02)
"""What the light is multiplied by in a step of it; when the step begins, and how long it takes."""
FOV_RAD, PIXELS, N_TEXELS = pi / 3, 64, 128
"""What the camera sees of the background, in how many pixels each way; and texels of the background each way."""
TREMBLES_S = 0.05
"""How fast the camera trembles: the time constant of its noise, which is then smoothed by the same again."""

Vector = tuple[float, float, float]
"""Forward of the camera, to the left and up, in m from where the robot stands at first."""


class Trial(NamedTuple):
    """What happens in a trial."""

    kind: str
    radius_m: float
    start_m: Vector
    velocity_m_s: Vector
    aside: tuple[float, float]
    """The direction, to the left and up, in which the ball passes; the robot dodges the other way."""
    luminance: float
    contact_s: float
    """When the ball meets a robot that stays; infinite where it does not."""
    brighter: float
    """What the light is multiplied by; 1 where it is no step of the light."""

    @property
    def comes(self) -> bool:
        """Whether the ball is on a collision course."""
        return self.kind == "approach"

    def ball_m(self, t_s: float) -> Vector:
        """Where the ball is.

        Parameters
        ----------
        t_s : float
        """
        (x, y, z), (vx, vy, vz) = self.start_m, self.velocity_m_s
        return x + vx * t_s, y + vy * t_s, z + vz * t_s

    def light(self, t_s: float) -> float:
        """What the light is multiplied by at an instant.

        Parameters
        ----------
        t_s : float
        """
        begins_s, takes_s = LIGHT_S
        return 1.0 + (self.brighter - 1.0) * min(max((t_s - begins_s) / takes_s, 0.0), 1.0)


def drawn(random: np.random.Generator, approaches: float, l_over_v_s: tuple[float, float]) -> tuple[Trial, Trial]:
    """A trial; and one of the same numbers that is no approach, for where none may come.

    Parameters
    ----------
    random : numpy Generator
    approaches : float
        The chance of a collision course.
    l_over_v_s : (2,) float
        The least and the largest ratio of a ball's radius to its speed.
    """
    comes, other = bool(random.random() < approaches), KINDS[1 + int(random.integers(len(KINDS) - 1))]
    numbers = _Numbers(*(float(each) for each in random.random(len(_Numbers._fields))))
    quiet = _trial(other, numbers, l_over_v_s)
    return (_trial("approach", numbers, l_over_v_s) if comes else quiet), quiet


class _Numbers(NamedTuple):
    """What is drawn of a trial, each evenly from 0 to 1."""

    l_over_v: float
    radius: float
    contact: float
    passes: float
    angle: float
    luminance: float
    bright: float
    distance: float
    light: float


def _trial(kind: str, numbers: _Numbers, l_over_v_s: tuple[float, float]) -> Trial:
    radius_m, angle = _between(BALL_M, numbers.radius), 2 * pi * numbers.angle
    speed_m_s = radius_m / _between(l_over_v_s, numbers.l_over_v)
    left, up, reach_m = cos(angle), sin(angle), radius_m + BODY_M
    passes_m = reach_m * _between(AIMED if kind == "approach" else WIDE, numbers.passes)
    meets_s = _between(CONTACT_S, numbers.contact)
    beside = passes_m * left, passes_m * up
    contact_s, start_m, velocity_m_s = float("inf"), (0.0, *beside), (-speed_m_s, 0.0, 0.0)
    if kind == "approach":
        contact_s = meets_s
        start_m = speed_m_s * meets_s + sqrt(reach_m**2 - passes_m**2), *beside
    elif kind == "near_miss":
        start_m = speed_m_s * meets_s, *beside
    elif kind == "recede":
        start_m, velocity_m_s = (-speed_m_s * RECEDES_S, *beside), (speed_m_s, 0.0, 0.0)
    elif kind == "translate":
        away_m, (before_s, least) = _between(CROSSES_M, numbers.distance), CROSSES_S
        across_m_s = least * away_m * (1 + 2 * numbers.passes)
        start_m = away_m, -across_m_s * before_s * left, -across_m_s * before_s * up
        velocity_m_s = 0.0, across_m_s * left, across_m_s * up
    sign = 1 if numbers.bright < 0.5 else -1
    luminance = LUMINANCE * exp(sign * _between(BALL_LN, numbers.luminance))
    brighter = LIGHT[int(2 * numbers.light)] if kind == "light" else 1.0
    return Trial(kind, radius_m, start_m, velocity_m_s, (left, up), luminance, contact_s, brighter)


def _between(limits: tuple[float, float], share: float) -> float:
    return limits[0] + share * (limits[1] - limits[0])


def dodged(t_s: float, far_m: float, push_m_s2: float) -> tuple[float, float]:
    """How far a dodge has gone and how fast it is: it speeds up half of the way, and slows down on the other half.

    Parameters
    ----------
    t_s : float
        Since it began; less than 0 before.
    far_m : float
        The whole way.
    push_m_s2 : float
    """
    half_s = sqrt(far_m / push_m_s2)
    if t_s <= 0:
        return 0.0, 0.0
    if t_s <= half_s:
        return 0.5 * push_m_s2 * t_s**2, push_m_s2 * t_s
    left_s = max(0.0, 2 * half_s - t_s)
    return far_m - 0.5 * push_m_s2 * left_s**2, push_m_s2 * left_s


def nearest_m(before: Vector, after: Vector) -> float:
    """The least distance from the origin on the straight way between two places.

    Parameters
    ----------
    before, after : (3,) float
    """
    way = [b - a for a, b in zip(before, after, strict=True)]
    square = sum(each * each for each in way)
    share = 0.0 if square == 0 else -sum(a * w for a, w in zip(before, way, strict=True)) / square
    share = min(max(share, 0.0), 1.0)
    return sqrt(sum((a + share * w) ** 2 for a, w in zip(before, way, strict=True)))


def angle_rad(ball_m: Vector, velocity_m_s: Vector, radius_m: float) -> tuple[float, float]:
    """The angle 2 asin(radius / distance) that a ball fills, and how fast it grows; 0 and 0 where it is not before it.

    Parameters
    ----------
    ball_m : (3,) float
        From the camera.
    velocity_m_s : (3,) float
        Against the camera.
    radius_m : float
    """
    square = sum(each * each for each in ball_m)
    if ball_m[0] <= 0 or square <= radius_m**2:
        return 0.0, 0.0
    away_m = sqrt(square)
    nearer_m_s = -sum(a * v for a, v in zip(ball_m, velocity_m_s, strict=True)) / away_m
    return 2 * asin(radius_m / away_m), 2 * radius_m * nearer_m_s / (away_m * sqrt(square - radius_m**2))


def texture(random: np.random.Generator, n: int, grain: int, spread: float) -> NDArray[np.float64]:
    """The luminance of a background: squares whose logarithms differ, (n, n).

    Parameters
    ----------
    random : numpy Generator
    n : int
        How many texels each way, a multiple of `grain`.
    grain : int
        Texels of a square's side.
    spread : float
        Standard deviation of the logarithm.
    """
    rough = random.standard_normal((n // grain, n // grain))
    return LUMINANCE * np.exp(spread * np.kron(rough, np.ones((grain, grain))))


def trembling(random: np.random.Generator, n: int, step_s: float) -> NDArray[np.float64]:
    """White noise through two low-passes of TREMBLES_S, with a standard deviation of 1: to the left and up, (n, 2).

    Parameters
    ----------
    random : numpy Generator
    n : int
        How many steps.
    step_s : float
    """
    keep = exp(-step_s / TREMBLES_S)
    settle = round(10 * TREMBLES_S / step_s)
    noise = random.standard_normal((settle + n, 2))
    smooth = lfilter([1.0], [1.0, -2 * keep, keep * keep], noise, axis=0)[settle:]
    return smooth * sqrt((1 - keep * keep) ** 3 / (1 + keep * keep))


def covered(ball_m: Vector, radius_m: float, n: int, fov_rad: float) -> NDArray[np.bool_]:
    """Which pixels of a camera's square picture a ball covers, (n, n), from the upper left on.

    Parameters
    ----------
    ball_m : (3,) float
        From the camera.
    radius_m : float
    n : int
        Pixels each way.
    fov_rad : float
    """
    ahead, left, up = ball_m
    across = tan(fov_rad / 2) * (1 - (2 * np.arange(n) + 1) / n)
    along = ahead + left * across[None, :] + up * across[:, None]
    square = (1 + across[None, :] ** 2 + across[:, None] ** 2) * (ahead**2 + left**2 + up**2 - radius_m**2)
    return (along > 0) & (along**2 >= square)
