"""Each part against what hilbench asks of its kind."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from hilbench_diffdrive.plant import DiffDrive

from hilbench.testing import (
    BackendContract,
    ControllerContract,
    DecoderContract,
    DisturbanceContract,
    EncoderContract,
    MetricContract,
    PlantContract,
)

PLANT = DiffDrive()


class TestDiffDrive(PlantContract):
    plugin = "diff_drive"
    settings = ({}, {"posts": 0, "speed_m_s": 0.2}, {"physics_step_s": 0.001, "camera_period_s": 0.005})
    period_s = 0.02
    disturbances: ClassVar = {
        "slip": {"kind": "wheel_slip", "share": 0.8},
        "bias": {"kind": "sensor_bias", "bias": {"ray_0": 0.1}},
        "hot": {"kind": "hot_pixels", "count": 5, "rate_hz": 50.0},
        "weak": {"kind": "actuator_gain", "factor": 0.5, "at_s": 0.1},
    }


class TestWheelSlip(DisturbanceContract):
    plugin = "wheel_slip"
    traits = DiffDrive.traits


class TestMotionOnset(EncoderContract):
    plugin = "motion_onset"
    settings = ({}, {"n_events": 3})
    plant_spec = PLANT.plant_spec
    refused = ({"sensor": "ear"}, {"n_events": 0})


class TestWheels(DecoderContract):
    plugin = "wheels"
    settings = ({}, {"tau_s": 0.0})


class TestBraitenberg(ControllerContract):
    plugin = "braitenberg"
    period_s = 0.02


class TestBraitenbergOnItsOwnBackend(ControllerContract):
    plugin = "braitenberg"
    plants = (("diff_drive", {"posts": 3}),)
    period_s = 0.02
    backend = "tiny_lif"


class TestTinyLIF(BackendContract):
    plugin = "tiny_lif"


class TestClearance(MetricContract):
    plugin = "clearance"
    scenario = str(Path(__file__).parents[1] / "arena.toml")
    overrides: ClassVar = {"loop.duration_s": 2.0, "disturbances.slip.at_s": 1.0, "phases": {"before": [0.0, 1.0]}}
