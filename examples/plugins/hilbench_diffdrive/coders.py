"""An encoder of the event camera, and a decoder of spikes into wheel speeds."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.errors import ScenarioError, allowed_hint
from hilbench.types import EVENT, NO_EVENTS, Decoder, Encoder, Events, PlantSpec, Port, Values


class MotionOnsetConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the encoder `motion_onset`."""

    sensor: str = "camera"
    """The plant's event sensor, one with the axes y, x and polarity."""
    n_events: Annotated[int, Meta(ge=1)] = 20
    """After how many events of its half of the picture an address spikes."""


class MotionOnset(Encoder):
    """A spike of address 0 for every so many events in the left half of a picture, of address 1 in the right half."""

    Config = MotionOnsetConfig
    kind = "events"
    size = 2

    def __init__(self, config: MotionOnsetConfig, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, plant, period_us)
        cameras = {each.name: each for each in plant.event_sensors if each.axes == ("y", "x", "polarity")}
        if config.sensor not in cameras:
            hint = allowed_hint(config.sensor, cameras)
            raise ScenarioError(f"sensor: the plant has no camera {config.sensor!r}; {hint}")
        first = 0
        for sensor in plant.event_sensors:  # addresses of sensors lie side by side
            if sensor.name == config.sensor:
                break
            first += sensor.size
        camera = cameras[config.sensor]
        columns = np.arange(camera.size) // 2 % camera.shape[1]
        self._half = np.full(sum(each.size for each in plant.event_sensors), -1)
        self._half[first : first + camera.size] = columns >= camera.shape[1] / 2

    def reset(self, seed: int) -> None:
        self._counted = [0, 0]

    def encode(self, obs: Values, events: Events, values: Values) -> Events:
        if not events.size:
            return NO_EVENTS
        half, n, found = self._half[events["address"]], self.config.n_events, []
        for side in (0, 1):
            t_us = events["t_us"][half == side]
            total = self._counted[side] + np.arange(1, t_us.size + 1)
            spikes = np.zeros((total % n == 0).sum(), EVENT)
            spikes["t_us"], spikes["address"] = t_us[total % n == 0], side
            found.append(spikes)
            self._counted[side] = (self._counted[side] + t_us.size) % n
        both = np.concatenate(found)
        return both[np.argsort(both["t_us"], kind="stable")]


class WheelsConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the decoder `wheels`."""

    full_hz: Annotated[float, Meta(gt=0)] = 80.0
    """The mean rate of a half of the addresses at which its wheel has its highest speed."""
    tau_s: Annotated[float, Meta(ge=0)] = 0.05
    """Time constant of the filter that smooths the rates; 0 for none."""


class Wheels(Decoder):
    """The mean rate of the first half of the addresses drives the first wheel, that of the other half the second."""

    Config = WheelsConfig

    def __init__(self, config: WheelsConfig, port: Port, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, port, plant, period_us)
        if len(plant.action_names) != 2 or any(plant.choices):
            raise ScenarioError(f"wheels: found actions {', '.join(plant.action_names)}; allowed: two continuous ones")
        if port.kind != "events" or port.size % 2:
            raise ScenarioError(f"wheels: found {port.size} {port.kind}; allowed: an even number of events")
        period_s = period_us * 1e-6
        self._keep = np.exp(-period_s / config.tau_s) if config.tau_s else 0.0
        self._half = port.size // 2
        self._gain = np.array(plant.action_high) / (config.full_hz * self._half * period_s)
        self._low, self._high = np.array(plant.action_low), np.array(plant.action_high)

    def reset(self, seed: int) -> None:
        self._speed = np.zeros(2)

    def decode(self, values: NDArray[np.floating[Any]], events: Events, action: NDArray[np.float64]) -> None:
        counts = np.bincount(events["address"] // self._half, minlength=2)
        self._speed = self._keep * self._speed + (1 - self._keep) * self._gain * counts
        np.clip(self._speed, self._low, self._high, out=action)
