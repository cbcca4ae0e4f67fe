"""The bare echo under a fake clock and over a fake link: known delays, a stall, a link that falls silent."""

from __future__ import annotations

import gc
import heapq
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.errors import LinkError
from hilbench.loop.echo import echo_ns
from hilbench.types import Link

US, MS = 1_000, 1_000_000
TIMEOUT_NS = 50 * MS
LATE_WAKE_NS = 30 * US


class Clock:
    """Every reading takes its grain; a sleep ends a little late."""

    now_ns = 5_000

    def __init__(self, grain_ns=1):
        self.grain_ns = grain_ns

    def __call__(self):
        self.now_ns += self.grain_ns
        return self.now_ns

    def sleep(self, s):
        assert s > 0
        self.now_ns += round(s * 1e9) + LATE_WAKE_NS


class Echoing(Link):
    """Answers echo k `delay_ns(k)` after it was sent, or `one_by_one` so long after it is done with the one before it.

    None is one that never comes back, an exception a device that is gone.
    """

    def __init__(self, clock, delay_ns, one_by_one=False):
        self.clock, self.delay_ns, self.one_by_one = clock, delay_ns, one_by_one
        self.config = SimpleNamespace(timeout_s=TIMEOUT_NS * 1e-9)
        self.sent_ns, self.sizes, self.collecting, self.under_way, self.most = [], [], [], [], 0
        self.free_ns = 0

    def send_echo(self, n_bytes):
        k = len(self.sent_ns)
        self.sent_ns.append(self.clock.now_ns)
        self.sizes.append(n_bytes)
        self.collecting.append(gc.isenabled())
        delay = self.delay_ns(k)
        if isinstance(delay, Exception):
            raise delay
        if delay is not None:
            start_ns = max(self.free_ns, self.clock.now_ns) if self.one_by_one else self.clock.now_ns
            self.free_ns = start_ns + delay
            heapq.heappush(self.under_way, (self.free_ns, 1000 + k))
        self.most = max(self.most, len(self.under_way))
        return 1000 + k

    def receive_echo(self, timeout_ns):
        until_ns = self.clock.now_ns + timeout_ns
        if self.under_way and self.under_way[0][0] <= until_ns:
            at_ns, number = heapq.heappop(self.under_way)
            self.clock.now_ns = max(self.clock.now_ns, at_ns)
            return number
        self.clock.now_ns = until_ns
        return None

    load = reset = send = receive = close = None


class Mute(Link):
    config = SimpleNamespace(timeout_s=1.0)
    load = reset = send = receive = close = None


def measured(delay_ns, n=10, period_ns=MS, one_by_one=False, sizes=None, grain_ns=1, most=2):
    clock = Clock(grain_ns)
    link = Echoing(clock, delay_ns, one_by_one)
    return echo_ns(link, sizes or [24] * n, period_ns, most, clock, clock.sleep), link


def test_a_known_delay_at_the_scheduled_rate():
    found, link = measured(lambda k: 120 * US)
    assert found.dtype == "int64"
    assert found == pytest.approx([120 * US] * 10, abs=20)
    gaps_ns = [b - a for a, b in zip(link.sent_ns, link.sent_ns[1:], strict=False)]
    assert gaps_ns == pytest.approx([MS] * 9, abs=20)
    assert set(link.sizes) == {24}
    assert not any(link.collecting)
    assert gc.isenabled()


@pytest.mark.parametrize(("delay_ms", "n"), [(5, 200), (10, 2000), (40, 200)])
def test_a_long_link_is_as_long_as_it_is(delay_ms, n):
    """5 ms each way at 1 kHz: 10 ms, and not 10 ms more with every echo."""
    found, link = measured(lambda k: delay_ms * MS, n, grain_ns=US, most=100)
    assert found == pytest.approx([delay_ms * MS] * n, abs=100 * US)
    assert link.most in (delay_ms, delay_ms + 1)
    gaps_ns = [b - a for a, b in zip(link.sent_ns, link.sent_ns[1:], strict=False)]
    assert gaps_ns == pytest.approx([MS] * (n - 1), abs=100 * US), "and it is used at the rate that was asked for"


