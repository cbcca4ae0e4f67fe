"""Draws a trial with a ball: what the camera looks at, and beside it ball and robot from the side."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench.envs._loom import BODY_M, FOV_RAD, N_TEXELS, PIXELS, Trial, Vector, covered
from hilbench.envs._picture import Mark, draw
from hilbench.envs.sensors import Scene

HEIGHT, WIDTH, SIDE_PX, CORNER_PX = 360, 480, 256, (24, 52)
ROBOT_PX, M_PX = (384.0, 316.0), 60.0
"""Where a picture has the robot, and how many pixels a metre has beside the view."""
PAPER, ROBOT, SAFE, HIT, BALL = (246, 246, 242), (41, 107, 191), (60, 140, 80), (233, 84, 32), (110, 112, 116)


class View(NamedTuple):
    """An instant of a trial."""

    scene: Scene
    trial: Trial
    from_robot_m: Vector
    """Where the ball is, from the robot."""
    ball_m: Vector
    """Where it is, from where the robot stood at first."""
    moved_m: float
    """How far the robot has dodged."""


def picture(view: View, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A picture (360, 480, 3) of an instant.

    Parameters
    ----------
    view : View
    colour : (3,) int
        The robot's.
    """
    image = np.full((HEIGHT, WIDTH, 3), PAPER, np.float32)
    _draw_camera(image, view)
    _draw_side(image, view, colour)
    return np.rint(image).astype(np.uint8)


def _draw_camera(image: NDArray[np.float32], view: View) -> None:
    """The wall and the ball, without the camera's trembling."""
    trial, first = view.trial, (N_TEXELS - PIXELS) // 2
    texels = view.scene.ground.texels[: N_TEXELS * N_TEXELS].reshape(N_TEXELS, N_TEXELS)
    # A texel's row counts to the left, its column upwards.
    wall = texels[first : first + PIXELS, first : first + PIXELS].T[::-1, ::-1]
    seen = np.kron(wall, np.ones((SIDE_PX // PIXELS,) * 2))
    if trial.kind != "light":
        seen[covered(view.from_robot_m, trial.radius_m, SIDE_PX, FOV_RAD)] = trial.luminance
    column, row = CORNER_PX
    image[row : row + SIDE_PX, column : column + SIDE_PX] = _grey(view.scene, seen)[:, :, None]


def _grey(scene: Scene, luminance: NDArray) -> NDArray[np.float64]:
    """How bright a luminance is drawn, 0 to 255; one of 2 is white."""
    lit = scene.brightness * (scene.grey + scene.contrast * (luminance - scene.grey))
    return np.clip(127.5 * lit, 0.0, 255.0)


def _draw_side(image: NDArray[np.float32], view: View, colour: tuple[int, int, int]) -> None:
    """Ball and robot in the plane of the ball's path and the dodge, forward to the top."""
    trial, (left, up), nowhere = view.trial, view.trial.aside, (0.0, 0.0, 0.0)
    ahead, ball_left, ball_up = view.ball_m
    column, row = ROBOT_PX
    draw(image, Mark(nowhere, M_PX * BODY_M, colour), (column - M_PX * view.moved_m, row))
    if trial.kind != "light":
        beside_m = ball_left * left + ball_up * up
        draw(image, Mark(nowhere, M_PX * trial.radius_m, BALL), (column + M_PX * beside_m, row - M_PX * ahead))
