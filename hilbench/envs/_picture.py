"""Finishes a rendered picture: backdrop, smoothing, marks. NumPy only: it must not know the engine or any robot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

OVERSAMPLING = 2
"""The engine draws hard edges, so it draws this many times larger in each direction and is averaged down."""

_SKY = np.array([[236, 240, 245], [198, 208, 220]], np.float32)


class View(NamedTuple):
    """Where the camera stands and how large its picture is."""

    eye_m: tuple[float, float, float]
    target_m: tuple[float, float, float]
    fov_deg: float = 30.0
    width: int = 480
    height: int = 360
    light: tuple[float, float, float] = (1.5, -3.0, 3.0)


class Mark(NamedTuple):
    """A disc, or a ring when `ring_px` is positive, over a point in space."""

    point_m: tuple[float, float, float]
    radius_px: float
    colour: tuple[int, int, int]
    ring_px: float = 0.0


def finish(
    scene: NDArray[np.uint8],
    empty: NDArray[np.bool_],
    eye: Sequence[float],
    lens: Sequence[float],
    marks: Sequence[Mark],
) -> NDArray[np.uint8]:
    """Fill `empty` pixels (H, W) of `scene` (H, W, 3) with sky, reduce it by averaging and draw the marks."""
    rows, columns = empty.shape
    weight = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None]
    sky = _SKY[0] * (1 - weight) + _SKY[1] * weight
    filled = np.where(empty[..., None], sky, scene)
    small = filled.reshape(rows // OVERSAMPLING, OVERSAMPLING, columns // OVERSAMPLING, OVERSAMPLING, 3).mean((1, 3))
    for mark in marks:
        draw(small, mark, pixel(mark.point_m, eye, lens, small.shape[1], small.shape[0]))
    return np.rint(small).astype(np.uint8)


def pixel(
    point_m: Sequence[float], eye: Sequence[float], lens: Sequence[float], width: int, height: int
) -> tuple[float, float]:
    """Column and row of a point, by the usual view and projection matrices (16 numbers each, by column)."""
    clip = np.reshape(lens, (4, 4)).T @ np.reshape(eye, (4, 4)).T @ np.array([*point_m, 1.0])
    x, y = clip[:2] / clip[3]
    return (x + 1) / 2 * width - 0.5, (1 - y) / 2 * height - 0.5


def draw(image: NDArray[np.float32], mark: Mark, at: tuple[float, float]) -> None:
    """Draw a mark into a picture (height, width, 3).

    Parameters
    ----------
    image : (height, width, 3) float32
        Written over.
    mark : Mark
        Its point does not count.
    at : (column, row)
    """
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    distance = np.hypot(columns - at[0], rows - at[1])
    if mark.ring_px > 0:
        distance = np.abs(distance - mark.radius_px) + mark.radius_px - mark.ring_px / 2
    cover = np.clip(mark.radius_px + 0.5 - distance, 0, 1)[..., None]
    image *= 1 - cover
    image += cover * np.array(mark.colour, np.float32)
