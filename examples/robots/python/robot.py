"""A robot of docs/robots.md: a cart-pole, integrated in real time. It needs Python 3.10 and nothing else.
Usage: robot.py ADDRESS [--own-clock]     ADDRESS: udp://HOST:PORT, stream://HOST:PORT (TCP), or pty
It prints where it listens; port 0 is any free one. `pty` makes a pseudo-terminal, as a board on a serial line looks.
SIGUSR1 is its emergency stop. --own-clock: a clock that nobody else reads, as that of another machine.
"""

import binascii
import contextlib
import json
import math
import os
import random
import select
import signal
import socket
import sys
import time
import tty
import uuid
from pathlib import Path
from struct import Struct, pack, unpack_from

HEADER, HELLO, RESET, SENSE = map(Struct, ("<2sBBHHQQIHH", "<16sQ", "<QB7x", "<QQQIIIf"))
IS_HELLO, IS_RESET, IS_ACT, IS_SENSE, IS_STOP, IS_ERROR, IS_BYE = 1, 2, 3, 4, 5, 7, 8
BAD_VERSION, BAD_SESSION, BAD_RANGE, BUSY, IN_ESTOP = 2, 4, 6, 9, 13
ESTOP, FAULT, WATCHDOG, TERMINATED, TRUNCATED, CLIPPED = 1, 2, 4, 8, 16, 32
NONE, LEASE_NS, FRAME_MAX = 2**64 - 1, 10_000_000_000, 65_507
CART_KG, POLE_KG, POLE_M, GRAVITY, FORCE_N = 1.0, 0.1, 1.0, 9.81, 20.0
PERIOD_US, WATCHDOG_US, STEP_S = 5_000, 100_000, 0.0005
ABOUT = {
    "name": "cartpole", "period_us": PERIOD_US, "watchdog_us": WATCHDOG_US,
    "obs": [{"name": n, "unit": u} for n, u in (("x", "m"), ("xd", "m/s"), ("theta", "rad"), ("thetad", "rad/s"))],
    "actions": [{"name": "force", "unit": "N", "low": -FORCE_N, "high": FORCE_N, "safe": 0.0}],
    "parameters": {
        "cart_kg": CART_KG, "pole_kg": POLE_KG, "pole_m": POLE_M, "pole_inertia_kg_m2": POLE_KG * POLE_M**2 / 12,
        "gravity_m_s2": GRAVITY, "force_n": FORCE_N,
    },
}  # fmt: skip


class CartPole:
    """x, xd, theta, thetad of a cart with a thin rod; it stands still from `place` to the first `push`."""

    def place(self, seed):
        self.state, self.now_ns, self.fallen = (0.0, 0.0, random.Random(seed).uniform(-0.05, 0.05), 0.0), None, False

    def push(self, force_n, now_ns):
        """Let the time since the last call pass with this force."""
        if self.now_ns is None:
            self.now_ns = now_ns
        while not self.fallen and now_ns - self.now_ns >= STEP_S * 1e9:
            self.now_ns += int(STEP_S * 1e9)
            self.state = tuple(s + STEP_S * d for s, d in zip(self.state, self.rates(force_n), strict=True))
            self.fallen = abs(self.state[2]) > 0.6 or abs(self.state[0]) > 2.35

    def rates(self, force_n):
        """Of the state: M (xdd, thetadd) = forces, the rod's inertia about the hinge m l^2 / 3."""
        _, xd, theta, thetad = self.state
        half, sin, cos = POLE_M / 2, math.sin(theta), math.cos(theta)
        a, b, c = CART_KG + POLE_KG, POLE_KG * half * cos, POLE_KG * POLE_M**2 / 3
        p, q = force_n + POLE_KG * half * sin * thetad**2, POLE_KG * GRAVITY * half * sin
        return xd, (c * p - b * q) / (a * c - b * b), thetad, (a * q - b * p) / (a * c - b * b)


