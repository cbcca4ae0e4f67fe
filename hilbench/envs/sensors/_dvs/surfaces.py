"""The luminance of what a ray has met: the ground's picture, and bodies with their stripes."""

from __future__ import annotations

import math

import numpy as np

from hilbench.compiled.inlined import inner
from hilbench.envs.sensors._dvs.scene import BodyColumn, GroundFact

TAPS_MAX = 4
"""So many points of the ground are averaged at most, along the longer side of a pixel's footprint."""
BLOCK = 16
"""So many pixels of a row share a footprint."""
X, Y, ALONG_X, ALONG_Y, TOTAL, TEXEL, RIGHT, DOWN, AHEAD = range(0, 9 * BLOCK, BLOCK)
"""Where `work` holds what of a block's pixels: a point of the ground in texels, the way to the next point, the sum over
the points, a point's texel and how far right and down of it the point is; the distance along the camera's axis in m."""


@inner
def footprint(view, facts, levels, focal_px, u, v):
    """What a pixel covers of the ground where a ray meets it.

    The footprint is a parallelogram; its long side is averaged over points, its short side by a coarser picture.

    Parameters
    ----------
    view : (4, 3) float64
    facts : (6,) float64
    levels : (n_levels, 3) int64
    focal_px, u, v : float

    Returns
    -------
    level, n_taps : int
        Which picture, and over how many points.
    along_x, along_y : float
        From one point to the next, in m for each m of distance along the camera's axis.
    """
    dx = view[1, 0] - u * view[2, 0] - v * view[3, 0]
    dy = view[1, 1] - u * view[2, 1] - v * view[3, 1]
    dz = min(view[1, 2] - u * view[2, 2] - v * view[3, 2], -1e-9)
    across, down = view[2, 2] / dz, view[3, 2] / dz
    ux, uy = (across * dx - view[2, 0]) / focal_px, (across * dy - view[2, 1]) / focal_px
    vx, vy = (down * dx - view[3, 0]) / focal_px, (down * dy - view[3, 1]) / focal_px
    if ux * ux + uy * uy > vx * vx + vy * vy:
        ux, uy, vx, vy = vx, vy, ux, uy
    long = vx * vx + vy * vy
    ratio = long / max(abs(ux * vy - uy * vx), 1e-30)
    n_taps = int(min(ratio + 0.5, TAPS_MAX)) if ratio > 1.5 else 1
    finest = max(math.sqrt(long) / n_taps, math.sqrt(long) / ratio) * (-view[0, 2] / dz)
    level, texel = 0, 1.4 * facts[GroundFact.TEXEL]
    while finest > texel and level < levels.shape[0] - 1:
        level += 1
        texel *= 2.0
    return level, n_taps, vx / n_taps, vy / n_taps


@inner
def between(texels, one, right, below, last, x, y):
    """Bilinear interpolation.

    Parameters
    ----------
    texels : (n_texels,) float32
    one, right, below, last : int
        Where the four texels are; an index that may be negative is slower.
    x, y : float
        From 0 to 1.
    """
    upper, lower = np.float64(texels[np.uint64(one)]), np.float64(texels[np.uint64(below)])
    upper += x * (texels[np.uint64(right)] - upper)
    lower += x * (texels[np.uint64(last)] - lower)
    return upper + y * (lower - upper)


@inner
def stretch(one, other, further, n, tiled):
    """Whether a stretch of texels, from `one` to `other` and `further`, is within a picture of `n`.

    First what has to be taken away for that where the picture repeats.
    """
    low, high = min(one, other) + min(further, 0.0), max(one, other) + max(further, 0.0)
    shift = n * np.floor(low / n) if tiled else 0.0
    return shift, low - shift >= 0.001 and high - shift < n - 1.001


