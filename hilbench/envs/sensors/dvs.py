"""An event camera: each pixel tells, with its time, that the logarithm of its light has moved by a threshold."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.compiled.cache import kernels
from hilbench.envs.sensors._base import Carrier, Mount, Sensor, SensorConfig
from hilbench.envs.sensors._buffer import EventBuffer, event_kernels
from hilbench.errors import PluginFault, ScenarioError
from hilbench.seeding import stream
from hilbench.types import NO_EVENTS, Events

LEAST = 0.1
"""No pixel's threshold is less than this share of the one that was asked for."""

NotNegative = Annotated[float, Meta(ge=0, le=1e6)]
Pixels = Annotated[int, Meta(ge=1, le=1024)]


class DvsConfig(SensorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the sensor `dvs`. Thresholds are differences of the natural logarithm of intensity."""

    camera: str = "front"
    """Which camera of the plant."""
    width: Pixels = 64
    """Pixels in a row."""
    height: Pixels = 64
    """Rows of the whole picture."""
    rows: tuple[int, int] | None = None
    """The first row that there is, and the one after the last; all of them when absent. y counts from the first."""
    fov_rad: Annotated[float, Meta(ge=1e-3, le=3.0)] = 1.2
    """The field of view from the left border to the right one, in rad. Pixels are square."""
    rays: Annotated[int, Meta(ge=1, le=256)] = 4
    """Over how many rays a pixel at a body's edge is averaged."""
    threshold: Annotated[float, Meta(ge=1e-3, le=10)] = 0.2
    """The rise that gives an ON event."""
    threshold_off: Annotated[float, Meta(ge=1e-3, le=10)] | None = None
    """The fall that gives an OFF event; as `threshold` when absent."""
    threshold_std: Annotated[float, Meta(ge=0, le=10)] = 0.03
    """Standard deviation of both from pixel to pixel."""
    cutoff_hz: NotNegative = 200.0
    """Where the low-pass of each pixel has 3 dB; 0 filters nothing."""
    leak_hz: NotNegative = 0.1
    """Rate of the ON events of a pixel in constant light."""
    noise_hz: NotNegative = 0.1
    """Rate of the noise events of a pixel, of both polarities together."""
    refractory_s: NotNegative = 1e-4
    """For how long after an event a pixel gives no other. Its level moves all the same."""
    eps: Annotated[float, Meta(ge=1e-9, le=1.0)] = 1e-3
    """What is added to the intensity before its logarithm is taken."""
    max_events: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000
    """How many events there are from sample to sample at most."""


class Dvs(Sensor):
    """An event camera: ON and OFF events of each pixel, with thresholds that differ, leak, noise and refractory time.

    Its plant has `scene()` and `camera(name)`, as `Seen` says.
    """

    Config = DvsConfig
    needs = ("scene", "camera")
    axes = ("y", "x", "polarity")
    threshold_scale = 1.0
    """What all thresholds are multiplied by from the next sample on. A reset makes it 1."""

    def __init__(self, config: DvsConfig, mount: Mount) -> None:
        super().__init__(config, mount)
        first, end = config.rows or (0, config.height)
        if not 0 <= first < end <= config.height:
            allowed = f"the first and the one after the last, from 0 to {config.height}"
            raise ScenarioError(f"{mount.where}.rows: found {first} and {end}; allowed: {allowed}")
        self.shape = (end - first, config.width, 2)
        self._focal_px = 0.5 * config.width / math.tan(0.5 * config.fov_rad)
        self._middle = np.array([0.5 * config.width, 0.5 * config.height - first])
        period_s = mount.period_us * 1e-6
        self._smoothing = 1.0 if config.cutoff_hz == 0 else -math.expm1(-2 * math.pi * config.cutoff_hz * period_s)
        self._leak = config.leak_hz * period_s
        n = self._n = (end - first) * config.width
        self._noise_us = 1e6 / (config.noise_hz * n) if config.noise_hz else math.inf
        self._renderer = kernels("hilbench.envs.sensors._dvs.render")
        self._make_buffers(n)
        self._pixels = event_kernels("hilbench.envs.sensors._dvs.pixels")
        self._rays = self._renderer.rays_of(config.rays)
        self.reset(0)

    def _make_buffers(self, n: int) -> None:
        """All arrays that samples are made in."""
        size = self.shape[:2]
        self._image, self._depth, self._seen = np.empty(size), np.empty(size), np.empty(size, np.int32)
        self._flat, self._log, self._state = self._image.reshape(-1), np.empty(n), np.empty((5, n))
        self._view, self._camera, self._near = np.empty((4, 3)), np.empty(6), np.empty(6, np.int64)
        self._placed, self._bounds = np.empty((0, 12)), np.empty((0, 4), np.int64)
        self._work = np.empty(self._renderer.WORK)
        self._until_us, self._random = np.empty(1), np.empty(1, np.uint64)
        self._buffer = EventBuffer(self.config.max_events)

    @property
    def n_lost(self) -> int:
        """How many events were beyond `max_events` in this episode."""
        return self._buffer.n_lost

    @property
    def image(self) -> NDArray[np.float64]:
        """The luminance of each pixel at the last sample, (height, width): the sensor's own, to look at."""
        return self._image

    def reset(self, seed: int) -> None:
        random, config, pixels = stream(seed, self.mount.where), self.config, self._pixels
        both = config.threshold, config.threshold if config.threshold_off is None else config.threshold_off
        for row, mean in zip((pixels.ON, pixels.OFF), both, strict=True):
            drawn = mean + config.threshold_std * random.standard_normal(self._n)
            self._state[row] = np.maximum(drawn, LEAST * mean)
        # A leak begins anywhere between two of its events, or all pixels would tell of it at once.
        self._phase = random.random(self._n) * (config.leak_hz > 0)
        self._state[pixels.FIRED] = -math.inf
        self._random[:] = random.integers(2**64, dtype=np.uint64)
        self._until_us[:] = random.exponential(self._noise_us) if config.noise_hz else math.inf
        self._buffer.counters[:] = 0
        self.threshold_scale, self._fresh = 1.0, True

    def sample(self, plant: Carrier) -> Events:
        self._look(plant)
        pixels, state = self._pixels, self._state
        if self._fresh:
            self._fresh = False
            state[pixels.LOG] = self._log
            state[pixels.LEVEL] = self._log - self._phase * state[pixels.ON]
            return NO_EVENTS
        period_us, events, counters = self.mount.period_us, self._buffer.events, self._buffer.counters
        n = pixels.crossings(
            self._log, state, period_us, self._smoothing, self._leak, self.threshold_scale,
            self.config.refractory_s * 1e6, counters, events,
        )  # fmt: skip
        n = pixels.noise(n, self._n, period_us, self._noise_us, self._until_us, self._random, counters, events)
        counters[pixels.NOW] += period_us
        return self._buffer.taken(n, period_us)

    def _look(self, plant: Any) -> None:  # a Seen, by `needs`
        """Render what the camera sees, and take the logarithm of each pixel's intensity."""
        scene, camera = plant.scene(), self._camera
        camera[:] = plant.camera(self.config.camera)
        if not math.isfinite(camera.sum()):
            found = camera.tolist()
            raise PluginFault(f"{self.mount.where}: found the camera at {found}; allowed: six finite numbers")
        ground, bodies = scene.ground, scene.bodies
        if len(bodies) != len(self._bounds):
            self._placed, self._bounds = np.empty((len(bodies), 12)), np.empty((len(bodies), 4), np.int64)
        self._renderer.render(
            camera, self._focal_px, self._middle, ground.texels, ground.levels, ground.facts, bodies, scene.sky,
            self._rays, self._view, self._placed, self._bounds, self._near, self._depth, self._seen, self._work,
            self._image,
        )  # fmt: skip
        self._pixels.light(self._flat, scene.brightness, scene.contrast, scene.grey, self.config.eps, self._log)
        np.log(self._log, out=self._log)
