"""Robots for tests: the Python example in a thread, well or odd, the examples as processes, and a lossy way to one."""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import sys
import threading
from pathlib import Path
from time import monotonic_ns

from load_script import load_script

from hilbench.bridge.impair.impairment import Counts, Impairment, Lane, Way

EXAMPLES = Path(__file__).parents[2] / "examples" / "robots"
PYTHON = (sys.executable, str(EXAMPLES / "python" / "robot.py"))
example = load_script(EXAMPLES / "python" / "robot.py")
NONE = 2**64 - 1
ESTOPPED = "moves no more: its emergency stop is on"
LONG_S = 30
"""Longer than any machine needs."""


@contextlib.contextmanager
def robot_process(*command):
    """A robot as a process; yields its Popen and its address."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as popen:
        try:
            yield popen, popen.stdout.readline().split()[2]
        finally:
            popen.kill()


class Oddity:
    """What is odd about a robot; nothing, here. `robot` is the one that it is about, `episode` 2 the run's first."""

    robot = None

    def incoming(self, data):
        """What of a datagram reaches the robot: any number of datagrams."""
        return (data,)

    def outgoing(self, frame):
        """The same the other way."""
        return (frame,)

    def each(self):
        """Called before anything else, each time around."""


class Watched(example.Robot):
    """An example robot that remembers every force it was driven with."""

    def __init__(self, boot_id):
        self.forces, self.watched = [], threading.Event()
        super().__init__(boot_id)

    def tick(self, now_ns):
        super().tick(now_ns)
        self.forces.append(self.force_n)
        if self.flags & example.WATCHDOG and self.moving:
            self.watched.set()


@contextlib.contextmanager
def serving(oddity=None, ahead_ns=0):
    """The Python example over UDP, in a thread; yields its address and its Robot."""
    oddity, stop = oddity or Oddity(), socket.socketpair()
    robot, line = Watched(b"a clock of its o"), example.Udp("127.0.0.1", 0)
    oddity.robot, oddity.failed = robot, None
    thread = threading.Thread(target=_serve, args=(robot, line, oddity, stop[1], ahead_ns))
    thread.start()
    try:
        yield line.address, robot
    finally:
        stop[0].close()
        thread.join(LONG_S)
        stop[1].close()
        line.socket.close()
        assert not thread.is_alive()
    assert oddity.failed is None


def _serve(robot, line, oddity, stop, ahead_ns):
    try:
        while True:
            oddity.each()
            left_s = max(0, robot.due_ns - monotonic_ns() - ahead_ns) * 1e-9 if robot.plant is not None else 5
            ready = select.select([line.socket, stop], (), (), left_s)[0]
            if stop in ready:
                return
            for plant, whole in line.receive(line.socket) if ready else ():
                for data in oddity.incoming(whole):
                    for frame in robot.receive(plant, data, monotonic_ns() + ahead_ns):
                        _give(line, plant, oddity, frame)
            if frame := robot.sense(monotonic_ns() + ahead_ns):
                _give(line, robot.plant, oddity, frame)
    except BaseException as error:
        oddity.failed = error
        raise


def _give(line, plant, oddity, frame):
    for each in oddity.outgoing(frame):
        line.send(plant, each)


@contextlib.contextmanager
def losing(address, loss):
    """A way over UDP that loses a share of all datagrams, both ways; yields its address and its counts."""
    host, port = address.removeprefix("udp://").split(":")
    front, back = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    front.bind(("127.0.0.1", 0))
    back.connect((host, int(port)))
    stop, counts = socket.socketpair(), (Counts(), Counts())
    thread = threading.Thread(target=_lose, args=(front, back, stop[1], loss, counts))
    thread.start()
    try:
        yield f"udp://127.0.0.1:{front.getsockname()[1]}", counts
    finally:
        stop[0].close()
        thread.join(LONG_S)
        for each in (stop[1], front, back):
            each.close()


