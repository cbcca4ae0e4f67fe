"""Sensors that any plant may carry, one a file. A scenario gives a plant its sensors: `[sensors.NAME]`."""

from hilbench.envs.sensors._base import Carrier, Mount, Sensor, SensorConfig
from hilbench.envs.sensors._dvs.scene import Ground, Scene, Seen, box, cylinder, sphere
from hilbench.envs.sensors._playback import Playback
from hilbench.envs.sensors._sound.scene import Ear, Heard, Room, Sounds, band_noise

__all__ = [
    "Carrier",
    "Ear",
    "Ground",
    "Heard",
    "Mount",
    "Playback",
    "Room",
    "Scene",
    "Seen",
    "Sensor",
    "SensorConfig",
    "Sounds",
    "band_noise",
    "box",
    "cylinder",
    "sphere",
]
