"""What every disturbance promises, over each that is found."""

from __future__ import annotations

from hilbench import plugins
from hilbench.testing import DisturbanceContract

SETTINGS = {
    "payload": {"mass_kg": 1.5},
    "joint_friction": {"damping": 0.3},
    "sensor_bias": {"bias": {"a": 0.25}},
    "sensor_noise": {"std": {"b": 0.1}},
    "sensor_swap": {"sensors": ["a", "c"]},
    "actuator_gain": {"factor": 0.5},
    "camera_turn": {"yaw_rad": 0.1},
    "lighting": {"contrast": 0.5},
    "hot_pixels": {"count": 3, "rate_hz": 200.0},
    "dead_channels": {"count": 9, "sensor": "eye"},
    "noise_events": {"rate_hz": 5.0},
    "time_jitter": {"std_s": 0.001},
    "event_dropout": {"probability": 0.3},
}
"""Of those that have needed fields; any other has its defaults."""


class TestDisturbances(DisturbanceContract):
    """Every disturbance that is found."""

    def cases(self):
        return [(name, SETTINGS.get(name, {})) for name in plugins.all_of("disturbances")]