def _lose(front, back, stop, loss, counts):
    impairment = Impairment(to_device=Way(loss=loss), to_plant=Way(loss=loss), seed=7)
    out, home = Lane(impairment, "to_device", counts[0]), Lane(impairment, "to_plant", counts[1])
    plant = None
    while stop not in (ready := select.select([front, back, stop], (), ())[0]):
        for each in ready:
            with contextlib.suppress(ConnectionRefusedError):
                data, sender = each.recvfrom(65536)
                plant = sender if each is front else plant
                (out if each is front else home).put(data, 0)
        for data in out.due(1):
            with contextlib.suppress(ConnectionRefusedError):
                back.send(data)
        for data in home.due(1):
            front.sendto(data, plant)


class Side:
    """hilbench's side, of one that knows docs/robots.md and nothing of the package; every wait is bounded."""

    def __init__(self, address):
        self.stream = not address.startswith("udp://")
        self._file, self._said, self.session, self.request = None, b"", 0, 100
        if address.startswith("serial://"):
            self._file = open(address.removeprefix("serial://"), "r+b", buffering=0)  # noqa: SIM115
            self._fd = self._file.fileno()
        else:
            host, port = address.partition("://")[2].split(":")
            kind = socket.SOCK_STREAM if self.stream else socket.SOCK_DGRAM
            self._file = socket.socket(socket.AF_INET, kind)
            self._file.connect((host, int(port)))
            self._fd = self._file.fileno()
        if self.stream:
            self.write(b"\0")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.session and exc[0] is None:
            self.ask(8)
        self._file.close()

    def write(self, data):
        (self._file.write if hasattr(self._file, "write") else self._file.send)(data)

    def read(self):
        assert select.select([self._fd], (), (), LONG_S)[0], "the robot is silent"
        data = self._file.read(65536) if hasattr(self._file, "read") else self._file.recv(65536)
        assert data, "the robot closed the connection"
        return data

    def send(self, frame):
        self.write(example.framed(frame) if self.stream else frame)

    def frame(self):
        """The next frame, as (kind, session, flags, seq, t_ns, n_values, body)."""
        while self.stream and b"\0" not in self._said:
            self._said += self.read()
        if self.stream:
            part, _, self._said = self._said.partition(b"\0")
            data = example.unframed(part)
        else:
            data = self.read()
        magic, version, kind, session, flags, seq, t_ns, n_events, n_values, reserved = example.HEADER.unpack_from(data)
        assert (magic, version, n_events, reserved) == (b"HR", 1, 0, 0)
        return kind, session, flags, seq, t_ns, n_values, data[32:]

    def header(self, kind, seq, flags=0, n_values=0, session=None):
        session = self.session if session is None else session
        return example.HEADER.pack(b"HR", 1, kind, session, flags, seq, 0, 0, n_values, 0)

    def ask(self, kind, body=b"", seq=None, session=None):
        """The answer to a request, past whatever SENSE there is: (kind, session, body)."""
        self.request += 1
        seq = self.request if seq is None else seq
        self.send(self.header(kind, seq, session=session) + body)
        while True:
            found, number, _, answered, _, _, body = self.frame()
            if answered == seq and found in (kind, 7):
                return found, number, body

    def hello(self, seq=None):
        kind, self.session, body = self.ask(1, bytes(16), seq, session=0)
        assert kind == 1
        return body

    def reset(self, release=0, seq=None):
        return self.ask(2, example.RESET.pack(5, release), seq)

    def act(self, seq, *values, flags=0):
        body = example.pack(f"<Q{len(values)}f", 2**64 - 1, *values)
        self.send(self.header(3, seq, flags, len(values)) + body)

    def until(self, holds):
        """The first SENSE of which this holds: (flags, fixed part, observation)."""
        while True:
            kind, session, flags, _, _, n_values, body = self.frame()
            if kind == 4 and session == self.session:
                told = Sensed(flags, *example.SENSE.unpack_from(body), example.unpack_from(f"<{n_values}f", body, 40))
                if holds(told):
                    return told


class Sensed:
    """A SENSE's fields by name."""

    def __init__(self, flags, sent_ns, act_seq, act_ns, acts, refused, episode, reward, obs):
        self.flags, self.sent_ns, self.act_seq, self.act_ns = flags, sent_ns, act_seq, act_ns
        self.acts, self.refused, self.episode, self.reward, self.obs = acts, refused, episode, reward, obs
