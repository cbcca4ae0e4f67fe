"""Renders a scene: the luminance of each pixel of a pinhole camera."""

from __future__ import annotations

import math

import numpy as np

from hilbench.compiled.inlined import inner, outer
from hilbench.envs.sensors._dvs.rays import bound, distance, look, nearest_m, place
from hilbench.envs.sensors._dvs.scene import GroundFact
from hilbench.envs.sensors._dvs.surfaces import (
    AHEAD,
    ALONG_X,
    ALONG_Y,
    BLOCK,
    TOTAL,
    X,
    Y,
    body_at,
    footprint,
    ground_at,
    ground_within,
    stretch,
)

GROUND, SKY = -1, -2
"""What a pixel sees where it sees no body."""
WORK = 9 * BLOCK
"""How long `work` is: what of a block's pixels lies where, `surfaces` says."""
SMALL = 3
"""A body that is this narrow, in pixels, may lie between the middles of pixels."""


@inner
def _begin(work, n, left_px, per_px, high, ahead, left, at, along):
    """Write where the first points of some pixels are that all see the ground, and the way from point to point."""
    for i in range(n):
        u = (left_px + i + 0.5) * per_px
        t = -high / (ahead[2] - u * left[2])
        work[AHEAD + i] = t
        work[X + i], work[Y + i] = at[0] + t * (ahead[0] - u * left[0]), at[1] + t * (ahead[1] - u * left[1])
        work[ALONG_X + i], work[ALONG_Y + i] = t * along[0], t * along[1]


@inner
def _fill(view, focal_px, middle, texels, levels, facts, bodies, sky, placed, depth, seen, work, image, j, first, last):
    """What some pixels of row `j` see."""
    high, v = view[0, 2], (j + 0.5 - middle[1]) / focal_px
    u0, u1 = (first + 0.5 - middle[0]) / focal_px, (last - 0.5 - middle[0]) / focal_px
    ahead_z, left_z = view[1, 2] - v * view[3, 2], view[2, 2]
    dz0, dz1 = ahead_z - u0 * left_z, ahead_z - u1 * left_z
    covered = False
    for i in range(first, last):
        covered |= seen[j, i] >= 0
    if not covered and (high <= 0 or min(dz0, dz1) >= 0):
        for i in range(first, last):
            image[j, i] = sky
        return
    level, n_taps, along_x, along_y = footprint(view, facts, levels, focal_px, 0.5 * (u0 + u1), v)
    start, n_y, n_x, tiled = levels[level, 0], levels[level, 1], levels[level, 2], facts[GroundFact.TILED] != 0
    scale, far, back = 1.0 / (facts[GroundFact.TEXEL] * (1 << level)), facts[GroundFact.FAR], 0.5 * (n_taps - 1)
    x0, y0 = (view[0, 0] - facts[GroundFact.X]) * scale - 0.5, (view[0, 1] - facts[GroundFact.Y]) * scale - 0.5
    along_x, along_y, left_x, left_y = along_x * scale, along_y * scale, view[2, 0] * scale, view[2, 1] * scale
    ahead_x = (view[1, 0] - v * view[3, 0]) * scale - back * along_x
    ahead_y = (view[1, 1] - v * view[3, 1]) * scale - back * along_y
    within = False
    if max(dz0, dz1) * far < -high:  # all that is no body is ground, between those of the first and the last pixel
        t0, t1 = -high / dz0, -high / dz1
        furthest = 2.0 * back * max(t0, t1)
        shift_x, within_x = stretch(
            t0 * (ahead_x - u0 * left_x) + x0, t1 * (ahead_x - u1 * left_x) + x0, furthest * along_x, n_x, tiled
        )
        shift_y, within_y = stretch(
            t0 * (ahead_y - u0 * left_y) + y0, t1 * (ahead_y - u1 * left_y) + y0, furthest * along_y, n_y, tiled
        )
        x0, y0, within = x0 - shift_x, y0 - shift_y, within_x and within_y
    per_px = 1.0 / focal_px
    if within:
        ahead, left = (ahead_x, ahead_y, ahead_z), (left_x, left_y, left_z)
        _begin(work, last - first, first - middle[0], per_px, high, ahead, left, (x0, y0), (along_x, along_y))
        ground_within(texels, start, n_x, n_taps, work, last - first)
        for i in range(first, last):
            if not covered or seen[j, i] < 0 or depth[j, i] > work[AHEAD + i - first]:
                image[j, i], seen[j, i] = work[TOTAL + i - first] / n_taps, GROUND
            else:
                u = (i + 0.5 - middle[0]) * per_px
                image[j, i] = body_at(bodies, placed, seen[j, i], focal_px, u, v, depth[j, i])
        return
    for i in range(first, last):
        u = (i + 0.5 - middle[0]) * per_px
        dz = ahead_z - u * left_z
        t = -high / dz if dz < 0 and high > 0 else math.inf
        x, y = x0 + t * (ahead_x - u * left_x), y0 + t * (ahead_y - u * left_y)
        if covered and seen[j, i] >= 0 and depth[j, i] <= t:
            image[j, i] = body_at(bodies, placed, seen[j, i], focal_px, u, v, depth[j, i])
        elif t == math.inf:
            image[j, i], seen[j, i] = sky, SKY
        elif t >= far:
            image[j, i], seen[j, i] = facts[GroundFact.FAR_LUMINANCE], GROUND
        else:
            total = 0.0
            for tap in range(n_taps):
                x_tap, y_tap = x + tap * t * along_x, y + tap * t * along_y
                total += ground_at(texels, start, n_y, n_x, tiled, x_tap, y_tap)
            image[j, i], seen[j, i] = total / n_taps, GROUND


