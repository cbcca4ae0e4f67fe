"""Walkers in a T-maze: the table by hand, what is told, and what the spiking network remembers and learns."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hilbench import plugins
from hilbench.controllers.cue_rstdp import CueRstdp, CueRstdpConfig, arms
from hilbench.controllers.cue_table import CueTable, CueTableConfig, CueTableLaw
from hilbench.errors import ScenarioError
from hilbench.types import NO_EVENTS, Probes, Tick

PERIOD_US = 20_000
LEFT, RIGHT = np.float32([0, -0.5, 1, 0, 0]), np.float32([0, -0.5, 0, 1, 0])
CHOOSING, WAITING = np.float32([0, 0, 0, 0, 1]), np.float32([0, 0, 0, 0, 0])


@pytest.fixture(scope="module")
def plant():
    with plugins.get("envs", "tmaze")() as found:
        return found.plant_spec


def table(plant, **settings):
    found = CueTableLaw(
        msgspec.convert(
            CueTable.build(CueTableConfig(**settings), plant, PERIOD_US, 0).program.config, CueTableLaw.Config
        )
    )
    found.reset(0)
    return found


def tried(law, cue, rewarded_arm, learning=True, told=0.0):
    """A trial; which arm the law chose: -1 or 1."""
    law._cue = law._arm = -1
    for obs in (cue, WAITING, CHOOSING):
        found = law.step(obs, np.array([0.0, told]), learning)
    arm = np.sign(found[0])
    assert abs(found[0]) == pytest.approx(0.2)
    law.step(WAITING, np.array([1.0 if arm == rewarded_arm else -1.0, told]), learning)
    return arm


def test_the_table_follows_its_rewards_by_the_delta_rule(plant):
    law, by_hand = table(plant, rate=0.25), np.zeros((2, 2))
    random = np.random.default_rng(0)
    for _ in range(60):
        cue, rewarded = random.integers(2), random.choice([-1, 1])
        arm = tried(law, (LEFT, RIGHT)[cue], rewarded)
        column = int(arm > 0)
        by_hand[cue, column] += 0.25 * ((1.0 if arm == rewarded else -1.0) - by_hand[cue, column])
    np.testing.assert_allclose(law.table, by_hand)


def test_the_table_draws_arms_by_a_softmax(plant):
    law = table(plant, temperature=0.5)
    law.table = np.array([[0.6, 0.1], [-0.2, 0.3]])
    for cue, (left, right) in ((LEFT, (0.6, 0.1)), (RIGHT, (-0.2, 0.3))):
        share = np.mean([tried(law, cue, 1, learning=False) > 0 for _ in range(4000)])
        assert share == pytest.approx(np.exp(right / 0.5) / (np.exp(right / 0.5) + np.exp(left / 0.5)), abs=0.03)
    np.testing.assert_array_equal(law.table, [[0.6, 0.1], [-0.2, 0.3]])


def test_who_is_told_goes_where_the_reward_is(plant):
    control = CueTable.build(CueTableConfig(knows_change=True), plant, PERIOD_US, 0)
    modulators = np.zeros(2)
    control.modulate(np.zeros(5), NO_EVENTS, 1.0, {"rewarded": -1.0}, modulators)
    assert modulators.tolist() == [1.0, -1.0]
    law = table(plant, knows_change=True)
    for told in (-1.0, 1.0):
        assert {tried(law, cue, told, told=told) for cue in (LEFT, RIGHT)} == {told}


def loaded(config, seed=0, probes=()):
    cls = plugins.get("backends", "numba")
    backend = cls(cls.Config())
    backend.load(arms(config, seed), PERIOD_US, Probes(spikes=probes))
    backend.reset(seed, "none")
    return backend


def run(backend, values, n, reward=0.0, learning=False):
    """The outputs of n ticks, and the addresses of their recorded spikes."""
    sides, spikes = [], []
    for k in range(n):
        reply = backend.step(
            Tick(k, values=np.float32(values), modulators=np.float32([reward if k == 0 else 0.0]), learning=learning)
        )
        sides.append(float(reply.values[0]))
        spikes.append(reply.probe_events["address"].copy())
    return np.array(sides), np.concatenate(spikes)


@pytest.mark.parametrize("cue", [0, 1])
def test_a_memory_goes_on_firing_on_the_side_of_its_cue_for_five_seconds(cue):
    for seed in range(3):
        backend = loaded(CueRstdpConfig(memory=True), seed, ("memory",))
        values = [1.0 - cue, float(cue), 0.0]
        run(backend, values, 25)
        _, spikes = run(backend, [0, 0, 0], 250)
        _, last = run(backend, [0, 0, 0], 25)
        for each, n_ticks in ((spikes, 250), (last, 25)):
            mine = (each // 20 == cue).sum() / (20 * n_ticks * 0.02)
            other = (each // 20 != cue).sum() / (20 * n_ticks * 0.02)
            assert mine > 50
            assert other < 0.1 * mine


def test_without_a_cue_there_is_no_memory():
    backend = loaded(CueRstdpConfig(memory=True), 0, ("memory",))
    _, spikes = run(backend, [0, 0, 0], 250)
    assert not spikes.size


@pytest.mark.parametrize(("cue", "reward"), [(0, 1.0), (1, 1.0), (0, -1.0)])
def test_a_reward_seconds_later_strengthens_what_was_chosen_and_a_punishment_weakens_it(cue, reward):
    backend = loaded(CueRstdpConfig(), 1)
    before = backend.snapshot()["weights/turning"].reshape(40, 40).T.copy()  # kept by source
    sides, _ = run(backend, [1.0 - cue, float(cue), 1.0], 25)
    run(backend, [0, 0, 0], 150)  # 3 s
    run(backend, [0, 0, 0], 1, 50 * reward, learning=True)
    change = (backend.snapshot()["weights/turning"].reshape(40, 40).T - before).reshape(2, 20, 2, 20).mean(axis=(1, 3))
    arm = int(sides.sum() > 0)
    assert reward * change[arm, cue] > 0
    assert abs(change[arm, cue]) > 3 * abs(change[1 - arm, cue])  # the arm that lost
    assert abs(change[arm, cue]) > 30 * np.abs(change[:, 1 - cue]).max()  # the cue that was not there


def test_what_is_eligible_fades_with_its_time_constant():
    changes = []
    for n in (50, 150):  # 1 s and 3 s
        backend = loaded(CueRstdpConfig(eligible_s=2.0, softness=0.0, learning_rate=1e-3), 1)
        before = backend.snapshot()["weights/turning"].copy()
        run(backend, [1, 0, 1], 25)
        # Noise makes pairs without a cue as well, but no cue cell fires then.
        run(backend, [0, 0, 0], n)
        run(backend, [0, 0, 0], 1, 50.0, learning=True)
        changes.append(float((backend.snapshot()["weights/turning"] - before).sum()))
    assert changes[1] / changes[0] == pytest.approx(np.exp(-2.0 / 2.0), rel=0.02)


def test_a_walker_is_at_full_speed_where_an_arm_fires_faster_by_what_was_stated(plant):
    control = CueRstdp.build(CueRstdpConfig(), plant, PERIOD_US, 0)
    action = np.zeros(1)
    for side, expected in ((0.5, 0.1), (-3.0, -0.2), (0.0, 0.0)):
        control.decoder.decode(np.float32([side]), NO_EVENTS, action)
        assert action[0] == pytest.approx(expected)
    modulators = np.zeros(1)
    control.modulate(np.zeros(5), NO_EVENTS, -1.0, {}, modulators)
    assert modulators[0] * PERIOD_US * 1e-6 == pytest.approx(-1.0)


def test_another_plant_is_refused():
    with plugins.get("envs", "cartpole_ladder")() as found:
        for controller, config in ((CueRstdp, CueRstdpConfig()), (CueTable, CueTableConfig())):
            with pytest.raises(ScenarioError, match="needs a walker"):
                controller.build(config, found.plant_spec, PERIOD_US, 0)
