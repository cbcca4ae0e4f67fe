"""Backends that never come back: signals and the time limit of a LOAD hold all the same."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import contextmanager

import bridge_fakes as fakes
import pytest

from hilbench.bridge.device.server import KILLED
from hilbench.bridge.zmq import Config, ZmqLink
from hilbench.errors import LinkError

pytestmark = pytest.mark.timeout(60)


@contextmanager
def hanging(where, *options, bind="tcp://127.0.0.1:*"):
    """A device whose backend hangs; yields its Popen and its address."""
    command = [sys.executable, fakes.__file__, "--backend", "fake", "--bind", bind, *options]
    command += ["--config", f'{{"hang": "{where}"}}']
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as popen:
        try:
            yield popen, popen.stdout.readline().split()[4]
        finally:
            popen.kill()


def load(address):
    """The link, and what a LOAD of 0.3 s came to."""
    link = ZmqLink(Config(address=address, start_timeout_s=0.3), "fake", {})
    try:
        link.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)
    except LinkError as error:
        return link, str(error)
    return link, ""


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("hang", ["load.python", "step.python"])
def test_a_signal_ends_a_device_in_order(number, hang):
    with hanging(hang) as (device, address):
        link, found = load(address)
        with link:
            assert ("no answer to LOAD" in found) == (hang == "load.python")
            if not found:
                link.reset(0, "none", 0)
                link.send(next(fakes.ticks(1)))
                assert link.receive(300_000_000) is None
            device.send_signal(number)
            assert device.wait(20) == 0
            with pytest.raises(LinkError, match="has ended"):  # it said BYE
                link.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("hang", ["load.compiled", "step.compiled"])
def test_a_signal_ends_a_device_whose_code_cannot_be_interrupted(number, hang):
    with hanging(hang) as (device, address):
        link, found = load(address)
        with link:
            if not found:
                link.reset(0, "none", 0)
                link.send(next(fakes.ticks(1)))
                assert link.receive(300_000_000) is None
        device.send_signal(number)
        assert device.wait(20) == -signal.SIGKILL
        assert device.stderr.read() == f"{KILLED}\n"


def test_a_load_that_takes_too_long_is_refused_and_the_device_goes_on():
    with hanging("load.python", "--load-timeout-s", "0.2") as (device, address):
        for _ in range(2):
            said = r"LOAD took longer .* --load-timeout-s .*\(error 11, REFUSED\)"
            with ZmqLink(Config(address=address), "fake", {}) as link, pytest.raises(LinkError, match=said):
                link.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)
        device.terminate()
        assert device.wait(20) == 0
        assert device.stderr.read() == ""


def test_a_load_that_cannot_be_interrupted_ends_its_device():
    with hanging("load.compiled", "--load-timeout-s", "0.2") as (device, address):
        load(address)[0].close()
        assert device.wait(20) == -signal.SIGKILL
        assert device.stderr.read() == f"{KILLED}\n"


def test_a_link_gives_its_own_device_as_long_as_it_waits(monkeypatch):
    from hilbench.bridge.device import process

    monkeypatch.setattr(process, "COMMAND", (sys.executable, fakes.__file__))
    link = ZmqLink(Config(start_timeout_s=3.0), "fake", {"hang": "load.python"})
    with link, pytest.raises(LinkError, match=r"LOAD took longer|no answer to LOAD within 3 s"):
        link.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)


COMMAND = """
import itertools, sys
from hilbench.bridge.device.watchdog import watched
def begun(_, said=[]):
    said or print("begun", flush=True)
    said.append(1)
    return 0
with watched("hilbench: interrupted"):
    {work}
"""


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("work", "code"),
    [
        ("sum(itertools.chain(map(begun, [0]), itertools.repeat(0)))", -signal.SIGKILL),
        ("while begun(0) == 0: pass", -signal.SIGINT),
    ],
)
def test_a_command_ends_whatever_it_computes(work, code):
    command = [sys.executable, "-c", COMMAND.format(work=work)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as popen:
        try:
            assert popen.stdout.readline() == "begun\n"
            popen.send_signal(signal.SIGINT)
            ended = popen.wait(20)
            said = popen.stderr.read()
        finally:
            popen.kill()
    assert ended in (code, -signal.SIGINT)  # Python may still be in `begun` when the signal comes
    assert ("hilbench: interrupted" if ended == -signal.SIGKILL else "KeyboardInterrupt") in said
