"""The bare echo under a fake clock and over a fake link: known delays, a stall, a link that falls silent."""

from __future__ import annotations

import gc
from types import SimpleNamespace

import pytest

from hilbench.echo import echo_ns
from hilbench.errors import LinkError
from hilbench.types import Link

US, MS = 1_000, 1_000_000
TIMEOUT_NS = 50 * MS
LATE_WAKE_NS = 30 * US


class Clock:
    """Every reading takes a nanosecond; a sleep ends a little late."""

    now_ns = 5_000

    def __call__(self):
        self.now_ns += 1
        return self.now_ns

    def sleep(self, s):
        assert s > 0
        self.now_ns += round(s * 1e9) + LATE_WAKE_NS


class Echoing(Link):
    """Answers echo k after `delay_ns(k)`; None is one that never comes back, an exception a device that is gone."""

    def __init__(self, clock, delay_ns):
        self.clock, self.delay_ns = clock, delay_ns
        self.config = SimpleNamespace(timeout_s=TIMEOUT_NS * 1e-9)
        self.sent_ns, self.sizes, self.collecting = [], [], []

    def echo(self, n_bytes, timeout_ns):
        self.sent_ns.append(self.clock.now_ns)
        self.sizes.append(n_bytes)
        self.collecting.append(gc.isenabled())
        delay = self.delay_ns(len(self.sent_ns) - 1)
        if isinstance(delay, Exception):
            raise delay
        self.clock.now_ns += min(timeout_ns, timeout_ns if delay is None else delay)
        return delay is not None and delay <= timeout_ns

    load = reset = send = receive = close = None


class Mute(Link):
    config = SimpleNamespace(timeout_s=1.0)
    load = reset = send = receive = close = None


def measured(delay_ns, n=10, period_ns=MS):
    clock = Clock()
    link = Echoing(clock, delay_ns)
    return echo_ns(link, n, period_ns, 24, clock, clock.sleep), link


def test_a_known_delay_at_the_scheduled_rate():
    found, link = measured(lambda k: 120 * US)
    assert found.dtype == "int64"
    assert found == pytest.approx([120 * US] * 10, abs=20)
    gaps_ns = [b - a for a, b in zip(link.sent_ns, link.sent_ns[1:], strict=False)]
    assert gaps_ns == pytest.approx([MS] * 9, abs=20)
    assert set(link.sizes) == {24}
    assert not any(link.collecting)
    assert gc.isenabled()


def test_those_after_a_stall_count_their_wait():
    """Echo 2 takes 3.5 ms, the others 0.1 ms: 3 starts 2.5 ms late, 4 1.6 ms, 5 0.7 ms, and 6 is in time again."""
    found, _ = measured(lambda k: 3500 * US if k == 2 else 100 * US, n=8)
    assert found / US == pytest.approx([100, 100, 3500, 2600, 1700, 800, 100, 100], abs=1)


def test_an_echo_that_never_returns_ends_it_and_its_age_counts():
    found, link = measured(lambda k: None if k == 3 else 100 * US)
    assert found / US == pytest.approx([100, 100, 100, TIMEOUT_NS / US], abs=1)
    assert len(link.sent_ns) == 4


def test_a_device_that_is_gone_ends_it_too():
    found, _ = measured(lambda k: LinkError("gone") if k == 2 else 100 * US)
    assert found / US == pytest.approx([100, 100], abs=1)


def test_a_link_too_slow_for_the_rate_is_given_up_when_it_is_a_timeout_behind():
    """Each echo takes 11 periods, so echo k comes back 11 + 10 k ms after its instant; 50 ms is the limit."""
    found, _ = measured(lambda k: 11 * MS, n=1000)
    assert found / MS == pytest.approx([11, 21, 31, 41, 50], abs=0.001)


def test_a_link_without_an_echo_has_no_numbers():
    assert Mute().echo(24, 0) is None
    assert echo_ns(Mute(), 10, MS, 24).size == 0
