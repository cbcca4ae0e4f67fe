"""What a device process prints for a person reaches whoever started it."""

from __future__ import annotations

import sys

import pytest

from hilbench.bridge.device import process
from hilbench.bridge.device.process import DeviceProcess
from hilbench.cli import guard

pytestmark = pytest.mark.timeout(60)
DEVICE = """
import os, sys
print("hilbench: compiling kernels, about 30 s", "a warning of some library", file=sys.stderr, sep="\\n")
print("x" * 5000, "hilbench: \\033[31mred", "hilbench: one more", file=sys.stderr, sep="\\n")
print("hilbench: half a li", end="", file=sys.stderr, flush=True)
print(f"hilbench: serving fake on there (pid {os.getpid()})", flush=True)
sys.stdin.read()
"""


def test_lines_of_the_devices_command_line_are_passed_on_once(monkeypatch, caplog):
    monkeypatch.setattr(process, "COMMAND", (sys.executable, "-c", DEVICE))
    device = DeviceProcess("fake", {}, 30.0, "there")
    try:
        for _ in range(5):  # a piece at a time
            device.pass_on()
    finally:
        device.close()
    said = [record.message for record in caplog.records]
    assert said == ["the device: compiling kernels, about 30 s", "the device: one more"]


def test_the_command_line_prints_warnings_and_nobody_else_does(capsys):
    def command() -> int:
        process.log.warning("the device: %s", "compiling kernels, about 30 s")
        process.log.info("nobody waits for this")
        return 0

    for _ in range(2):
        with pytest.raises(SystemExit):
            guard(command)
        assert capsys.readouterr().err == "hilbench: the device: compiling kernels, about 30 s\n"
