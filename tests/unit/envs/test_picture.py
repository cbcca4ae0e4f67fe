"""Marks stand where an independent projection puts them, and so does the robot."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.envs.arm_payload import ArmPayload

ORANGE = (233, 84, 32)


def project(view, point_m) -> tuple[float, float]:
    """Column and row by a pinhole camera, from its position, target and vertical field of view."""
    eye, target = np.array(view.eye_m), np.array(view.target_m)
    ahead = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(ahead, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    offset = point_m - eye
    scale = view.height / 2 / np.tan(np.radians(view.fov_deg) / 2) / (offset @ ahead)
    column = (view.width - 1) / 2 + scale * (offset @ right)
    row = (view.height - 1) / 2 - scale * (offset @ np.cross(right, ahead))
    return column, row


def tip(q) -> np.ndarray:
    return 0.4 * np.array([np.cos(q[0]) + np.cos(q[0] + q[1]), 0.0, np.sin(q[0]) + np.sin(q[0] + q[1])])


def test_reference_mark_and_tip_stand_where_they_are():
    with ArmPayload(render_mode="rgb_array") as arm:
        obs, info = arm.reset(seed=0)
        assert info["tip_error_m"] > 0.05
        frame = arm.render().astype(int)
        mark = project(arm.view, tip(obs[4:6]))
        column, row = project(arm.view, tip(obs[:2]))
    rows, columns = np.nonzero((np.abs(frame - ORANGE) < 3).all(axis=2))
    assert columns.mean() == pytest.approx(mark[0], abs=0.7)
    assert rows.mean() == pytest.approx(mark[1], abs=0.7)
    assert frame[round(row), round(column)].sum() < 300
    assert frame[round(row) - 15, round(column)].sum() > 600
