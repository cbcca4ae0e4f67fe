"""Inner ears: spikes of a filter bank behind each ear, with times that are finer than the sound's own samples."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from msgspec import Meta

from hilbench.compiled.cache import kernels
from hilbench.envs.sensors._base import Carrier, Mount, Sensor, SensorConfig
from hilbench.envs.sensors._buffer import EventBuffer, event_kernels
from hilbench.envs.sensors._sound.scene import Sounds
from hilbench.errors import PluginFault, ScenarioError
from hilbench.seeding import stream
from hilbench.types import NO_EVENTS, Events

NotNegative = Annotated[float, Meta(ge=0, le=1e6)]
Hertz = Annotated[float, Meta(ge=20, le=96_000)]


class CochleaConfig(SensorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the sensor `cochlea`."""

    ears: tuple[str, ...] = ("left", "right")
    """Which ears of the plant, in the order of the addresses."""
    n_channels: Annotated[int, Meta(ge=1, le=256)] = 32
    """Filters of each ear."""
    low_hz: Hertz = 100.0
    """Centre of the first one; the others follow evenly over the scale of critical bands."""
    high_hz: Hertz = 6000.0
    """Centre of the last one, below half of `rate_hz`."""
    rate_hz: Annotated[int, Meta(ge=1000, le=192_000)] = 16_000
    """Samples of sound in a second."""
    head_m: Annotated[float, Meta(ge=0, le=10)] = 0.0
    """Radius of a hard sphere that carries each ear, around which sound has to go; 0 for microphones in the open."""
    noise_pa: NotNegative = 0.0
    """Standard deviation of white noise at each ear, independent of the other's, in Pa."""
    exponent: Annotated[float, Meta(gt=0, le=1)] = 0.3
    """The power of the pressure above 0 Pa that drives a cell; 1 compresses nothing."""
    threshold: Annotated[float, Meta(ge=1e-6, le=1e6)] = 0.05
    """Of a cell, in Pa to that power."""
    tau_s: Annotated[float, Meta(ge=1e-5, le=10)] = 0.002
    """Time constant of a cell's membrane."""
    refractory_s: Annotated[float, Meta(ge=1e-5, le=10)] = 0.001
    """How long a cell rests after a spike."""
    max_events: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000
    """How many events there are from sample to sample at most."""


