"""Controllers of a robot with two noses: to which side they turn, what they are told, and what reward changes."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench import plugins
from hilbench.backends.reference import Reference
from hilbench.controllers.nose_braitenberg import Braitenberg, BraitenbergConfig, SmellLaw
from hilbench.controllers.rstdp_steer import RSTDPSteer, RSTDPSteerConfig
from hilbench.errors import ScenarioError
from hilbench.types import NO_EVENTS, Empty, Probes, Tick

PERIOD_US = 20_000


@pytest.fixture(scope="module")
def plant():
    with plugins.get("envs", "gradient_seek")() as found:
        return found.plant_spec


def law(plant, **settings):
    program = Braitenberg.build(BraitenbergConfig(**settings), plant, PERIOD_US, 0).program
    found = SmellLaw(SmellLaw.Config(**program.config))
    found.reset(0)
    return found


def test_the_law_turns_to_the_stronger_side_by_its_gain(plant):
    one = law(plant, gain_rad_s=10.0, limit_rad_s=2.0)
    for _ in range(200):
        left, right = one.step(np.array([0.05, -0.02]), np.zeros(0), False)
    assert (right - left) / 0.1 == pytest.approx(10.0 * 0.07, rel=1e-3)
    assert (left + right) / 2 == pytest.approx(0.2)
    for _ in range(200):
        left, right = one.step(np.array([-1.0, 1.0]), np.zeros(0), False)
    assert (right - left) / 0.1 == pytest.approx(-2.0)


def test_who_is_told_smells_what_is_there_and_who_is_not_what_it_is_shown(plant):
    control = Braitenberg.build(BraitenbergConfig(knows_change=True), plant, PERIOD_US, 0)
    modulators = np.zeros(2)
    control.modulate(np.zeros(2), NO_EVENTS, 0.0, {"log_left": -0.5, "log_right": -0.7}, modulators)
    assert modulators.tolist() == [-0.5, -0.7]
    shown = np.array([-0.7, -0.5])
    told, untold = (
        law(plant, knows_change=True).step(shown, modulators, False),
        law(plant).step(shown, modulators, False),
    )
    assert told[1] > told[0]
    assert untold[1] < untold[0]


def test_another_plant_is_refused():
    with plugins.get("envs", "cartpole_ladder")() as found:
        for controller, config in ((Braitenberg, BraitenbergConfig()), (RSTDPSteer, RSTDPSteerConfig())):
            with pytest.raises(ScenarioError, match="needs a robot on two wheels"):
                controller.build(config, found.plant_spec, PERIOD_US, 0)


def backend_of(plant, **settings):
    control = RSTDPSteer.build(RSTDPSteerConfig(**settings), plant, PERIOD_US, 0)
    backend = Reference(Empty())
    backend.load(control.program, PERIOD_US, Probes())
    backend.reset(0, "none")
    return control, backend


def held(backend, difference, exploring, reward, n=50):
    """The turn rate in the last of n ticks, everything held."""
    values, modulators = np.array([difference, exploring], np.float32), np.array([reward], np.float32)
    for k in range(n):
        turn = float(backend.step(Tick(k, values=values, modulators=modulators, learning=True)).values[0])
    return turn


def test_equal_weights_turn_nowhere_and_exploration_turns_to_its_own_side(plant):
    for exploring, sign in ((0.0, 0), (2.0, 1), (-2.0, -1)):
        _, backend = backend_of(plant, zero_rate=0.0)
        turn = held(backend, 0.05, exploring, 0.0)
        assert abs(turn) < 0.3 if sign == 0 else sign * turn > 0.5


@pytest.mark.parametrize(("difference", "exploring"), [(0.05, 1.5), (0.05, -1.5), (-0.05, 1.5)])
def test_reward_strengthens_what_turned_where_it_was_smelt_and_punishment_weakens_it(plant, difference, exploring):
    seen, moved = (slice(0 if x > 0 else 1, None, 2) for x in (difference, exploring))
    for reward in (1.0, -1.0):
        _, backend = backend_of(plant, zero_rate=0.0)
        held(backend, difference, exploring, reward)
        change = backend.snapshot()["weights/steering"].reshape(16, 16).T - np.float32(0.15)  # kept by source
        unseen = slice(1 - seen.start, None, 2)
        other = slice(1 - moved.start, None, 2)
        assert reward * change[moved, seen].mean() > 0
        assert abs(change[moved, seen].mean()) > 2 * abs(change[other, seen].mean())
        np.testing.assert_array_equal(change[:, unseen], 0)


def test_the_zero_of_the_noses_is_learnt_from_a_difference_that_stays(plant):
    _, backend = backend_of(plant, zero_rate=0.4)
    # Time constant of a PES readout: n / (rate x dt x sum of squared rates), here about 1 s; the difference is 0.69.
    held(backend, 0.69, 0.0, 0.0, n=600)
    rates_hz = 1 / (0.02 * np.log((1.1 + 0.1 * np.arange(8)) / (0.1 + 0.1 * np.arange(8))))
    zero = float(backend.snapshot()["weights/offset"] @ rates_hz) * 0.001
    assert zero == pytest.approx(0.69, rel=0.1)


def test_the_reward_is_positive_where_the_scent_grows_faster_than_before(plant):
    control, _ = backend_of(plant)
    control.encoder.reset(3)
    values, modulators, rewards = np.zeros(2, np.float32), np.zeros(1), []
    level = -1.0
    for k in range(400):
        level += 0.02 * (0.0 if k < 200 else 0.1)  # flat for 4 s, then 0.1 per second
        control.encoder.encode(np.float32([level, level]), NO_EVENTS, values)
        control.modulate(np.zeros(2), NO_EVENTS, 0.0, {}, modulators)
        rewards.append(modulators[0])
    assert np.ptp(rewards[:200]) == 0
    assert min(rewards[205:260]) > 0.3
    assert max(rewards) <= 3.0
    # The high-pass forgets a steady climb.
    assert rewards[-1] < 0.3 * max(rewards)


def test_exploration_has_unit_size_and_its_time_constant(plant):
    control, _ = backend_of(plant, exploration_s=0.8)
    control.encoder.reset(3)
    values, drawn = np.zeros(2, np.float32), []
    for _ in range(40_000):
        control.encoder.encode(np.float32([0, 0]), NO_EVENTS, values)
        drawn.append(values[1])
    drawn = np.array(drawn, float)
    assert drawn.std() == pytest.approx(1.0, rel=0.1)
    assert np.corrcoef(drawn[40:], drawn[:-40])[0, 1] == pytest.approx(np.exp(-1), abs=0.06)
