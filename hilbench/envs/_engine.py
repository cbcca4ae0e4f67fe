"""PyBullet without its traps, and the only file that imports it. It must not know any one robot.

The traps: it prints when it is imported, joints are born with a velocity motor and with damping, bodies with damping
too, joint speeds are clamped at 100 rad/s, inertias are recomputed from collision shapes, and only a full rebuild
repeats bit for bit.
"""

from __future__ import annotations

import contextlib
import os
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.envs._picture import OVERSAMPLING, View
from hilbench.errors import HilbenchError, MissingExtra, ScenarioError, escaped

GRAVITY_M_S2 = 9.81
MAX_JOINT_SPEED = 1000.0


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep C code off stdout and stderr: its greeting would break a protocol or a pipe."""
    with contextlib.ExitStack() as stack, open(os.devnull, "wb") as nowhere:
        for fd in (1, 2):
            with contextlib.suppress(OSError):  # a service may run without them
                kept = os.dup(fd)
                stack.callback(os.close, kept)
                stack.callback(os.dup2, kept, fd)
                os.dup2(nowhere.fileno(), fd)
        yield


try:
    with _silent():
        import pybullet as bullet
except ImportError as error:
    late = " (on Python 3.12 and later pip builds it from source: about 4 minutes, and a C++ compiler)"
    raise MissingExtra("PyBullet" + late * (sys.version_info >= (3, 12)), "sim") from error


class World:
    """A physics client of its own: bodies that are all guarded against the traps, forces on them, and what they do.

    What is called in each physics step is a call bound once, until the next `begin`.
    """

    def __init__(self) -> None:
        self.client = -1

    def begin(self, step_s: float) -> None:
        """Empty the world, so that what is built now repeats bit for bit; connects where there is no client."""
        if self.client < 0:
            self._connect()
        client = self.client
        bullet.resetSimulation(physicsClientId=client)
        bullet.setPhysicsEngineParameter(
            fixedTimeStep=step_s,
            numSubSteps=0,
            deterministicOverlappingPairs=1,
            enableFileCaching=0,
            physicsClientId=client,
        )
        bullet.setGravity(0, 0, -GRAVITY_M_S2, physicsClientId=client)

    def square_friction(self) -> None:
        """Bound friction along two axes in place of its size, which takes a third of a step less; until `begin`.

        Nothing changes where nothing slips.
        """
        bullet.setPhysicsEngineParameter(enableConeFriction=0, physicsClientId=self.client)

    def close(self) -> None:
        """Release the client; may be called twice."""
        if self.client >= 0:
            self._release()
        self.client = -1

    def load(self, path: Path, fixed: bool, at_m: Sequence[float], facing: Sequence[float]) -> int:
        """Load a URDF file; returns the body's id.

        Parameters
        ----------
        path : Path
        fixed : bool
            Whether its base is fixed to the world.
        at_m : (3,) float
            Where its base is.
        facing : (4,) float
            Its orientation, a quaternion (x, y, z, w).
        """
        if escaped(path) != str(path):
            text = f"{escaped(path.parent)}: found a name that is not UTF-8, which PyBullet cannot read from"
            raise ScenarioError(f"{text}; allowed: one that is; TMPDIR names the folder for temporary files")
        flags = bullet.URDF_USE_INERTIA_FROM_FILE
        body: int = bullet.loadURDF(
            str(path), at_m, facing, useFixedBase=fixed, flags=flags, physicsClientId=self.client
        )
        self._guard(body)
        return body

    def floor(self, friction: float) -> int:
        """A plane at z = 0, with a coefficient of friction; returns the body's id."""
        shape = bullet.createCollisionShape(bullet.GEOM_PLANE, physicsClientId=self.client)
        body: int = bullet.createMultiBody(0, shape, physicsClientId=self.client)
        bullet.changeDynamics(body, -1, lateralFriction=friction, physicsClientId=self.client)
        return body

    def place(self, body: int, state: Sequence[float]) -> None:
        """Put a free body's base where `base` would find it.

        Parameters
        ----------
        body : int
        state : (13,) float
            As `base` gives it.
        """
        bullet.resetBasePositionAndOrientation(body, state[:3], state[3:7], physicsClientId=self.client)
        bullet.resetBaseVelocity(body, state[7:10], state[10:13], physicsClientId=self.client)

    def base(self, body: int) -> list[float]:
        """A body's base, (13,): position in m, quaternion (x, y, z, w), velocity in m/s, spin in rad/s, in the world.

        Position and velocity are those of its centre of mass.
        """
        position, facing = bullet.getBasePositionAndOrientation(body, self.client)
        velocity, spin = bullet.getBaseVelocity(body, self.client)
        return [*position, *facing, *velocity, *spin]

    def set_joint(self, body: int, joint: int, position: float) -> None:
        """Put a joint at rest at a position, in rad or m.

        Parameters
        ----------
        body, joint : int
        position : float
        """
        bullet.resetJointState(body, joint, position, physicsClientId=self.client)

    def joint_states(self, body: int, joints: Sequence[int]) -> Callable[[], Sequence[Sequence[Any]]]:
        """A call for (position, speed, ...) of each joint, in rad or m.

        Parameters
        ----------
        body : int
        joints : (n,) sequence of int
        """
        return (
            partial(bullet.getJointStates, body, list(joints), self.client) if joints else tuple
        )  # of none it gives None

    def contacts(self, body: int, other: int) -> Callable[[], Sequence[Sequence[Any]]]:
        """A call for the contacts of two bodies in the last physics step.

        Of each, entry 3 is the first body's link, and entry 9 the normal force in N.

        Parameters
        ----------
        body, other : int
        """
        return partial(bullet.getContactPoints, body, other, physicsClientId=self.client)

    def stepper(self, body: int, joints: Sequence[int]) -> Callable[[list[float]], None]:
        """A call that runs one physics step, with forces (n,) in N m or N that drive joints through it.

        Parameters
        ----------
        body : int
        joints : (n,) sequence of int
        """
        drive, step, mode, client = (
            bullet.setJointMotorControlArray, bullet.stepSimulation, bullet.TORQUE_CONTROL, self.client
        )  # fmt: skip

        def driven(forces: list[float]) -> None:
            drive(body, joints, mode, forces=forces, physicsClientId=client)
            step(client)

        return driven if joints else lambda forces: step(client)

    def servo(self, body: int, joints: Sequence[int], torque_n_m: float) -> Callable[[list[float]], None]:
        """A call that runs one physics step in which motors hold speeds (n,) in rad/s.

        Parameters
        ----------
        body : int
        joints : (n,) sequence of int
        torque_n_m : float
            The most that each motor gives.
        """
        drive, step, mode, client = (
            bullet.setJointMotorControlArray, bullet.stepSimulation, bullet.VELOCITY_CONTROL, self.client
        )  # fmt: skip
        most = [torque_n_m] * len(joints)

        def held(speeds: list[float]) -> None:
            drive(body, joints, mode, targetVelocities=speeds, forces=most, physicsClientId=client)
            step(client)

        return held

    def push(self, body: int, link: int, force_n: Sequence[float], point_m: Sequence[float]) -> None:
        """Push a link through the next physics step.

        Parameters
        ----------
        body, link : int
            -1 is the base.
        force_n, point_m : (3,) float
            In the link's own axes, the point from its centre of mass.
        """
        bullet.applyExternalForce(body, link, force_n, point_m, bullet.LINK_FRAME, physicsClientId=self.client)

    def wrench(self, body: int, force_n: Sequence[float], torque_n_m: Sequence[float]) -> None:
        """Push and turn a base through the next physics step, at its centre of mass.

        Parameters
        ----------
        body : int
        force_n, torque_n_m : (3,) float
            In the base's own axes.
        """
        client, axes = self.client, bullet.LINK_FRAME
        bullet.applyExternalForce(body, -1, force_n, (0.0, 0.0, 0.0), axes, physicsClientId=client)
        bullet.applyExternalTorque(body, -1, torque_n_m, axes, physicsClientId=client)

    def inverse_dynamics(self, body: int) -> Callable[[Sequence[float], Sequence[float], Sequence[float]], Any]:
        """A call for the torques (n,) in N m that angles, rates and accelerations (n,) of all joints need.

        They are those of the body's file: a mass that was set later does not count.
        """
        return partial(bullet.calculateInverseDynamics, body, physicsClientId=self.client)

    def set_damping(self, body: int, joint: int, damping: float) -> None:
        """Let a joint rub.

        Parameters
        ----------
        body, joint : int
        damping : float
            In N m s/rad or N s/m.
        """
        bullet.changeDynamics(body, joint, jointDamping=damping, physicsClientId=self.client)

    def inertia(self, body: int, link: int) -> tuple[float, Any]:
        """A link's mass in kg, and its diagonal of inertia in kg m2.

        Parameters
        ----------
        body, link : int
        """
        found = bullet.getDynamicsInfo(body, link, self.client)
        return found[0], found[2]

    def set_mass(self, body: int, link: int, mass_kg: float, inertia_kg_m2: Any) -> None:
        """Give a link another mass. Its inertia is given too, for by itself a new mass would replace it.

        Parameters
        ----------
        body, link : int
        mass_kg : float
        inertia_kg_m2 : (3,) float
        """
        bullet.changeDynamics(body, link, mass=mass_kg, localInertiaDiagonal=inertia_kg_m2, physicsClientId=self.client)

    def rays(self, from_m: NDArray[np.float64], to_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far along each ray something is met, from 0 to 1; 1 where nothing is, (n,).

        Parameters
        ----------
        from_m, to_m : (n, 3) float
            Where the rays begin and end, in the world.
        """
        hits = bullet.rayTestBatch(np.asarray(from_m), np.asarray(to_m), physicsClientId=self.client)
        return np.array([hit[2] for hit in hits])

    def picture(self, view: View) -> tuple[NDArray[np.uint8], NDArray[np.bool_], Any, Any]:
        """The scene (H, W, 3), where it is empty (H, W), and both matrices of the camera.

        It is `OVERSAMPLING` times as large as the view says.
        """
        height, width = view.height * OVERSAMPLING, view.width * OVERSAMPLING
        eye = bullet.computeViewMatrix(view.eye_m, view.target_m, (0, 0, 1))
        lens = bullet.computeProjectionMatrixFOV(view.fov_deg, view.width / view.height, 0.1, 20.0)
        _, _, rgba, _, body = bullet.getCameraImage(
            width,
            height,
            eye,
            lens,
            lightDirection=view.light,
            renderer=bullet.ER_TINY_RENDERER,
            physicsClientId=self.client,
        )
        scene = np.reshape(rgba, (height, width, 4))[..., :3].astype(np.uint8)
        return scene, np.reshape(body, (height, width)) < 0, eye, lens

    def _connect(self) -> None:
        self.client = bullet.connect(bullet.DIRECT)
        if self.client < 0:
            raise HilbenchError("PyBullet has no free physics client; close plants that are no longer used")
        self._release = weakref.finalize(self, bullet.disconnect, self.client)

    def _guard(self, body: int) -> None:
        client = self.client
        n_joints = bullet.getNumJoints(body, client)
        for joint in range(n_joints):
            if bullet.getJointInfo(body, joint, client)[2] in (bullet.JOINT_REVOLUTE, bullet.JOINT_PRISMATIC):
                bullet.setJointMotorControl2(body, joint, bullet.VELOCITY_CONTROL, force=0, physicsClientId=client)
        for link in range(-1, n_joints):
            bullet.changeDynamics(
                body,
                link,
                linearDamping=0,
                angularDamping=0,
                jointDamping=0,
                maxJointVelocity=MAX_JOINT_SPEED,
                physicsClientId=client,
            )
