"""Cameras that are turned on their mounts, and light that changes: what the picture makes of it."""

from __future__ import annotations

from math import radians, sin, tan

import numpy as np
import pytest

from hilbench.envs.cartpole_ladder import CartpoleLadder
from hilbench.envs.lane_dvs import HIGH_M, PITCH_RAD, ROAD, LaneDVS
from hilbench.errors import ScenarioError

EYE = {"kind": "dvs", "fov_rad": radians(70), "period_s": 0.01}
TURNED = radians(8)


def seen(**tables) -> tuple[np.ndarray, np.ndarray, LaneDVS]:
    """What the camera sees at the start of an episode: luminance by pixel, and where it stands."""
    with LaneDVS(sensors={"eye": EYE}, control_period_s=0.01, disturbances=tables) as plant:
        plant.reset(seed=3)
        return plant._rack.sensors["eye"].image.copy(), np.array(plant.camera("front")), plant


def test_a_camera_that_is_turned_sees_what_the_projection_says():
    """A point of the ground moves over the picture by the angle that the camera has turned the other way."""
    straight, pose, _ = seen()
    turned, pose_turned, _ = seen(knock={"kind": "camera_turn", "yaw_rad": TURNED})
    np.testing.assert_allclose(pose_turned - pose, [0, 0, 0, TURNED, 0, 0], atol=1e-12)
    rows, columns = np.mgrid[24:60, 12:52] + 0.5
    focal = 32 / tan(radians(35))
    right, down = (columns - 32) / focal, (rows - 32) / focal
    # The point on the ground that a pixel of the straight camera sees, in the camera's own frame on the road ...
    ahead, up = np.cos(PITCH_RAD) - down * sin(PITCH_RAD), -sin(PITCH_RAD) - down * np.cos(PITCH_RAD)
    x, y = -HIGH_M * ahead / up, HIGH_M * right / up
    # ... and where the turned one has it.
    x, y = x * np.cos(TURNED) + y * sin(TURNED), y * np.cos(TURNED) - x * sin(TURNED)
    depth = x * np.cos(PITCH_RAD) + HIGH_M * sin(PITCH_RAD)
    column = 32 - focal * y / depth - 0.5
    row = 32 + focal * (HIGH_M * np.cos(PITCH_RAD) - x * sin(PITCH_RAD)) / depth - 0.5
    inside = (column > 0) & (column < 62) & (row > 0) & (row < 62)
    i, j = column[inside].astype(int), row[inside].astype(int)
    p, q = column[inside] - i, row[inside] - j
    expected = (1 - q) * ((1 - p) * turned[j, i] + p * turned[j, i + 1])
    expected += q * ((1 - p) * turned[j + 1, i] + p * turned[j + 1, i + 1])
    found = straight[24:60, 12:52][inside]
    assert inside.mean() > 0.8
    assert np.corrcoef(found, expected)[0, 1] > 0.97  # interpolated once more at the lines' edges
    assert np.corrcoef(found, turned[24:60, 12:52][inside])[0, 1] < 0.6


def test_turns_add_up_and_ramp():
    tables = {
        "one": {"kind": "camera_turn", "camera": "front", "yaw_rad": 0.1, "roll_rad": -0.2},
        "other": {"kind": "camera_turn", "pitch_rad": 0.3, "yaw_rad": 0.2, "ramp_s": 0.02},
    }
    with LaneDVS(sensors={}, control_period_s=0.01, disturbances=tables) as plant:
        plant.reset(seed=3)
        plant.advance(10, [0.0])
        assert plant.loads.turns["front"] == pytest.approx((0.2, 0.15, -0.2))


def test_light_and_contrast_are_those_of_the_scene():
    tables = {
        "dusk": {"kind": "lighting", "brightness": 0.5, "contrast": 0.4},
        "fog": {"kind": "lighting", "contrast": 0.5},
    }
    _, _, plant = seen(**tables)
    scene = plant.scene()
    assert (scene.brightness, scene.contrast, scene.grey) == pytest.approx((0.5, 0.2, ROAD))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kind": "camera_turn", "yaw_rad": 0.1}, r"disturbances.it: found a plant without cameras"),
        ({"kind": "lighting", "contrast": 0.1}, r"disturbances.it: found a plant without a scene"),
    ],
)
def test_a_plant_without_a_camera_is_refused(table, message):
    with pytest.raises(ScenarioError, match=message):
        CartpoleLadder(disturbances={"it": table})


def test_a_camera_that_is_not_there_is_refused():
    table = {"kind": "camera_turn", "camera": "frnt", "yaw_rad": 0.1}
    with pytest.raises(ScenarioError, match=r"disturbances.it.camera: found 'frnt'; .*front"):
        LaneDVS(disturbances={"it": table})
    with LaneDVS(sensors={"eye": EYE | {"camera": "back"}}) as plant, pytest.raises(ScenarioError, match="'back'"):
        plant.reset(seed=0)
