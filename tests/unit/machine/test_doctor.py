"""The doctor's numbers from made-up samples, and one examination of the machine the tests run on."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench import plugins
from hilbench.bridge.device import process
from hilbench.cli import main
from hilbench.errors import LinkError
from hilbench.machine import doctor

US, MS = 1_000, 1_000_000


def samples(*values_ns):
    return np.array(values_ns, np.int64)


def test_sleepers_are_measured_on_an_absolute_schedule():
    """The second sleep ends 2.5 ms late; those after it are due by then and count what they waited."""
    now, lateness = [0], iter([50 * US, 2500 * US, 60 * US])

    def sleep(s):
        now[0] += round(s * 1e9) + next(lateness)

    lags_ns = doctor.sleep_lags_ns(5, MS, lambda: now[0], sleep)
    assert lags_ns.tolist() == [50 * US, 2500 * US, 1500 * US, 500 * US, 60 * US]


def test_gaps_between_readings_of_the_clock():
    readings = iter([0, 50 * US, 150 * US, 350 * US, 351 * US, 1351 * US, 2000 * US])
    gaps_ns, spun_ns = doctor.spin(1300 * US, lambda: next(readings))
    assert gaps_ns.tolist() == [200 * US, 1000 * US]  # 100 us is none yet
    assert spun_ns == 1351 * US


def test_stalls_in_numbers():
    assert doctor.stalls(samples(2 * MS, 3 * MS), 500 * MS) == doctor.Stalls(4.0, 0.01, 0.003)
    assert doctor.stalls(samples(), 500 * MS) == doctor.Stalls(0.0, 0.0, 0.0)


def test_the_wait_of_one_instant_in_a_hundred():
    """One stall of 20 ms in a second: those who wait more than 10 ms fall into its first 10 ms, 1 % of the time."""
    assert doctor.stall_wait_ns(samples(20 * MS), 1000 * MS, 0.01) == pytest.approx(10 * MS)
    assert doctor.stall_wait_ns(samples(20 * MS, 12 * MS), 1000 * MS, 0.01) == pytest.approx(11 * MS)
    assert doctor.stall_wait_ns(samples(10 * MS), 1000 * MS, 0.01) == 0
    assert doctor.stall_wait_ns(samples(), 1000 * MS, 0.01) == 0


@given(st.lists(st.integers(1, 10**9), max_size=20), st.floats(0.001, 0.5))
def test_the_wait_solves_its_equation(gaps, share):
    gaps_ns, spun_ns = np.array(gaps, np.int64), 10**10
    wait_ns = doctor.stall_wait_ns(gaps_ns, spun_ns, share)
    longer_ns = np.maximum(gaps_ns - wait_ns, 0).sum()
    assert longer_ns == pytest.approx(share * spun_ns) if wait_ns > 0 else longer_ns <= share * spun_ns


@pytest.mark.parametrize(("n", "known"), [(19, (False, False)), (20, (True, False)), (1000, (True, True))])
def test_a_percentile_needs_ten_samples_beyond_it(n, known):
    found = doctor.spread(np.arange(1, n + 1) * MS)
    assert (found.p50_s is not None, found.p99_s is not None) == known
    assert (found.n, found.max_s) == (n, pytest.approx(n * 1e-3))
    if known[1]:
        assert (found.p50_s, found.p99_s) == (pytest.approx(0.5005), pytest.approx(0.99001))


def test_no_samples_are_no_numbers():
    assert doctor.spread(samples()) == doctor.Spread(0, None, None, None)


@pytest.mark.parametrize(("late", "missing", "held"), [(10, 0, True), (11, 0, False), (4, 6, True), (4, 7, False)])
def test_a_rate_is_held_with_one_late_echo_in_a_hundred(late, missing, held):
    echoes_ns = np.full(1000 - missing, MS)  # just in time
    echoes_ns[:late] += 1
    rung = doctor.rate_step("zmq", 1000, 1000, echoes_ns)
    assert (rung.late, rung.held, rung.echo.n) == (late + missing, held, 1000 - missing)


def rate_steps(*shares, rtt_ns=200 * US, link="zmq"):
    """A rung for each share of late echoes, up the ladder."""
    return [
        doctor.rate_step(link, rate, 1000, np.where(np.arange(1000) < share * 1000, 10**9, rtt_ns))
        for rate, share in zip(doctor.RATES_HZ, shares, strict=False)
    ]


def test_parts_are_what_the_loop_would_feel():
    lags_ns = np.where(np.arange(1000) < 20, 380 * US, 50 * US)  # 2 % late, of which the loop polls away 300 us at most
    both = rate_steps(0, 0.9, rtt_ns=150 * US) + rate_steps(0, 0.9, rtt_ns=4 * US, link="unix")
    found = doctor.parts(lags_ns, samples(20 * MS), 1000 * MS, both)
    trips = {"round trip over ZeroMQ": 150e-6, "round trip over a Unix socket": 4e-6}
    assert found == pytest.approx({"sleep lag": 80e-6, "stalls": 0.010} | trips)
    assert set(found) == set(doctor.ADVICE)
    assert doctor.parts(np.full(1000, 79 * US), samples(), MS, []) == {"sleep lag": 0.0, "stalls": 0.0}


@pytest.mark.parametrize(("shares", "held_hz", "told"), [
    ((0, 0, 0.009, 0.02, 0.5), 500, "500 Hz over ZeroMQ (at 1000 Hz 2.0% of echoes were late; allowed: 1%)"),
    ((0, 0, 0, 0, 0), 2000, "2000 Hz over ZeroMQ (the highest rate tried)"),
    ((0.5, 0.5, 0.5, 0.5, 0.5), None, "none of the rates tried over ZeroMQ (at 100 Hz 50.0% "),
    ((0, 0.5, 0, 0.5, 0.5), 500, "500 Hz over ZeroMQ (at 1000 Hz "),
])  # fmt: skip
def test_verdicts(shares, held_hz, told):
    found = rate_steps(*shares)
    assert doctor.rate_held_hz(found) == held_hz
    both = found + rate_steps(0, 0, 0, 0, 0, link="unix")
    line = doctor.verdict(both, {"sleep lag": 0.001, "stalls": 0.002, "round trip over ZeroMQ": 0.0003})
    assert line.startswith(f"holds {told}")
    assert line.endswith(
        ", 2000 Hz over a Unix socket (the highest rate tried); largest part first: stalls 2.000 ms (1 tick in 100), "
        "sleep lag 1.000 ms (1 tick in 100), round trip over ZeroMQ 0.300 ms (median)"
    )
    assert doctor.verdict(found, {}).count(" over ") == 1, "of the links that were measured"


ALONE = """
import sys
for name in ("gymnasium", "pybullet", "pyarrow", "altair", "vl_convert"):
    sys.modules[name] = None  # as if it were not installed
