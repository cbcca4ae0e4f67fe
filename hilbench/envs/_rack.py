"""The sensors that one plant carries: when each samples, what it showed last, and the events of all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from hilbench.envs._plant import gymnasium
from hilbench.envs._schedule import NEVER, Schedule
from hilbench.envs._tables import configured
from hilbench.envs.disturbances import Loads, in_order
from hilbench.envs.sensors import Carrier, Mount, Sensor
from hilbench.errors import PluginFault, ScenarioError
from hilbench.settings import whole_steps
from hilbench.types import NO_EVENTS, Events, EventSensor, PlantSpec


class _Batch(NamedTuple):
    """Events of one sample, at `end_us`; their `t_us` counts from `start_us`, their addresses from `first`."""

    start_us: int
    end_us: int
    first: int
    events: Events


class Rack:
    """The sensors of one plant.

    Parameters
    ----------
    tables : dict of dict
        By name {"kind": ..., and that kind's fields}.
    plant : Carrier
        Who carries them; for the methods that they need.
    own : PlantSpec
        The plant's own.
    names : sequence of str
        Its named state; units are those of the observations of the same names.
    period_us : int
        The control period, in microseconds: the window of events.

    Raises ScenarioError when a table is wrong or a sensor does not fit the plant.
    """

    def __init__(
        self, tables: Mapping[str, Any], plant: Carrier, own: PlantSpec, names: Sequence[str], period_us: int
    ) -> None:
        step_us = round(own.physics_step_s * 1e6)
        self._step_us, self._period_us = step_us, period_us
        units = dict(zip(own.obs_names, own.obs_units, strict=False))
        state = {name: units.get(name, "") for name in names}
        self.sensors: dict[str, Sensor] = {}
        self._every: list[int] = []
        for name, (cls, config) in configured("sensors", tables).items():
            where = f"sensors.{name}"
            stated_s = getattr(config, "period_s", None)  # a foreign Config may have none
            every_s = step_us * 1e-6 if stated_s is None else stated_s
            every = whole_steps(every_s, step_us * 1e-6, f"{where}.period_s")
            sensor = cls(config, Mount(where, tuple(state), tuple(state.values()), every * step_us))
            for method in sensor.needs:
                if not callable(getattr(plant, method, None)):
                    raise ScenarioError(f"{where}: found a plant without {method}(); allowed: one that has it")
            self.sensors[name] = _checked(sensor, f"{where}.kind")
            self._every.append(every)
        self._cameras: dict[str, Any] = {
            name: sensor for name, sensor in self.sensors.items() if hasattr(sensor, "threshold_scale")
        }
        self._shown = {name: sensor for name, sensor in self.sensors.items() if not sensor.shape}
        self.event_sensors = tuple(
            EventSensor(name, sensor.shape, sensor.axes) for name, sensor in self.sensors.items() if sensor.shape
        )
        self.names = tuple(f"{name}.{each}" for name, sensor in self._shown.items() for each in sensor.channels)
        self.units = tuple(each for sensor in self._shown.values() for each in sensor.units)
        self.values: list[float] = [0.0] * len(self.names)
        """What each channel showed at its last sample."""
        self.wake = NEVER
        """The physics step at which `sample` must be called next."""
        self._places = self._places_of()
        self._batches: deque[_Batch] = deque()

    def extended(self, plant_spec: PlantSpec) -> PlantSpec:
        """A plant's spec with these sensors'."""
        return msgspec.structs.replace(
            plant_spec,
            obs_names=(*plant_spec.obs_names, *self.names),
            obs_units=(*plant_spec.obs_units, *self.units),
            event_sensors=(*plant_spec.event_sensors, *self.event_sensors),
        )

    def beside(self, own_low: NDArray, own_high: NDArray) -> gymnasium.spaces.Box:
        """The space of a plant's own observations, with these bounds, and of the channels beside them.

        Parameters
        ----------
        own_low, own_high : (n,) float
        """
        low, high = [*np.ravel(own_low)], [*np.ravel(own_high)]
        for sensor in self._shown.values():
            low += [-np.inf] * len(sensor.channels) if sensor.low is None else sensor.low
            high += [np.inf] * len(sensor.channels) if sensor.high is None else sensor.high
        return gymnasium.spaces.Box(np.array(low, np.float32), np.array(high, np.float32), dtype=np.float32)

    def reset(self, seed: int) -> None:
        """Start an episode; `sample` must be called at step 0."""
        for sensor in self.sensors.values():
            sensor.reset(seed)
        self._batches.clear()
        self._read_us = 0
        self._next = [0] * len(self._every)
        self.wake = 0 if self.sensors else NEVER

    def bear(self, loads: Loads) -> None:
        """Make what reaches sensors hold from now on: thresholds of event cameras.

        Parameters
        ----------
        loads : Loads
        """
        for name, sensor in self._cameras.items():
            sensor.threshold_scale = loads.threshold_scales.get(name, 1.0)

    def sample(self, step: int, plant: Carrier) -> None:
        """Let those sensors sample that are due at a physics step.

        Parameters
        ----------
        step : int
            The number of physics steps since the episode's start.
        plant : Carrier
            The plant at that instant.
        """
        due = self._next
        for index, (name, sensor) in enumerate(self.sensors.items()):
            if step < due[index]:
                continue
            due[index] = step + self._every[index]
            found: Any = sensor.sample(plant)
            first = self._places[name]
            if sensor.shape:
                if len(found):
                    self._keep(_Batch((step - self._every[index]) * self._step_us, step * self._step_us, first, found))
            elif len(found) == len(sensor.channels):
                self.values[first : first + len(found)] = found
            else:
                raise PluginFault(f"sensors.{name}: found {len(found)} values; allowed: {len(sensor.channels)}")
        self.wake = min(due)

    def events(self, step: int, schedule: Schedule) -> Events:
        """The events of the control period up to a physics step that were not read yet, as `types.SensingPlant` says.

        Parameters
        ----------
        step : int
            The number of physics steps since the episode's start.
        schedule : Schedule
            The plant's disturbances, through which they pass.
        """
        now_us = step * self._step_us
        start_us = now_us - self._period_us
        first_us = max(0, self._read_us - start_us)
        self._read_us = now_us
        return schedule.tell(self._collected(start_us, first_us), first_us, start_us, self._period_us)

    def _collected(self, start_us: int, first_us: int) -> Events:
        """Those of all sensors in a window. Of a sample in it that tells of what was before, times become the first."""
        batches = [batch for batch in self._batches if batch.end_us > start_us]
        self._batches.clear()
        if not batches:
            return NO_EVENTS
        found = np.concatenate([batch.events for batch in batches])
        sizes = [batch.events.size for batch in batches]
        t_us = found["t_us"].astype(np.int64) + np.repeat([batch.start_us - start_us for batch in batches], sizes)
        found["address"] += np.repeat(np.array([batch.first for batch in batches], np.uint32), sizes)
        found["t_us"] = np.maximum(t_us, first_us)
        return in_order(found)

    def _keep(self, batch: _Batch) -> None:
        """Keep a batch until it is read, and forget those that nobody read in a whole period."""
        batches = self._batches
        while batches and batches[0].end_us <= batch.end_us - self._period_us:
            batches.popleft()
        batches.append(batch)

    def _places_of(self) -> dict[str, int]:
        """Where each sensor's first channel or first address stands among those of its sort."""
        places, channel, address = {}, 0, 0
        for name, sensor in self.sensors.items():
            if sensor.shape:
                places[name] = address
                address += next(each.size for each in self.event_sensors if each.name == name)
            else:
                places[name] = channel
                channel += len(sensor.channels)
        return places


def _checked(sensor: Sensor, where: str) -> Sensor:
    """A sensor that states what it gives. Raises PluginFault for another one."""
    if bool(sensor.channels) == bool(sensor.shape):
        found = "both channels and a shape" if sensor.shape else "neither channels nor a shape"
        raise PluginFault(f"{where}: found {found}; allowed: one of them")
    for field, n in (("units", len(sensor.channels)), ("axes", len(sensor.shape))):
        if len(getattr(sensor, field)) != n:
            raise PluginFault(f"{where}: found {len(getattr(sensor, field))} {field}; allowed: {n}")
    return sensor