class Cochlea(Sensor):
    """A gammatone filter bank behind each ear; what is above 0 of each band drives a leaky integrate-and-fire cell.

    Its plant has `sounds()` and `ear(name)`, as `Heard` says. Sound takes its time through air, around a head and from
    the walls of a room.
    """

    Config = CochleaConfig
    needs = ("sounds", "ear")
    axes = ("ear", "channel")

    def __init__(self, config: CochleaConfig, mount: Mount) -> None:
        super().__init__(config, mount)
        n = _check(config, mount)
        self._ways, self._bank = (
            kernels("hilbench.envs.sensors._sound.paths"),
            event_kernels("hilbench.envs.sensors._sound.bank"),
        )
        n_ears, n_channels = self.shape = (len(config.ears), config.n_channels)
        self.centres_hz = self._bank.centres_hz(config.low_hz, config.high_hz, n_channels)
        """Where each filter has its centre, (n_channels,)."""
        rate_hz = config.rate_hz
        self._filters, self._table = self._bank.coefficients(self.centres_hz, rate_hz), self._ways.sinc_table()
        lengths = config.tau_s * rate_hz, config.refractory_s * rate_hz
        self._facts = np.array([config.exponent, config.threshold, *lengths, 1e6 / rate_hz])
        self._ears = np.empty((n_ears, 8))
        self.heard_pa = np.zeros((n_ears, n))
        """The pressure at each ear since the sample before, (n_ears, n_samples): the sensor's own, to look at."""
        self._bands, self._drives = np.zeros((2, n_ears, n, n_channels))
        self._sections, self._cells = np.zeros((n_ears, 4, 2, n_channels)), np.zeros((n_ears, 4, n_channels))
        self._buffer = EventBuffer(config.max_events)
        self._paths = self._before = np.empty((n_ears, 0, 3))
        self.reset(0)

    @property
    def n_lost(self) -> int:
        """How many events were beyond `max_events` in this episode."""
        return self._buffer.n_lost

    def reset(self, seed: int) -> None:
        self._random = stream(seed, self.mount.where)
        for state in (self._sections, self._cells, self._buffer.counters):
            state[:] = 0
        self._n_heard, self._fresh = 0, True

    def sample(self, plant: Carrier) -> Events:
        sounds = self._place(plant)
        if self._fresh:
            self._fresh = False
            return NO_EVENTS
        self._listen(sounds)
        self._bank.filtered(self.heard_pa, self._filters, self._sections, self._bands)
        self._compress()
        period_us, buffer = self.mount.period_us, self._buffer
        found = self._bank.spikes(
            self._bands, self._drives, self._cells, self._facts, period_us, buffer.counters, buffer.events
        )
        return buffer.taken(found, period_us)

    def _place(self, plant: Any) -> Sounds:  # a Heard, by `needs`
        """Find the ways of sound at this instant; those of the instant before become `_before`."""
        for row, name in zip(self._ears, self.config.ears, strict=True):
            try:
                row[:] = plant.ear(name)
            except ScenarioError as error:
                raise ScenarioError(f"{self.mount.where}.ears: {error}") from error
        sounds: Sounds = plant.sounds()
        n = len(sounds.waves)
        if sounds.places_m.shape != (n, 3) or sounds.starts_s.shape != (n,):
            found = f"places_m and starts_s of {len(sounds.places_m)} and {len(sounds.starts_s)} sources"
            raise PluginFault(f"{self.mount.where}: found {found}; allowed: {n}, as there are waves")
        shape = (len(self._ears), n * len(sounds.echoes), 3)
        if self._fresh or self._paths.shape != shape:
            self._paths, self._before = np.empty(shape), np.empty(shape)
            self._shadows = np.zeros((*shape[:2], 2))
            self._ways.find(self._ears, sounds.places_m, sounds.echoes, self.config.head_m, self._before)
        else:
            self._paths, self._before = self._before, self._paths
        self._ways.find(self._ears, sounds.places_m, sounds.echoes, self.config.head_m, self._paths)
        return sounds

    def _listen(self, sounds: Sounds) -> None:
        """Write what reaches the ears. Raises PluginFault where that is no finite number."""
        config, heard_pa = self.config, self.heard_pa
        self._ways.listen(
            sounds.waves, sounds.starts_s, sounds.rate_hz, self._before, self._paths, self._n_heard + 1,
            config.rate_hz, config.head_m, self._table, self._shadows, heard_pa,
        )  # fmt: skip
        self._n_heard += heard_pa.shape[1]
        if config.noise_pa:
            heard_pa += config.noise_pa * self._random.standard_normal(heard_pa.shape)
        if not math.isfinite(heard_pa.sum()):
            found = f"ears at {self._ears[:, :3].tolist()} and sources at {sounds.places_m.tolist()}"
            raise PluginFault(f"{self.mount.where}: what it hears is no finite number; found {found}")

    def _compress(self) -> None:
        """Write the power of what filters give: NumPy takes many at once."""
        drives = self._drives
        np.maximum(self._bands, self._bank.SILENT_PA, out=drives)
        np.log(drives, out=drives)
        np.multiply(drives, self.config.exponent, out=drives)
        np.exp(drives, out=drives)


def _check(config: CochleaConfig, mount: Mount) -> int:
    """How many samples of sound there are from sample to sample. Raises ScenarioError for settings that do not fit."""
    where = mount.where
    if not config.ears or len(set(config.ears)) < len(config.ears):
        raise ScenarioError(f"{where}.ears: found {list(config.ears)}; allowed: one or more names, each once")
    field = "high_hz" if config.n_channels > 1 else "low_hz"
    if (highest_hz := getattr(config, field)) >= config.rate_hz / 2:
        allowed = f"below {config.rate_hz / 2:g}, half of rate_hz"
        raise ScenarioError(f"{where}.{field}: found {highest_hz:g}; allowed: {allowed}")
    if config.low_hz >= config.high_hz and config.n_channels > 1:
        found = f"{config.low_hz:g} and {config.high_hz:g}"
        raise ScenarioError(f"{where}.low_hz, high_hz: found {found}; allowed: the lower first")
    n, rest = divmod(mount.period_us * config.rate_hz, 1_000_000)
    if rest:
        found = f"{mount.period_us / 1e6:g} s, {mount.period_us * config.rate_hz / 1e6:g} samples of sound"
        raise ScenarioError(f"{where}.period_s: found {found} at {config.rate_hz} Hz; allowed: a whole number of them")
    return n