@inner
def _has_edges(seen, j):
    """Whether any pixel of a row has a neighbour that sees something else; a simple loop, so that it vectorises."""
    n_y, n_x = seen.shape
    differs = np.int32(0)
    for i in range(n_x - 1):
        differs |= seen[j, i] ^ seen[j, i + 1]
    for i in range(n_x if j > 0 else 0):
        differs |= seen[j, i] ^ seen[j - 1, i]
    for i in range(n_x if j + 1 < n_y else 0):
        differs |= seen[j, i] ^ seen[j + 1, i]
    return differs != 0


@inner
def _is_edge(seen, j, i):
    """Whether a neighbour sees something else."""
    n_y, n_x = seen.shape
    here = seen[j, i]
    return (
        (i > 0 and seen[j, i - 1] != here)
        or (i + 1 < n_x and seen[j, i + 1] != here)
        or (j > 0 and seen[j - 1, i] != here)
        or (j + 1 < n_y and seen[j + 1, i] != here)
    )


@inner
def _gather(near, seen, j, i, own):
    """Write which bodies a pixel's rays may meet: `own`, and what it and its neighbours see. Returns how many."""
    n_y, n_x = seen.shape
    n = 0
    for which in range(6):
        k = own
        if which > 0:
            k = seen[
                min(max(j + (which == 2) - (which == 3), 0), n_y - 1),
                min(max(i + (which == 4) - (which == 5), 0), n_x - 1),
            ]
        new = k >= 0
        for before in range(n):
            new = new and near[before] != k
        if new:
            near[n] = k
            n += 1
    return n


@inner
def _mean(view, focal_px, middle, texels, levels, facts, bodies, sky, rays, placed, near, seen, j, i, own):
    """The mean over the rays of a pixel at an edge."""
    n_near, tiled = _gather(near, seen, j, i, own), facts[GroundFact.TILED] != 0
    per_px, high, total, level, scale = 1.0 / focal_px, view[0, 2], 0.0, -1, 0.0
    for ray in range(rays.shape[0]):
        u = (i + 0.5 + rays[ray, 0] - middle[0]) * per_px
        v = (j + 0.5 + rays[ray, 1] - middle[1]) * per_px
        dz = view[1, 2] - u * view[2, 2] - v * view[3, 2]
        nearest = -high / dz if dz < 0 and high > 0 else math.inf
        met = SKY if nearest == math.inf else GROUND
        for which in range(n_near):
            t = distance(bodies, placed, near[which], u, v)
            if t < nearest:
                nearest, met = t, near[which]
        if met >= 0:
            total += body_at(bodies, placed, met, focal_px, u, v, nearest)
        elif met == SKY:
            total += sky
        elif nearest >= facts[GroundFact.FAR]:
            total += facts[GroundFact.FAR_LUMINANCE]
        else:
            if level < 0:  # what the pixel covers of the ground; not all see any
                u0, v0 = (i + 0.5 - middle[0]) * per_px, (j + 0.5 - middle[1]) * per_px
                level = footprint(view, facts, levels, focal_px, u0, v0)[0]
                scale = 1.0 / (facts[GroundFact.TEXEL] * (1 << level))
            x = view[0, 0] + nearest * (view[1, 0] - u * view[2, 0] - v * view[3, 0]) - facts[GroundFact.X]
            y = view[0, 1] + nearest * (view[1, 1] - u * view[2, 1] - v * view[3, 1]) - facts[GroundFact.Y]
            x, y = x * scale - 0.5, y * scale - 0.5
            total += ground_at(texels, levels[level, 0], levels[level, 1], levels[level, 2], tiled, x, y)
    return total / rays.shape[0]


