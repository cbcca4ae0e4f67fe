"""A network that runs n of its own steps in a control period: which step an event falls into, and when a spike is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loop_fakes import Device, FakeTime

from hilbench.backends.numba import Numba
from hilbench.loop.network_time import NetworkTimeLink
from hilbench.nal import Network
from hilbench.types import EVENT, Link, LoadReport, Probes, Reply, Tick

PROBES = Probes(weights_period_s=0.1)


class Kept(Link):
    """Keeps what it was given, and gives back what it is told to."""

    config = type("Config", (), {"timeout_s": 1.0})

    def __init__(self):
        self.loaded, self.sent, self.reply = None, [], None

    def load(self, program, period_us, probes):
        self.loaded = period_us, probes
        return LoadReport("kept")

    def reset(self, seed, carry, catch_up):
        """Nothing is kept."""

    def send(self, tick):
        self.sent.append(tick)

    def receive(self, timeout_ns):
        return self.reply

    def close(self):
        """Nothing is open."""


def link(n, dt_us, period_us):
    kept = Kept()
    found = NetworkTimeLink(kept, n, dt_us)
    found.load(None, period_us, PROBES)
    return found, kept


def events(t_us):
    found = np.zeros(len(t_us), EVENT)
    found["t_us"], found["address"] = t_us, np.arange(len(t_us))
    return found


def test_an_event_falls_into_the_step_of_its_share_of_the_period():
    """Of 24 steps in 20 ms, step s covers 833.3 us from s 833.3 on; the network's own step is 1 ms."""
    found, kept = link(24, 1000, 20_000)
    assert kept.loaded[0] == 24_000
    times = [0, 833, 834, 1666, 1667, 19_166, 19_167, 19_999]
    tick = Tick(events=events(times))
    found.send(tick)
    assert kept.sent[0].events["t_us"].tolist() == [0, 0, 1000, 1000, 2000, 22_000, 23_000, 23_000]
    assert kept.sent[0].events["address"].tolist() == list(range(8))
    assert tick.events["t_us"].tolist() == times


def test_a_spike_comes_out_at_the_first_microsecond_of_its_step():
    found, kept = link(24, 1000, 20_000)
    kept.reply = Reply(events=events([0, 1000, 23_000]), probe_events=events([2000]))
    reply = found.receive(0)
    assert reply.events["t_us"].tolist() == [0, 834, 19_167]
    assert reply.probe_events["t_us"].tolist() == [1667]


@given(st.integers(1, 300), st.integers(1, 2000), st.integers(300, 50_000))
def test_out_and_back_is_the_same_step(n, dt_us, period_us):
    found, kept = link(n, dt_us, period_us)
    kept.reply = Reply(events=events(np.arange(n) * dt_us))
    back = found.receive(0).events
    assert back["t_us"].max() < period_us
    found.send(Tick(events=back))
    np.testing.assert_array_equal(kept.sent[0].events["t_us"], np.arange(n) * dt_us)


def test_records_of_weights_come_after_as_many_ticks():
    """Every 5 ticks of 20 ms, which are 5 periods of 24 ms to the device."""
    _, kept = link(24, 1000, 20_000)
    assert kept.loaded[1].weights_period_s == pytest.approx(0.12)


def test_a_tick_without_events_goes_as_it_is():
    found, kept = link(10, 1000, 20_000)
    tick = Tick()
    found.send(tick)
    assert kept.sent[0] is tick


def test_the_network_itself_runs_that_many_steps_in_each_period():
    """An integrator of 1 a step, 24 steps in a period of 20 ms: 24, then 48."""
    net = Network(0.001, seed=1)
    x = net.input("x", 1)
    sums = net.add_stated("sums", "if", 1, {"v_threshold": 1e9, "v_reset": 0.0, "reset": "zero"})
    net.connect(x, sums, [[1.0 / net.dt_s]])
    net.output("v", sums, kind="values")
    device = DirectLink(Numba(Numba.Config()))
    found = NetworkTimeLink(device, 24, net.dt_us)
    found.load(net, 20_000, Probes())
    found.reset(1, "none", 0)
    seen = []
    for k in range(2):
        found.send(Tick(seq=k, values=np.ones(1, np.float32)))
        seen.append(float(found.receive(0).values[0]))
    assert seen == pytest.approx([24, 48])


class DirectLink(Kept):
    """A backend in this process."""

    def __init__(self, backend):
        super().__init__()
        self.backend = backend

    def load(self, program, period_us, probes):
        return self.backend.load(program, period_us, probes)

    def reset(self, seed, carry, catch_up):
        self.backend.reset(seed, carry)

    def send(self, tick):
        self.reply = self.backend.step(tick)


def test_everything_else_goes_through_to_the_link():
    device = Device(FakeTime(), lambda seq: [0])
    found = NetworkTimeLink(device, 2, 1000)
    assert str(found) == str(device)
    assert found.tally() == device.tally()
    assert found.alive() == device.alive()
