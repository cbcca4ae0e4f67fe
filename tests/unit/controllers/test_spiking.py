"""The spiking controllers: what reaches the plant at once, and what is decoded."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench import plugins
from hilbench.backends.reference import Reference
from hilbench.controllers import lif_lqr, pes
from hilbench.controllers.lqr import LQRConfig, cart_pole_gain
from hilbench.errors import ScenarioError
from hilbench.types import NO_EVENTS, Empty, PlantSpec, Probes, Tick, size_of


def plant_spec(name: str, **config) -> PlantSpec:
    with plugins.get("envs", name)(**config) as plant:
        return plant.plant_spec


def reply_to(control, obs, n: int = 1, period_us: int = 1000):
    program = control.program
    backend = Reference(Empty())
    backend.load(program, period_us, Probes())
    values = np.zeros(size_of(program.inputs, "values"), np.float32)
    errors = np.zeros(size_of(program.modulators, "values"), np.float32)
    for k in range(n):
        events = control.encoder.encode(obs, NO_EVENTS, values)
        if control.modulate is not None:
            control.modulate(obs, NO_EVENTS, 0.0, {}, errors)
        reply = backend.step(Tick(k, events=events, values=values, modulators=errors, learning=False))
    action = np.zeros(size_of(program.outputs, "values") if control.modulate is None else 2)
    control.decoder.decode(reply.values, reply.events, action)
    return action, errors


OBS = np.float32([0.3, 0.7, -0.4, 0.5, 0.5, 0.2, 0.6, -0.3])


def test_without_the_plants_inner_loop_pd_and_gravity_pass_through_the_network_at_once():
    plant = plant_spec("arm_payload", inner_loop=False)
    p = plant.parameters
    action, errors = reply_to(pes.PES.build(pes.PESConfig(n_neurons=20), plant, 1000, 0), OBS)
    q, qd, ref, refd = OBS.astype(float).reshape(4, 2)
    pd = np.array([p["kp_1"], p["kp_2"]]) * (ref - q) + np.array([p["kd_1"], p["kd_2"]]) * (refd - qd)
    g = p["gravity_m_s2"]
    elbow = g * np.cos(q.sum()) * (p["mass_2_kg"] * p["centre_2_m"] + p["tip_kg"] * p["length_2_m"])
    shoulder = g * np.cos(q[0]) * (
        p["mass_1_kg"] * p["centre_1_m"] + (p["mass_2_kg"] + p["tip_kg"]) * p["length_1_m"]
    )  # fmt: skip
    np.testing.assert_array_equal(action.astype(np.float32), np.float32(pd + np.array((shoulder + elbow, elbow))))
    np.testing.assert_array_equal(errors, np.float32(-pd))


def test_beside_the_plants_inner_loop_the_network_sends_the_residual_alone():
    control = pes.PES.build(pes.PESConfig(n_neurons=20), plant_spec("arm_payload"), 1000, 0)
    action, errors = reply_to(control, OBS)
    assert [port.name for port in control.program.outputs] == ["residual"]
    assert action.tolist() == [0, 0]
    assert (errors != 0).all()


def test_what_lif_lqr_decodes_is_the_lqr_law():
    plant = plant_spec("cartpole_ladder")
    # a slow readout, so that what is compared is the mean and not the ripple of spikes
    config = lif_lqr.LIFLQRConfig(n_neurons=500, readout_tau_s=0.1)
    obs = np.float32([0.1, -0.2, 0.05, 0.2])
    control = lif_lqr.LIFLQR.build(config, plant, 20_000, 0)
    action, _ = reply_to(control, obs, n=40, period_us=20_000)
    k = cart_pole_gain(LQRConfig(), plant, "test")
    whole = np.linalg.norm(k * config.state_scale)
    assert abs(action[0] + k @ obs) < 0.05 * whole
    assert abs(k @ obs) > 0.1 * whole


@pytest.mark.parametrize(("controller", "plant"), [(pes.PES, "arm_payload"), (lif_lqr.LIFLQR, "cartpole_ladder")])
def test_rates_beyond_the_refractory_time_are_refused(controller, plant):
    with pytest.raises(ScenarioError, match="rate_high_hz"):
        controller.build(controller.Config(n_neurons=5, rate_high_hz=600.0), plant_spec(plant), 1000, 0)
