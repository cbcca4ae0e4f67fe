"""The integer engine by hand, what survives a reset, and one network's 1000 steps down to the bit."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from hilbench.backends.loihi import Loihi, LoihiConfig
from hilbench.backends.reference import Reference
from hilbench.errors import NetworkError
from hilbench.nal import Network
from hilbench.nal.loihi import IntegerNetwork
from hilbench.types import EVENT, Empty, Probes, Tick

DT_US = 1000


def loaded(net, n_steps: int = 1, **probes) -> Loihi:
    backend = Loihi(LoihiConfig())
    backend.load(net, n_steps * DT_US, Probes(**probes))
    return backend


def tick(*addresses: int, **more) -> Tick:
    return Tick(events=np.array([(0, a) for a in addresses], EVENT), **more)


def trace(backend: Loihi, ticks: list[Tick]) -> list[tuple[int, int, int]]:
    """(u, v, spikes) of the one neuron of population `a` after each tick."""
    found = []
    for each in ticks:
        n = backend.step(each).events.size
        u, v = backend.states()["a"]
        found.append((u.item(), v.item(), n))
    return found


def one_neuron(du: int, dv: int, vth: int, weight: int = 100, **more) -> IntegerNetwork:
    net = IntegerNetwork(DT_US)
    net.input("e", 1)
    net.lif("a", 1, du=du, dv=dv, vth=vth, **more)
    net.dense("e", "a", [[weight]])
    net.output("a", "a", "events")
    return net


def test_a_spike_acts_in_the_next_step_and_decays_as_by_hand():
    # 100 << 6 = 6400; u keeps 3/4, v keeps half: 6400, then 4800 + 3200 = 8000, then 3600 + 4000 = 7600.
    backend = loaded(one_neuron(du=1023, dv=2048, vth=1000))
    found = trace(backend, [tick(0), tick(), tick(), tick()])
    assert found == [(0, 0, 0), (6400, 6400, 0), (4800, 8000, 0), (3600, 7600, 0)]


def test_a_spike_needs_more_than_the_threshold_and_sets_v_to_0():
    backend = loaded(one_neuron(4095, 0, vth=100))
    assert trace(backend, [tick(0), tick(0), tick()]) == [(0, 0, 0), (6400, 6400, 0), (6400, 0, 1)]
    assert trace(loaded(one_neuron(4095, 0, vth=99)), [tick(0), tick()])[1] == (6400, 0, 1)


def test_u_wraps_at_24_bits():
    net = one_neuron(du=0, dv=4095, vth=131_071)
    net.dense("e", "a", [[255]], weight_exp=7, name="strong")  # 255 << 13 = 2088960
    backend = loaded(net)
    u = [row[0] for row in trace(backend, [tick(0)] * 6)]
    full, rise = 2088960 + 6400, []
    for _ in range(5):
        rise.append((rise[-1] * 4095 >> 12) + full if rise else full)
    assert rise[3] < 2**23 < rise[4]
    assert u == [0, *rise[:4], rise[4] - 2**24]


def test_v_stops_at_the_end_of_its_range_and_events_of_one_step_add_up():
    net = one_neuron(du=4095, dv=0, vth=131_071, weight=-255)
    net.dense("e", "a", [[-255]], weight_exp=7, name="strong")
    backend = loaded(net)
    v = [row[1] for row in trace(backend, [tick(0, 0)] * 5)]
    once = -(255 << 6) - (255 << 13)
    assert 4 * once < -(2**23) < 2 * once
    assert v == [0, 2 * once, *[-(2**23 - 1)] * 3]


def test_bias_and_refractory_steps():
    # Mantissa 3 and exponent 5 are 96 a step; vth 2 is 128: it fires in every second step, or is then held for two.
    quick = trace(loaded(one_neuron(4095, 0, vth=2, bias_mant=3, bias_exp=5)), [tick()] * 6)
    held = trace(loaded(one_neuron(4095, 0, vth=2, bias_mant=3, bias_exp=5, refractory_steps=2)), [tick()] * 8)
    assert [row[1:] for row in quick] == [(96, 0), (0, 1)] * 3
    assert [row[1:] for row in held] == [(96, 0), (0, 1), (0, 0), (0, 0)] * 2


def test_counters_and_probes_by_hand():
    net = one_neuron(4095, 0, vth=99)
    net.dense("a", "a", [[1]], delay_steps=3)
    backend = loaded(net, n_steps=4, spikes=("a",), weights=("e_to_a",), weights_period_s=0.004)
    events = np.array([(0, 0), (1500, 0)], EVENT)
    reply = backend.step(Tick(events=events))
    assert reply.events.tolist() == [(1000, 0), (2000, 0)] == reply.probe_events.tolist()
    assert reply.counters.tolist() == [2, 4, 4, 0, 0]
    assert reply.probe_values.tolist() == [100]


def whole(raw: np.random.PCG64, low: int, high: int, shape) -> np.ndarray:
    """Whole numbers from low to high - 1, of raw bits: NumPy may change what its distributions draw."""
    return low + (raw.random_raw(shape) >> np.uint64(32)).astype(np.int64) % (high - low)


def big() -> IntegerNetwork:
    """60 neurons that drive each other at several delays and exponents."""
    raw = np.random.PCG64(11)
    net = IntegerNetwork(DT_US)
    net.input("e", 20)
    net.lif("a", 40, du=300, dv=60, vth=30_000, bias_mant=whole(raw, -500, 500, 40), bias_exp=4)
    net.lif("b", 20, du=4095, dv=900, vth=300)
    net.dense("e", "a", whole(raw, -150, 256, (40, 20)), weight_exp=1, sign="mixed")
    net.dense("a", "b", whole(raw, 1, 256, (20, 40)), weight_bits=6)
    net.dense("b", "a", whole(raw, -255, 0, (40, 20)), weight_exp=-3, delay_steps=whole(raw, 1, 9, 800))
    net.dense("a", "a", whole(raw, -256, 250, (40, 40)), weight_exp=2, weight_bits=5, delay_steps=2)
    net.output("b", "b", "events")
    return net


def ticks_for(n: int) -> list[Tick]:
    active = whole(np.random.PCG64(12), 0, 100, (n, 20)) < 15
    return [tick(*np.flatnonzero(row)) for row in active]


def test_a_thousand_steps_are_the_same_bits_on_every_machine():
    backend, found = loaded(big(), spikes=("a",)), hashlib.sha256()
    n_spikes = 0
    for each in ticks_for(1000):
        reply = backend.step(each)
        n_spikes += int(reply.counters[0])
        for u, v in backend.states().values():
            found.update(u.astype("<i8").tobytes() + v.astype("<i8").tobytes())
    assert (n_spikes, found.hexdigest()[:32]) == (15522, "b3321bb01d350e8c13c98b4cc18ab4ef")


def test_what_a_reset_carries():
    backend = loaded(big())
    ticks = ticks_for(40)
    fresh = [backend.step(each).events.tolist() for each in ticks]
    assert sum(map(len, fresh)) > 50
    backend.reset(0, "none")
    assert [backend.step(each).events.tolist() for each in ticks[:20]] == fresh[:20]
    backend.reset(0, "all")
    assert [backend.step(each).events.tolist() for each in ticks[20:]] == fresh[20:]
    backend.reset(1, "weights")
    assert [backend.step(each).events.tolist() for each in ticks] == fresh


def real(kind: str = "lif", **more) -> Network:
    """Events and a value drive 100 neurons, which a readout sums up. No loops, so that errors do not grow."""
    random = np.random.default_rng(5)
    net = Network(0.001)
    net.input("x", 2)
    net.input("e", 20, kind="events")
    net.add("a", kind, 100, tau_s=0.02, v_reset=-0.1, v_leak=0.05, refractory_s=0.002, output=True, **more)
    net.readout("y", 2, tau_s=0.05, units=("N", "N"))
    net.connect("e", "a", random.uniform(-1, 3, (100, 20)), delay_steps=1)
    net.connect("x", "a", random.uniform(-1, 2, (100, 2)), bias=random.uniform(0, 1.5, 100))
    net.connect("a", "y", random.normal(0.2, 0.5, (2, 100)), delay_steps=1)
    return net


@pytest.mark.parametrize(("kind", "more"), [("lif", {}), ("cuba_lif", {"tau_syn_s": 0.005})])
def test_a_network_of_real_numbers_does_nearly_what_the_reference_does(kind, more):
    net, random = real(kind, **more), np.random.default_rng(6)
    pair = Loihi(LoihiConfig()), Reference(Empty())
    for backend in pair:
        backend.load(net, 10_000, Probes())
        backend.reset(0, "none")
    events, values = ([], []), ([], [])
    for k in range(100):
        at = np.argwhere(random.random((10, 20)) < 0.05)
        sent = np.array([(1000 * step, address) for step, address in at], EVENT)
        held = np.array([np.sin(k / 10), 0.5], np.float32)
        for i, backend in enumerate(pair):
            reply = backend.step(Tick(k, events=sent, values=held))
            events[i].append(np.bincount(reply.events["address"], minlength=100))
            values[i].append(reply.values.copy())
    ours, theirs = (np.array(rows) for rows in values)
    counts = [np.sum(rows, axis=0) for rows in events]
    assert counts[1].sum() > 3000
    assert np.abs(counts[0] - counts[1]).max() <= 3
    assert abs(counts[0].sum() / counts[1].sum() - 1) < 0.01
    assert np.abs(ours - theirs).max() < 0.2 * np.abs(theirs).max()
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.98


def test_values_beyond_what_the_scaling_leaves_room_for_stop_at_the_end():
    backend = loaded(real(), n_steps=4)
    counts = []
    for value in (1, 1e6, 1e9, 3e38):
        backend.reset(0, "none")
        counts.append(int(backend.step(tick(values=np.full(2, value, np.float32))).counters[0]))
    assert counts[0] < counts[1] == counts[2] == counts[3]


def test_the_report_says_what_is_exact_and_what_not():
    report = Loihi(LoihiConfig()).load(big(), DT_US, Probes())
    assert report.exact == ("a", "b", "e_to_a", "a_to_b", "b_to_a", "a_to_a")
    assert report.approximated == () == report.dropped
    report = Loihi(LoihiConfig()).load(real(), DT_US, Probes())
    assert not report.exact
    assert "x_to_a: values become bias currents of 13 bits, once a tick" in report.approximated
    assert {line.split(":")[0] for line in report.approximated} == {"a", "y", "e_to_a", "x_to_a", "a_to_y"}


@pytest.mark.parametrize(
    ("period_us", "probes", "says"),
    [
        (1500, Probes(), "1500 us is no multiple of the network step of 1000 us"),
        (1000, Probes(spikes=("c",)), "record.spikes: found 'c'; allowed: a, b"),
        (1000, Probes(weights=("a_to_c",)), "did you mean 'a_to_"),
    ],
)
def test_what_an_integer_network_is_refused_for(period_us, probes, says):
    with pytest.raises(NetworkError, match=says):
        Loihi(LoihiConfig()).load(big(), period_us, probes)
