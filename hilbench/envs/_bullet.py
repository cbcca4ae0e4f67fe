"""Plants on PyBullet: with a fixed or a free base, driven joints, wheels and thrusters, alone or among other bodies.

It must not know any one robot. `_engine.py` has the engine.
"""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench.envs import _picture
from hilbench.envs._engine import GRAVITY_M_S2, World
from hilbench.envs._stepped import SteppedConfig, SteppedPlant
from hilbench.envs.disturbances import Loads

__all__ = ["BASE_NAMES", "BASE_UNITS", "GRAVITY_M_S2", "BulletConfig", "BulletPlant", "Thruster"]

URDF = Path(__file__).parent / "urdf"
BASE_NAMES = ("x", "y", "z", "qx", "qy", "qz", "qw", "vx", "vy", "vz", "wx", "wy", "wz")
"""What `BulletPlant.base` gives: position, quaternion, velocity and spin, in the world."""
BASE_UNITS = (*("m",) * 3, *("1",) * 4, *("m/s",) * 3, *("rad/s",) * 3)
"""The units of BASE_NAMES."""


class BulletConfig(SteppedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings that every PyBullet plant has."""


class Thruster(NamedTuple):
    """An actuator that pushes a link."""

    link: int
    """-1 is the base."""
    point_m: tuple[float, float, float]
    """Where, in the link's axes, from its centre of mass."""
    direction: tuple[float, float, float]
    """Where to, in the link's axes: the force for a command of 1 N."""


class BulletPlant(SteppedPlant):
    """A plant on PyBullet: one driven body, which other bodies may surround.

    A robot states `traits` and `obs_high`, and `driven` and `thrusters` where it has them; it fills in `own_spec`,
    `load`, `pose`, `read_joints` and `show`, and `drive` and `view` as it needs them. With an `env_id` it is registered
    with Gymnasium. Its arguments are those of SteppedPlant. The physics of a copy stays where it is.

    Its actuators are the joints of `driven`, and after them `thrusters`. Its joints are the first ones of the body, by
    the names of `traits.joints`; wheels are joints too, and roll on a `floor`. A free base is what `base` reads.
    """

    Config: ClassVar[type[SteppedConfig]] = BulletConfig
    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"]}
    driven: ClassVar[tuple[int, ...]] = ()
    """The joints that actuators drive, by torque or force, in the actuators' order."""
    thrusters: ClassVar[tuple[Thruster, ...]] = ()
    """The actuators that push links."""
    view: Any = _picture.View((0.0, -4.0, 1.0), (0.0, 0.0, 0.5))
    """Where the camera is now, and how large its picture is: a View, or a property that gives one."""
    body: int
    """The driven body."""
    work_j: float
    """The integral of abs(force x speed) over the driven joints since the episode's start."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.world = World()
        self._half_step_s = self.config.physics_step_s / 2

    @abstractmethod
    def load(self) -> int:
        """Build the world with `load_urdf` and `floor`, always in the same order; return the driven body's id."""

    @abstractmethod
    def pose(self, random: np.random.Generator) -> Sequence[float]:
        """Draw what this episode draws, and `place` bodies that are free; return the joints' first positions."""

    @abstractmethod
    def read_joints(self, joints: Sequence[Sequence[Any]]) -> list[float]:
        """Take in the instant `time_s`; return the true named state, all that moves, in a list of its own.

        Parameters
        ----------
        joints : (n_joints,) sequence of (position, speed, ...)
            In rad or m; a free base is in `base`.
        """

    def joint_states(self) -> Sequence[Sequence[Any]]:
        """(position, speed, ...) of each of `traits.joints`, in rad or m: what fields act on."""
        return self._joint_states()

    def marks(self) -> Sequence[_picture.Mark]:
        """What `render` draws over the picture."""
        return ()

    def base(self, body: int | None = None) -> list[float]:
        """The base of the driven body or of another one, (13,): `BASE_NAMES`, in `BASE_UNITS`.

        Position and velocity are those of its centre of mass.
        """
        return self.world.base(self.body if body is None else body)

    def place(self, body: int, state: Sequence[float]) -> None:
        """Put a free body somewhere, with a speed; only within `pose`.

        Parameters
        ----------
        body : int
        state : (13,) float
            `BASE_NAMES`, in `BASE_UNITS`.
        """
        self.world.place(body, state)

    def floor(self, friction: float = 0.5) -> int:
        """Add a plane at z = 0, with a coefficient of friction; returns the body's id. Only within `load`."""
        return self.world.floor(friction)

    def load_urdf(
        self,
        name: str | Path,
        values: Mapping[str, object] | None = None,
        *,
        fixed: bool = True,
        at_m: Sequence[float] = (0.0, 0.0, 0.0),
        facing: Sequence[float] = (0.0, 0.0, 0.0, 1.0),
        world: World | None = None,
    ) -> int:
        """Load a body from a URDF file; returns its id. Only within `load`.

        Parameters
        ----------
        name : str or Path
            A file of the `urdf` folder, or an absolute path.
        values : dict, optional
            What replaces each `$name` in the file.
        fixed : bool
            Whether its base is fixed to the world.
        at_m : (3,) float
            Where its base is.
        facing : (4,) float
            Its orientation, a quaternion (x, y, z, w).
        world : World, optional
            Where it is loaded, when that is not the plant's own world.
        """
        path, world = URDF / name, world or self.world
        if values is None:
            return world.load(path, fixed, at_m, facing)
        with tempfile.TemporaryDirectory(prefix="hilbench-") as folder:
            filled = Path(folder) / path.name
            filled.write_text(Template(path.read_text("utf-8")).substitute(values), "utf-8")
            return world.load(filled, fixed, at_m, facing)

    def begin(self, random: np.random.Generator) -> None:
        """Build the simulation anew: nothing else repeats bit for bit."""
        world = self.world
        world.begin(self.config.physics_step_s)
        self.body = self.load()
        if self.traits.tip_link is not None:
            self._tip = world.inertia(self.body, self.traits.tip_link)
        for joint, position in enumerate(self.pose(random)):
            world.set_joint(self.body, joint, position)
        self._run_step = world.stepper(self.body, self.driven)
        # Torques last one step: a joint that only a field pushes is free again in a step of the other call.
        self._run_pushed_step = world.stepper(self.body, range(len(self.traits.joints)))
        self._joint_states = world.joint_states(self.body, range(len(self.traits.joints)))
        self.work_j = 0.0
        self._speeds = [0.0] * len(self.driven)

    def move(self, forces: list[float]) -> None:
        """One step of the engine."""
        if self.thrusters:
            forces = self._push(forces)
        if self.loads.fields:
            joint_forces = self.loads.joint_forces(self._joints)
            for joint, force in zip(self.driven, forces, strict=True):
                joint_forces[joint] += force
            self._run_pushed_step(joint_forces)
        else:
            self._run_step(forces)

    def read(self) -> list[float]:
        """The true named state, by `read_joints`."""
        self._joints = joints = self.joint_states()
        speeds = [joints[joint][1] for joint in self.driven]
        for force, before, after in zip(self.forces, self._speeds, speeds, strict=False):
            # Force times mean speed is exactly the kinetic energy that a step gives.
            self.work_j += abs(force * (before + after)) * self._half_step_s
        self._speeds = speeds
        return self.read_joints(joints)

    def bear(self, loads: Loads) -> None:
        """Joints rub, and the tip carries: a point, so its inertia stays."""
        for joint, damping in enumerate(loads.damping):
            self.world.set_damping(self.body, joint, damping)
        if self.traits.tip_link is not None:
            mass_kg, inertia = self._tip
            self.world.set_mass(self.body, self.traits.tip_link, mass_kg + loads.tip_kg, inertia)

    def field_forces(self) -> list[float]:
        """What fields do to the joints at this instant, (n_joints,) in N m or N: what an oracle is told."""
        return self.loads.joint_forces(self._joints)

    def rays(self, from_m: NDArray[np.float64], to_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far along each ray something is met, from 0 to 1; 1 where nothing is, (n,).

        Parameters
        ----------
        from_m, to_m : (n, 3) float
            Where the rays begin and end, in the world.
        """
        return self.world.rays(from_m, to_m)

    def picture(self, view: _picture.View) -> NDArray[np.uint8]:
        """What a camera sees now, (height, width, 3)."""
        return _picture.finish(*self.world.picture(view), ())

    def render(self) -> NDArray[np.uint8] | None:
        """A picture (height, width, 3) from the side; None without a render mode."""
        if self.render_mode is None or self._index < 0:
            return None
        return _picture.finish(*self.world.picture(self.view), self.marks())

    def close(self) -> None:
        """Release the physics client; may be called twice, and `reset` starts a new one."""
        self.world.close()
        super().close()

    def _push(self, forces: list[float]) -> list[float]:
        """Let the thrusters push; returns what is left for the joints."""
        n = len(self.driven)
        for (link, point_m, direction), force_n in zip(self.thrusters, forces[n:], strict=True):
            self.world.push(self.body, link, [force_n * share for share in direction], point_m)
        return forces[:n]