@inner
def ground_within(texels, start, n_x, n_taps, work, n):
    """Sum the luminance over the points of pixels all of which are known to be within one of the ground's pictures.

    Loops over `work` alone vectorise; reading texels does not, so that it has a loop of its own.

    Parameters
    ----------
    texels : (n_texels,) float32
    start, n_x : int
        Of the picture's row of `levels`.
    n_taps : int
    work : (9 BLOCK,) float64
        Its TOTAL is written; X and Y move on.
    n : int
        How many pixels.
    """
    for i in range(n):
        work[TOTAL + i] = 0.0
    for _ in range(n_taps):
        for i in range(n):
            x, y = work[X + i], work[Y + i]
            column, row = np.floor(x), np.floor(y)
            work[TEXEL + i] = row * n_x + column
            work[RIGHT + i], work[DOWN + i] = x - column, y - row
            work[X + i], work[Y + i] = x + work[ALONG_X + i], y + work[ALONG_Y + i]
        for i in range(n):
            at = start + np.int64(work[TEXEL + i])
            work[TOTAL + i] += between(texels, at, at + 1, at + n_x, at + n_x + 1, work[RIGHT + i], work[DOWN + i])


@inner
def ground_at(texels, start, n_y, n_x, tiled, x, y):
    """The luminance at a place in one of the ground's pictures.

    Parameters
    ----------
    texels : (n_texels,) float32
    start, n_y, n_x : int
        The picture's row of `levels`.
    tiled : bool
        Whether it repeats.
    x, y : float
        In texels, from the middle of the first one.
    """
    if tiled:
        x, y = x - n_x * np.floor(x / n_x), y - n_y * np.floor(y / n_y)
    x, y = _clipped(x, n_x - 1e-9 if tiled else n_x - 1.0), _clipped(y, n_y - 1e-9 if tiled else n_y - 1.0)
    i, j = np.int64(x), np.int64(y)
    i1, j1 = i + 1, j + 1
    if i1 == n_x:
        i1 = 0 if tiled else i
    if j1 == n_y:
        j1 = 0 if tiled else j
    x, y = x - i, y - j
    return between(texels, start + j * n_x + i, start + j * n_x + i1, start + j1 * n_x + i, start + j1 * n_x + i1, x, y)


@inner
def _clipped(x, high):
    """From 0 to a limit; what is no number is 0."""
    if not x > 0:
        return 0.0
    return high if x > high else x


@inner
def body_at(bodies, placed, k, focal_px, u, v, t):
    """The luminance of body `k` where a ray meets it; stripes are averaged over the pixel's width.

    Parameters
    ----------
    bodies : (n, 11) float64
    placed : (n, 12) float64
    k : int
    focal_px, u, v : float
    t : float
        The distance along the camera's axis, in m.
    """
    bright, period_m = bodies[k, BodyColumn.LUMINANCE], bodies[k, BodyColumn.PERIOD]
    if not period_m > 0:
        return bright
    dx = placed[k, 3] - u * placed[k, 6] - v * placed[k, 9]
    dy = placed[k, 4] - u * placed[k, 7] - v * placed[k, 10]
    x, y = placed[k, 0] + t * dx, placed[k, 1] + t * dy
    if abs(abs(x) - bodies[k, BodyColumn.A]) < abs(abs(y) - bodies[k, BodyColumn.B]):
        at, wide = y, abs(placed[k, 6] * dy / dx - placed[k, 7])  # on a face across its own x
    else:
        at, wide = x, abs(placed[k, 7] * dx / dy - placed[k, 6])
    half = 0.5 * t / focal_px * min(max(wide, 1e-6), 1e6)
    share = (_striped(at + half, period_m) - _striped(at - half, period_m)) / (2.0 * half)
    return bright + share * (bodies[k, BodyColumn.SECOND] - bright)


@inner
def _striped(x, period):
    """The integral of a wave that is 0 for half a period, then 1."""
    n = np.floor(x / period)
    return 0.5 * n * period + max(0.0, x - (n + 0.5) * period)
