"""What every sensor promises, over each that is found."""

from __future__ import annotations

from hilbench import plugins
from hilbench.testing import SensorContract

SETTINGS = {
    "analog": {"noise_std": 0.01, "bias": 0.5, "dropout": 0.2},
    "delta": {"threshold": 0.05},
    "lidar": {"position": ["x", "v"], "facing": ["x"], "noise_share": 0.02, "dropout": 0.1},
    "proximity": {"position": ["x", "v"], "facing": ["x"], "noise_std": 0.01},
    "imu": {"rates": ["v"], "velocities": ["v"], "gyro_noise": 0.01, "gyro_bias_std": 0.1, "accel_walk": 0.1},
    "odometry": {"entries": ["x"], "ticks_per_turn": 360, "scale_std": 0.05},
    "place_cells": {"position": ["x", "v"], "spacing_m": 0.5, "sigma_m": 0.5, "radius_m": 3.0},
    "cochlea": {"n_channels": 8, "head_m": 0.1, "noise_pa": 0.01},
    "recorded": {"shape": [8], "pool": 2},
    "concentration": {"position": ["x", "v"], "facing": ["x"], "noise_std": 0.005},
}
"""Of those that have needed fields, or randomness that is to be tried; any other has its defaults."""


class TestSensors(SensorContract):
    """Every sensor that is found."""

    def cases(self):
        return [(name, SETTINGS.get(name, {})) for name in plugins.all_of("sensors")]
