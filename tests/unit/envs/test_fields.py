"""Fields of force over joints: their formulas, and what a plant does under them."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.envs.arm_payload import ArmPayload
from hilbench.envs.cartpole_ladder import CartpoleLadder
from hilbench.envs.disturbances import Loads, Traits
from hilbench.envs.disturbances.fields import ForceField, Hose, Push
from hilbench.errors import ScenarioError

TRAITS = Traits(sensors=("a",), joints=("j", "k"), actuators=("u",))


def forces(kind, position, speed=0.0, level=1.0, seed=0, **settings):
    field = kind(kind.Config(joint="k", **settings), TRAITS, "disturbances.x")
    field.reset(seed)
    field.level = level
    loads = Loads.none(TRAITS)
    field.load(loads)
    return loads.joint_forces([(9.0, 9.0), (position, speed)])


def test_a_force_field_is_its_sum_of_sines():
    settings = {"amplitude": (0.2, 0.1), "wavelength": (1.0, 0.25), "phase_rad": (0.3, -0.7)}
    q = 0.37
    expected = 0.2 * np.sin(2 * np.pi * q + 0.3) + 0.1 * np.sin(8 * np.pi * q - 0.7)
    assert forces(ForceField, q, **settings) == pytest.approx([0.0, expected])
    assert forces(ForceField, q, level=0.25, **settings) == pytest.approx([0.0, expected / 4])


def test_a_seed_draws_its_phases_evenly():
    drawn = [forces(ForceField, 0.0, seed=seed, amplitude=(1.0,), wavelength=(1.0,))[1] for seed in range(200)]
    assert drawn[3] == forces(ForceField, 0.0, seed=3, amplitude=(1.0,), wavelength=(1.0,))[1]
    # A sine of an even phase has mean 0 and variance 1/2. Four standard errors.
    assert abs(np.mean(drawn)) < 4 * np.sqrt(0.5 / 200)
    assert np.var(drawn) == pytest.approx(0.5, rel=0.25)


def test_a_push_is_the_same_everywhere():
    push = Push(Push.Config(force={"k": -0.4}), TRAITS, "disturbances.x")
    push.level = 0.5
    loads = Loads.none(TRAITS)
    push.load(loads)
    assert loads.joint_forces([(9.0, 9.0), (3.0, -2.0)]) == [0.0, -0.2]


@pytest.mark.parametrize(
    ("position", "speed", "expected"),
    [(0.5, 0.0, -0.6), (0.5, 0.02, -0.6 - 0.4 * np.tanh(1)), (0.5, -5.0, -0.2), (-0.5, 5.0, 1.4), (0.2, 5.0, -0.4)],
)
def test_a_hose_is_a_spring_and_dry_friction_where_it_lies(position, speed, expected):
    settings = {"stiffness": 2.0, "rest": 0.2, "friction": 0.4, "friction_from": 0.0}
    assert forces(Hose, position, speed, **settings)[1] == pytest.approx(expected)


def test_a_plant_is_pushed_by_a_field_as_by_its_actuator():
    """A constant field is one with the same force on the driven slide, and acts on the hinge, which nothing drives."""
    even = {"kind": "force_field", "amplitude": [2.0], "wavelength": [1e6], "phase_rad": [np.pi / 2]}
    with CartpoleLadder() as driven, CartpoleLadder(disturbances={"wind": {**even, "joint": "slide"}}) as blown:
        for cart, force in ((driven, 2.0), (blown, 0.0)):
            cart.reset(seed=1)
            cart.advance(200, [force])
        np.testing.assert_allclose(blown.state(), driven.state(), rtol=1e-9)
        assert blown.observe()[4]["force_n"] == 0.0
    with CartpoleLadder(disturbances={"wind": {**even, "joint": "hinge", "until_s": 0.1}}) as blown:
        blown.reset(seed=1)
        start = blown.state()
        blown.advance(1, [0.0])
        p = blown.plant_spec.parameters
        half_m, m, total = p["pole_m"] / 2, p["pole_kg"], p["pole_kg"] + p["cart_kg"]
        about = p["pole_inertia_kg_m2"] + m * half_m**2
        cross = m * half_m * np.cos(start[2])
        torque = 2.0 + m * 9.81 * half_m * np.sin(start[2])
        expected = torque * total / (about * total - cross**2)
        assert blown.state()[3] / 0.001 == pytest.approx(expected, rel=1e-3)


def test_once_a_field_ends_nothing_of_it_stays():
    """Torques of the engine last one step; a joint that only the field pushed must not keep its last one."""
    field = {"kind": "force_field", "joint": "hinge", "amplitude": [1.0], "wavelength": [1.0], "until_s": 0.05}
    with CartpoleLadder(disturbances={"wind": field}) as blown, CartpoleLadder() as calm:
        blown.reset(seed=1)
        blown.advance(50, [0.0])
        at_end = blown.state()
        blown.advance(1, [0.0])
        calm.reset(seed=1)
        gravity = calm.plant_spec.parameters["gravity_m_s2"]
        # What is left is gravity on a pole near upright: below g / (2/3 pole_m) times its angle, and no 1 N m.
        change = abs(blown.state()[3] - at_end[3]) / 0.001
        assert change < 1.2 * gravity / (2 / 3) * abs(at_end[2]) + 0.5


def test_the_arm_is_blown_at_a_joint_by_name():
    field = {"kind": "force_field", "joint": "elbow", "amplitude": [5.0], "wavelength": [1.0]}
    with ArmPayload(disturbances={"wind": field}) as blown, ArmPayload() as calm:
        for arm in (blown, calm):
            arm.reset(seed=0)
            arm.advance(300, [0.0, 0.0])
        assert np.abs(blown.state() - calm.state()).max() > 0.01


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({"joint": "hip"}, "disturbances.x.joint: found 'hip'; allowed: hinge, slide"),
        ({"wavelength": [1.0, 2.0]}, "disturbances.x.wavelength: found 2 values, expected 1, one per amplitude"),
        ({"wavelength": [0.0]}, "disturbances.x.wavelength"),
        ({"phase_rad": []}, "disturbances.x.phase_rad: found 0 values, expected 1, one per amplitude"),
    ],
)
def test_wrong_fields_are_refused(table, line):
    given = {"kind": "force_field", "joint": "slide", "amplitude": [1.0], "wavelength": [1.0]} | table
    with pytest.raises(ScenarioError) as caught:
        CartpoleLadder(disturbances={"x": given})
    assert str(caught.value).startswith(line)
