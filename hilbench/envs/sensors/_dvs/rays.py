"""Where rays of a camera meet bodies, and which pixels a body may fill."""

from __future__ import annotations

import math

import numpy as np

from hilbench.compiled.inlined import inner
from hilbench.envs.sensors._dvs.scene import BodyColumn, Kind

NEAR_M = 1e-3
"""What is nearer along the camera's axis is cut off when a body's pixels are bounded."""
MISSED = math.inf


@inner
def look(camera, view):
    """Write the camera's place and axes from its pose.

    Parameters
    ----------
    camera : (6,) float64
        x, y, z in m, yaw, pitch, roll in rad.
    view : (4, 3) float64
        Written.
    """
    cy, sy, cp, sp = math.cos(camera[3]), math.sin(camera[3]), math.cos(camera[4]), math.sin(camera[4])
    cr, sr = math.cos(camera[5]), math.sin(camera[5])
    for i in range(3):
        view[0, i] = camera[i]
    view[1, 0], view[1, 1], view[1, 2] = cy * cp, sy * cp, -sp
    view[2, 0], view[2, 1], view[2, 2] = cy * sp * sr - sy * cr, sy * sp * sr + cy * cr, cp * sr
    view[3, 0], view[3, 1], view[3, 2] = cy * sp * cr + sy * sr, sy * sp * cr - cy * sr, cp * cr


@inner
def place(view, bodies, k, placed):
    """Write the camera's place and axes as body `k` has them.

    Parameters
    ----------
    view : (4, 3) float64
    bodies : (n, 11) float64
    k : int
    placed : (n, 12) float64
        Its row k is written.
    """
    c, s = math.cos(bodies[k, BodyColumn.YAW]), math.sin(bodies[k, BodyColumn.YAW])
    for row in range(4):
        x, y, z = view[row, 0], view[row, 1], view[row, 2]
        if row == 0:
            x -= bodies[k, BodyColumn.X]
            y -= bodies[k, BodyColumn.Y]
            z -= bodies[k, BodyColumn.Z]
        placed[k, 3 * row], placed[k, 3 * row + 1], placed[k, 3 * row + 2] = c * x + s * y, c * y - s * x, z


@inner
def distance(bodies, placed, k, u, v):
    """How far along a ray body `k` is met, in m along the camera's axis; inf where it is not, or from inside it.

    Parameters
    ----------
    bodies : (n, 11) float64
    placed : (n, 12) float64
    k : int
    u, v : float
    """
    ox, oy, oz = placed[k, 0], placed[k, 1], placed[k, 2]
    dx = placed[k, 3] - u * placed[k, 6] - v * placed[k, 9]
    dy = placed[k, 4] - u * placed[k, 7] - v * placed[k, 10]
    dz = placed[k, 5] - u * placed[k, 8] - v * placed[k, 11]
    kind, a = np.int64(bodies[k, BodyColumn.KIND]), bodies[k, BodyColumn.A]
    if kind == Kind.SPHERE:
        near, far = _round(
            ox * dx + oy * dy + oz * dz, dx * dx + dy * dy + dz * dz, ox * ox + oy * oy + oz * oz - a * a
        )
    else:
        near, far = _between(oz, dz, bodies[k, BodyColumn.C])
        if kind == Kind.BOX:
            near_x, far_x = _between(ox, dx, a)
            near_y, far_y = _between(oy, dy, bodies[k, BodyColumn.B])
            near, far = max(near, near_x, near_y), min(far, far_x, far_y)
        else:
            near_r, far_r = _round(ox * dx + oy * dy, dx * dx + dy * dy, ox * ox + oy * oy - a * a)
            near, far = max(near, near_r), min(far, far_r)
    return near if 0.0 < near <= far else MISSED


@inner
def _between(o, d, half):
    """Where a ray is between two planes, from -half to half."""
    if abs(d) < 1e-12:
        d = 1e-12
    per = 1.0 / d
    one, other = (-half - o) * per, (half - o) * per
    return min(one, other), max(one, other)


@inner
def _round(b, a, c):
    """Where a t^2 + 2 b t + c is below 0."""
    if a < 1e-12:
        return (-MISSED, MISSED) if c < 0 else (MISSED, -MISSED)
    square = b * b - a * c
    if not square > 0:
        return MISSED, -MISSED
    root, per = math.sqrt(square), 1.0 / a
    return (-b - root) * per, (-b + root) * per


