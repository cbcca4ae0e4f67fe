"""Devices that die, plants that vanish, addresses that are wrong, strangers that knock."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket as sockets
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import bridge_fakes as fakes
import numpy as np
import pytest
import zmq

from hilbench import plugins
from hilbench.bridge.client import connection
from hilbench.bridge.device import process, server
from hilbench.bridge.device.device import Device
from hilbench.bridge.device.listeners import MAX_CONNECTIONS
from hilbench.bridge.device.server import check_bind, serve
from hilbench.bridge.protocol import handshakes, wire
from hilbench.bridge.protocol.handshakes import Hello
from hilbench.bridge.protocol.wire import Code, Kind
from hilbench.bridge.zmq import Config, ZmqLink
from hilbench.errors import LinkError
from hilbench.nal.model.codec import pack
from hilbench.types import EVENT, NO_EVENTS

LONG_NS = 20_000_000_000
SCRIPT = (sys.executable, fakes.__file__)
pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    monkeypatch.setattr(process, "COMMAND", SCRIPT)
    with fakes.no_leaks():
        yield


def load(link):
    return link.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)


def start(link):
    load(link)
    link.reset(0, "none", 0)
    return list(fakes.ticks(6))


def exchange(link, tick):
    link.send(tick)
    return link.receive(LONG_NS)


@contextmanager
def device_process(*options, bind="tcp://127.0.0.1:*"):
    """A device that nobody's link owns; yields its Popen and its address."""
    command = [*SCRIPT, "--backend", "fake", "--bind", bind, *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as popen:
        try:
            yield popen, popen.stdout.readline().split()[4].decode()
        finally:
            popen.kill()


def fake(**config):
    return fakes.FakeBackend(fakes.FakeBackend.Config(**config))


def pid_of(link):
    return link._device.pid


def test_a_killed_device_is_named_while_waiting_and_when_sending():
    with ZmqLink(Config(), "fake", {}) as link:
        first, second, *_ = start(link)
        exchange(link, first)
        pid = pid_of(link)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(LinkError, match=rf"pid {pid}\) was ended by SIGKILL \(exit code -9\)"):
            link.receive(LONG_NS)
        with pytest.raises(LinkError, match=f"pid {pid}"):
            link.send(second)
        with pytest.raises(LinkError, match=f"pid {pid}"):
            link.receive(0)
        with pytest.raises(LinkError, match=f"pid {pid}"):
            fakes.echo(link, 24, LONG_NS)


@pytest.mark.parametrize(
    ("kind", "ask"),
    [
        ("unix", lambda link, tick: link.receive(LONG_NS)),
        ("unix", lambda link, tick: link.send(tick)),
        ("unix", lambda link, tick: link.snapshot()),
        ("stream", lambda link, tick: link.receive(LONG_NS)),
        ("stream", lambda link, tick: link.snapshot()),
    ],
)
def test_a_killed_device_is_named_though_its_connection_closes_first(kind, ask, monkeypatch):
    """The system closes a process's connections before its exit code can be asked for: a look finds it running."""
    link_type = plugins.get("links", kind)
    with link_type(link_type.Config(), "fake", {}) as link:
        first, second, *_ = start(link)
        exchange(link, first)
        popen, pid = link._device._popen, pid_of(link)
        monkeypatch.setattr(popen, "poll", lambda: popen.returncode)  # only `wait` asks the system
        os.kill(pid, signal.SIGKILL)
        assert select.select([link._fd], [], [], LONG_NS * 1e-9)[0]  # it has closed its end
        with pytest.raises(LinkError, match=rf"pid {pid}\) was ended by SIGKILL \(exit code -9\)"):
            ask(link, second)


def test_a_device_that_closes_its_connection_and_runs_on_is_not_said_to_have_ended(monkeypatch):
    """As one that a watchdog made let go: its process is asked about, for a bounded time, and goes on."""
    link_type = plugins.get("links", "unix")
    monkeypatch.setattr(connection, "ENDING_S", 0.01)
    with link_type(link_type.Config(), "fake", {}) as link:
        exchange(link, start(link)[0])
        link._connection.shutdown(sockets.SHUT_RDWR)
        with pytest.raises(LinkError, match=r"unix://.*: the device closed the connection"):
            link.receive(LONG_NS)


def test_a_device_that_cannot_start_says_why():
    with ZmqLink(Config(), "dumb", {}) as link, pytest.raises(LinkError) as found:
        load(link)
    assert "ended with exit code 1; it said: first line | no such backend: dumb" in str(found.value)


def test_a_device_that_never_serves_is_given_up(monkeypatch):
    monkeypatch.setattr(process, "COMMAND", (sys.executable, "-c", "import sys; sys.stdin.read()"))
    with ZmqLink(Config(start_timeout_s=0.2), "fake", {}) as link, pytest.raises(LinkError, match=r"within 0.2 s"):
        load(link)


def test_a_process_that_is_no_device_is_shown(monkeypatch):
    monkeypatch.setattr(process, "COMMAND", (sys.executable, "-c", "print('Hello'); input()"))
    with ZmqLink(Config(), "fake", {}) as link, pytest.raises(LinkError, match=r"no address but 'Hello'"):
        load(link)


def test_a_link_ends_the_device_it_started_with_code_0():
    with ZmqLink(Config(), "fake", {"report_as": "fake"}) as link:
        exchange(link, start(link)[0])
        popen = link._device._popen
    assert popen.returncode == 0


def test_hilbench_serve_is_such_a_device(monkeypatch):
    monkeypatch.undo()
    with ZmqLink(Config(), "null", {}) as link:
        first, *_ = start(link)
        assert exchange(link, first).values.tolist() == first.values[:2].tolist()
        popen = link._device._popen
    assert popen.returncode == 0


def test_the_end_of_stdin_ends_a_device_even_in_a_session():
    with (
        device_process("--exit-with-stdin") as (popen, address),
        ZmqLink(Config(address=address), "fake", {}) as link,
    ):
        exchange(link, start(link)[0])
        popen.stdin.close()
        assert popen.wait(20) == 0
        with pytest.raises(LinkError, match="the device has ended"):
            link.receive(LONG_NS)


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_a_device_with_code_0(number):
    with device_process() as (popen, _):
        popen.send_signal(number)
        assert popen.wait(20) == 0


def test_a_device_under_nohup_outlives_its_terminal():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with server.signals() as ended:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not select.select([ended], (), (), 0)[0]
            os.kill(os.getpid(), signal.SIGTERM)
            assert select.select([ended], (), (), 20)[0]
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_lost_peer_is_silence_not_an_error():
    with device_process() as (popen, address), ZmqLink(Config(address=address), "fake", {}) as link:
        first, second, *_ = start(link)
        exchange(link, first)
        popen.kill()
        popen.wait()
        link.send(second)
        assert link.receive(5_000_000) is None


def test_a_session_outlives_a_broken_connection():
    with fakes.serving(fake()) as address, ZmqLink(Config(address=address), "fake", {}) as link:
        first, second, *_ = start(link)
        exchange(link, first)
        link._socket.disconnect(address)
        link._socket.connect(address)
        assert exchange(link, second).prev_seq == 0


def test_an_error_frame_arrives_with_code_and_text():
    with fakes.serving(fake(fail_at=1)) as address, ZmqLink(Config(address=address), "fake", {}) as link:
        first, second, third, *_ = start(link)
        exchange(link, first)
        with pytest.raises(LinkError, match=r"synapse on fire \(error 12, INTERNAL\)"):
            exchange(link, second)
        assert exchange(link, third).prev_seq == 0


def test_a_connection_that_is_only_half_dead_is_taken_over_by_its_own_plant():
    """After a power cut the device still holds the old connection when the same plant comes again."""
    with fakes.serving(fake()) as address, zmq.Context() as context, ExitStack() as stack:
        for _ in range(2):
            plant = stack.enter_context(context.socket(zmq.DEALER))
            plant.setsockopt(zmq.LINGER, 0)
            plant.setsockopt(zmq.ROUTING_ID, b"Pthe same plant")
            plant.connect(address)
            plant.send(handshakes.encode_hello(0, 1, Hello()))
            assert plant.poll(5_000)
            assert wire.read_header(plant.recv()).kind == Kind.HELLO


def test_a_late_answer_is_not_taken_for_the_next_one():
    permits = threading.Semaphore(1)  # one for the reset that a load makes

    class Slow(fakes.FakeBackend):
        def reset(self, seed, carry):
            assert permits.acquire(timeout=20)
            super().reset(seed, carry)

    with fakes.serving(Slow(Slow.Config())) as address, ZmqLink(Config(address=address), "fake", {}) as link:
        load(link)
        link.config = Config(address=address, timeout_s=0.2)
        with pytest.raises(LinkError, match="no answer to RESET"):
            link.reset(1, "none", 0)
        permits.release()  # the first answer comes now, the second never
        with pytest.raises(LinkError, match="no answer to RESET"):
            link.reset(2, "none", 0)
        permits.release()


def test_a_late_echo_is_not_taken_for_the_next_one(monkeypatch):
    class OneBehind(Device):
        held = None

        def _echo(self, data, header):
            last, self.held = self.held, data
            return last

    monkeypatch.setattr(server, "Device", OneBehind)
    with fakes.serving(fake()) as address, ZmqLink(Config(address=address), "fake", {}) as link:
        first, *_ = start(link)
        assert fakes.echo(link, 24, 50_000_000) is False  # it never comes
        assert fakes.echo(link, 24, 300_000_000) is False  # the first one comes now
        assert exchange(link, first).seq == 0


def test_nobody_there():
    with sockets.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with (
            ZmqLink(Config(address=address, timeout_s=0.05), "fake", {}) as link,
            pytest.raises(LinkError, match=r"no answer to HELLO within 0.05 s; is `hilbench serve` running there"),
        ):
            load(link)


def test_an_address_that_is_none():
    with ZmqLink(Config(address="tcp://nowhere"), "fake", {}) as link, pytest.raises(LinkError, match="tcp://nowhere"):
        load(link)


def test_another_backend_is_refused():
    with (
        fakes.serving(fake(report_as="law")) as address,
        ZmqLink(Config(address=address), "fake", {}) as link,
        pytest.raises(LinkError, match=r"runs the backend 'law'; allowed here: 'fake'"),
    ):
        load(link)


def test_a_second_plant_waits_until_the_first_has_left():
    with fakes.serving(fake()) as address, ZmqLink(Config(address=address), "fake", {}) as second:
        with ZmqLink(Config(address=address), "fake", {}) as first:
            tick = start(first)[0]
            with pytest.raises(LinkError, match=r"serves another plant.*BUSY"):
                load(second)
            assert exchange(first, tick).seq == 0
        assert exchange(second, start(second)[0]).seq == 0


def test_a_vanished_plant_makes_room_when_its_lease_is_over():
    now = [0]
    with fakes.serving(fake(), clock_ns=lambda: now[0]) as address:
        with zmq.Context() as context, context.socket(zmq.DEALER) as gone:
            gone.setsockopt(zmq.LINGER, 0)
            gone.connect(address)
            gone.send(handshakes.encode_hello(0, 1, Hello()))
            assert gone.poll(20_000)
        with ZmqLink(Config(address=address), "fake", {}) as link:
            with pytest.raises(LinkError, match="BUSY"):
                load(link)
            now[0] = 10_000_000_001
            assert exchange(link, start(link)[0]).seq == 0


@pytest.mark.parametrize("kind", ["unix", "stream"])
def test_a_plant_whose_connection_never_ends_makes_room_when_its_lease_is_over(kind):
    """As after a power cut: nothing tells the device, over TCP, that the other side is no more."""
    now, link_type = [0], plugins.get("links", kind)
    with fakes.serving(fake(), link_type.own_bind, clock_ns=lambda: now[0]) as address:
        config = link_type.Config(address=address)
        with link_type(config, "fake", {}) as gone, link_type(config, "fake", {}) as link:
            lost = start(gone)[0]
            with pytest.raises(LinkError, match="BUSY"):
                load(link)
            now[0] = 10_000_000_001
            first, second, *_ = start(link)
            assert exchange(link, first).seq == 0
            with pytest.raises(LinkError, match="SESSION"):
                exchange(gone, lost)
            assert exchange(link, second).prev_seq == 0


def test_garbage_on_the_socket_is_answered_and_forgotten():
    with fakes.serving(fake()) as address, ZmqLink(Config(address=address), "fake", {}) as link:
        first, second, *_ = start(link)
        exchange(link, first)
        with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
            stranger.setsockopt(zmq.LINGER, 0)
            stranger.connect(address)
            hello = handshakes.encode_hello(0, 1, Hello())
            for parts, code in (([b"GET / HTTP/1.1"], Code.FRAME), ([b"", hello], Code.FRAME), ([hello], Code.BUSY)):
                stranger.send_multipart(parts)
                assert stranger.poll(20_000)
                answer = stranger.recv()
                assert wire.read_header(answer).kind == Kind.ERROR
                assert handshakes.decode_error(answer)[0] == code
        with sockets.create_connection(tuple(address[6:].split(":"))) as raw:
            raw.sendall(os.urandom(4096))
        assert exchange(link, second).prev_seq == 0


def test_a_fixed_device_is_used_when_it_has_this_program(monkeypatch):
    def fixed(*arguments):
        device = Device(*arguments)
        sender = b"factory"
        device.answer(sender, handshakes.encode_hello(0, 0, Hello()), 0)
        body = handshakes.Load(fakes.PERIOD_US, fakes.PROBES, pack(fakes.PROGRAM))
        device.answer(sender, handshakes.encode_load(device._number, 0, body), 0)
        device.answer(sender, wire.frame(Kind.BYE, device._number, 0), 0)
        device._hello = device._hello._replace(capabilities=0)
        return device

    monkeypatch.setattr(server, "Device", fixed)
    with fakes.serving(fake()) as address, ZmqLink(Config(address=address), "fake", {}) as link:
        assert exchange(link, start(link)[0]).seq == 0
        assert fakes.echo(link, 24, LONG_NS) is None  # and it says in HELLO that it has no ECHO
        with pytest.raises(LinkError, match="built in"):
            link.load(fakes.PROGRAM, fakes.PERIOD_US + 1, fakes.PROBES)


def test_a_clock_is_shared_only_on_the_same_boot(monkeypatch):
    with fakes.serving(fake()) as address, ZmqLink(Config(address=address), "fake", {}) as link:
        load(link)
        assert link.same_clock
        monkeypatch.setattr("hilbench.bridge.client.client.boot_id", lambda: b"another machine!")
        load(link)
        assert not link.same_clock


def test_a_taken_port_is_one_clear_line():
    with fakes.serving(fake()) as address, pytest.raises(LinkError, match=f"cannot listen on '{address}': Address alr"):
        serve(fake(), address, ready=print)


@pytest.mark.parametrize("bind", ["tcp://0.0.0.0:5555", "tcp://*:5555", "tcp://192.168.1.7:*", "tcp://[::]:1"])
def test_other_hosts_are_kept_out_unless_asked_in(bind):
    with pytest.raises(LinkError, match=r"--insecure"):
        serve(fake(), bind, ready=print)
    check_bind(bind, insecure=True)


@pytest.mark.parametrize("bind", ["tcp://127.0.0.1:*", "tcp://127.9.9.9:0", "tcp://[::1]:5555", "ipc://device.sock"])
def test_loopback_is_open(bind):
    check_bind(bind, insecure=False)


@pytest.mark.parametrize("bind", ["127.0.0.1:5555", "tcp://127.0.0.1", "tcp://127.0.0.1:70000", "udp://127.0.0.1:1"])
def test_a_malformed_bind_is_refused(bind):
    with pytest.raises(LinkError, match="allowed: tcp://HOST:PORT"):
        check_bind(bind, insecure=True)


def test_a_path_is_an_address_too(tmp_path):
    bind = f"ipc://{tmp_path}/device"
    with fakes.serving(fake(), bind) as address, ZmqLink(Config(address=address), "fake", {}) as link:
        assert exchange(link, start(link)[0]).seq == 0


@pytest.mark.parametrize("kind", ["zmq", "unix", "stream"])
def test_a_lost_device_is_started_anew_and_given_its_weights(kind):
    """A link that owns its device: killed, abandoned, loaded again; what was learnt comes back from the snapshot."""
    link_type = plugins.get("links", kind)
    with link_type(link_type.Config(), "fake", {}) as link:
        stream = start(link)
        for tick in stream[:3]:
            exchange(link, tick)
        saved, pid = link.snapshot(), pid_of(link)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(LinkError):
            link.receive(LONG_NS)
        link.abandon()
        load(link)
        link.reset(0, "none", 0)
        assert pid_of(link) != pid
        link.restore(saved, "weights")
        assert link.snapshot()["weights/w"] == saved["weights/w"]
        assert exchange(link, stream[5]).seq == 5


def test_a_device_is_scheduled_as_its_link_found_the_process():
    """Not as the process is when a lost device is started anew, in the middle of a real-time run."""
    before = os.sched_getaffinity(0)
    with ZmqLink(Config(), "fake", {}) as link:
        os.sched_setaffinity(0, {min(before)})
        try:
            load(link)
        finally:
            os.sched_setaffinity(0, before)
        assert os.sched_getaffinity(pid_of(link)) == before


@pytest.mark.parametrize("kind", ["unix", "stream"])
def test_idle_strangers_keep_no_plant_out(kind):
    """A device takes a number of connections; the plant in session keeps its own, and the next one finds room."""
    link_type = plugins.get("links", kind)
    with fakes.serving(fake(), link_type.own_bind) as address, ExitStack() as stack:
        link = stack.enter_context(link_type(link_type.Config(address=address), "fake", {}))
        stream = start(link)
        for _ in range(MAX_CONNECTIONS + 3):
            stack.enter_context(contextlib.closing(link._open(address)))
        assert exchange(link, stream[0]).seq == 0
        link.close()
        with link_type(link_type.Config(address=address), "fake", {}) as second:
            assert exchange(second, start(second)[0]).seq == 0


@pytest.mark.parametrize("kind", ["unix", "stream"])
def test_a_plant_that_vanishes_makes_room_at_once(kind):
    """Its connection ends, and the session with it: nobody waits for the lease."""
    link_type = plugins.get("links", kind)
    with fakes.serving(fake(), link_type.own_bind) as address:
        config = link_type.Config(address=address)
        first = link_type(config, "fake", {})
        start(first)
        with link_type(config, "fake", {}) as second, pytest.raises(LinkError, match="serves another plant"):
            load(second)
        first._disconnect()  # no BYE
        with link_type(config, "fake", {}) as second:
            assert exchange(second, start(second)[0]).seq == 0
        first._connected = False
        first.close()


def test_a_killed_device_leaves_its_path_to_the_next_one(tmp_path):
    """And one that is alive keeps it."""
    bind = f"unix://{tmp_path / 'device'}"
    with device_process(bind=bind) as (popen, address):
        assert address == bind
        with pytest.raises(LinkError, match="in use"):
            serve(fake(), bind, ready=lambda _: pytest.fail("two devices on one path"))
        popen.kill()
        popen.wait(20)
        with fakes.serving(fake(), bind) as again:
            assert again == bind
    assert not (tmp_path / "device").exists()


class Gated(fakes.FakeBackend):
    """Takes no step before its gate opens, and keeps its replies short."""

    def __init__(self, config):
        super().__init__(config)
        self.gate, self.asked = threading.Event(), threading.Event()

    def step(self, tick):
        self.asked.set()
        assert self.gate.wait(20)
        reply = super().step(tick)
        reply.events = reply.probe_events = NO_EVENTS
        return reply


@contextmanager
def stalled(kind, folder, monkeypatch):
    """A link to a device that takes nothing until the link sleeps, and how many ticks have left."""
    link_type, backend = plugins.get("links", kind), Gated(Gated.Config())
    with (
        fakes.serving(backend, f"{kind}://{folder}/device") as address,
        link_type(link_type.Config(address=address), "fake", {}) as link,
    ):
        tick, *_ = start(link)
        link.send(tick)
        assert backend.asked.wait(20)
        tick.events = np.zeros(5000, EVENT)
        with monkeypatch.context() as patch:
            patch.setattr(connection, "select", SimpleNamespace(select=lambda *_: pytest.fail("a tick waited")))
            while link.unsent < 3:
                tick.seq += 1
                link.send(tick)
            link.request_checkpoint(lambda arrays: pytest.fail("there was no room to ask for a snapshot"))
        sleep = link._sleep
        monkeypatch.setattr(link, "_sleep", lambda *how, **more: backend.gate.set() or sleep(*how, **more))
        yield link, tick.seq + 1 - link.unsent


@pytest.mark.parametrize("kind", ["unix", "stream"])
def test_a_device_that_takes_nothing_holds_no_tick_up(kind, tmp_path, monkeypatch):
    """A tick or a snapshot that finds no room is given up; whatever had left, or begun to, is answered."""
    with stalled(kind, tmp_path, monkeypatch) as (link, left):
        assert [link.receive(LONG_NS).seq for _ in range(left)] == list(range(left))
        assert link.receive(0) is None
        assert link.tally()["unsent"] == 3


@pytest.mark.parametrize("kind", ["unix", "stream"])
def test_a_request_waits_for_a_device_that_takes_nothing(kind, tmp_path, monkeypatch):
    with stalled(kind, tmp_path, monkeypatch) as (link, _):
        link.reset(0, "none", 0)
        assert exchange(link, next(fakes.ticks(1))).seq == 0


def test_damaged_bytes_are_counted_by_the_device():
    """Of every connection there has been, without an answer."""
    link_type = plugins.get("links", "stream")
    with fakes.serving(fake(), link_type.own_bind) as address:
        for number in (1, 2):
            with link_type(link_type.Config(address=address), "fake", {}) as link:
                load(link)
                link._rest.append(b"\x05ab\0")
                status = link.status()
                assert (status.broken, status.refused) == (number, 0)
