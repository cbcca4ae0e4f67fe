"""Feedback about a reference, and the learners that stand on it, against their equations."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hilbench import plugins
from hilbench.controllers._feedback import FeedbackConfig, Terms, feedback_of
from hilbench.controllers._offset import OffsetConfig
from hilbench.controllers._places import MapConfig, lift, preferred_states
from hilbench.controllers.feedback import FeedbackController, FeedbackLaw, FeedbackSettings
from hilbench.controllers.integral import Integral, IntegralConfig, IntegralLaw
from hilbench.controllers.lqi import LQI, LQIConfig
from hilbench.controllers.lqr import LQRConfig, cart_pole_gain, linear_cart_pole
from hilbench.controllers.mrac import MRAC, MRACConfig, MRACLaw
from hilbench.controllers.pes_feedback import PESFeedback, PESFeedbackConfig, population
from hilbench.controllers.rbf import RBF, RBFConfig, RBFLaw
from hilbench.envs.arm_payload import ArmPayload
from hilbench.envs.beam import Beam
from hilbench.envs.cartpole_ladder import CartpoleLadder
from hilbench.envs.cartpole_track import CartpoleTrack
from hilbench.errors import ScenarioError
from hilbench.seeding import stream
from hilbench.types import NO_EVENTS, Probes, Tick

BEAM, TRACK, ARM, LADDER = (kind().plant_spec for kind in (Beam, CartpoleTrack, ArmPayload, CartpoleLadder))
AHEAD = np.array([0.1, 0.0, 0.3, 0.0, 0.0], np.float32)
"""The beam is 0.2 rad below its reference, and all is at rest: u_fb = 0.6 x 0.2 N m."""
LEARNERS = [(Integral, IntegralConfig, IntegralLaw), (RBF, RBFConfig, RBFLaw), (MRAC, MRACConfig, MRACLaw)]


def law(kind, config, program_of, plant=BEAM):
    program = kind.build(config, plant, 1000, seed=1).program
    made = program_of(_converted(program_of, program.config))
    made.reset(0)
    return made


def _converted(program_of, config):
    return msgspec.convert(config, program_of.Config)


def test_the_beam_has_a_pd_with_its_inertia_ahead():
    terms = Terms(feedback_of(FeedbackConfig(kp=0.5, kd=0.2), BEAM, "test"))
    q, qd, q_ref, qd_ref, qdd_ref = obs = np.array([0.1, -0.4, 0.25, 0.3, 2.0])
    feedback = 0.5 * (q_ref - q) + 0.2 * (qd_ref - qd)
    np.testing.assert_allclose(terms.feedback(obs), [feedback])
    inertia = 0.009 + 0.0001 * 0.2**2
    np.testing.assert_allclose(terms.command(obs), [feedback + inertia * qdd_ref + 0.01 * qd_ref])


def test_the_cart_pole_has_the_ladders_lqr_about_its_reference():
    terms = Terms(feedback_of(FeedbackConfig(), TRACK, "test"))
    gain = cart_pole_gain(LQRConfig(), TRACK, "lqr")
    state, reference = np.array([0.1, -0.2, 0.03, 0.4]), np.array([0.2, 0.1, -0.01, 0.05])
    obs = np.array([*state, *reference, 0.5, -0.3])
    np.testing.assert_allclose(terms.feedback(obs), [gain @ (reference - state)])
    ahead = 1.1 * 0.5 + 0.1 * 0.5 * -0.3
    np.testing.assert_allclose(terms.command(obs), [gain @ (reference - state) + ahead])
    # The pole leans to the right of its reference: the cart has to run to the right, below it.
    leaning = np.zeros(10)
    leaning[2] = 0.05
    assert terms.feedback(leaning)[0] > 0


def test_the_arm_adds_its_feedback_itself_and_shows_it_for_the_error():
    terms = Terms(feedback_of(FeedbackConfig(), ARM, "test"))
    obs = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.2])
    np.testing.assert_array_equal(terms.command(obs), [0.0, 0.0])
    np.testing.assert_allclose(terms.feedback(obs), [60 * 0.4 + 8 * 0.6, 30 * 0.5 + 4 * 0.8])


@pytest.mark.parametrize("name", ["feedback", "integral", "rbf", "mrac", "pes_feedback"])
def test_a_plant_without_a_reference_is_refused(name):
    kind = plugins.get("controllers", name)
    with pytest.raises(ScenarioError, match=f"^controller '{name}' needs a plant with a reference"):
        kind.build(kind.Config(), LADDER, 1000, 0)
    with ArmPayload(inner_loop=False) as arm, pytest.raises(ScenarioError, match="needs an arm with its inner loop"):
        kind.build(kind.Config(), arm.plant_spec, 1000, 0)


def test_the_integral_grows_by_its_closed_form_and_ends_at_the_limit():
    made = law(Integral, IntegralConfig(gain_per_s=3.0), IntegralLaw)
    commands = [made.step(AHEAD.copy(), np.zeros(0), True)[0] for _ in range(2000)]
    t = np.arange(1, 2001) * 0.001
    expected = np.minimum(0.12 * (1 + 3.0 * t), 0.6)
    np.testing.assert_allclose(commands, expected, rtol=1e-5)
    np.testing.assert_allclose(made.integral, [0.6])
    frozen = made.step(-AHEAD, np.zeros(0), False)[0]
    assert frozen == pytest.approx(0.6 - 0.12, rel=1e-5)


def test_a_map_at_one_state_grows_as_the_integral_does_by_its_kernel_there():
    """d_i grows by step x u_fb x a_i, so the output grows by step x u_fb x sum(a^2): on the mean, gain x u_fb."""
    made = law(RBF, RBFConfig(gain_per_s=3.0, n_functions=200, width=0.2), RBFLaw)
    grown = [made.step(AHEAD.copy(), np.zeros(0), True)[0] - 0.12 for _ in range(100)]
    square = float(np.sum(made.activity(np.array([0.1 / 1.2])) ** 2))
    states = preferred_states(200, 1, np.random.default_rng(7))
    of_all = np.mean([np.sum(made.activity(state) ** 2) for state in states])
    slope = 3.0 * 0.12 * square / of_all
    np.testing.assert_allclose(grown, slope * np.arange(1, 101) * 0.001, rtol=0.1)
    assert np.diff(grown).std() < 1e-9


def test_basis_functions_are_gaussians_of_the_lifted_distance():
    made = law(RBF, RBFConfig(n_functions=50, width=0.2), RBFLaw)
    at = lift(np.array([0.3]))
    centres = made._centres * 0.2**2
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 1.0)
    expected = np.exp(-np.sum((centres - at) ** 2, axis=1) / (2 * 0.2**2))
    np.testing.assert_allclose(made.activity(np.array([0.3])), expected, rtol=1e-9)


def test_states_are_lifted_to_a_hemisphere_and_held_at_its_edge():
    lifted = lift(np.array([[0.0, 0.0], [0.6, 0.0], [3.0, 4.0]]))
    np.testing.assert_allclose(lifted, [[0, 0, 1], [0.6, 0, 0.8], [0.6, 0.8, 0]])
    states = preferred_states(4000, 2, np.random.default_rng(0))
    radius = np.linalg.norm(states, axis=1)
    # Evenly over a disc: the share within a radius is its square. Four standard errors of a share.
    assert radius.max() <= 1
    assert np.mean(radius < 0.5) == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / 4000))


def test_mrac_follows_its_regressors():
    made = law(MRAC, MRACConfig(rate=5.0), MRACLaw)
    obs = np.array([0.1, -0.4, 0.3, 0.0, 2.0], np.float32)
    y = np.array([0.05 * 2.0, 0.1 * -0.4, 1.0, np.cos(0.1), np.sin(0.1)])
    np.testing.assert_allclose(made.regressors(obs), y, rtol=1e-6)
    feedback = 0.6 * 0.2 + 0.11 * 0.4
    made.step(obs, np.zeros(0), True)
    np.testing.assert_allclose(made.factors, [0.005 * feedback * y], rtol=1e-5)


@pytest.mark.parametrize(("kind", "config", "program_of"), LEARNERS, ids=["integral", "rbf", "mrac"])
def test_what_a_law_learns_stays_when_it_is_frozen_and_is_carried_by_name(kind, config, program_of):
    made = law(kind, config(), program_of)
    name = made.learnt[0]
    for _ in range(20):
        made.step(AHEAD.copy(), np.zeros(0), True)
    learnt = np.array(getattr(made, name))
    assert np.abs(learnt).max() > 0
    for _ in range(20):
        made.step(AHEAD.copy(), np.zeros(0), False)
    np.testing.assert_array_equal(getattr(made, name), learnt)
    made.reset(0)
    assert not np.any(getattr(made, name))


def test_pes_has_the_integrals_gain_at_its_preferred_states():
    """PES adds -(rate dt / n) E a_i to each decoder: the readout grows by rate x u_fb x sum(a^2) / n a second."""
    config = PESFeedbackConfig(gain_per_s=3.0, n_neurons=100)
    network = PESFeedback.build(config, BEAM, 1000, seed=4).program
    rule = next(part.rule for part in network.projections.values() if part.rule is not None)
    _, _, square_hz2 = population(config, 1, stream(4, "controller"))
    assert rule.learning_rate * square_hz2 == pytest.approx(3.0)
    # 100-200 Hz at the preferred state, and less than a tenth of the map's neurons fire there.
    assert 100**2 * 0.02 < square_hz2 < 200**2 * 0.2


def test_the_network_learns_towards_what_the_feedback_asks_for_at_that_state_alone():
    """On the reference backend: after a second of u_fb = 0.12 at 0.1 rad the residual is there and not at -0.7 rad."""
    built = PESFeedback.build(PESFeedbackConfig(gain_per_s=2.0, n_neurons=100), BEAM, 1000, seed=4)
    backend = plugins.get("backends", "reference")
    backend = backend(backend.Config())
    backend.load(built.program, 1000, Probes())
    backend.reset(0, "none")
    assert built.blind_inputs == ("state",)

    def residuals(obs, n, learning):
        values, modulators, action = np.zeros(3, np.float32), np.zeros(1, np.float32), np.zeros(1)
        found = []
        for k in range(n):
            built.encoder.encode(obs, NO_EVENTS, values)
            built.modulate(obs, NO_EVENTS, 0.0, {}, modulators)
            reply = backend.step(Tick(k, values=values, modulators=modulators, learning=learning))
            built.decoder.decode(reply.values, reply.events, action)
            found.append(action[0] - values[2])
        return np.mean(found[n // 2 :])

    assert residuals(AHEAD, 1000, True) > 0.05
    held, elsewhere = AHEAD.copy(), AHEAD - np.float32(0.8) * np.array([1, 0, 1, 0, 0], np.float32)
    assert residuals(held, 200, False) > 0.1
    assert abs(residuals(elsewhere, 200, False)) < 0.01


@pytest.mark.parametrize("name", ["pes_feedback", "rbf", "integral"])
def test_the_same_three_drive_the_arm_by_a_residual_of_each_joint(name):
    """The PD acts inside the plant, so an action is what is learnt alone: at first nothing, then along u_fb."""
    kind = plugins.get("controllers", name)
    more = {} if name == "integral" else {"map": MapConfig(observations=("q_1",), scale=(0.7,), centre=(0.4,))}
    built = kind.build(kind.Config(gain_per_s=2.0, **more), ARM, 1000, 4)
    backend = plugins.get("backends", getattr(kind, "backend", None) or "reference")
    backend = backend(backend.Config())
    backend.load(built.program, 1000, Probes())
    backend.reset(0, "none")
    values, action = np.zeros(built.encoder.size, np.float32), np.zeros(2)
    modulators = np.zeros(sum(port.size for port in built.program.modulators), np.float32)
    obs = np.array([0.4, 0.6, 0.0, 0.0, 0.45, 0.55, 0.0, 0.0], np.float32)
    found = []
    for k in range(600):
        built.encoder.encode(obs, NO_EVENTS, values)
        if built.modulate:
            built.modulate(obs, NO_EVENTS, 0.0, {}, modulators)
        reply = backend.step(Tick(k, values=values, modulators=modulators))
        built.decoder.decode(reply.values, reply.events, action)
        found.append(action.copy())
    # u_fb is (60, 30) x (0.05, -0.05) N m, and grows by the gain: 2 x 0.5 s of it, within a map's kernel at one state.
    late = np.mean(found[400:], axis=0)
    assert np.abs(found[0]).max() < 0.01
    assert late[0] / late[1] == pytest.approx(-2.0, rel=1e-3)
    assert 0.5 * 3.0 < late[0] < 2 * 3.0


def test_the_command_passes_through_the_network_beside_the_state():
    built = PESFeedback.build(PESFeedbackConfig(n_neurons=20), TRACK, 1000, seed=4)
    assert [(port.name, port.size) for port in built.program.inputs] == [("state", 3), ("command", 1)]
    assert [(port.name, port.size) for port in built.program.outputs] == [("residual", 1), ("through", 1)]
    obs = np.linspace(-0.2, 0.3, 10).astype(np.float32)
    values, modulators = np.zeros(4, np.float32), np.zeros(1, np.float32)
    built.encoder.encode(obs, NO_EVENTS, values)
    built.modulate(obs, NO_EVENTS, 0.0, {}, modulators)
    terms = Terms(feedback_of(FeedbackConfig(), TRACK, "test"))
    np.testing.assert_allclose(values[:3], lift(obs[:2] / np.array([1.0, 1.5])), rtol=1e-5)
    np.testing.assert_allclose(values[3:], terms.command(obs), rtol=1e-5)
    np.testing.assert_allclose(modulators, -terms.feedback(obs), rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"observations": ("q", "q_"), "scale": (1.0, 1.0)}, "controller 'rbf': observations: "),
        (
            {"observations": ("q", "qd"), "scale": (1.0,)},
            "controller 'rbf': scale, centre: found 1, 0 numbers; allowed",
        ),
    ],
)
def test_a_map_of_what_is_not_there_is_refused(settings, line):
    with pytest.raises(ScenarioError) as caught:
        RBF.build(RBFConfig(map=MapConfig(**settings)), BEAM, 1000, 0)
    assert str(caught.value).startswith(line)


def test_the_oracle_cancels_payload_field_and_weak_motors():
    built = FeedbackController.build(FeedbackSettings(knows_change=True), BEAM, 1000, 0)
    made = FeedbackLaw(_converted(FeedbackLaw, built.program.config))
    made.reset(0)
    obs = np.array([0.5, 0.0, 0.5, 0.0, 1.0], np.float32)
    modulators = np.zeros(3, np.float32)
    built.modulate(obs, NO_EVENTS, 0.0, {"payload_kg": 0.05, "motor_gain": 0.8, "field_nm": 0.02}, modulators)
    inertia = 0.009 + 0.0001 * 0.2**2 + 0.05 * 0.2**2
    expected = (inertia * 1.0 + 0.05 * 9.81 * 0.2 * np.cos(0.5) - 0.02) / 0.8
    np.testing.assert_allclose(made.step(obs.copy(), modulators, True), [expected], rtol=1e-5)


def test_an_offset_is_learnt_from_the_carts_error_and_taken_off_the_feedback():
    """Its readout adds K_theta times the offset to the force and to the feedback that teaches."""
    config = PESFeedbackConfig(n_neurons=20, offset=OffsetConfig(gain=0.02, tau_s=0.5))
    built = PESFeedback.build(config, TRACK, 1000, seed=4)
    assert [port.name for port in built.program.outputs] == ["residual", "offset", "through"]
    assert [port.name for port in built.program.modulators] == ["error", "unmatched"]
    gain = cart_pole_gain(LQRConfig(), TRACK, "lqr")
    obs = np.zeros(10, np.float32)
    obs[0] = 0.1
    action, modulators = np.zeros(1), np.zeros(2, np.float32)
    built.decoder.reset(0)
    built.decoder.decode(np.array([0.5, 0.02, 3.0], np.float32), NO_EVENTS, action)
    np.testing.assert_allclose(action, [3.5 + gain[2] * 0.02], rtol=1e-6)
    for _ in range(500):
        built.modulate(obs, NO_EVENTS, 0.0, {}, modulators)
    np.testing.assert_allclose(modulators, [gain[0] * 0.1 - gain[2] * 0.02, 0.1 * (1 - np.exp(-1))], rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "config", "program_of"),
    [(Integral, IntegralConfig(), IntegralLaw), (RBF, RBFConfig(width=10.0), RBFLaw)],
    ids=["integral", "rbf"],
)
def test_laws_learn_an_offset_at_the_same_rate(kind, config, program_of):
    """Gain times period times the low-passed error each step, as mean over the map; and K_theta times it as force."""
    config = msgspec.structs.replace(config, gain_per_s=0.0, offset=OffsetConfig(gain=0.02, tau_s=0.5))
    made = law(kind, config, program_of, TRACK)
    obs = np.zeros(10, np.float32)
    obs[0] = -0.1
    forces = np.array([made.step(obs.copy(), np.zeros(0, np.float32), True)[0] for _ in range(2000)])
    gain = cart_pole_gain(LQRConfig(), TRACK, "lqr")
    steps = np.arange(1, 2001)
    grown = 0.02 * 0.001 * np.cumsum(0.1 * (1 - np.exp(-steps * 0.001 / 0.5)))
    learnt = (forces - forces[0]) / gain[2]
    # An integral acts from the next step on. Functions as wide as these are much the same all over the map.
    np.testing.assert_allclose(learnt[-1], grown[-2], rtol=0.01)
    held = made.step(obs.copy(), np.zeros(0, np.float32), False)
    np.testing.assert_array_equal(made.step(obs.copy(), np.zeros(0, np.float32), False), held)


@pytest.mark.parametrize(
    ("controller", "config"),
    [(PESFeedback, PESFeedbackConfig), (Integral, IntegralConfig), (RBF, RBFConfig)],
    ids=["pes_feedback", "integral", "rbf"],
)
def test_only_a_cart_pole_has_an_offset_to_learn(controller, config):
    with pytest.raises(ScenarioError, match=r"offset\.gain needs a cart-pole"):
        controller.build(config(offset=OffsetConfig(gain=0.02)), BEAM, 1000, 0)


def test_lqi_holds_the_cart_pole_and_integrates_the_carts_error():
    """The closed loop is stable, and under a biased angle the cart comes to rest without an error."""
    built = LQI.build(LQIConfig(integral_cost=2.0), TRACK, 1000, 0)
    made = IntegralLaw(_converted(IntegralLaw, built.program.config))
    made.reset(0)
    a, b = linear_cart_pole(TRACK, "test")
    state, bias = np.zeros(4), 0.02
    for _ in range(40_000):
        obs = np.zeros(10, np.float32)
        obs[:4] = state
        obs[2] += bias
        state = state + 0.001 * (a @ state + b[:, 0] * made.step(obs, np.zeros(0), True)[0])
    np.testing.assert_allclose(state, 0.0, atol=1e-3)
    assert made.integral[0] == pytest.approx(-float(np.dot(made._terms.feedback(obs), [1.0])), abs=1e-2)
