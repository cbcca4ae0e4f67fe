"""When disturbances act, what the sensors then say, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.envs.arm_payload import ArmPayload
from hilbench.envs.cartpole_ladder import CartpoleLadder
from hilbench.errors import ScenarioError

FREE = {"inner_loop": False}


def sensed(plant) -> np.ndarray:
    return plant.observe()[0][: len(plant.traits.sensors)].astype(float)


def test_a_window_is_whole_physics_steps_from_start_to_before_its_end():
    # In floats 0.043 / 0.001 is just below 43, so a cut instead of a rounding would come a step early.
    tables = {
        "weak": {"kind": "actuator_gain", "factor": 0.5, "at_s": 0.043, "until_s": 0.58},
        "dead": {"kind": "actuator_gain", "factor": 0.0, "at_s": 0.1, "until_s": 0.2},
    }
    with CartpoleLadder(disturbances=tables) as plant:
        plant.reset(seed=0)
        forces, active = [], [plant.observe()[4]["disturbances"]]
        for _ in range(700):
            info = plant.step([2.0])[4]
            forces.append(info["force_n"])
            active.append(info["disturbances"])
    expected = np.full(700, 2.0)
    expected[43:580] = 1.0
    expected[100:200] = 0.0
    np.testing.assert_array_equal(forces, expected)
    acting = np.zeros(701)
    acting[43:580] += 1
    acting[100:200] += 1
    np.testing.assert_array_equal(active, acting)


def test_bias_ramps_to_its_full_size_and_the_plant_does_not_feel_it():
    tables = {"drift": {"kind": "sensor_bias", "bias": {"theta": 0.02}, "at_s": 0.1, "ramp_s": 0.2}}
    offsets = []
    with CartpoleLadder(disturbances=tables) as plant, CartpoleLadder() as clean:
        for one in (plant, clean):
            one.reset(seed=0)
        for _ in range(400):
            plant.step([0.0])
            offsets.append((sensed(plant) - plant.state())[2])
        clean.advance(400, [0.0])
        np.testing.assert_array_equal(plant.state(), clean.state())
    steps = np.arange(1, 401)
    np.testing.assert_allclose(offsets, 0.02 * np.clip((steps - 100) / 200, 0, 1), atol=1e-6)


def test_noise_has_the_stated_size_and_is_white():
    tables = {"noise": {"kind": "sensor_noise", "std": [0.0, 0.3, 0.05, 0.0]}}
    with ArmPayload(disturbances=tables, **FREE) as plant:
        plant.reset(seed=0)
        rows = []
        for _ in range(4000):
            plant.advance(1, (0.0, 0.0))
            rows.append(sensed(plant) - plant.state())
    noise = np.array(rows)
    # Four standard errors: std has a relative one of 1 / sqrt(2 n), correlation one of 1 / sqrt(n).
    np.testing.assert_allclose(noise[:, 1:3].std(axis=0), [0.3, 0.05], rtol=4 / np.sqrt(8000))
    assert np.abs(noise[:, [0, 3]]).max() < 1e-4
    assert abs(np.corrcoef(noise[1:, 1], noise[:-1, 1])[0, 1]) < 4 / np.sqrt(4000)
    assert abs(np.corrcoef(noise[:, 1], noise[:, 2])[0, 1]) < 4 / np.sqrt(4000)


def test_noise_belongs_to_the_seed_and_to_its_name_alone():
    def first(seed, **tables):
        with CartpoleLadder(disturbances=tables) as plant:
            plant.reset(seed=seed)
            plant.advance(3, [0.0])
            return sensed(plant) - plant.state()

    noise = {"kind": "sensor_noise", "std": [1.0, 1.0, 0.0, 0.0]}
    other = {"kind": "sensor_noise", "std": [0.0, 0.0, 1.0, 1.0]}
    alone = first(1, a=noise)
    np.testing.assert_array_equal(alone, first(1, a=noise))
    np.testing.assert_array_equal(alone[:2], first(1, b=other, a=noise)[:2])
    assert np.abs(alone - first(2, a=noise))[:2].min() > 1e-3
    assert np.abs(2 * alone - first(1, a=noise, b=noise))[:2].min() > 1e-3


def test_inner_loop_acts_on_what_is_sensed():
    tables = {"off": {"kind": "sensor_bias", "bias": {"q_1": 0.1}}}
    with ArmPayload(disturbances=tables) as plant, ArmPayload() as clean:
        torques = []
        for one in (plant, clean):
            one.reset(seed=0)
            torques.append(one.step((0.0, 0.0))[4]["torque_1_nm"])
        gravity_1 = 9.81 * 0.4 * (1.5 / 2 + 1.0 + 0.05)
        gravity_2 = 9.81 * 0.4 * (1.0 / 2 + 0.05)
    change = gravity_1 * (np.cos(0.5) - np.cos(0.4)) + gravity_2 * (np.cos(1.1) - np.cos(1.0))
    assert torques[0] - torques[1] == pytest.approx(-60 * 0.1 + change, rel=1e-9)


def test_loads_come_and_go_without_a_trace_in_the_nominal_plant():
    def swing(**tables):
        with ArmPayload(disturbances=tables, **FREE) as plant:
            plant.reset(seed=0)
            plant.advance(300, (0.0, 0.0))
            changed = plant.state()
            plant.reset(seed=0)
            plant.advance(50, (0.0, 0.0))
            early = plant.state()
            plant.advance(250, (0.0, 0.0))
            return early, changed, plant.state()

    load = {"kind": "payload", "mass_kg": 1.5, "at_s": 0.1, "until_s": 0.2}
    oil = {"kind": "joint_friction", "damping": 0.4, "at_s": 0.15, "ramp_s": 0.05}
    early, changed, again = swing(load=load, oil=oil)
    nominal_early, nominal, _ = swing()
    np.testing.assert_array_equal(early, nominal_early)
    np.testing.assert_array_equal(changed, again)
    assert not np.allclose(changed, nominal, atol=1e-3)


def test_a_removed_payload_leaves_the_nominal_mass():
    load = {"kind": "payload", "mass_kg": 1.5, "at_s": 0.0, "until_s": 0.001}
    with ArmPayload(disturbances={"load": load}, **FREE) as plant:
        plant.reset(seed=0)
        plant.advance(1, (0.0, 0.0))
        q, speeds = plant.state()[:2], plant.state()[2:]
        elbow = 9.81 * 0.4 * 0.55 * np.cos(q.sum())
        hold = (9.81 * 0.4 * 1.8 * np.cos(q[0]) + elbow, elbow)
        plant.advance(1, hold)
        # Held by the nominal arm's torque, the speed changes only by centrifugal terms, of the order of speed squared.
        np.testing.assert_allclose(plant.state()[2:], speeds, atol=1e-5)


@pytest.mark.parametrize(
    ("table", "line"),
    [
        (
            {"kind": "payload", "mass_kg": 1.0},
            "disturbances.x: payload needs a plant with a tip link; it fits: arm7, arm_payload, beam",
        ),
        (
            {"kind": "paylod"},
            "disturbances.x.kind: found 'paylod'; allowed: actuator_gain, ",
        ),
        ({}, "disturbances.x.kind: found None;"),
        (
            {"kind": "sensor_bias", "bias": {"theta_": 1.0}},
            "disturbances.x.bias.theta_: this plant has no such name; allowed: theta, thetad, x, xd;",
        ),
        (
            {"kind": "sensor_bias", "bias": [1.0]},
            "disturbances.x.bias: found 1 values, expected 4: x, xd, theta, thetad",
        ),
        ({"kind": "actuator_gain", "factor": 0.5, "at": 1.0}, "disturbances.x.at: no such field;"),
        (
            {"kind": "actuator_gain", "factor": 0.5, "at_s": -1.0},
            "disturbances.x.at_s: found -1.0, expected `float` >= 0",
        ),
        (
            {"kind": "actuator_gain", "factor": 0.5, "at_s": 2.0, "until_s": 2.0},
            "disturbances.x.until_s: found 2.0 s, expected later than at_s = 2.0 s",
        ),
        ({"kind": "actuator_gain"}, "disturbances.x: object missing required field `factor`"),
        ([], "disturbances.x.kind: found None;"),
    ],
)
def test_wrong_tables_are_refused_in_one_line(table, line):
    with pytest.raises(ScenarioError) as caught:
        CartpoleLadder(disturbances={"x": table})
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_copy_of_an_env_has_the_disturbances_it_was_made_with() -> None:
    import copy
    import pickle

    from hilbench.envs.arm_payload import ArmPayload

    given = {"load": {"kind": "payload", "at_s": 0.0, "mass_kg": 1.0}}
    env = ArmPayload(disturbances=given)
    given["load"]["mass_kg"] = 50.0
    for again in (env, pickle.loads(pickle.dumps(env)), copy.deepcopy(env)):
        again.reset(seed=1)
        assert again.step([0.0, 0.0])[4]["payload_kg"] == 1.0
        again.close()
