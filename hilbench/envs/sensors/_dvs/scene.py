"""What a camera sees: a ground with a picture on it, simple bodies and light, as plain arrays. No pixels here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hilbench.envs.sensors._base import Carrier

LEVELS = 6
"""A ground that does not repeat has at least this many coarser pictures, each with texels of twice the length."""
CHUNK = 1 << 18
"""A ground is painted in pieces of about this many points."""

Row = tuple[float, ...]
"""A body, as a row of `Scene.bodies`."""


class Kind(IntEnum):
    """What a body is."""

    SPHERE = 0
    BOX = 1
    CYLINDER = 2


class BodyColumn(IntEnum):
    """What each column of `Scene.bodies` holds; lengths in m."""

    KIND = 0
    X = 1
    Y = 2
    Z = 3
    A = 4
    """Half of the size along the body's own x: the radius of a sphere or a cylinder."""
    B = 5
    C = 6
    YAW = 7
    """In rad."""
    LUMINANCE = 8
    SECOND = 9
    """The luminance of every other stripe."""
    PERIOD = 10
    """From stripe to the next one of the same luminance; 0 without stripes."""


class GroundFact(IntEnum):
    """What each entry of `Ground.facts` is."""

    X = 0
    Y = 1
    TEXEL = 2
    FAR = 3
    FAR_LUMINANCE = 4
    TILED = 5


def sphere(centre_m: Sequence[float], radius_m: float, luminance: float) -> Row:
    """A sphere.

    Parameters
    ----------
    centre_m : (3,) float
    radius_m : float
    luminance : float
        Relative: a white surface has 1.
    """
    return (Kind.SPHERE, *centre_m, radius_m, radius_m, radius_m, 0.0, luminance, luminance, 0.0)


def box(
    centre_m: Sequence[float], size_m: Sequence[float], luminance: float, yaw_rad: float = 0.0,
    stripes: tuple[float, float] | None = None,
) -> Row:  # fmt: skip
    """A box that stands upright.

    Parameters
    ----------
    centre_m : (3,) float
    size_m : (3,) float
        Whole lengths along its own axes.
    luminance : float
        Relative: a white surface has 1.
    yaw_rad : float
        How far its axes are turned about the vertical.
    stripes : (2,) float, optional
        The luminance of every other vertical stripe, and the length in m from one to the next of the same luminance.
    """
    second, period_m = stripes or (luminance, 0.0)
    return (Kind.BOX, *centre_m, *(0.5 * size for size in size_m), yaw_rad, luminance, second, period_m)


def cylinder(centre_m: Sequence[float], radius_m: float, height_m: float, luminance: float) -> Row:
    """A cylinder whose axis is vertical; with a height of 0 a flat disc.

    Parameters
    ----------
    centre_m : (3,) float
    radius_m, height_m : float
    luminance : float
        Relative: a white surface has 1.
    """
    return (Kind.CYLINDER, *centre_m, radius_m, radius_m, 0.5 * height_m, 0.0, luminance, luminance, 0.0)