@inner
def nearest_m(bodies, placed, k):
    """A distance along the camera's axis that no ray meets body `k` before: that of the nearest corner of its box.

    Parameters
    ----------
    bodies : (n, 11) float64
    placed : (n, 12) float64
    k : int
    """
    x, y, z = placed[k, 3], placed[k, 4], placed[k, 5]
    middle = -(placed[k, 0] * x + placed[k, 1] * y + placed[k, 2] * z)
    half_x, half_y, half_z = bodies[k, BodyColumn.A], bodies[k, BodyColumn.B], bodies[k, BodyColumn.C]
    return middle - 1.000001 * (half_x * abs(x) + half_y * abs(y) + half_z * abs(z))


@inner
def bound(bodies, placed, k, focal_px, middle, n_x, n_y, bounds):
    """Write which pixels body `k` may fill; none where it is behind the camera.

    Parameters
    ----------
    bodies : (n, 11) float64
    placed : (n, 12) float64
    k : int
    focal_px : float
    middle : (2,) float64
        Where the camera's axis meets the picture, in pixels from its corner.
    n_x, n_y : int
        Columns and rows of the picture.
    bounds : (n, 4) int64
        Its row k is written.
    """
    if np.int64(bodies[k, BodyColumn.KIND]) == Kind.SPHERE:
        left, right, top, bottom = _around(placed, k, bodies[k, BodyColumn.A])
    else:
        left, right, top, bottom = _corners(bodies, placed, k)
    if left > right:
        bounds[k] = 0
        return
    bounds[k, 0] = _within(np.floor(left * focal_px + middle[0]), n_x)
    bounds[k, 1] = _within(np.floor(right * focal_px + middle[0]) + 1.0, n_x)
    bounds[k, 2] = _within(np.floor(top * focal_px + middle[1]), n_y)
    bounds[k, 3] = _within(np.floor(bottom * focal_px + middle[1]) + 1.0, n_y)


@inner
def _within(x, n):
    """A whole number from 0 to n; what is no number is 0."""
    if not x > 0:
        return 0
    return n if x > n else np.int64(x)


@inner
def _ahead(placed, k, x, y, z):
    """How far forward, right and down of the camera a point is, given as body `k` has it."""
    x, y, z = x - placed[k, 0], y - placed[k, 1], z - placed[k, 2]
    return (
        x * placed[k, 3] + y * placed[k, 4] + z * placed[k, 5],
        -x * placed[k, 6] - y * placed[k, 7] - z * placed[k, 8],
        -x * placed[k, 9] - y * placed[k, 10] - z * placed[k, 11],
    )


@inner
def _around(placed, k, radius):
    """Left, right, top and bottom of a sphere's picture, by the rays that touch it."""
    ahead, right, down = _ahead(placed, k, 0.0, 0.0, 0.0)
    if ahead < -radius:
        return 1.0, 0.0, 1.0, 0.0
    if ahead < radius + NEAR_M:
        return -MISSED, MISSED, -MISSED, MISSED
    across = ahead * ahead - radius * radius
    wide = radius * math.sqrt(max(0.0, right * right + across))
    high = radius * math.sqrt(max(0.0, down * down + across))
    x, y = ahead * right, ahead * down
    return (x - wide) / across, (x + wide) / across, (y - high) / across, (y + high) / across


@inner
def _corners(bodies, placed, k):
    """Left, right, top and bottom of the picture of the box around a body: of its twelve edges, before the camera."""
    left, right, top, bottom = MISSED, -MISSED, MISSED, -MISSED
    half_x, half_y, half_z = bodies[k, BodyColumn.A], bodies[k, BodyColumn.B], bodies[k, BodyColumn.C]
    for edge in range(12):
        axis, one, two = edge // 4, 1.0 - 2 * (edge & 1), 1.0 - (edge & 2)
        x0 = -half_x if axis == 0 else one * half_x
        y0 = -half_y if axis == 1 else (one if axis == 0 else two) * half_y
        z0 = -half_z if axis == 2 else two * half_z
        a0, r0, d0 = _ahead(placed, k, x0, y0, z0)
        a1, r1, d1 = _ahead(
            placed, k, half_x if axis == 0 else x0, half_y if axis == 1 else y0, half_z if axis == 2 else z0
        )
        for _ in range(2):  # either end in turn, cut off at NEAR_M where the other is further
            if a0 >= NEAR_M:
                share = 0.0
            elif a1 >= NEAR_M:
                share = (NEAR_M - a0) / (a1 - a0)
            else:
                break
            a, r, d = a0 + share * (a1 - a0), r0 + share * (r1 - r0), d0 + share * (d1 - d0)
            left, right = min(left, r / a), max(right, r / a)
            top, bottom = min(top, d / a), max(bottom, d / a)
            a0, r0, d0, a1, r1, d1 = a1, r1, d1, a0, r0, d0
    return left, right, top, bottom
