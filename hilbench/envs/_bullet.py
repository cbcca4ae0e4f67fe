"""Plants on PyBullet, and the only file that imports it. It must not know any one robot.

The traps this file guards against: joints are born with a velocity motor and with damping, joint speeds are clamped
at 100 rad/s, inertias are recomputed from collision shapes, and only a full rebuild repeats bit for bit.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import weakref
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from string import Template
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import ArrayLike, NDArray

from hilbench.envs import _picture
from hilbench.envs._plant import Plant, command, gymnasium
from hilbench.envs._schedule import Schedule
from hilbench.envs.disturbances import Loads, Traits
from hilbench.errors import HilbenchError, MissingExtra, ScenarioError, allowed_hint, escaped
from hilbench.seeding import stream
from hilbench.settings import to_config, whole_steps

GRAVITY_M_S2 = 9.81
MAX_JOINT_SPEED = 1000.0
URDF = Path(__file__).parent / "urdf"


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


class BulletConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings that every PyBullet plant has."""

    physics_step_s: Annotated[float, Meta(ge=1e-5, le=0.02)] = 0.001
    """The fixed step of the physics engine, a whole number of microseconds."""


def _made_anew(kind: type[BulletPlant], arguments: dict[str, Any], spec: Any) -> BulletPlant:
    """A plant of the same arguments, as it leaves `gymnasium.make`, before its first reset."""
    plant = kind(**arguments)
    plant.spec = spec
    return plant


