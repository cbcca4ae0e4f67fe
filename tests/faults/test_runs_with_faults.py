"""Whole runs in lockstep with devices that die, repeat themselves or talk nonsense, over every kind of link.

The plant waits, so everything is counted.
"""

from __future__ import annotations

import bridge_fakes as fakes
import numpy as np
import odd_device
import pytest
from fault_runs import AT, BINDS, LINKS, PERIOD_S, TICKS, arm, go, odd_process, safe_at, supervised, weight_norms

from hilbench.bridge.device import server
from hilbench.bridge.device.device import Device
from hilbench.bridge.device.session import build_backend
from hilbench.runs.run import run

pytestmark = pytest.mark.timeout(120)
REPLIES = {"twice": lambda: odd_device.twice, "old": odd_device.Old}


@pytest.fixture(autouse=True)
def _clean():
    with fakes.no_leaks():
        yield


@LINKS
def test_a_killed_device_ends_the_run_in_the_safe_action(monkeypatch, kind, tmp_path):
    odd_process(monkeypatch, tmp_path, f"kill:{AT}")
    outcome, meta, rows = go(arm(kind), tmp_path / "run")
    assert outcome.status == meta.status == "fault"
    assert f"episode 0, tick {AT}" in outcome.fault
    assert "was ended by SIGKILL (exit code -9)" in outcome.fault
    assert len(rows["seq"]) == AT + 1
    safe_at(rows, AT, tmp_path / "run")
    (fault,) = meta.faults
    assert fault.tick == AT
    assert fault.recovery is None


def assert_learnt_on(outcome, meta, rows, folder):
    """One tick is lost, and the weights after it are those of the last snapshot."""
    assert outcome.status == "done"
    assert len(rows["seq"]) == TICKS
    safe_at(rows, AT, folder)
    assert np.flatnonzero(~rows["answered"]).tolist() == [AT]
    (fault,) = meta.faults
    assert "with the weights of tick 59" in fault.recovery
    told = f"episode 0, tick {AT} (0.325 s): {fault.message}; {fault.recovery}"
    assert (fault.tick, outcome.notes[0]) == (AT, told)
    norms = weight_norms(rows)
    assert norms[AT + 1] == pytest.approx(norms[59], rel=0.05)
    assert norms[AT + 1] > 10 * norms[1]


LEARNING = {
    "loop__on_loss": "recover", "loop__snapshot_s": 10 * PERIOD_S, "record__weights_period_s": PERIOD_S,
}  # fmt: skip


@LINKS
def test_a_killed_device_is_started_anew_and_learns_on(monkeypatch, kind, tmp_path):
    odd_process(monkeypatch, tmp_path, f"kill:{AT}")
    assert_learnt_on(*go(arm(kind, "pes", **LEARNING), tmp_path / "run"), tmp_path / "run")


@LINKS
def test_a_device_that_restarts_at_its_address_gets_its_weights_back(monkeypatch, kind, tmp_path):
    """Nobody owns it but whoever started it, and starts it again; the new one knows nothing."""
    odd_process(monkeypatch, tmp_path, f"kill:{AT}")
    with supervised(kind) as address:
        scenario = arm(kind, "pes", link__timeout_s=2.0, link__address=address, **LEARNING)
        found = go(scenario, tmp_path / "run")
    assert_learnt_on(*found, tmp_path / "run")


@LINKS
@pytest.mark.parametrize("how", REPLIES)
def test_replies_that_come_twice_or_again_later_change_nothing(monkeypatch, kind, how, tmp_path):
    _, _, rows = go(arm("inprocess"), tmp_path / "well")
    monkeypatch.setattr(server, "listening", odd_device.odd_replies(REPLIES[how]()))
    with fakes.serving(build_backend("law", {}), BINDS[kind]) as address:
        outcome, meta, again = go(arm(kind, link__address=address), tmp_path / "odd")
        assert (outcome.status, meta.faults) == ("done", ())
        for column in ("state", "actions", "applied_step", "answered", "values_out", "prev_seq"):
            assert np.array_equal(rows[column], again[column]), column
        live, meta, rows = go(arm(kind, link__address=address, loop__mode="realtime"), tmp_path / "live")
    assert (live.status, meta.faults) == ("done", ())
    assert len(rows["seq"]) == TICKS


@LINKS
def test_garbage_for_a_reply_ends_the_run(monkeypatch, kind, tmp_path):
    monkeypatch.setattr(server, "listening", odd_device.odd_replies(odd_device.Garbage(AT)))
    with fakes.serving(build_backend("law", {}), BINDS[kind]) as address:
        outcome, _, rows = go(arm(kind, link__address=address), tmp_path / "run")
    assert outcome.status == "fault"
    assert f"tick {AT}" in outcome.fault
    safe_at(rows, AT, tmp_path / "run")


@LINKS
def test_a_number_out_of_range_ends_the_run_as_a_lost_device_does(monkeypatch, kind, tmp_path):
    monkeypatch.setattr(server, "listening", odd_device.odd_replies(odd_device.Lie(AT)))
    with fakes.serving(build_backend("law", {}), BINDS[kind]) as address:
        outcome, meta, rows = go(arm(kind, link__address=address), tmp_path / "run")
        said = f"{address}: the device broke the protocol: compute_ns of REPLY is {2**63}; allowed: 0 to {10**15}"
    assert (outcome.status, [fault.tick for fault in meta.faults]) == ("fault", [AT])
    assert said in meta.faults[0].message
    safe_at(rows, AT, tmp_path / "run")


@LINKS
def test_bytes_behind_an_answer_that_has_none_are_told(monkeypatch, kind, tmp_path):
    reset = Device._reset
    monkeypatch.setattr(Device, "_reset", lambda self, data, header: reset(self, data, header) + b"x")
    with fakes.serving(build_backend("law", {}), BINDS[kind]) as address:
        outcome = run(arm(kind, link__address=address), tmp_path / "run")
    assert outcome.status == "fault"
    assert "the device broke the protocol: frame has 33 bytes; its kind has 32" in outcome.fault


@LINKS
def test_garbage_for_a_reply_has_a_device_started_anew(monkeypatch, kind, tmp_path):
    odd_process(monkeypatch, tmp_path, f"garbage:{AT}")
    outcome, meta, rows = go(arm(kind, loop__on_loss="recover"), tmp_path / "run")
    assert outcome.status == "done"
    assert len(rows["seq"]) == TICKS
    assert [fault.tick for fault in meta.faults] == [AT]
    assert np.flatnonzero(~rows["answered"]).tolist() == [AT]
