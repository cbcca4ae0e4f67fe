"""Sensors that any plant may carry, one a file. A scenario gives a plant its sensors: `[sensors.NAME]`."""

from hilbench.envs.sensors._base import Carrier, Mount, Sensor, SensorConfig

__all__ = ["Carrier", "Mount", "Sensor", "SensorConfig"]
