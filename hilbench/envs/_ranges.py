"""Level rays among upright boxes and cylinders in a square room, compiled."""

from __future__ import annotations

from math import sqrt

from numba import njit

from hilbench.compiled.inlined import inner

PARALLEL_M = 1e-12
"""A ray that goes less far across a side than this never meets it."""


@inner
def _to_box(x, y, dx, dy, half_x, half_y):
    """The share of a ray, from (x, y) by (dx, dy), at which it is in a box around 0 first; 1 where it never is."""
    enters, leaves = 0.0, 1.0
    for at, by, half in ((x, dx, half_x), (y, dy, half_y)):
        if abs(by) > PARALLEL_M:
            one, other = (-half - at) / by, (half - at) / by
            enters, leaves = max(enters, min(one, other)), min(leaves, max(one, other))
        elif abs(at) > half:
            return 1.0
    return enters if enters <= leaves else 1.0


@inner
def _to_disc(x, y, dx, dy, radius):
    """The same of a disc around 0."""
    outside, along = x * x + y * y - radius * radius, x * dx + y * dy
    if outside <= 0.0:
        return 0.0
    root2 = along * along - (dx * dx + dy * dy) * outside
    return min(1.0, outside / (sqrt(root2) - along)) if along < 0.0 <= root2 else 1.0


@inner
def _to_wall(x, dx, room_m):
    """The share at which it leaves the room on one axis."""
    if abs(dx) <= PARALLEL_M:
        return 1.0
    return min(1.0, max(0.0, ((room_m if dx > 0.0 else -room_m) - x) / dx))


@njit(
    "b1(f8[:,:], f8[:,:], f8[:,:], f8[:,:], f8[:], f8, f8, f8, f8[:])",
    cache=True, nogil=True, _nrt=False, error_model="numpy",
)  # fmt: skip
def shares(begins, ends, centre, half, radius, room_m, low_m, high_m, found):
    """Write how far along each ray something is met, 0 to 1, into `found`; False if one is not level."""
    for i in range(begins.shape[0]):
        x, y, z = begins[i, 0], begins[i, 1], begins[i, 2]
        if not (low_m < z < high_m and ends[i, 2] == z):
            return False
        dx, dy = ends[i, 0] - x, ends[i, 1] - y
        nearest = min(_to_wall(x, dx, room_m), _to_wall(y, dy, room_m))
        for k in range(radius.size):
            to_x, to_y = x - centre[k, 0], y - centre[k, 1]
            if radius[k] > 0.0:
                nearest = min(nearest, _to_disc(to_x, to_y, dx, dy, radius[k]))
            else:
                nearest = min(nearest, _to_box(to_x, to_y, dx, dy, half[k, 0], half[k, 1]))
        found[i] = nearest
    return True
