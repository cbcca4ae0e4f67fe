"""Disturbances of what cameras see: how they are mounted, and the light."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hilbench.envs.disturbances._base import Disturbance, Finite, Loads, Timing, Traits
from hilbench.errors import ScenarioError, allowed_hint

Angle = Annotated[float, Meta(ge=-3.2, le=3.2)]


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
