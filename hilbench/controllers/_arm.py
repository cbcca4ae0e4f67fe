"""The nominal 2-link arm that arm controllers share, with the PD and gravity terms of the plant's inner loop."""

from __future__ import annotations

from math import cos
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.errors import ScenarioError
from hilbench.types import PlantSpec


class ArmModel(Struct, frozen=True, forbid_unknown_fields=True):
    """The arm as its designer knows it: nominal constants, and the PD gains of its inner loop."""

    length_1_m: float
    centre_1_m: float
    centre_2_m: float
    mass_1_kg: float
    mass_2_kg: float
    length_2_m: float
    inertia_1_kg_m2: float
    inertia_2_kg_m2: float
    tip_kg: float
    tip_inertia_kg_m2: float
    gravity_m_s2: float
    kp_1: float
    kp_2: float
    kd_1: float
    kd_2: float
    inner_loop: float


class State(NamedTuple):
    """One observation of the arm, angles in rad and rates in rad/s."""

    q_1: float
    q_2: float
    qd_1: float
    qd_2: float
    q_ref_1: float
    q_ref_2: float
    qd_ref_1: float
    qd_ref_2: float


N_OWN = len(State._fields)


def arm_model(plant: PlantSpec, controller: str) -> ArmModel:
    """The plant's nominal arm. Raises ScenarioError when the plant is no arm."""
    missing = [name for name in ArmModel.__struct_fields__ if name not in plant.parameters]
    if missing:
        raise ScenarioError(f"controller {controller!r} needs an arm; this plant states no {missing[0]!r}")
    return ArmModel(**{name: plant.parameters[name] for name in ArmModel.__struct_fields__})


def pd_nm(arm: ArmModel, s: State) -> tuple[float, float]:
    """The PD command at both joints, in N m."""
    return (
        arm.kp_1 * (s.q_ref_1 - s.q_1) + arm.kd_1 * (s.qd_ref_1 - s.qd_1),
        arm.kp_2 * (s.q_ref_2 - s.q_2) + arm.kd_2 * (s.qd_ref_2 - s.qd_2),
    )


def command_nm(arm: ArmModel, s: State) -> tuple[float, float]:
    """The command (N m) beside a residual: 0 where the plant has its inner loop, else PD and nominal gravity."""
    if arm.inner_loop:
        return 0.0, 0.0
    pd_1, pd_2 = pd_nm(arm, s)
    outer = arm.gravity_m_s2 * (arm.mass_2_kg * arm.centre_2_m + arm.tip_kg * arm.length_2_m) * cos(s.q_1 + s.q_2)
    inner = arm.mass_1_kg * arm.centre_1_m + (arm.mass_2_kg + arm.tip_kg) * arm.length_1_m
    return pd_1 + arm.gravity_m_s2 * inner * cos(s.q_1) + outer, pd_2 + outer


def state(values: NDArray) -> State:
    """The arm's own observations as plain floats; behind them stand those of sensors that it carries."""
    return State(*values[:N_OWN].tolist())


def torque(first: float, second: float) -> NDArray:
    """Both joints' torques as an array."""
    return np.array((first, second))
