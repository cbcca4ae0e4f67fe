"""Addresses that are none, taken, or another's: one line with cause and remedy, and nothing that is there is lost."""

from __future__ import annotations

import os
import socket
import tempfile

import bridge_fakes as fakes
import pytest

from hilbench import plugins
from hilbench.bridge.device import listeners, server
from hilbench.bridge.device.device import Device
from hilbench.bridge.device.server import check_bind, serve
from hilbench.bridge.impair.impairment import Impairment
from hilbench.bridge.impair.relay import impair_link
from hilbench.bridge.transport.addresses import check_target, refusal
from hilbench.errors import LinkError

LONG = "x" * 108
pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def _clean():
    with fakes.no_leaks():
        yield


def fake():
    return fakes.FakeBackend(fakes.FakeBackend.Config())


def refused(kind, address, **settings):
    """What a link says that cannot reach a device there."""
    link_type = plugins.get("links", kind)
    with link_type(link_type.Config(address=address, **settings), "fake", {}) as link:
        with pytest.raises(LinkError) as error:
            link.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)
        return str(error.value)


def unheard(bind):
    """What a device says that cannot listen there."""
    with pytest.raises(LinkError) as error:
        serve(fake(), bind, ready=lambda address: pytest.fail(f"it listens on {address}"))
    return str(error.value)


@pytest.mark.parametrize("port", ["", ":", ":0", ":65536", ":99999", ":-1", ":abc", ":1/x"])
def test_a_port_that_is_none_is_told_at_once(port):
    assert refused("zmq", f"tcp://127.0.0.1{port}").endswith("allowed: tcp://HOST:PORT, with a PORT from 1 to 65535")
    with pytest.raises(LinkError, match="with a PORT from 1 to 65535"):
        impair_link("tcp://127.0.0.1:*", f"tcp://127.0.0.1{port}", Impairment(), ready=lambda address: None)


@pytest.mark.parametrize("address", ["tcp://*:1", "tcp://:1", "tcp://::1:1"])
def test_a_host_that_is_none_is_told_at_once(address):
    with pytest.raises(LinkError, match="no device can be at"):
        check_target(address)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "tcp://[::1]:65535", "tcp://lab-robot:05555", "ipc://x"])
def test_where_a_device_may_be(address):
    check_target(address)


@pytest.mark.parametrize("kind", ["ipc", "unix", "stream"])
def test_a_path_too_long_says_how_long_it_may_be(kind):
    address = f"{kind}:///tmp/{LONG}"
    assert unheard(address).endswith("; a socket's path has at most 107 bytes")
    assert refused("zmq" if kind == "ipc" else kind, address).endswith("; a socket's path has at most 107 bytes")


@pytest.mark.parametrize("kind", ["ipc", "unix", "stream"])
def test_what_is_at_a_path_stays_there(kind, tmp_path):
    """ZeroMQ itself would take the place of a text, or of a device that listens."""
    path = tmp_path / "device"
    path.write_text("years of work")
    assert "stop what is there, or choose another address" in unheard(f"{kind}://{path}")
    assert path.read_text() == "years of work"
    path.unlink()
    with fakes.serving(fake(), f"{kind}://{path}"):
        inode = path.stat().st_ino
        assert "stop what is there, or choose another address" in unheard(f"{kind}://{path}")
        assert path.stat().st_ino == inode
    assert not path.exists()


@pytest.mark.parametrize("kind", ["ipc", "unix", "stream"])
def test_the_socket_of_a_killed_device_makes_way(kind, tmp_path):
    path = tmp_path / "device"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET if kind == "unix" else socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    with fakes.serving(fake(), f"{kind}://{path}") as address:
        assert address == f"{kind}://{path}"


