"""A laboratory for event cameras: plants that carry one, with a scene and a path that a test chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from small_plants import Mass

from hilbench.envs.sensors import Ground, Mount, Scene, sphere
from hilbench.envs.sensors.dvs import Dvs
from hilbench.errors import ScenarioError
from hilbench.settings import to_config

DOWN = (0.0, 0.0, 1.0, 0.0, np.pi / 2, 0.0)
"""One metre above the ground, looking straight down: the picture's top is +x, its left +y."""
CLEAN = {"threshold_std": 0.0, "cutoff_hz": 0.0, "leak_hz": 0.0, "noise_hz": 0.0, "refractory_s": 0.0, "eps": 1e-9}
"""Pixels without any fault."""


@dataclass
class Lab:
    """A carrier with a scene, and a pose and a light that are functions of time."""

    seen: Scene
    pose: Callable[[float], Sequence[float]] = lambda _: DOWN
    light: Callable[[float], float] = lambda _: 1.0
    time_s: float = 0.0
    truth: list[float] = field(default_factory=list)

    def scene(self) -> Scene:
        self.seen.brightness = self.light(self.time_s)
        return self.seen

    def camera(self, name: str) -> Sequence[float]:
        if name != "front":
            raise ScenarioError(f"this plant has no camera {name!r}; allowed: 'front'")
        return self.pose(self.time_s)


def flat(luminance: float = 0.5) -> Scene:
    """A ground of one luminance and nothing else."""
    return Scene(Ground([[luminance]]))


def camera(period_us: int = 1000, name: str = "eye", **settings: Any) -> Dvs:
    return Dvs(to_config(Dvs.Config, settings, "sensors.eye"), Mount(f"sensors.{name}", (), (), period_us))


def clean(period_us: int = 1000, **settings: Any) -> Dvs:
    return camera(period_us, **(CLEAN | settings))


def watch(sensor: Dvs, lab: Lab, n_samples: int, seed: int = 0) -> np.ndarray:
    """All events of an episode, (n, 4): time since its start in us, y, x, polarity."""
    sensor.reset(seed)
    found = []
    for number in range(n_samples + 1):
        lab.time_s = number * sensor.mount.period_us * 1e-6
        events = sensor.sample(lab)
        assert number > 0 or not events.size
        at = events["t_us"].astype(np.int64) + (number - 1) * sensor.mount.period_us
        assert (np.diff(at) >= 0).all()
        assert not events.size or events["t_us"].max() < sensor.mount.period_us
        found.append(np.stack([at, *np.unravel_index(events["address"].astype(np.int64), sensor.shape)], 1))
    return np.concatenate(found)


def picture(scene: Scene, pose: Sequence[float], **settings: Any) -> np.ndarray:
    """What a camera sees, luminance (height, width)."""
    sensor = clean(**settings)
    sensor.sample(Lab(scene, lambda _: pose))
    return sensor.image.copy()


class Seeing(Mass):
    """A mass on a rail that carries a camera, looking ahead to a ball."""

    def scene(self) -> Scene:
        return _SCENE

    def camera(self, name: str) -> Sequence[float]:
        if name != "front":
            raise ScenarioError(f"plant: found no camera {name!r}; allowed: 'front'")
        return (self.x, 0.0, 1.0, 0.0, 0.0, 0.0)


_SCENE = Scene(Ground([[0.3]]), [sphere((4.0, 0.0, 1.0), 0.5, 0.9)])
