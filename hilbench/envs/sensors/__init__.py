"""Sensors that any plant may carry, one a file. A scenario gives a plant its sensors: `[sensors.NAME]`."""

from hilbench.envs.sensors._base import Carrier, Mount, Sensor, SensorConfig
from hilbench.envs.sensors._dvs.scene import Ground, Scene, Seen, box, cylinder, sphere

__all__ = [
    "Carrier",
    "Ground",
    "Mount",
    "Scene",
    "Seen",
    "Sensor",
    "SensorConfig",
    "box",
    "cylinder",
    "sphere",
]
