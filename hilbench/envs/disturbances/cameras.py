"""Disturbances of what cameras see: how they are mounted, and the light."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hilbench.envs.disturbances._base import Disturbance, Finite, Loads, Timing, Traits
from hilbench.errors import ScenarioError, allowed_hint

Angle = Annotated[float, Meta(ge=-3.2, le=3.2)]
AXES = ("y", "x", "polarity")
"""Those of an event camera."""


class CameraTurn(Disturbance):
    """Turns a camera on its mount, as a knock does."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        camera: str = ""
        """Which of the plant's cameras; all of them when empty."""
        yaw_rad: Angle = 0.0
        """To the left."""
        pitch_rad: Angle = 0.0
        """Downwards."""
        roll_rad: Angle = 0.0
        """The picture's left side up."""

    def fit(self, traits: Traits) -> None:
        if not traits.cameras:
            raise ScenarioError(f"{self.where}: found a plant without cameras; allowed: one that has some")
        wanted = self.config.camera
        if wanted and wanted not in traits.cameras:
            raise ScenarioError(f"{self.where}.camera: found {wanted!r}; {allowed_hint(wanted, traits.cameras)}")
        self._cameras = (wanted,) if wanted else traits.cameras

    def load(self, loads: Loads) -> None:
        config = self.config
        for camera in self._cameras if self.level else ():
            yaw, pitch, roll = loads.turns.get(camera, (0.0, 0.0, 0.0))
            loads.turns[camera] = (
                yaw + self.level * config.yaw_rad,
                pitch + self.level * config.pitch_rad,
                roll + self.level * config.roll_rad,
            )


class Lighting(Disturbance):
    """Changes the light of the scene: its brightness, and the contrast against the scene's grey."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        brightness: Annotated[float, Meta(ge=0, le=1e6)] = 1.0
        """What all light is multiplied by; 1 changes nothing."""
        contrast: Finite = 1.0
        """What differences from the scene's grey are multiplied by; below 0 dark becomes bright."""

    def fit(self, traits: Traits) -> None:
        if not traits.lit:
            raise ScenarioError(f"{self.where}: found a plant without a scene; allowed: one that has scene()")

    def load(self, loads: Loads) -> None:
        loads.brightness *= 1.0 + self.level * (self.config.brightness - 1.0)
        loads.contrast *= 1.0 + self.level * (self.config.contrast - 1.0)


class EventThreshold(Disturbance):
    """Multiplies the thresholds of an event camera, as temperature and bias currents do."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        sensor: str = ""
        """Which event camera; all of them when empty."""
        scale: Annotated[float, Meta(ge=0.05, le=100)] = 1.75
        """What thresholds are multiplied by."""

    def fit(self, traits: Traits) -> None:
        cameras = tuple(sensor.name for sensor in traits.event_sensors if sensor.axes == AXES)
        if not cameras:
            raise ScenarioError(f"{self.where}: found a plant without event cameras; allowed: one with a sensor dvs")
        wanted = self.config.sensor
        if wanted and wanted not in cameras:
            raise ScenarioError(f"{self.where}.sensor: found {wanted!r}; {allowed_hint(wanted, cameras)}")
        self._cameras = (wanted,) if wanted else cameras

    def load(self, loads: Loads) -> None:
        for camera in self._cameras if self.level else ():
            scale = 1.0 + self.level * (self.config.scale - 1.0)
            loads.threshold_scales[camera] = loads.threshold_scales.get(camera, 1.0) * scale
