"""Metering a run's program: what is fed to it, what is written, and what is refused. Clock and meter are made up."""

from __future__ import annotations

import sys
from itertools import count

import numpy as np
import pytest

from hilbench import plugins
from hilbench.bridge.device import process
from hilbench.bridge.inprocess import InProcess
from hilbench.cli import main
from hilbench.errors import LinkError, MeterError, RecordError
from hilbench.metrics import measure
from hilbench.record.meta import EnergyRecord
from hilbench.record.reader import read_run
from hilbench.record.sealed import write_sealed
from hilbench.runs import metering
from hilbench.runs import refeed as again
from hilbench.runs.metering import measure_energy
from hilbench.runs.run import run
from hilbench.scenario import files as scenarios
from hilbench.types import Empty, Meter


class Scripted(Meter):
    """Gives its readings one after the other."""

    Config = Empty
    accuracy = "exact"

    def __init__(self, *readings_j: float) -> None:
        super().__init__(Empty())
        self._readings_j = iter(readings_j)

    def unavailable(self):
        return None

    def domains(self):
        return ("bench",)

    def read_j(self):
        return next(self._readings_j)


@pytest.fixture
def seconds(monkeypatch):
    """A clock that is one second on at every look."""
    looks = count()
    monkeypatch.setattr(metering, "monotonic_ns", lambda: next(looks) * 1_000_000_000)
    monkeypatch.setattr(metering, "sleep", lambda s: None)


@pytest.fixture
def fed(monkeypatch):
    """What reaches the program: its replies' values and counters by episode."""
    found = []
    reset, receive = InProcess.reset, InProcess.receive

    def tell_reset(self, seed, carry, catch_up):
        found.append((seed, carry, []))
        reset(self, seed, carry, catch_up)

    def tell_receive(self, timeout_ns):
        reply = receive(self, timeout_ns)
        found[-1][2].append((reply.seq, reply.values.copy(), reply.counters.copy()))
        return reply

    def watch():
        monkeypatch.setattr(InProcess, "reset", tell_reset)
        monkeypatch.setattr(InProcess, "receive", tell_receive)
        return found

    return watch


def record(folder, controller="pes", **changes):
    changes = {"loop.duration_s": 0.05} | {name.replace("__", "."): value for name, value in changes.items()}
    run(scenarios.load("arm_payload", changes, controller), folder)
    return folder


def test_the_program_runs_as_it_ran_and_joules_are_told_apart(tmp_path, seconds, fed):
    record(tmp_path, loop__episodes=2, loop__carry="weights", loop__seed=4, loop__freeze_at_s=0.03)
    found = fed()
    # Idle 3 J in 1 s; then looks at 2 s, before, at 3 s, too soon, and at 4 s, enough: the record twice in 2 s.
    answer = measure_energy(tmp_path, Scripted(0.0, 3.0, 10.0, 20.0))
    wanted = {"n_ticks": 200, "duration_s": 2.0, "total_j": 10.0, "idle_j": 6.0, "dynamic_j": 4.0}
    assert answer == EnergyRecord(meter="scripted", domains=("bench",), accuracy="exact", **wanted)
    assert read_run(tmp_path).energy == answer
    recorded = read_run(tmp_path)
    assert [(seed, carry) for seed, carry, _ in found] == [(4, "none"), (5, "weights")] * 2
    for (_, _, replies), columns in zip(found, recorded.episodes * 2, strict=True):
        np.testing.assert_array_equal([values for _, values, _ in replies], columns["values_out"])
        np.testing.assert_array_equal([counters[3] for _, _, counters in replies], columns["weight_updates"])
    assert measure(recorded)["energy_measured"]["value"] == pytest.approx(0.02)


def test_the_command_prints_joules_per_tick(tmp_path, seconds, monkeypatch, capsys):
    record(tmp_path)
    monkeypatch.setattr(metering, "_first_available", lambda: Scripted(0.0, 3.0, 10.0, 20.0))
    with pytest.raises(SystemExit) as end:
        main(["meter", str(tmp_path)])
    assert not end.value.code
    assert capsys.readouterr().out.splitlines() == [
        "100 ticks in 2.00 s by scripted (bench)",
        "total    0.1 J per tick",
        "idle     0.06 J per tick",
        "dynamic  0.04 J per tick",
    ]


def test_ticks_that_reached_no_network_are_not_fed(tmp_path, seconds, fed):
    record(
        tmp_path,
        "pid",
        loop__mode="delayed",
        loop__delay__kind="constant",
        loop__delay__s=0.002,
        loop__service_s=0.003,
    )
    recorded = read_run(tmp_path).episodes[0]
    found = fed()
    measure_energy(tmp_path, Scripted(0.0, 1.0, 1.0, 2.0))
    assert recorded["skipped"].any()
    assert [seq for seq, _, _ in found[0][2]] == np.flatnonzero(recorded["processed"]).tolist()


@pytest.mark.timeout(60)
def test_a_backend_of_another_python_is_metered_on_a_device_of_its_own(tmp_path, seconds, monkeypatch):
    record(tmp_path, "pd", loop__episodes=2)
    monkeypatch.setattr(plugins.get("backends", "law"), "environment", "lava")
    monkeypatch.setattr(process, "python_of", lambda name: sys.executable)
    monkeypatch.setattr(InProcess, "send", lambda *_: pytest.fail("it cannot run in this process"))
    assert measure_energy(tmp_path, Scripted(0.0, 3.0, 10.0, 20.0)).n_ticks == 200


def test_no_answer_is_one_line(tmp_path, seconds, monkeypatch):
    record(tmp_path, "pd")
    monkeypatch.setattr(InProcess, "receive", lambda *_: None)
    with pytest.raises(LinkError, match="no reply to tick 0 within 5 s"):
        measure_energy(tmp_path, Scripted(0.0, 3.0, 10.0, 20.0))


def test_without_a_meter_nothing_is_written_and_the_reason_is_given(tmp_path, monkeypatch):
    record(tmp_path)
    for name in plugins.all_of("meters"):
        monkeypatch.setattr(plugins.get("meters", name), "unavailable", lambda self: "it is made of wood")
    with pytest.raises(MeterError, match=r"no meter can be read here: .*rapl: it is made of wood"):
        measure_energy(tmp_path)
    assert not (tmp_path / "energy.json").exists()


def test_a_device_that_metered_itself_is_not_metered_again(tmp_path, monkeypatch):
    record(tmp_path)
    recorded = read_run(tmp_path)
    recorded.episodes[0]["energy_j"] = np.full(50, 0.5)
    monkeypatch.setattr(again, "read_run", lambda folder: recorded)
    with pytest.raises(MeterError, match="its device metered itself"):
        measure_energy(tmp_path, Scripted())


def test_what_no_run_left_is_refused(tmp_path):
    with pytest.raises(RecordError, match=r"no readable run\.json"):
        measure_energy(tmp_path)
    record(tmp_path)
    write_sealed(tmp_path / "energy.json", {"format_version": 5})
    with pytest.raises(RecordError, match=r"energy\.json: not what a whole run says: .*`meter`"):
        read_run(tmp_path)


def test_a_record_says_which_meters_there_were(tmp_path):
    assert read_run(record(tmp_path)).meta.meter_refusals == metering.meters()
