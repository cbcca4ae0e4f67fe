"""Swimmers in a pool: the TD error by hand, in the law and inside the network; what is told, and what wanders."""

from __future__ import annotations

from math import atan2, exp, hypot, pi

import msgspec
import numpy as np
import pytest

from hilbench import plugins
from hilbench.controllers.linear_td import LinearTd, LinearTdConfig, LinearTdLaw
from hilbench.controllers.pool_swim import PoolSwim, PoolSwimConfig, PoolSwimLaw
from hilbench.controllers.td_ltp import TdLtp, TdLtpConfig, actor_critic, directions, ring
from hilbench.errors import ScenarioError
from hilbench.types import EVENT, NO_EVENTS, Probes, Tick

PERIOD_US = 20_000
PLACES = {"places": {"kind": "place_cells", "gate": "searching"}}
NONE = np.zeros(0)


@pytest.fixture(scope="module")
def plant():
    with plugins.get("envs", "watermaze")(sensors=PLACES) as found:
        return found.plant_spec


def law(cls, program):
    found = cls(msgspec.convert(program.config, cls.Config))
    found.reset(0)
    return found


def numba():
    found = plugins.get("backends", "numba")
    return found(found.Config())


def linear(plant, **settings):
    return law(LinearTdLaw, LinearTd.build(LinearTdConfig(**settings), plant, PERIOD_US, 0).program)


def observed(x, y, searching=1.0, found=0.0):
    return np.float32([x, y, searching, found])


def fields_by_hand(x, y):
    """Place fields of 0.1 m on a grid of 0.1 m, one after the other, as a share of their sum."""
    found = []
    for j in range(-6, 7):
        for i in range(-6, 7):
            if hypot(i, j) <= 6 + 1e-9:
                found.append(exp(-((0.1 * i - x) ** 2 + (0.1 * j - y) ** 2) / (2 * 0.1**2)))
    return np.array(found) / sum(found)


