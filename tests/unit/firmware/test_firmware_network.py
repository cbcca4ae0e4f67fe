"""The firmware's C, built for this machine, against backend `loihi`: the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from host_device import Host, compiled
from integer_networks import PERIOD_US, network, probes, ticks

from hilbench.backends.loihi import Loihi, LoihiConfig
from hilbench.types import Probes

pytestmark = pytest.mark.usefixtures("cortexm")


def engine(net, probes: Probes | None = None) -> Loihi:
    backend = Loihi(LoihiConfig())
    backend.load(net, PERIOD_US, probes or Probes())
    backend.reset(0, "none")
    return backend


def told(backend: Loihi, tick) -> tuple:
    r = backend.step(tick)
    return r.events.tobytes(), r.values.tobytes(), r.counters.tolist(), r.probe_events.tobytes()


@pytest.mark.parametrize("seed", range(8))
def test_random_networks_are_the_engines_bit_for_bit(seed, tmp_path):
    net = network(seed)
    backend = engine(net, probes(net))
    n_spikes = 0
    with Host(compiled(net, PERIOD_US, tmp_path, probes(net))) as host:
        host.hello()
        host.reset()
        for tick in ticks(net, 60, seed):
            expected = told(backend, tick)
            assert host.tick(tick)[:4] == expected
            n_spikes += expected[2][0]
    assert n_spikes > 5


def test_gaps_are_caught_up_as_advance_does_and_what_is_beyond_is_jumped(tmp_path):
    net = network(3)
    backend, sent = engine(net), ticks(net, 40, 1)
    with Host(compiled(net, PERIOD_US, tmp_path)) as host:
        host.hello()
        host.reset(catch_up=3)
        for k, run in ((0, 0), (1, 0), (4, 2), (8, 3), (30, 3)):
            backend.advance(run)
            assert host.tick(sent[k])[:3] == told(backend, sent[k])[:3]
        assert host.tick(sent[31])[4] == 30


def test_what_a_reset_carries(tmp_path):
    net = network(5)
    sent = ticks(net, 20, 2)
    with Host(compiled(net, PERIOD_US, tmp_path)) as host:
        host.hello()
        host.reset()
        fresh = [host.tick(tick)[:3] for tick in sent]
        host.reset(carry=1)
        assert [host.tick(tick)[:3] for tick in sent[:10]] == fresh[:10]
        host.reset(carry=2)
        assert [host.tick(tick)[:3] for tick in sent[10:]] == fresh[10:]


def test_registers_and_rounding_at_their_ends(tmp_path):
    """Biases at every exponent's edge, halves that round to even ones, values beyond any bias."""
    net = network(7)
    backend, sent = engine(net), ticks(net, 30, 3)
    edges = [4095.5, 4096, 8191.5, -4096.5, 2.0**18, 2.0**19, -(2.0**19), 0.5, 1.5, -2.5, 3e38, -3e38]
    with Host(compiled(net, PERIOD_US, tmp_path)) as host:
        host.hello()
        host.reset()
        for tick, edge in zip(sent, edges * 3, strict=False):
            tick.values = np.array([edge / 3000, edge, 0], np.float32)
            assert host.tick(tick)[:3] == told(backend, tick)[:3]
