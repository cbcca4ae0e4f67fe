"""The sensors that one plant carries: when each samples, what it showed last, and the events of all of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from hilbench.envs._schedule import NEVER
from hilbench.envs._tables import configured
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
    state : dict of str
        The plant's named state, in order, with units.
    step_us : int
        The physics step, in microseconds.
    period_us : int
        The control period, in microseconds: the window of events.

    Raises ScenarioError when a table is wrong or a sensor does not fit the plant.
    """

    def __init__(
        self, tables: Mapping[str, Any], plant: Carrier, state: Mapping[str, str], step_us: int, period_us: int
    ) -> None:
        self._step_us, self._period_us = step_us, period_us
        self.sensors: dict[str, Sensor] = {}
        self._every: list[int] = []
        for name, (cls, config) in configured("sensors", tables).items():
            where = f"sensors.{name}"
            for method in cls.needs:
                if not callable(getattr(plant, method, None)):
                    raise ScenarioError(f"{where}: found a plant without {method}(); allowed: one that has it")
            every_s = step_us * 1e-6 if config.period_s is None else config.period_s
            every = whole_steps(every_s, step_us * 1e-6, f"{where}.period_s")
            sensor = cls(config, Mount(where, tuple(state), tuple(state.values()), every * step_us))
            self.sensors[name] = _checked(sensor, f"{where}.kind")
            self._every.append(every)
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

    def limits(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The least and the greatest value of each channel, (n,) and (n,); infinite where a sensor has none."""
        low, high = np.full(len(self.names), -np.inf), np.full(len(self.names), np.inf)
        for name, sensor in self._shown.items():
            first = self._places[name]
            for found, own in ((low, sensor.low), (high, sensor.high)):
                if own is not None:
                    found[first : first + len(own)] = own
        return low, high

    def reset(self, seed: int) -> None:
        """Start an episode; `sample` must be called at step 0."""
        for sensor in self.sensors.values():
            sensor.reset(seed)
        self._batches.clear()
        self._read_us = 0
        self._next = [0] * len(self._every)
        self.wake = 0 if self.sensors else NEVER

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

    def events(self, now_us: int) -> tuple[Events, int]:
        """The events of the control period up to an instant that were not read yet, and the first `t_us` of those.

        Events of a sample in that period which lie before it have the first one's time.

        Parameters
        ----------
        now_us : int
            The present instant of the episode, in microseconds.
        """
        start_us = now_us - self._period_us
        first_us = max(0, self._read_us - start_us)
        self._read_us = now_us
        batches = [batch for batch in self._batches if batch.end_us > start_us]
        self._batches.clear()
        if not batches:
            return NO_EVENTS, first_us
        found = np.concatenate([batch.events for batch in batches])
        sizes = [batch.events.size for batch in batches]
        t_us = found["t_us"].astype(np.int64) + np.repeat([batch.start_us - start_us for batch in batches], sizes)
        found["address"] += np.repeat(np.array([batch.first for batch in batches], np.uint32), sizes)
        found["t_us"] = np.maximum(t_us, first_us)
        return found[np.argsort(found["t_us"], kind="stable")], first_us

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


def named_state(names: Sequence[str], plant_spec: PlantSpec) -> dict[str, str]:
    """A plant's named state with units: those of the observations of the same names, empty for others.

    Parameters
    ----------
    names : sequence of str
    plant_spec : PlantSpec
        The plant's own.
    """
    units = dict(zip(plant_spec.obs_names, plant_spec.obs_units, strict=False))
    return {name: units.get(name, "") for name in names}