from pathlib import Path
from hilbench.cli import main
from hilbench.errors import LinkError
try:
    main(["doctor", "--json", "--each-s", "0.02"])
finally:
    left = [task.read_text() for task in Path("/proc/self/task").glob("*/children")]
    assert not "".join(left), left
"""


def test_an_examination_with_the_core_alone_leaves_no_process():
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    rate_steps = found["rate_steps"]
    tried = [(link, rate_hz) for link in doctor.LINKS for rate_hz in doctor.RATES_HZ]
    assert [(rung["link"], rung["rate_hz"]) for rung in rate_steps] == tried
    assert [rung["sent"] for rung in rate_steps] == [2, 4, 10, 20, 40] * 2
    assert all(0 < rung["echo"]["n"] <= rung["sent"] for rung in rate_steps)
    assert all(rung["held"] == (rung["late"] <= 0.01 * rung["sent"]) for rung in rate_steps)
    for link, held_hz in found["rate_held_hz"].items():
        held = [rung["rate_hz"] for rung in rate_steps if rung["held"] and rung["link"] == link]
        assert held_hz == max(held, default=None)
    assert list(found["rate_held_hz"]) == list(doctor.LINKS)
    assert found["unmeasured"] == {}
    assert found["limit"] == max(found["parts_s"], key=found["parts_s"].get)
    assert found["verdict"].startswith("holds ")
    assert found["clock"]["read_s"] > 0
    assert found["sleep"]["n"] == 20
    assert found["sleep"]["max_s"] >= found["sleep"]["p50_s"] >= 0
    assert 0 <= found["stalls"]["share"] < 1
    assert {"name", "found", "advice"} == set(found["facts"][0])


def test_a_link_that_this_system_lacks_is_told_and_the_other_is_measured(monkeypatch, capsys):
    kind = plugins.get("links", "unix")
    monkeypatch.setattr(kind, "load", lambda *_: (_ for _ in ()).throw(LinkError("this system has none")))
    with pytest.raises(SystemExit) as end:
        main(["doctor", "--each-s", "0.01"])
    out = " ".join(capsys.readouterr().out.split())
    assert end.value.code == 0
    assert "echo over a Unix socket not measured: this system has none" in out
    assert "echo over ZeroMQ, 2000 Hz" in out
    assert "verdict: holds " in out


def test_a_device_that_cannot_start_is_told_and_the_rest_is_measured(monkeypatch, capsys):
    monkeypatch.setattr(process, "COMMAND", (sys.executable, "-c", "import sys; sys.exit('no room')"))
    with pytest.raises(SystemExit) as end:
        main(["doctor", "--each-s", "0.01"])
    assert end.value.code == 1
    out = capsys.readouterr().out
    assert "verdict: unknown: the device process" in out
    assert "no room" in out
    assert "monotonic clock" in out
    assert "SCHED_FIFO" in out