def test_the_td_error_and_what_is_learnt_from_it_by_hand(plant):
    one = linear(plant, value_rate=2.0, preference_rate=10.0, trace=0.5, forgetting=0.1, tau_r_s=4.0)
    random = np.random.default_rng(3)
    values, preferences = random.normal(size=113), random.normal(size=(8, 113))
    one.values, one.preferences = values.copy(), preferences.copy()
    ways, places = [], [(0.1, 0.2), (0.13, 0.21), (0.15, 0.2)]
    for k in range(21):  # decisions at ticks 0, 10 and 20
        ways.append(tuple(one.step(observed(*places[k // 10]), NONE, True)))
    one.step(observed(0.2, 0.2, 0.0, 1.0), NONE, True)  # found
    gamma = exp(-0.2 / 4.0)
    trace, preference_trace = np.zeros(113), np.zeros((8, 113))
    for k, (x, y) in enumerate(places):
        f, last = fields_by_hand(float(np.float32(x)), float(np.float32(y))), k == 2
        after = np.zeros(113) if last else fields_by_hand(*(float(np.float32(each)) for each in places[k + 1]))
        delta = (1.0 if last else 0.0) + gamma * values @ after - values @ f
        odds = np.exp(preferences @ f)
        odds /= odds.sum()
        angle = atan2(ways[10 * k][1], ways[10 * k][0])
        chosen = round(angle / (pi / 4)) % 8
        gradient = np.array([(1.0 if way == chosen else 0.0) - odds[way] for way in range(8)])
        trace = gamma * 0.5 * trace + f
        preference_trace = gamma * 0.5 * preference_trace + gradient[:, None] * f
        forgotten = 0.1 * f * preferences
        values = values + 2.0 * delta * trace
        preferences = preferences + 10.0 * delta * preference_trace - forgotten
    np.testing.assert_allclose(one.values, values, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(one.preferences, preferences, rtol=1e-6, atol=1e-9)


def test_a_direction_is_kept_between_decisions_and_drawn_by_the_softmax(plant):
    one = linear(plant, decide_s=0.2)
    one.preferences[2] += 1.5  # fields add up to 1, so this is the preference everywhere
    one.preferences[5] += 0.5
    drawn = [tuple(one.step(observed(0.0, 0.0), NONE, False)) for _ in range(20_000)]
    assert all(len(set(drawn[k : k + 10])) == 1 for k in range(0, 20_000, 10))
    angles = np.array([round(atan2(y, x) / (pi / 4)) % 8 for x, y in drawn[::10]])
    odds = np.exp([0, 0, 1.5, 0, 0, 0.5, 0, 0])
    np.testing.assert_allclose(np.bincount(angles, minlength=8) / 2000, odds / odds.sum(), atol=0.04)
    assert {round(hypot(*way), 9) for way in drawn} == {0.2}


def test_a_time_limit_is_no_end_and_nothing_is_learnt_while_learning_is_off(plant):
    one = linear(plant)
    one.values += 1.0
    one.step(observed(0.1, 0.0), NONE, True)
    one.step(observed(0.1, 0.0, 0.0, 0.0), NONE, True)  # taken out: V(f') counts
    f = fields_by_hand(float(np.float32(0.1)), 0.0)
    np.testing.assert_allclose(one.values, 1.0 + 3.0 * (exp(-0.2 / 4.0) - 1.0) * f, rtol=1e-9)
    assert one.step(observed(0.1, 0.0, 0.0, 0.0), NONE, True).tolist() == [0.0, 0.0]
    before = one.values.copy(), one.preferences.copy()
    for k in range(40):
        one.step(observed(0.01 * k, 0.0, float(k < 39), float(k == 39)), NONE, False)
    np.testing.assert_array_equal(one.values, before[0])
    np.testing.assert_array_equal(one.preferences, before[1])


def test_who_is_told_swims_straight_to_the_platform(plant):
    control = PoolSwim.build(PoolSwimConfig(knows_change=True), plant, PERIOD_US, 0)
    modulators = np.zeros(2)
    control.modulate(np.zeros(4), NO_EVENTS, 0.0, {"goal_x_m": -0.2, "goal_y_m": 0.3}, modulators)
    assert modulators.tolist() == [-0.2, 0.3]
    found = law(PoolSwimLaw, control.program).step(observed(0.1, -0.1), modulators, False)
    assert found == pytest.approx(0.2 * np.array([-0.6, 0.8]), abs=1e-6)


def test_the_walk_forgets_its_direction_as_a_diffusing_angle_does(plant):
    one = law(PoolSwimLaw, PoolSwim.build(PoolSwimConfig(wander_rad2_s=1.5), plant, PERIOD_US, 0).program)
    ways = np.array([one.step(observed(0, 0), NONE, False) for _ in range(100_000)]) / 0.2
    np.testing.assert_allclose(np.hypot(*ways.T), 1.0)
    for lag in (5, 25, 50):  # <cos(change of angle)> = exp(-D t)
        assert (ways[lag:] * ways[:-lag]).sum(axis=1).mean() == pytest.approx(exp(-1.5 * 0.02 * lag), abs=0.04)


def stepped(net, n_steps, events=(), values=None):
    """Every output of a network at each of its steps, (n_steps, n_outputs), and its critics' spikes a step."""
    backend = numba()
    backend.load(net, net.dt_us, Probes(spikes=("critics",)))
    backend.reset(1, "none")
    rows, spikes = [], []
    for k in range(n_steps):
        told = np.array([(0, each) for each in events[k]] if len(events) else [], EVENT)
        given = np.zeros(4, np.float32) if values is None else values[k].astype(np.float32)
        reply = backend.step(Tick(k, events=told, values=given))
        rows.append(reply.values.copy())
        spikes.append(len(reply.probe_events))
    return np.array(rows, float), np.array(spikes)


def watched(config):
    """The network, with outputs for what the critic makes of its spikes."""
    net = actor_critic(config, 20, 0)
    for name in ("value", "delta", "advantage"):
        net.output(f"{name}_seen", name, units=("1",))
    return net


def test_the_network_makes_the_temporal_difference_error_of_its_own_critic():
    config = TdLtpConfig()
    random = np.random.default_rng(0)
    n = 3000
    # Place cells fire, then more of them do, and a reward of 1 comes within 20 ms.
    events = [np.flatnonzero(random.random(20) < (0.05 if k < 1000 else 0.15)) for k in range(n)]
    values = np.zeros((n, 4))
    values[:, 0] = 1.0
    values[2000:2020, 1] = 50.0
    rows, spikes = stepped(watched(config), n, events, values)
    value, delta, advantage = rows[:, 2], rows[:, 3], rows[:, 4]
    # By hand, with a time step of 1 ms and exact integrators: the critics' mean rate, less 10 Hz, of 60 Hz.
    fast = by_hand = first = reward = 0.0
    rest_hz = 1000 / (1 + exp(1.85 / 0.31))
    expected = []
    for k in range(n):
        raw = (spikes[k] / 40 * 1000 - rest_hz + (rest_hz - 10.0)) / 60
        fast += (1 - exp(-0.001 / 0.05)) * (raw - fast)
        by_hand += (1 - exp(-0.001 / 0.2)) * (fast - by_hand)
        first += (1 - exp(-0.001 / 0.05)) * (values[k, 1] - first)
        reward += (1 - exp(-0.001 / 0.2)) * (first - reward)
        expected.append((by_hand, (fast - by_hand) / 0.2 - by_hand / 4 + reward))
    np.testing.assert_allclose(np.stack((value, delta), axis=1), expected, atol=2e-4)
    np.testing.assert_allclose(advantage, delta - 0.01, atol=1e-5)
    # The same is the derivative of the value, less its share, and the reward, which adds up to 1.
    derivative = np.diff(value) / 0.001
    left = delta[1:] - (derivative - value[1:] / 4)
    np.testing.assert_allclose(left[:1999], 0, atol=0.02 * np.ptp(delta))
    assert left[1999:].sum() * 0.001 == pytest.approx(1.0, rel=0.03)


def test_a_silent_pool_has_no_value():
    """Neither neurons' own noise nor the base rate counts as value, while it searches and while it rests."""
    rows, spikes = stepped(watched(TdLtpConfig()), 20_000)
    assert spikes.mean() / 40 * 1000 == pytest.approx(1000 / (1 + exp(1.85 / 0.31)), rel=0.25)
    assert abs(rows[2000:, 2].mean()) < 0.02


def test_reward_strengthens_the_synapses_of_where_it_came_from():
    net = actor_critic(TdLtpConfig(), 20, 0)
    backend = numba()
    backend.load(net, PERIOD_US, Probes())
    backend.reset(1, "none")
    before = {name: backend.snapshot()[f"weights/{name}_learn"].reshape(20, 40) for name in ("actors", "critics")}
    random = np.random.default_rng(0)
    for k in range(60):
        events = np.zeros(40 if k < 40 else 0, EVENT)
        events["t_us"], events["address"] = np.sort(random.integers(0, PERIOD_US, events.size)), k % 5
        rewarded = 50.0 if k == 40 else 0.0
        backend.step(Tick(k, events=events, values=np.float32([k < 40, rewarded, 0, 0]), learning=k >= 40))
    for name, old in before.items():
        change = backend.snapshot()[f"weights/{name}_learn"].reshape(20, 40) - old
        assert change[:5].mean() > 0
        np.testing.assert_array_equal(change[5:], 0)  # cells that were silent


def test_actors_are_a_ring_of_directions():
    angles = directions(40)
    weights = ring(angles)
    np.testing.assert_allclose(weights, weights.T)
    np.testing.assert_allclose(weights[0], np.roll(weights[7], -7), atol=1e-12)
    assert weights[0, 0] == pytest.approx(0.54 - 0.27)
    assert weights[0, 20] == pytest.approx(0.54 * exp(-0.5 * (pi / 0.6) ** 2) - 0.27)
    assert weights[3, 6] == pytest.approx(0.54 * exp(-0.5 * (3 * 2 * pi / 40 / 0.6) ** 2) - 0.27)


def test_a_direction_becomes_a_velocity_at_full_speed(plant):
    control = TdLtp.build(TdLtpConfig(), plant, PERIOD_US, 0)
    action = np.zeros(2)
    for heading, expected in (((30.0, -40.0), (0.12, -0.16)), ((0.0, 1e-3), (0.0, 0.2)), ((0.0, 0.0), (0.0, 0.0))):
        control.decoder.decode(np.float32(heading), NO_EVENTS, action)
        assert action == pytest.approx(expected, abs=1e-6)


def test_the_body_tells_of_the_reward_once_and_explores_in_a_direction_that_wanders(plant):
    encoder = TdLtp.build(TdLtpConfig(wander_rad2_s=0.5), plant, PERIOD_US, 0).encoder
    encoder.reset(1)
    values, ways = np.zeros(4, np.float32), []
    for _ in range(50_000):
        encoder.encode(observed(0, 0), NO_EVENTS, values)
        ways.append(values[2:].copy())
    ways = np.array(ways)
    np.testing.assert_allclose(np.hypot(*ways.T), 1.0, rtol=1e-5)
    assert (ways[50:] * ways[:-50]).sum(axis=1).mean() == pytest.approx(exp(-0.5 * 1.0), abs=0.06)
    told = []
    for _ in range(3):
        encoder.encode(observed(0, 0, 0.0, 1.0), NO_EVENTS, values)
        told.append(values.tolist())
    assert told == [[0, 50, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    encoder.reset(2)
    encoder.encode(observed(0, 0, 1.0, 0.0), NO_EVENTS, values)
    assert values[1] == 0


def test_mistakes_are_said_in_a_line(plant):
    with pytest.raises(ScenarioError, match=r"needs place cells in \[sensors.fields\]"):
        TdLtp.build(TdLtpConfig(places="fields"), plant, PERIOD_US, 0)
    with pytest.raises(ScenarioError, match=r"needs actor_low < actor_high; found 0.5, 0.13"):
        TdLtp.build(TdLtpConfig(actor_low=0.5), plant, PERIOD_US, 0)
    with pytest.raises(ScenarioError, match=r"'linear_td' needs decide_s: found 0.07 s"):
        LinearTd.build(LinearTdConfig(decide_s=0.07), plant, PERIOD_US, 0)
    with plugins.get("envs", "cartpole_ladder")() as other:
        for controller, config in ((TdLtp, TdLtpConfig()), (LinearTd, LinearTdConfig()), (PoolSwim, PoolSwimConfig())):
            with pytest.raises(ScenarioError, match="needs a swimmer"):
                controller.build(config, other.plant_spec, PERIOD_US, 0)