class Ground:
    """The plane z = 0 with a picture on it, interpolated between texels, and averaged where a pixel covers many.

    Parameters
    ----------
    picture : (n_y, n_x) float
        Luminance, 0 or more; a white surface has 1. Entry [j, i] is that at x = x0 + (i + 1/2) texel,
        y = y0 + (j + 1/2) texel.
    corner_m : (2,) float
        x0 and y0: where the picture begins.
    texel_m : float
        How long and wide a texel is.
    tiled : bool
        Whether the picture repeats for ever; else its border goes on for ever.
    far_m : float
        From which distance on, along the camera's axis, the ground has its mean luminance.
    """

    def __init__(
        self, picture: ArrayLike, corner_m: Sequence[float] = (0.0, 0.0), texel_m: float = 1.0, *, tiled: bool = False,
        far_m: float = 50.0,
    ) -> None:  # fmt: skip
        finest = np.array(picture, np.float32)
        if finest.ndim != 2 or not finest.size or not (np.isfinite(finest).all() and finest.min() >= 0):
            raise ValueError("a ground's picture is an array of two dimensions with finite numbers of 0 or more")
        if not (0 < texel_m < np.inf and far_m > 0 and np.isfinite(corner_m).all()):
            raise ValueError(f"found corner_m {corner_m}, texel_m {texel_m}, far_m {far_m}; allowed: more than 0")
        pictures = [finest if tiled else _padded(finest)]
        while min(pictures[-1].shape) > 1 and not any(size % 2 for size in pictures[-1].shape):
            n_y, n_x = pictures[-1].shape
            pictures.append(pictures[-1].reshape(n_y // 2, 2, n_x // 2, 2).mean((1, 3)))
        starts = np.cumsum([0] + [each.size for each in pictures[:-1]])
        self.levels = np.array([(at, *each.shape) for at, each in zip(starts, pictures, strict=True)], np.int64)
        """(n_levels, 3): where each picture begins in `texels`, its rows and columns; the finest first."""
        self.texels = np.concatenate([each.ravel() for each in pictures])
        """All pictures, float32."""
        self.facts = np.array([*corner_m, texel_m, far_m, finest.mean(), tiled], float)
        """In the order of `GroundFact`."""

    @classmethod
    def painted(
        cls, shade: Callable[[NDArray, NDArray], ArrayLike], corner_m: Sequence[float], size_m: Sequence[float],
        texel_m: float, n: int = 4, **options: float,
    ) -> Ground:  # fmt: skip
        """A ground whose picture is a function of place, such as a road of lines and arcs.

        Parameters
        ----------
        shade : callable
            Takes x and y in m, arrays of one shape, and gives luminance.
        corner_m, size_m : (2,) float
            Where the picture begins, and how large it is.
        texel_m : float
        n : int
            A texel is the mean over n x n points.
        **options
            As for `Ground`.
        """
        n_x, n_y = (max(1, round(size / texel_m)) for size in size_m)
        picture = np.empty((n_y, n_x), np.float32)
        x = corner_m[0] + (np.arange(n_x * n) + 0.5) * (texel_m / n)
        rows = max(1, CHUNK // (n_x * n * n))
        for first in range(0, n_y, rows):
            last = min(n_y, first + rows)
            y = corner_m[1] + (np.arange(first * n, last * n) + 0.5) * (texel_m / n)
            fine = np.broadcast_to(shade(*np.meshgrid(x, y)), (y.size, x.size))
            picture[first:last] = fine.reshape(last - first, n, n_x, n).mean((1, 3))
        return cls(picture, corner_m, texel_m, **options)  # type: ignore[arg-type]  # as Ground's own


def _padded(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """With its border repeated, so that both sizes can be halved `LEVELS` times."""
    return np.pad(picture, [(0, -size % (1 << LEVELS)) for size in picture.shape], mode="edge")


class Scene:
    """What is there to be seen. A plant moves `bodies` and changes the light in place, while cameras look.

    A pixel that sees the luminance l gets the intensity brightness (grey + contrast (l - grey)), no less than 0. So a
    contrast of 0.5 halves all differences from grey, and one of -1 makes dark what was bright.

    Parameters
    ----------
    ground : Ground
    bodies : (n,) sequence
        Of `sphere`, `box` and `cylinder`. They have no shading and throw no shadow.
    sky : float
        Its luminance.
    grey : float
        The luminance that a change of contrast leaves as it is.
    """

    brightness = 1.0
    contrast = 1.0

    def __init__(self, ground: Ground, bodies: Sequence[Row] = (), sky: float = 0.8, grey: float = 0.5) -> None:
        self.ground, self.sky, self.grey = ground, sky, grey
        self.bodies: NDArray[np.float64] = np.array(bodies, float).reshape(-1, len(BodyColumn))
        """(n, 11), a row for each, in the columns of `BodyColumn`; the place is in columns 1 to 3."""


class Seen(Carrier, Protocol):
    """A plant that a camera can look at."""

    def scene(self) -> Scene:
        """What is there at this instant. The same Scene each time costs nothing."""

    def camera(self, name: str) -> Sequence[float]:
        """Where the camera of that name is: x, y, z in m, yaw, pitch and roll in rad.

        x is forward, y to the left, z up; the ground is z = 0. The camera is turned about its own x by the roll, then
        about y by the pitch, positive downwards, then about z by the yaw, positive to the left. Raises ScenarioError
        where there is no camera of that name.
        """