class Robot:
    """The rules: frames in, frames out, at instants that the caller states. Nothing here waits, or reads a clock."""

    def __init__(self, boot_id, body=None):
        self.body, self.boot_id, self.estop = body or CartPole(), boot_id, False
        self.body.place(0)
        self.session, self.plant = 0, None
        self.begin(None, 0, 0)

    def begin(self, plant, hello_seq, now_ns):
        """A session, or none."""
        self.plant, self.hello_seq, self.heard_ns = plant, hello_seq, now_ns
        self.session = self.session % 0xFFFF + 1 if plant is not None else self.session
        self.reset_seq = self.act_seq = NONE
        self.seq = self.episode = self.acts = self.refused = self.flags = self.act_ns = 0
        self.force_n, self.due_ns, self.moving = 0.0, now_ns, False

    def receive(self, plant, data, now_ns):
        """The frames that answer one of `plant`; nothing for what is damaged."""
        head = HEADER.unpack_from(data) if HEADER.size <= len(data) <= FRAME_MAX else (b"",) * 10
        magic, version, kind, session, flags, seq, _, n_events, n_values, reserved = head
        if magic != b"HR" or reserved or kind not in (IS_HELLO, IS_RESET, IS_ACT, IS_STOP, IS_BYE):
            self.refused += 1
            return []
        if version != 1:
            return [self.error(session, seq, BAD_VERSION, "allowed: version 1")]
        body = data[HEADER.size :]
        if self.plant is not None and now_ns - self.heard_ns > LEASE_NS:
            self.end(now_ns)
        if kind == IS_HELLO:
            return self.hello(plant, seq, now_ns)
        if plant != self.plant or session != self.session:
            return [self.error(session, seq, BAD_SESSION, "that session is not open; say HELLO first")]
        if len(body) != {IS_RESET: RESET.size, IS_ACT: 8 + 4 * n_values}.get(kind, 0) or n_events:
            self.refused += 1
            return []
        self.heard_ns = now_ns
        if kind == IS_ACT:
            return self.act(seq, flags, [*unpack_from(f"<{n_values}f", body, 8)], now_ns)
        if kind == IS_RESET:
            return self.reset(seq, *RESET.unpack(body), now_ns)
        if kind == IS_STOP:
            self.stop(now_ns)
        answer = [self.frame(kind, seq)]
        if kind == IS_BYE:
            self.end(now_ns)
        return answer

    def hello(self, plant, seq, now_ns):
        if self.plant not in (None, plant):
            return [self.error(0, seq, BUSY, "another hilbench drives this robot")]
        if self.plant is None or seq != self.hello_seq:  # else its answer was lost
            self.end(now_ns)
            self.begin(plant, seq, now_ns)
        body = HELLO.pack(self.boot_id, now_ns) + json.dumps(ABOUT).encode()
        return [HEADER.pack(b"HR", 1, IS_HELLO, self.session, 0, seq, now_ns, 0, 0, 0) + body]

    def reset(self, seq, seed, release, now_ns):
        if release > 1:
            return [self.error(self.session, seq, BAD_RANGE, "release; allowed: 0, 1")]
        if self.estop and not release:
            return [self.error(self.session, seq, IN_ESTOP, "the emergency stop is on")]
        if seq != self.reset_seq:  # else its answer was lost
            self.estop, self.reset_seq, self.episode = False, seq, self.episode + 1
            self.body.place(seed)
            self.force_n, self.moving, self.flags = 0.0, False, 0
        return [self.frame(IS_RESET, seq)]

    def act(self, seq, flags, values, now_ns):
        old = self.act_seq != NONE and seq <= self.act_seq
        if old or len(values) != 1 or not math.isfinite(values[0]) or flags > 1:
            self.refused += 1
            return []
        self.tick(now_ns)  # what acted until now
        self.act_seq, self.act_ns, self.acts = seq, now_ns, self.acts + 1
        if self.estop or not self.episode:
            return []
        within = min(max(values[0], -FORCE_N), FORCE_N)
        self.flags = (self.flags & ~WATCHDOG) | (CLIPPED if within != values[0] else 0)
        self.force_n, self.moving = 0.0 if flags else within, True
        return []

    def stop(self, now_ns):
        """The emergency stop: it stays on until a RESET releases it."""
        self.tick(now_ns)
        self.estop, self.force_n = True, 0.0

    def end(self, now_ns):
        """The session ends: the safe action acts."""
        self.tick(now_ns)
        self.plant, self.force_n, self.moving = None, 0.0, False

    def tick(self, now_ns):
        """Let the body move up to now, by its watchdog's leave."""
        until_ns = self.act_ns + WATCHDOG_US * 1000
        if self.moving and not self.flags & WATCHDOG and now_ns > until_ns:
            self.body.push(self.force_n, until_ns)
            self.flags, self.force_n = self.flags | WATCHDOG, 0.0
        if self.moving:
            self.body.push(self.force_n, now_ns)

    def sense(self, now_ns):
        """The SENSE that is due, if one is; None without a session."""
        if self.plant is None or now_ns < self.due_ns:
            return None
        self.due_ns = max(self.due_ns + PERIOD_US * 1000, now_ns)
        self.tick(now_ns)
        flags = self.flags | (ESTOP if self.estop else 0) | (TERMINATED if self.body.fallen else 0)
        self.flags &= ~CLIPPED
        head = HEADER.pack(b"HR", 1, IS_SENSE, self.session, flags, self.seq, now_ns, 0, 4, 0)
        told = (now_ns, self.act_seq, self.act_ns, self.acts, self.refused, self.episode, float(not self.body.fallen))
        self.seq += 1
        return head + SENSE.pack(*told) + pack("<4f", *self.body.state)

    def frame(self, kind, seq):
        return HEADER.pack(b"HR", 1, kind, self.session, 0, seq, 0, 0, 0, 0)

    def error(self, session, seq, code, text):
        return HEADER.pack(b"HR", 1, IS_ERROR, session, 0, seq, 0, 0, 0, 0) + pack("<H", code) + text.encode()