@pytest.mark.parametrize(
    ("bind", "says"),
    [
        ("tcp://nowhere.invalid:1", "expected an address of this machine, in numbers"),
        ("stream://nowhere.invalid:1", "no host of that name is known here"),
        ("tcp://192.0.2.1:1", "expected an address of this machine, in numbers"),
        ("unix:///no/such/folder", "is its folder there, and yours?"),
        ("ipc:///no/such/folder", "is its folder there, and yours?"),
    ],
)
def test_where_nobody_can_listen(bind, says):
    with pytest.raises(LinkError) as error:
        serve(fake(), bind, insecure=True, ready=lambda address: pytest.fail(f"it listens on {address}"))
    assert str(error.value).startswith(f"cannot listen on {bind!r}: ")
    assert says in str(error.value)


def test_localhost_is_this_machine():
    check_bind("stream://localhost:1", insecure=False)


def test_a_stranger_is_told_from_nobody():
    """A port on which something listens that is no device."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        assert "speaks no ZeroMQ" in refused("zmq", f"tcp://127.0.0.1:{port}", timeout_s=0.5)
        assert "on a stream:// address?" in refused("stream", f"stream://127.0.0.1:{port}", timeout_s=0.1)
    assert "Nothing listens" in refused("zmq", f"tcp://127.0.0.1:{port}", timeout_s=0.1)
    assert "Connection refused; is `hilbench serve` running" in refused("stream", f"stream://127.0.0.1:{port}")


def test_a_device_that_has_answered_once_is_there():
    with fakes.serving(fake()) as address:
        link_type = plugins.get("links", "zmq")
        with link_type(link_type.Config(address=address), "fake", {}) as link:
            link.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)
            assert link._silence() == "is `hilbench serve` running there?"


def test_a_host_that_does_not_answer_is_no_long_path():
    assert refusal(TimeoutError("timed out"), "is it there?") == "timed out; is it there?"


def test_a_device_of_another_link_is_no_match():
    with fakes.serving(fake()) as address:
        port = address.rpartition(":")[2]
        assert refused("stream", f"stream://127.0.0.1:{port}", timeout_s=5).endswith("on a stream:// address?")


@pytest.mark.parametrize(("at", "byte", "says"), [(2, 2, "protocol version is 2; allowed: 1"), (0, 0, "frame starts")])
def test_a_device_of_another_version_is_told_with_its_address(monkeypatch, at, byte, says):
    class Newer(Device):
        def answer(self, plant, data, recv_ns):
            back = bytearray(super().answer(plant, data, recv_ns))
            back[at] = byte
            return bytes(back)

        def farewell(self):
            return None

    monkeypatch.setattr(server, "Device", Newer)
    with fakes.serving(fake()) as address:
        said = refused("zmq", address)
    assert said.startswith(f"{address}: ")
    assert says in said
    assert said.endswith("expected a device of this version of hilbench")


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("serial:///dev/no-such-board", "No such file or directory; is the board plugged in"),
        ("serial:///dev/null", "is it a serial line?"),
        ("serial://ttyACM0", "allowed: serial:///dev/ttyACM0"),
        ("serial:///dev/null?baud=fast", "baud: found 'fast'"),
        ("serial:///dev/null?bud=9600", "did you mean 'baud'"),
    ],
)
def test_a_serial_line_that_is_none(address, says):
    pytest.importorskip("serial")
    assert says in refused("stream", address)


def test_a_serial_line_that_another_program_has(monkeypatch):
    serial = pytest.importorskip("serial")
    ours, theirs = os.openpty()
    try:
        name = os.ttyname(theirs)
        with serial.Serial(name, exclusive=True):
            assert refused("stream", f"serial://{name}").endswith("another program has it open")
        assert "run its firmware" in refused("stream", f"serial://{name}", timeout_s=0.1)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_socket_of_its_own_is_made_where_its_path_is_short_enough(tmp_path, monkeypatch):
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    deep.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    folder = listeners._short_folder()
    os.rmdir(folder)
    assert folder.startswith(("/tmp/", "/var/tmp/"))
    monkeypatch.setattr(listeners.os, "access", lambda *_: False)
    with pytest.raises(LinkError, match=r"at most 107 bytes; set TMPDIR to a shorter folder, or link.kind zmq"):
        listeners._short_folder()
