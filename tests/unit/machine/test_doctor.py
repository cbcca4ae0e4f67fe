"""The doctor's numbers from made-up samples, and one examination of the machine the tests run on."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from hilbench import plugins
from hilbench.bridge.device import process
from hilbench.cli import main
from hilbench.errors import LinkError
from hilbench.machine import doctor, findings

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
    tried = [(link, rate_hz) for link in findings.LINKS for rate_hz in doctor.RATES_HZ]
    assert [(rung["link"], rung["rate_hz"]) for rung in rate_steps] == tried
    assert [rung["sent"] for rung in rate_steps] == [2, 4, 10, 20, 40] * 2
    assert all(0 < rung["echo"]["n"] <= rung["sent"] for rung in rate_steps)
    assert all(rung["held"] == (rung["late"] <= 0.01 * rung["sent"]) for rung in rate_steps)
    for link, held_hz in found["rate_held_hz"].items():
        held = [rung["rate_hz"] for rung in rate_steps if rung["held"] and rung["link"] == link]
        assert held_hz == max(held, default=None)
    assert list(found["rate_held_hz"]) == list(findings.LINKS)
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
