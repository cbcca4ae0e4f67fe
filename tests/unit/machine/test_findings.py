"""What made-up samples say of a machine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.machine import doctor, findings

US, MS = 1_000, 1_000_000


def samples(*values_ns):
    return np.array(values_ns, np.int64)


def test_stalls_in_numbers():
    assert findings.stalls(samples(2 * MS, 3 * MS), 500 * MS) == findings.Stalls(4.0, 0.01, 0.003)
    assert findings.stalls(samples(), 500 * MS) == findings.Stalls(0.0, 0.0, 0.0)


def test_the_wait_of_one_instant_in_a_hundred():
    """One stall of 20 ms in a second: those who wait more than 10 ms fall into its first 10 ms, 1 % of the time."""
    assert findings.stall_wait_ns(samples(20 * MS), 1000 * MS, 0.01) == pytest.approx(10 * MS)
    assert findings.stall_wait_ns(samples(20 * MS, 12 * MS), 1000 * MS, 0.01) == pytest.approx(11 * MS)
    assert findings.stall_wait_ns(samples(10 * MS), 1000 * MS, 0.01) == 0
    assert findings.stall_wait_ns(samples(), 1000 * MS, 0.01) == 0


@given(st.lists(st.integers(1, 10**9), max_size=20), st.floats(0.001, 0.5))
def test_the_wait_solves_its_equation(gaps, share):
    gaps_ns, spun_ns = np.array(gaps, np.int64), 10**10
    wait_ns = findings.stall_wait_ns(gaps_ns, spun_ns, share)
    longer_ns = np.maximum(gaps_ns - wait_ns, 0).sum()
    assert longer_ns == pytest.approx(share * spun_ns) if wait_ns > 0 else longer_ns <= share * spun_ns


@pytest.mark.parametrize(("n", "known"), [(19, (False, False)), (20, (True, False)), (1000, (True, True))])
def test_a_percentile_needs_ten_samples_beyond_it(n, known):
    found = findings.spread(np.arange(1, n + 1) * MS)
    assert (found.p50_s is not None, found.p99_s is not None) == known
    assert (found.n, found.max_s) == (n, pytest.approx(n * 1e-3))
    if known[1]:
        assert (found.p50_s, found.p99_s) == (pytest.approx(0.5005), pytest.approx(0.99001))


def test_no_samples_are_no_numbers():
    assert findings.spread(samples()) == findings.Spread(0, None, None, None)


@pytest.mark.parametrize(("late", "missing", "held"), [(10, 0, True), (11, 0, False), (4, 6, True), (4, 7, False)])
def test_a_rate_is_held_with_one_late_echo_in_a_hundred(late, missing, held):
    echoes_ns = np.full(1000 - missing, MS)  # just in time
    echoes_ns[:late] += 1
    rung = findings.rate_step("zmq", 1000, 1000, echoes_ns)
    assert (rung.late, rung.held, rung.echo.n) == (late + missing, held, 1000 - missing)


def rate_steps(*shares, rtt_ns=200 * US, link="zmq"):
    """A rung for each share of late echoes, up the ladder."""
    return [
        findings.rate_step(link, rate, 1000, np.where(np.arange(1000) < share * 1000, 10**9, rtt_ns))
        for rate, share in zip(doctor.RATES_HZ, shares, strict=False)
    ]


def test_parts_are_what_the_loop_would_feel():
    lags_ns = np.where(np.arange(1000) < 20, 380 * US, 50 * US)  # 2 % late, of which the loop polls away 300 us at most
    both = rate_steps(0, 0.9, rtt_ns=150 * US) + rate_steps(0, 0.9, rtt_ns=4 * US, link="unix")
    found = findings.parts(lags_ns, samples(20 * MS), 1000 * MS, both)
    trips = {"round trip over ZeroMQ": 150e-6, "round trip over a Unix socket": 4e-6}
    assert found == pytest.approx({"sleep lag": 80e-6, "stalls": 0.010} | trips)
    assert set(found) == set(findings.ADVICE)
    assert findings.parts(np.full(1000, 79 * US), samples(), MS, []) == {"sleep lag": 0.0, "stalls": 0.0}


@pytest.mark.parametrize(("shares", "held_hz", "told"), [
    ((0, 0, 0.009, 0.02, 0.5), 500, "500 Hz over ZeroMQ (at 1000 Hz 2.0% of echoes were late; allowed: 1%)"),
    ((0, 0, 0, 0, 0), 2000, "2000 Hz over ZeroMQ (the highest rate tried)"),
    ((0.5, 0.5, 0.5, 0.5, 0.5), None, "none of the rates tried over ZeroMQ (at 100 Hz 50.0% "),
    ((0, 0.5, 0, 0.5, 0.5), 500, "500 Hz over ZeroMQ (at 1000 Hz "),
])  # fmt: skip
def test_verdicts(shares, held_hz, told):
    found = rate_steps(*shares)
    assert findings.rate_held_hz(found) == held_hz
    both = found + rate_steps(0, 0, 0, 0, 0, link="unix")
    line = findings.verdict(both, {"sleep lag": 0.001, "stalls": 0.002, "round trip over ZeroMQ": 0.0003})
    assert line.startswith(f"holds {told}")
    assert line.endswith(
        ", 2000 Hz over a Unix socket (the highest rate tried); largest part first: stalls 2.000 ms (1 tick in 100), "
        "sleep lag 1.000 ms (1 tick in 100), round trip over ZeroMQ 0.300 ms (median)"
    )
    assert findings.verdict(found, {}).count(" over ") == 1, "of the links that were measured"
