"""A quadrotor's inner loop and its rotors, in plain numbers. It must not know the engine, nor any task.

The loop is the geometric tracking control of Lee, Leok & McClamroch (2010), "Geometric tracking control of a quadrotor
UAV on SE(3)", IEEE CDC: 5420-5425, without the gyroscopic term and those for the rate of the wanted attitude. Rotors
stand at the corners of a square, and neighbours turn against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

Vector = tuple[float, float, float]
Rotation = tuple[Vector, Vector, Vector]
"""Columns: where the body's x, y and z point to, in the world."""

ROTORS = ("front_right", "rear_right", "rear_left", "front_left")
FRONT = (1.0, -1.0, -1.0, 1.0)
"""By rotor, the sign of its x."""
LEFT = (-1.0, -1.0, 1.0, 1.0)
"""By rotor, the sign of its y."""
SPIN = (-1.0, 1.0, -1.0, 1.0)
"""By rotor, the sign of the torque that its drag has about the body's z."""


class Frame(NamedTuple):
    """Constants of a quadrotor."""

    mass_kg: float
    inertia_kg_m2: Vector
    arm_m: float
    """Of each rotor, along the body's x and along its y."""
    drag_m: float
    """A rotor's torque about the body's z, per thrust."""
    most_n: float
    """The most that a rotor gives."""


class Loop(NamedTuple):
    """Gains of the inner loop."""

    position_per_s2: float
    velocity_per_s: float
    most_m_s2: float
    """The most that position and velocity ask for, along each axis."""
    tilt_per_s2: Vector
    spin_per_s: Vector


FRAME = Frame(
    mass_kg=0.027,
    inertia_kg_m2=(1.4e-5, 1.4e-5, 2.17e-5),
    arm_m=0.028,
    drag_m=7.94e-12 / 3.16e-10,
    most_n=2.25 * 0.027 * 9.81 / 4,
)
"""A Crazyflie 2.x, as the model cf2x of gym-pybullet-drones has it (Panerati et al. 2021, IROS)."""
LOOP = Loop(
    position_per_s2=4.0,
    velocity_per_s=3.0,
    most_m_s2=5.0,
    tilt_per_s2=(280.0, 280.0, 40.0),
    spin_per_s=(21.0, 21.0, 6.0),
)


LEAST_SQUARE = 1e-12
"""Of a quaternion's length: below it nothing says which way it is turned."""


def rotation_of(quaternion: Sequence[float]) -> Rotation:
    """The rotation of a quaternion (x, y, z, w) of any length; of length 0, as a sensor that is off shows it, none."""
    x, y, z, w = quaternion
    square = x * x + y * y + z * z + w * w
    s = 2 / square if square > LEAST_SQUARE else 0.0
    return (
        (1 - s * (y * y + z * z), s * (x * y + z * w), s * (x * z - y * w)),
        (s * (x * y - z * w), 1 - s * (x * x + z * z), s * (y * z + x * w)),
        (s * (x * z + y * w), s * (y * z - x * w), 1 - s * (x * x + y * y)),
    )


def dot(a: Vector, b: Vector) -> float:
    """The inner product of two vectors.

    Parameters
    ----------
    a, b : (3,) float
    """
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Vector, b: Vector) -> Vector:
    """The cross product of two vectors.

    Parameters
    ----------
    a, b : (3,) float
    """
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def unit(a: Vector) -> Vector:
    """A vector of length 1 in the same direction."""
    size = sqrt(dot(a, a))
    return a[0] / size, a[1] / size, a[2] / size


def tilt_error(rotation: Rotation, thrust: Vector) -> Vector:
    """Lee et al. (2010), eq. 10: half the difference of Rd'R and its transpose, as a vector in the body's axes.

    Parameters
    ----------
    rotation : Rotation
        The body's.
    thrust : (3,) float
        Where its z should point to, in the world, with the nose along the world's x.
    """
    bx, by, bz = rotation
    zd = unit(thrust)
    yd = unit(cross(zd, (1.0, 0.0, 0.0)))
    xd = cross(yd, zd)
    return (
        (dot(zd, by) - dot(yd, bz)) / 2,
        (dot(xd, bz) - dot(zd, bx)) / 2,
        (dot(yd, bx) - dot(xd, by)) / 2,
    )


def thrusts_n(frame: Frame, lift_n: float, torque_n_m: Vector) -> list[float]:
    """What each rotor has to give, within its limits, (4,).

    Parameters
    ----------
    frame : Frame
    lift_n : float
        Along the body's z.
    torque_n_m : (3,) float
        About the body's axes.
    """
    lift, roll = lift_n / 4, torque_n_m[0] / (4 * frame.arm_m)
    pitch, yaw = -torque_n_m[1] / (4 * frame.arm_m), torque_n_m[2] / (4 * frame.drag_m)
    wanted = (lift + LEFT[i] * roll + FRONT[i] * pitch + SPIN[i] * yaw for i in range(4))
    return [min(max(thrust, 0.0), frame.most_n) for thrust in wanted]


def wrench(frame: Frame, thrust_n: Sequence[float]) -> tuple[float, Vector]:
    """What rotors do together: the lift along the body's z in N, and the torque about its axes in N m.

    Parameters
    ----------
    frame : Frame
    thrust_n : (4,) float
    """
    a, b, c, d = thrust_n
    # By the signs of FRONT, LEFT and SPIN.
    return a + b + c + d, (frame.arm_m * (c + d - a - b), frame.arm_m * (b + c - a - d), frame.drag_m * (b + d - a - c))