def test_one_more_than_may_be_on_their_way_is_not_sent():
    """Two at a time over 10.2 ms, at 1 kHz: echoes 0 and 1, then 11 and 12 at their own instants, and so on."""
    found, link = measured(lambda k: 10_200 * US, 110, grain_ns=US)
    assert link.most == 2
    assert found / US == pytest.approx([10_200] * 20, abs=100)
    due = [11 * i + j for i in range(10) for j in (0, 1)]
    assert [(sent - link.sent_ns[0]) / MS for sent in link.sent_ns] == pytest.approx(due, abs=0.1)


@given(st.lists(st.integers(10, 30_000), min_size=1, max_size=60))
def test_every_echo_has_its_own_time_in_whatever_order_they_return(delays_us):
    found, _ = measured(lambda k: delays_us[k] * US, len(delays_us), grain_ns=US, most=60)
    assert found / US == pytest.approx(delays_us, abs=100)


def test_those_after_a_stall_count_their_wait():
    """Echo 2 takes 3.5 ms, the others 0.1 ms: 3 starts 2.5 ms late, 4 1.6 ms, 5 0.7 ms, and 6 is in time again."""
    found, _ = measured(lambda k: 3500 * US if k == 2 else 100 * US, n=8, one_by_one=True, most=9)
    assert found / US == pytest.approx([100, 100, 3500, 2600, 1700, 800, 100, 100], abs=1)
    found, _ = measured(lambda k: 3500 * US if k == 2 else 100 * US, n=8, one_by_one=True)
    assert found / US == pytest.approx([100, 100, 3500, 2600, 100, 100], abs=1), "4 and 5 are not sent"


def test_an_echo_that_never_returns_ends_it_and_its_age_counts():
    found, link = measured(lambda k: None if k == 3 else 100 * US, n=200, most=100, grain_ns=100)
    assert found[:3] / US == pytest.approx([100] * 3, abs=1)
    assert found[3] == pytest.approx(TIMEOUT_NS, abs=US)
    assert found[4:] / US == pytest.approx([100] * (len(found) - 4), abs=1)
    assert len(link.sent_ns) == len(found) == pytest.approx(3 + 50, abs=1), "until it was lost, 50 ms later"


def test_a_device_that_falls_silent_has_one_lost_echo():
    found, link = measured(lambda k: None if k >= 3 else 100 * US, n=200, most=100, grain_ns=100)
    assert found / US == pytest.approx([100, 100, 100, TIMEOUT_NS / US], abs=1)
    assert len(link.sent_ns) == pytest.approx(3 + 50, abs=1)


def test_a_device_that_is_gone_ends_it_too():
    found, _ = measured(lambda k: LinkError("gone") if k == 2 else 100 * US)
    assert found / US == pytest.approx([100, 100], abs=1)


def test_a_link_too_slow_for_the_rate_is_given_up_when_it_is_a_timeout_behind():
    """Each echo takes 11 periods, so echo k comes back 11 + 10 k ms after its instant; 50 ms is the limit."""
    found, _ = measured(lambda k: 11 * MS, n=1000, one_by_one=True, most=9, grain_ns=100)
    assert found / MS == pytest.approx([11, 21, 31, 41, 50], abs=0.001)


def test_each_echo_has_its_own_size():
    _, link = measured(lambda k: 100 * US, sizes=[24, 2**16, 0] * 4)
    assert link.sizes == [24, 2**16, 0] * 4


def test_a_link_without_an_echo_has_no_numbers():
    assert Mute().send_echo(24) is None
    assert echo_ns(Mute(), [24] * 10, MS).size == 0
    assert echo_ns(Mute(), [], MS).size == 0
