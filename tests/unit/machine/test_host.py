"""What a machine allows: every probe on made-up folders and answers, and none of them changes this process."""

from __future__ import annotations

import os
import resource

import pytest

from hilbench.machine import host


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(("governors", "found", "mended"), [
    (["performance"] * 2, "performance", False), (["powersave", "performance"], "performance, powersave", True),
    ([], "unknown: the system shows none", False),
])  # fmt: skip
def test_governors(tmp_path, governors, found, mended):
    for number, name in enumerate(governors):
        write(tmp_path / f"cpu{number}" / "cpufreq" / "scaling_governor", name + "\n")
    fact = host.governor(tmp_path)
    assert fact.found.startswith(found)
    assert bool(fact.advice) == mended


def test_a_file_that_cannot_be_read_is_unknown_with_the_reason(tmp_path):
    (tmp_path / "cpu0" / "cpufreq" / "scaling_governor").mkdir(parents=True)
    assert "unknown: " in (found := host.governor(tmp_path).found)
    assert "Is a directory" in found


@pytest.mark.parametrize(("code", "answer"), [
    ("pass", "permitted"),
    ("raise PermissionError(1, 'Operation not permitted')", "refused: Operation not permitted"),
    ("import os\nos.nothing()", "unknown: AttributeError: module 'os' has no attribute 'nothing'"),
    ("os._exit(3)", "unknown: the child said nothing"),
])  # fmt: skip
def test_what_is_tried_in_a_child(code, answer):
    assert host.tried(code) == answer


def test_a_refusal_comes_with_advice_and_nothing_else_does():
    for fact in (host.priority_fact, host.memory_fact):
        assert "/etc/security/limits.conf" in fact("refused: Operation not permitted").advice
        assert fact("permitted").advice == fact("unknown: no such call").advice == ""


def test_looking_at_the_host_leaves_this_process_as_it_was():
    before = os.sched_getscheduler(0), resource.getrlimit(resource.RLIMIT_MEMLOCK), _locked()
    names = [fact.name for fact in host.facts()]
    assert (os.sched_getscheduler(0), resource.getrlimit(resource.RLIMIT_MEMLOCK), _locked()) == before
    assert {"CPU governor", "priority (SCHED_FIFO)", "locked memory", "serial ports", "RAPL"} <= set(names)
    assert len(set(names)) == len(names)


def _locked():
    with open("/proc/self/status", encoding="utf-8") as status:
        return next(line for line in status if line.startswith("VmLck"))


def test_extras_are_read_from_requirements():
    stated = [
        "numpy>=1.26", "tomli>=2; python_version < '3.11'", "hilbench[a,b]; extra == 'all'", "numpy; extra == 'all'",
        'numpy>=1; extra == "a"', "no-such-package (>=2) ; extra == 'a'",
        "no.other; python_version > '3' and extra=='b'",
    ]  # fmt: skip
    first, second = host.extras(stated)
    version = host.metadata.version("numpy")
    assert (first.name, first.found) == ("extra a", f"numpy {version}; missing: no-such-package")
    assert first.advice == 'extra a: pip install "hilbench[a]"'
    assert (second.name, second.found) == ("extra b", "missing: no.other")
    assert host.extras(["numpy; extra == 'c'"])[0].advice == ""


def test_hilbench_states_its_own_extras():
    assert {"extra sim", "extra rl", "extra video"} <= {fact.name for fact in host.extras()}


def test_serial_ports_are_those_of_boards(tmp_path, monkeypatch):
    assert host.serial_ports(tmp_path) == host.Fact("serial ports", "none")
    for name in ("ttyUSB1", "ttyACM0", "ttyS0"):
        write(tmp_path / name)
    assert host.serial_ports(tmp_path).found == f"{tmp_path}/ttyACM0, {tmp_path}/ttyUSB1"
    monkeypatch.setattr(os, "access", lambda path, mode: "USB" not in str(path))
    fact = host.serial_ports(tmp_path)
    assert fact.found == f"{tmp_path}/ttyACM0, {tmp_path}/ttyUSB1 (no permission)"
    assert "dialout" in fact.advice


def test_energy_counters(tmp_path):
    assert host.rapl(tmp_path).found.startswith("none: ")
    write(tmp_path / "intel-rapl:0" / "energy_uj", "123\n")
    assert host.rapl(tmp_path) == host.Fact("RAPL", "readable: intel-rapl:0")
    (tmp_path / "intel-rapl:1" / "energy_uj").mkdir(parents=True)
    fact = host.rapl(tmp_path)
    assert fact.found.startswith("not readable: ")
    assert "chmod" in fact.advice


def test_tools_are_found_when_they_start(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, code in (
        ("qemu-system-arm", 0),
        ("arm-none-eabi-gcc", 127),
    ):  # the second is a stand-in for what is not there
        write(tmp_path / name, f"#!/bin/sh\nexit {code}\n").chmod(0o755)
    assert [fact.found for fact in host.tools()] == ["found", "not found"]