class BulletPlant(Plant):
    """A plant made of one fixed-base body with torque- or force-driven joints.

    A robot states `Config`, `metadata`, `traits`, `driven`, `obs_high`, `view` and `plant_spec`, and fills in `_load`,
    `_begin`, `_drive`, `_read` and `observe`; with an `env_id` it is registered with Gymnasium.

    Parameters
    ----------
    render_mode : None or "rgb_array"
        Whether `render` gives pictures.
    control_period_s : float
        Length of one `step` in seconds, a whole number of physics steps.
    disturbances : dict of dict, optional
        By name {"kind": ..., and that kind's fields}.
    settings
        The fields of `Config`.

    Raises ScenarioError when a setting, a disturbance or the period is wrong. A plant that is pickled or copied is made
    anew from its arguments, and has to be reset: the physics stays where it is.
    """

    Config: ClassVar[type[BulletConfig]]
    metadata: ClassVar[dict[str, Any]]
    """Gymnasium's, with names and units of observations and actions; each plant adds its own `render_fps`."""
    traits: ClassVar[Traits]
    driven: ClassVar[tuple[int, ...]]
    """The joints that the actuators drive, in the actuators' order."""
    obs_high: ClassVar[tuple[float, ...]]
    """Bounds of the observation space, both ways."""

    @property
    @abstractmethod
    def view(self) -> _picture.View:
        """Where the camera is now, and how large its picture is."""

    def __init__(
        self,
        *,
        render_mode: str | None = None,
        control_period_s: float = 0.001,
        disturbances: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            allowed = allowed_hint(str(render_mode), self.metadata["render_modes"])
            raise ScenarioError(f"render_mode: found {render_mode!r}; {allowed}")
        self.config: Any = to_config(self.Config, settings, "plant")
        kept = {"render_mode": render_mode, "control_period_s": control_period_s, "disturbances": disturbances}
        self._arguments = deepcopy(kept | settings)  # its caller may write over its dicts, and a copy starts from these
        step_s = self.config.physics_step_s
        self._step_us = whole_steps(step_s, 1e-6, "plant.physics_step_s", "microseconds")
        self.control_steps = whole_steps(control_period_s, step_s, "control_period_s")
        self.render_mode = render_mode
        fps = max(1, round(1 / control_period_s))
        self.metadata = {**self.metadata, "render_fps": fps}  # type: ignore[misc]  # Gymnasium reads it of each plant
        self.disturbances = self._arguments["disturbances"] or {}
        self._schedule = Schedule({} if disturbances is None else disturbances, self.traits, step_s)
        self._joints = list(range(len(self.traits.joints)))
        self._driven = list(self.driven)
        self._half_step_s = step_s / 2
        self._client = self._body = -1
        plant_spec = self.plant_spec
        self._low, self._high = plant_spec.action_low, plant_spec.action_high
        self.action_space = gymnasium.spaces.Box(
            np.array(self._low, np.float32), np.array(self._high, np.float32), dtype=np.float32
        )
        obs_high = np.array(self.obs_high, np.float32)
        self.observation_space = gymnasium.spaces.Box(-obs_high, obs_high, dtype=np.float32)

    def __reduce__(self) -> tuple:
        return _made_anew, (type(self), self._arguments, self.spec)

    @abstractmethod
    def _load(self) -> int:
        """Load the robot with `load_urdf`; return the body's id."""

    @abstractmethod
    def _begin(self, random: np.random.Generator) -> Sequence[float]:
        """Draw what this episode draws; return the joints' first positions."""

    @abstractmethod
    def _read(self, joints: Sequence[Sequence[Any]]) -> list[float]:
        """Take in the joints' (position, speed, ...) at `time_s`; return the true values of `traits.sensors`."""

    @abstractmethod
    def _drive(self, command: list[float]) -> list[float]:
        """The forces of this physics step, one per actuator and within the limits, in a list of their own."""

    def _marks(self) -> Sequence[_picture.Mark]:
        """What `render` draws over the picture."""
        return ()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, float]]:
        """Build the simulation anew and start an episode.

        Parameters
        ----------
        seed : int, optional
            Decides all that is drawn in the episode; without it Gymnasium's generator does.
        options : dict, optional
            Not used.
        """
        super().reset(seed=seed)
        episode = int(self.np_random.integers(2**63)) if seed is None else seed
        self._rebuild()
        self._schedule.reset(episode)
        self._index = 0
        self._work_j = 0.0
        self._forces = self._speeds = [0.0] * len(self._driven)
        for joint, position in enumerate(self._begin(stream(episode, "plant"))):
            bullet.resetJointState(self._body, joint, position, physicsClientId=self._client)
        self._arrive()
        obs, _, _, _, info = self.observe()
        return obs, info

    def advance(self, n_steps: int, action: ArrayLike) -> None:
        """Run physics steps with one action.

        Raises ValueError when the action is not finite, and gymnasium's ResetNeeded before the first `reset`.
        """
        if self._body < 0:
            raise gymnasium.error.ResetNeeded("reset() this plant before it is advanced")
        values = command(action, self._low, self._high)
        for _ in range(n_steps):
            self._forces = forces = self._drive(values)
            for disturbance in self._schedule.active:
                disturbance.actuate(forces)
            bullet.setJointMotorControlArray(
                self._body, self._driven, bullet.TORQUE_CONTROL, forces=forces, physicsClientId=self._client
            )
            bullet.stepSimulation(self._client)
            self._index += 1
            self._arrive()

    def state(self) -> NDArray[np.float64]:
        """The true values of `traits.sensors`, which are all positions and speeds there are."""
        return np.array(self._truth)

    def render(self) -> NDArray[np.uint8] | None:
        """A picture (height, width, 3) from the side; None without a render mode."""
        if self.render_mode is None or self._body < 0:
            return None
        view, size = self.view, _picture.OVERSAMPLING
        eye = bullet.computeViewMatrix(view.eye_m, view.target_m, (0, 0, 1))
        lens = bullet.computeProjectionMatrixFOV(view.fov_deg, view.width / view.height, 0.1, 20.0)
        _, _, rgba, _, body = bullet.getCameraImage(
            view.width * size,
            view.height * size,
            eye,
            lens,
            lightDirection=view.light,
            renderer=bullet.ER_TINY_RENDERER,
            physicsClientId=self._client,
        )
        shape = (view.height * size, view.width * size)
        scene = np.reshape(rgba, (*shape, 4))[..., :3].astype(np.uint8)
        return _picture.finish(scene, np.reshape(body, shape) < 0, eye, lens, self._marks())

    def close(self) -> None:
        """Release the physics client; may be called twice, and `reset` starts a new one."""
        if self._client >= 0:
            self._release()
        self._client = self._body = -1
        super().close()

    def load_urdf(self, name: str, values: Mapping[str, object] | None = None) -> int:
        """Load a file of the `urdf` folder; returns the body's id.

        Parameters
        ----------
        name : str
            The file's name.
        values : dict, optional
            What replaces each `$name` in the file.
        """
        path = URDF / name
        if values is None:
            return self._load_file(path)
        with tempfile.TemporaryDirectory(prefix="hilbench-") as folder:
            filled = Path(folder) / name
            filled.write_text(Template(path.read_text("utf-8")).substitute(values), "utf-8")
            return self._load_file(filled)

    def _load_file(self, path: Path) -> int:
        flags = bullet.URDF_USE_INERTIA_FROM_FILE
        if escaped(path) != str(path):
            text = f"{escaped(path.parent)}: found a name that is not UTF-8, which PyBullet cannot read from"
            raise ScenarioError(f"{text}; allowed: one that is; TMPDIR names the folder for temporary files")
        return bullet.loadURDF(str(path), useFixedBase=True, flags=flags, physicsClientId=self._client)

    def _connect(self) -> None:
        self._client = bullet.connect(bullet.DIRECT)
        if self._client < 0:
            raise HilbenchError("PyBullet has no free physics client; close plants that are no longer used")
        self._release = weakref.finalize(self, bullet.disconnect, self._client)

    def _rebuild(self) -> None:
        if self._client < 0:
            self._connect()
        client = self._client
        bullet.resetSimulation(physicsClientId=client)
        bullet.setPhysicsEngineParameter(
            fixedTimeStep=self.config.physics_step_s,
            numSubSteps=0,
            deterministicOverlappingPairs=1,
            enableFileCaching=0,
            physicsClientId=client,
        )
        bullet.setGravity(0, 0, -GRAVITY_M_S2, physicsClientId=client)
        self._body = body = self._load()
        for joint in self._joints:
            bullet.setJointMotorControl2(body, joint, bullet.VELOCITY_CONTROL, force=0, physicsClientId=client)
        for link in range(-1, bullet.getNumJoints(body, client)):
            bullet.changeDynamics(
                body,
                link,
                linearDamping=0,
                angularDamping=0,
                jointDamping=0,
                maxJointVelocity=MAX_JOINT_SPEED,
                physicsClientId=client,
            )
        if self.traits.tip_link is not None:
            self._tip = bullet.getDynamicsInfo(body, self.traits.tip_link, client)

    def _arrive(self) -> None:
        """Take in the instant that the physics has reached: what acts from now on, what is true, what is sensed."""
        # A division, so that step 7 is at 0.007 and not at 7 * 0.001.
        self.time_s = self._index * self._step_us / 1e6
        schedule = self._schedule
        if self._index >= schedule.wake:
            self._apply(schedule.at(self._index))
        joints = bullet.getJointStates(self._body, self._joints, self._client)
        speeds = [joints[joint][1] for joint in self._driven]
        for force, before, after in zip(self._forces, self._speeds, speeds, strict=False):
            # Force times mean speed is exactly the kinetic energy that a step gives.
            self._work_j += abs(force * (before + after)) * self._half_step_s
        self._speeds = speeds
        self._truth = self._read(joints)
        self._sensed = sensed = self._truth[:]
        for disturbance in schedule.active:
            disturbance.sense(sensed)

    def _apply(self, loads: Loads) -> None:
        self._loads = loads
        for joint, damping in enumerate(loads.damping):
            bullet.changeDynamics(self._body, joint, jointDamping=damping, physicsClientId=self._client)
        if self.traits.tip_link is not None:
            # The inertia is given too: by itself a new mass would replace it, and a payload is a point.
            bullet.changeDynamics(
                self._body,
                self.traits.tip_link,
                mass=self._tip[0] + loads.tip_kg,
                localInertiaDiagonal=self._tip[2],
                physicsClientId=self._client,
            )
