"""Gyroscope and accelerometer: rates and specific force with noise densities, a bias and its random walk."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs.sensors._base import Carrier, Mount, Sensor, SensorConfig
from hilbench.envs.sensors._pose import columns, rotation
from hilbench.errors import ScenarioError
from hilbench.seeding import Rows, stream

AXES = ("x", "y", "z")
Size = Annotated[float, Meta(ge=0, le=1e6)]
Finite = Annotated[float, Meta(ge=-1e6, le=1e6)]


class ImuConfig(SensorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the sensor `imu`. With `facing`, rates and velocities are the world's, and it shows its own axes."""

    rates: tuple[str, ...] = ()
    """Names of the rates that the gyroscope measures, in rad/s: the yaw's with a yaw, three with a quaternion."""
    velocities: tuple[str, ...] = ()
    """Names of the velocities whose change the accelerometer measures, in m/s: two or, with a quaternion, three."""
    facing: tuple[str, ...] = ()
    """The name of the body's yaw in rad, or of its quaternion's x, y, z and w. When empty, nothing is turned, and there
    may be any number of rates and velocities."""
    gravity_m_s2: Finite = 9.81
    """Along the world's -z. It shows only with a quaternion."""
    gyro_noise: Size = 0.0
    """Density of the gyroscope's white noise, in rad/s/sqrt(Hz)."""
    gyro_bias: Finite = 0.0
    """Its bias, in rad/s."""
    gyro_bias_std: Size = 0.0
    """Standard deviation of what an episode's seed adds to that, for each axis, in rad/s."""
    gyro_walk: Size = 0.0
    """Density of the bias's random walk, in rad/s2/sqrt(Hz)."""
    accel_noise: Size = 0.0
    """Density of the accelerometer's white noise, in m/s2/sqrt(Hz)."""
    accel_bias: Finite = 0.0
    """Its bias, in m/s2."""
    accel_bias_std: Size = 0.0
    """Standard deviation of what an episode's seed adds to that, for each axis, in m/s2."""
    accel_walk: Size = 0.0
    """Density of the bias's random walk, in m/s3/sqrt(Hz)."""


class Imu(Sensor):
    """Rates, and the mean specific force since the sample before, in the body's axes; both with noise and bias."""

    Config = ImuConfig

    def __init__(self, config: ImuConfig, mount: Mount) -> None:
        super().__init__(config, mount)
        if not (config.rates or config.velocities):
            raise ScenarioError(f"{mount.where}: found neither rates nor velocities; allowed: one of them, or both")
        n = len(config.facing)
        turning, moving = {0: ((), ()), 1: ((0, 1), (0, 2)), 4: ((0, 3), (0, 3))}.get(n, ((), ()))
        self._facing = columns(config.facing, mount, "facing", (0, 1, 4))
        self._rates = columns(config.rates, mount, "rates", turning or (len(config.rates),))
        self._velocities = columns(config.velocities, mount, "velocities", moving or (len(config.velocities),))
        self.channels = self._named("gyro", config.rates, n) + self._named("accel", config.velocities, n)
        self.units = ("rad/s",) * len(self._rates) + ("m/s2",) * len(self._velocities)
        self._up = np.array([0.0, 0.0, config.gravity_m_s2]) if n == 4 else np.zeros(len(self._velocities))
        self._period_s = mount.period_us * 1e-6
        self._white = self._spread("noise") / np.sqrt(self._period_s)
        self._walk = self._spread("walk") * np.sqrt(self._period_s)
        self._still = not (self._white.any() or self._walk.any())
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._random = stream(seed, self.mount.where)
        drawn = self._random.standard_normal(len(self.channels))
        self._bias = self._spread("bias") + self._spread("bias_std") * drawn
        self._rows = Rows(self._draw)
        self._last: NDArray[np.float64] | None = None

    def sample(self, plant: Carrier) -> list[float]:
        truth = plant.truth
        rates = np.array([truth[column] for column in self._rates])
        velocities = np.array([truth[column] for column in self._velocities])
        last, self._last = self._last, velocities
        force = self._up if last is None else (velocities - last) / self._period_s + self._up
        if self._facing:
            to_body = rotation([truth[column] for column in self._facing]).T
            rates = to_body @ rates if rates.size == 3 else rates
            force = to_body[: force.size, : force.size] @ force
        return self._measured(np.concatenate((rates, force[: velocities.size]))).tolist()

    def _measured(self, true: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._still:
            return true + self._bias
        white, walk = self._rows.next()
        found = true + self._bias + white
        self._bias = self._bias + walk
        return found

    def _draw(self, n: int) -> list[NDArray[np.float64]]:
        return list(self._random.standard_normal((n, 2, self._white.size)) * np.stack((self._white, self._walk)))

    def _spread(self, what: str) -> NDArray[np.float64]:
        """A setting of both parts, for each channel."""
        parts = (("gyro", len(self._rates)), ("accel", len(self._velocities)))
        return np.concatenate([np.full(n, getattr(self.config, f"{part}_{what}")) for part, n in parts])

    @staticmethod
    def _named(part: str, entries: tuple[str, ...], n_facing: int) -> tuple[str, ...]:
        """Channels have the body's axes where it is turned into them, else the entries' names."""
        names = entries if n_facing == 0 else AXES[-1:] if len(entries) == 1 else AXES
        return tuple(f"{part}_{name}" for name in names[: len(entries)])