def framed(frame):
    """A frame for a stream of bytes: with its CRC, in COBS, a zero at its end."""
    data, out, at = frame + pack("<H", binascii.crc_hqx(frame, 0xFFFF)), bytearray(), 0
    while at <= len(data):
        zero = data.find(0, at, at + 254)
        stop = zero if zero >= 0 else min(at + 254, len(data))
        out += bytes([stop - at + 1]) + data[at:stop]
        at = stop + (zero >= 0 or stop == len(data))
    return bytes(out) + b"\0"


def unframed(part):
    """The frame in what stood before a zero; nothing for what is damaged."""
    out, at = bytearray(), 0
    while at < len(part):
        n = part[at]
        if at + n > len(part):
            return b""
        out += part[at + 1 : at + n] + (b"\0" if n < 255 and at + n < len(part) else b"")
        at += n
    frame = bytes(out[:-2])
    return frame if out[-2:] == pack("<H", binascii.crc_hqx(frame, 0xFFFF)) else b""


class Udp:
    """A frame a datagram."""

    def __init__(self, host, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        self.address = "udp://{}:{}".format(*self.socket.getsockname())

    def waits(self):
        return [self.socket]

    def receive(self, ready):
        data, plant = self.socket.recvfrom(65536)
        return [(plant, data)]

    def send(self, plant, frame):
        with contextlib.suppress(OSError):  # nobody is there any more
            self.socket.sendto(frame, plant)


class Stream:
    """Bytes of one TCP connection, or of a pseudo-terminal; who is connected is known by its number."""

    def __init__(self, host=None, port=0):
        self.server = self.end = None
        self.number, self.rest = 0, b""
        if host is None:
            self.end, other = os.openpty()
            tty.setraw(other)
            self.kept, self.address = other, f"serial://{os.ttyname(other)}"  # kept open: the line outlives its users
        else:
            self.server = socket.create_server((host, port))
            self.address = "stream://{}:{}".format(*self.server.getsockname())
        if self.end is not None:
            os.set_blocking(self.end, False)

    def waits(self):
        return [each for each in (self.server, self.end) if each is not None]

    def receive(self, ready):
        if ready is self.server:
            connection = self.server.accept()[0]
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or the system holds frames back
            self.take(connection)
            return [(None, b"")]  # the connection before has ended
        try:
            data = os.read(self.end, 65536)
        except OSError:
            data = b""
        if not data:
            if self.server is not None:
                self.take(None)
            return [(None, b"")]
        *parts, self.rest = (self.rest + data).split(b"\0")
        self.rest = self.rest[-70_000:]
        return [(self.number, unframed(part)) for part in parts if part]

    def take(self, connection):
        if self.end is not None:
            os.close(self.end)
        self.number, self.rest, self.end = self.number + 1, b"", connection and connection.detach()
        if self.end is not None:
            os.set_blocking(self.end, False)

    def send(self, plant, frame):
        if plant == self.number and self.end is not None:
            with contextlib.suppress(OSError):  # without room a frame is lost, whole or in part
                os.write(self.end, framed(frame))


def open_line(address):
    if address == "pty":
        return Stream()
    scheme, _, place = address.partition("://")
    host, _, port = place.rpartition(":")
    return {"udp": Udp, "stream": Stream}[scheme](host, int(port))


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    ends, own_clock, boot = [], "--own-clock" in sys.argv, Path("/proc/sys/kernel/random/boot_id")
    ahead_ns, known = (10**12 if own_clock else 0), not own_clock and boot.exists()
    robot = Robot(uuid.UUID(boot.read_text().strip()).bytes if known else os.urandom(16))
    line = open_line(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda *_: ends.append(1))
    signal.signal(signal.SIGINT, lambda *_: ends.append(1))
    signal.signal(signal.SIGUSR1, lambda *_: robot.stop(time.monotonic_ns() + ahead_ns))
    print("listening on", line.address, flush=True)
    while not ends:
        now_ns = time.monotonic_ns() + ahead_ns
        left_s = max(0, robot.due_ns - now_ns) * 1e-9 if robot.plant is not None else 0.5
        for ready in select.select(line.waits(), (), (), left_s)[0]:
            for plant, data in line.receive(ready):
                now_ns = time.monotonic_ns() + ahead_ns
                if plant is None:
                    robot.end(now_ns)
                for frame in robot.receive(plant, data, now_ns) if data else ():
                    line.send(plant, frame)
        if frame := robot.sense(time.monotonic_ns() + ahead_ns):
            line.send(robot.plant, frame)
    if robot.plant is not None:
        line.send(robot.plant, robot.frame(IS_BYE, 0))


if __name__ == "__main__":
    main()
