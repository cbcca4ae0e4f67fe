"""What every disturbance promises, over each that is found."""

from __future__ import annotations

from hilbench import plugins
from hilbench.testing import DisturbanceContract

SETTINGS = {
    "payload": {"mass_kg": 1.5},
    "joint_friction": {"damping": 0.3},
    "push": {"force": [0.5, -0.2], "either_way": True},
    "force_field": {"joint": "k", "amplitude": [0.15, 0.1], "wavelength": [1.0, 0.6]},
    "hose": {"joint": "j", "stiffness": 2.0, "friction": 0.5},
    "sensor_bias": {"bias": {"a": 0.25}},
    "sensor_noise": {"std": {"b": 0.1}},
    "actuator_gain": {"factor": 0.5},
    "camera_turn": {"yaw_rad": 0.1},
    "lighting": {"contrast": 0.5},
    "ear_change": {"ear": "right", "gain_db": -6.0, "delay_s": 1e-4},
    "lead_changed": {"gains": [0.5, -0.8], "interval_scale": 0.85, "noise_scale": 1.5},
    "electrodes_moved": {"turn_rad": 0.3, "gains": [0.5, 2.0, 1.5]},
    "speaker_changed": {"tract": 1.3, "pitch": 1.9, "stretch": 1.15},
    "wearer_changed": {"subjects": [3, 1]},
    "ears_moved": {"scale": 1.5, "swapped": True},
    "hot_pixels": {"count": 3, "rate_hz": 200.0},
    "dead_channels": {"count": 9, "sensor": "eye"},
    "noise_events": {"rate_hz": 5.0},
    "time_jitter": {"std_s": 0.001},
    "event_dropout": {"probability": 0.3},
}
"""Of those that have needed fields; any other has its defaults."""
MODES = {
    "off": {"value": 0.3},
    "stuck": {},
    "garbage": {"low": -1.0, "high": 1.0},
    "wrong": {"gain": 0.5},
    "slow": {"lag_s": 0.02},
    "delayed": {"delay_s": 0.004},
    "intermittent": {"probability": 0.3, "outage_s": 0.02},
}
"""Of the faults, by mode."""
EVENT_MODES = ("off", "stuck", "garbage", "wrong", "delayed", "intermittent")


class TestDisturbances(DisturbanceContract):
    """Every disturbance that is found."""

    def cases(self):
        found = set(plugins.all_of("disturbances")) - {"sensor_fault", "motor_fault"}
        return [(name, SETTINGS.get(name, {})) for name in sorted(found)]


class TestFaults(DisturbanceContract):
    """The faults of values and of motors, in each mode."""

    def cases(self):
        values = [("sensor_fault", {"mode": mode, "sensors": ["a", "c"]} | MODES[mode]) for mode in MODES]
        return values + [("motor_fault", {"mode": mode} | MODES[mode]) for mode in MODES]


class TestEventFaults(DisturbanceContract):
    """The faults of event sensors, in each mode."""

    def cases(self):
        of_values = "value", "low", "high"
        found = {mode: {k: v for k, v in MODES[mode].items() if k not in of_values} for mode in EVENT_MODES}
        found["garbage"] = {"rate_hz": 5.0}
        return [("sensor_fault", {"mode": mode, "sensors": ["eye"]} | found[mode]) for mode in EVENT_MODES]