@outer(
    "void(f8[::1], f8, f8[::1], f4[::1], i8[:, ::1], f8[::1], f8[:, ::1], f8, f8[:, ::1], f8[:, ::1], f8[:, ::1],"
    "i8[:, ::1], i8[::1], f8[:, ::1], i4[:, ::1], f8[::1], f8[:, ::1])"
)
def render(
    camera,
    focal_px,
    middle,
    texels,
    levels,
    facts,
    bodies,
    sky,
    rays,
    view,
    placed,
    bounds,
    near,
    depth,
    seen,
    work,
    image,
):
    """Write what a camera sees. A pixel at an edge is the mean over several rays.

    Parameters
    ----------
    camera : (6,) float64
        x, y, z in m, yaw, pitch, roll in rad.
    focal_px : float
    middle : (2,) float64
        Where the camera's axis meets the picture, in pixels from its corner.
    texels, levels, facts
        Of the ground.
    bodies : (n, 11) float64
    sky : float
        Its luminance.
    rays : (n_rays, 2) float64
        The rays of a pixel at an edge: to the right and down of its middle, in pixels.
    view : (4, 3) float64
        Written: the camera's place and axes.
    placed : (n, 12) float64
        Written: the same for each body.
    bounds : (n, 4) int64
        Written: where it may show.
    near : (6,) int64
    depth : (n_y, n_x) float64
        Scratch space.
    seen : (n_y, n_x) int32
        Written: what the middle of each pixel sees, a body's row, GROUND or SKY.
    work : (WORK,) float64
        Scratch space.
    image : (n_y, n_x) float64
        Written: luminance.
    """
    n_y, n_x = image.shape
    look(camera, view)
    seen[:] = SKY
    if bodies.shape[0] > 0:
        depth[:] = math.inf
    for k in range(bodies.shape[0]):
        place(view, bodies, k, placed)
        bound(bodies, placed, k, focal_px, middle, n_x, n_y, bounds)
        nearest = nearest_m(bodies, placed, k)
        for j in range(bounds[k, 2], bounds[k, 3]):
            v = (j + 0.5 - middle[1]) / focal_px
            for i in range(bounds[k, 0], bounds[k, 1]):
                if depth[j, i] > nearest:
                    t = distance(bodies, placed, k, (i + 0.5 - middle[0]) / focal_px, v)
                    if t < depth[j, i]:
                        depth[j, i], seen[j, i] = t, k
    for j in range(n_y):
        for first in range(0, n_x, BLOCK):
            _fill(
                view,
                focal_px,
                middle,
                texels,
                levels,
                facts,
                bodies,
                sky,
                placed,
                depth,
                seen,
                work,
                image,
                j,
                first,
                min(first + BLOCK, n_x),
            )
    for j in range(n_y):
        for i in range(n_x if _has_edges(seen, j) else 0):
            if _is_edge(seen, j, i):
                image[j, i] = _mean(
                    view, focal_px, middle, texels, levels, facts, bodies, sky, rays, placed, near, seen, j, i, SKY
                )
    for k in range(bodies.shape[0]):
        if min(bounds[k, 1] - bounds[k, 0], bounds[k, 3] - bounds[k, 2]) <= SMALL:
            for j in range(bounds[k, 2], bounds[k, 3]):
                for i in range(bounds[k, 0], bounds[k, 1]):
                    image[j, i] = _mean(
                        view, focal_px, middle, texels, levels, facts, bodies, sky, rays, placed, near, seen, j, i, k
                    )


def rays_of(n: int) -> np.ndarray:
    """Where rays pass a pixel, (n, 2), in pixels from its middle: no two in one row or column (Hammersley's set)."""
    at = np.arange(n)
    mirrored = np.zeros(n)
    for bit in range(n.bit_length()):
        mirrored += (at >> bit & 1) / 2.0 ** (bit + 1)
    order = np.argsort(np.argsort(mirrored))
    return np.stack([(at + 0.5) / n, (order + 0.5) / n], 1) - 0.5
