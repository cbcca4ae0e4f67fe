"""What every sensor promises: values or events as it says, decided by the seed, and a plant that it leaves as it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod, sin
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hilbench.envs.sensors import Ear, Ground, Mount, Playback, Scene, Sensor, SensorConfig, Sounds, sphere
from hilbench.errors import PluginFault, ScenarioError
from hilbench.runs.promises import check_events
from hilbench.testing._parts import Contract, Part, brief, broken, ensure, refusal

N_SAMPLES, PERIOD_US = 200, 2000
MOUNT = Mount("sensors.contract", ("x", "v"), ("m", "m/s"), PERIOD_US)


@dataclass
class Swinging:
    """A plant whose named state x, v swings, and has what a sensor may ask of one besides."""

    time_s: float = 0.0
    truth: list[float] = field(default_factory=lambda: [0.0, 1.0])
    view: Any = None
    _scene: Scene = field(default_factory=lambda: Scene(Ground([[0.3]]), [sphere((3.0, 0.0, 1.0), 0.5, 0.9)]))
    _sounds: Sounds = field(default_factory=lambda: Sounds([[0.2 * sin(0.2 * k) for k in range(8000)]], 16_000.0))

    def show(self, number: int) -> None:
        """Go to the instant of a sample."""
        self.time_s = number * PERIOD_US * 1e-6
        self.truth[:] = [sin(9 * self.time_s), 1 + sin(31 * self.time_s)]

    def field(self, x_m: Any, y_m: Any) -> NDArray[np.float64]:
        """A concentration at places, which falls with the distance from the origin and swings with x.

        Parameters
        ----------
        x_m, y_m : (n,) float
        """
        return (1.5 + self.truth[0]) / (np.hypot(x_m, y_m) + 1.0)

    def rays(self, begins_m: Any, ends_m: Any) -> NDArray[np.float64]:
        """How far each ray goes, as a share of its length.

        Parameters
        ----------
        begins_m, ends_m : (n_rays, 3) float
            Both ends, in m.
        """
        return np.full(len(begins_m), 0.5 + 0.4 * self.truth[0])

    def picture(self, view: Any) -> NDArray[np.uint8]:
        """What a camera sees: stripes that move with x.

        Parameters
        ----------
        view : object
            Where the camera is; not used.
        """
        columns = np.arange(24) + round(40 * self.truth[0])
        return np.repeat(np.where(columns % 8 < 4, 255, 0).astype(np.uint8), 48).reshape(24, 16, 3).swapaxes(0, 1)

    def scene(self) -> Scene:
        """A ball above a grey ground."""
        return self._scene

    def camera(self, name: str) -> tuple[float, ...]:
        """One metre above the ground, and turned with x."""
        return (0.0, 0.0, 1.0, 0.3 * self.truth[0], 0.0, 0.0)

    def sounds(self) -> Sounds:
        """A hum at the origin."""
        return self._sounds

    def playback(self) -> Playback:
        """Eight channels, one after the other every 0.9 ms."""
        t_us = np.arange(0, 400_000, 900)
        return Playback((8,), t_us, t_us // 900 % 8)

    def ear(self, name: str) -> Ear:
        """One metre from it, moving with x."""
        return Ear(1.0 + 0.1 * self.truth[0], 0.0, 0.0, 1.0, 0.0, 0.0)


class SensorContract(Contract):
    """What every sensor promises.

    `mount` is where it is mounted; made up, with the state x in m and v in m/s, unless the test class has another one,
    with a `carrier` of the same names.
    """

    kind = "sensors"
    mount: ClassVar[Mount] = MOUNT
    carrier: ClassVar[type] = Swinging

    def _make(self, part: Part, mount: Mount | None = None) -> Sensor:
        return part.cls(part.config, self.mount if mount is None else mount)

    def _samples(self, sensor: Sensor, seed: int) -> list[Any]:
        """What it tells in an episode, each sample as a list."""
        plant, found = self.carrier(), []
        sensor.reset(seed)
        for number in range(N_SAMPLES):
            plant.show(number)
            before = list(plant.truth)
            told: Any = sensor.sample(plant)
            ensure(plant.truth == before, "a sensor leaves the plant's truth as it is: found another one")
            found.append(self._checked(sensor, told, number))
        return found

    def _checked(self, sensor: Sensor, told: Any, number: int) -> list[Any]:
        where = f"sample {number}"
        if not sensor.shape:
            values = np.asarray(told, float)
            line = f"{where}: a sensor with values gives {len(sensor.channels)} finite numbers: found {brief(told)}"
            ensure(values.shape == (len(sensor.channels),) and np.isfinite(values).all(), line)
            return values.tolist()
        try:
            check_events(where, told, prod(sensor.shape), "the sensor", self.mount.period_us)
        except PluginFault as error:
            broken(str(error))
        ensure(number > 0 or not told.size, f"at the start of an episode there are no events: found {told.size}")
        return told.tolist()

    def test_its_settings_say_how_often_it_samples(self, part):
        found = part.cls.Config
        line = f"Config derives from hilbench.envs.sensors.SensorConfig: found {found}"
        ensure(issubclass(found, SensorConfig), line)

    def test_it_has_channels_with_units_or_a_shape_with_axes(self, part):
        sensor = self._make(part)
        ensure(bool(sensor.channels) != bool(sensor.shape), "a sensor has channels, or a shape: found both, or neither")
        counts = len(sensor.channels), len(sensor.units)
        ensure(counts[0] == counts[1], f"a unit for each channel: found {counts[1]} for {counts[0]}")
        sizes = len(sensor.shape), len(sensor.axes)
        ensure(sizes[0] == sizes[1], f"an axis for each dimension of the shape: found {sizes[1]} for {sizes[0]}")
        ensure(not sensor.shape or min(sensor.shape) > 0, f"sizes of 1 or more: found {sensor.shape}")

    def test_what_it_tells_is_as_it_says(self, part):
        self._samples(self._make(part), 1)

    def test_it_tells_something_of_a_plant_that_moves(self, part):
        found = self._samples(self._make(part), 1)
        ensure(any(each != found[0] for each in found), f"found the same in {N_SAMPLES} samples: {brief(found[0])}")

    def test_a_seed_decides_what_it_tells_and_a_reset_forgets(self, part):
        used = self._make(part)
        first = self._samples(used, 1)
        self._samples(used, 2)
        ensure(self._samples(used, 1) == first, "reset(seed) begins anew: found another episode")
        ensure(self._samples(self._make(part), 1) == first, "two sensors of one seed tell the same: found another")

    def test_a_plant_without_state_is_taken_or_refused_in_one_line(self, part):
        bare = self.mount._replace(names=(), units=())
        refusal("a plant without named state", self._make, part, bare, errors=ScenarioError)
