"""Hostile frames against a device process, as fast as it takes them, over each way it can listen.

A stranger sends random bytes and damaged frames of every kind, while a plant in session goes on with its ticks. Prints
frames per second, how many the device answered with an ERROR, and its resident memory after a warm-up and at the end.
Exit code 1 when memory grew by more than `GROWTH_MAX_MIB`, or the plant missed a reply.

    python benchmarks/hostile.py [--frames 1000000] [--links zmq unix stream] [--json runs/bench/hostile.json]
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import sys
from pathlib import Path
from time import monotonic

import numpy as np
import zmq

from hilbench import plugins
from hilbench.bridge import stream
from hilbench.bridge.device.process import DeviceProcess
from hilbench.bridge.protocol import handshakes, wire
from hilbench.bridge.protocol.framing import PIECE_BYTES, Cobs, Datagrams
from hilbench.bridge.protocol.handshakes import Hello
from hilbench.bridge.protocol.wire import Kind
from hilbench.types import LawProgram, Port, Probes, Tick

PROGRAM = LawProgram("echo", {}, inputs=(Port("values", 8),), outputs=(Port("values", 2),))
LINKS = ("zmq", "unix", "stream")
GROWTH_MAX_MIB = 8.0
"""Far below what a byte kept of each frame's answer would make: 10^6 ERRORs are 100 MiB."""
BATCH = 500
"""Hostile frames between two ticks of the plant."""
LAST_SEQ = 2**62
TIMEOUT_S = 20.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1_000_000, help="hostile frames over each link")
    parser.add_argument("--links", nargs="+", default=LINKS, choices=LINKS)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    args = parser.parse_args()
    rows = {}
    for name in args.links:
        rows[name] = row = attack(name, args.frames)
        print(f"{name:7}" + "  ".join(f"{key} {value:.6g}" for key, value in row.items()), flush=True)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(rows, indent=2) + "\n")
    sys.exit(any(row["growth_mib"] > GROWTH_MAX_MIB or row["ticks_lost"] for row in rows.values()))


def attack(name: str, n_frames: int) -> dict[str, float]:
    """The figures of one link. A tenth of the frames more warm the device up first."""
    link_type = plugins.get("links", name)
    device = DeviceProcess("null", {}, 60.0, link_type.own_bind)
    try:
        with (
            link_type(link_type.Config(address=device.address), "null", {}) as plant,
            Stranger(device.address) as enemy,
        ):
            plant.load(PROGRAM, 1000, Probes())
            plant.reset(0, "none", 0)
            flood(enemy, plant, n_frames // 10, 0)
            before, refused, start = rss_mib(device.pid), plant.status().refused, monotonic()
            lost = flood(enemy, plant, n_frames, n_frames)
            seconds = monotonic() - start
            return {
                "frames": n_frames,
                "frames_per_s": n_frames / seconds,
                "errors": plant.status().refused - refused,
                "rss_before_mib": before,
                "rss_after_mib": rss_mib(device.pid),
                "growth_mib": rss_mib(device.pid) - before,
                "ticks_lost": lost,
            }
    finally:
        device.close()


def flood(enemy: Stranger, plant, n_frames: int, first_seq: int) -> int:
    """Send the frames, with a tick of the plant after each batch. Returns how many ticks had no right reply."""
    frames, lost = hostile_frames(), 0
    for sent in range(0, n_frames, BATCH):
        for k in range(sent, min(sent + BATCH, n_frames)):
            enemy.send(frames[k % len(frames)])
        tick = Tick(first_seq + sent, values=np.full(8, sent, np.float32))
        plant.send(tick)
        reply = plant.receive(int(TIMEOUT_S * 1e9))
        lost += reply is None or reply.seq != tick.seq or reply.values.tolist() != [sent, sent]
    enemy.finish()
    return lost


def hostile_frames(n: int = 4096, seed: int = 0) -> list[bytes]:
    """A third of them noise, the rest frames of every kind with a few bytes changed, cut off or added."""
    rng = np.random.default_rng(seed)
    whole = [wire.frame(kind, 0, 7, rng.bytes(rng.integers(0, 100))) for kind in Kind]
    whole += [handshakes.encode_hello(0, 1, Hello()), handshakes.encode_reset(0, 2, 3, "all", 4)]
    return [_noise(rng) if k % 3 == 0 else _damaged(rng, whole[k % len(whole)]) for k in range(n)]


def _noise(rng: np.random.Generator) -> bytes:
    return rng.bytes(rng.integers(1, 400))


def _damaged(rng: np.random.Generator, frame: bytes) -> bytes:
    data = bytearray(frame)
    for at in rng.integers(0, len(data), rng.integers(0, 4)):
        data[at] = rng.integers(0, 256)
    if rng.random() < 0.3:
        data = data[: rng.integers(1, len(data) + 1)] + rng.bytes(rng.integers(0, 40))
    return bytes(data)


class Stranger:
    """A client with no session, which sends without waiting for answers and reads them as they come."""

    def __init__(self, address: str) -> None:
        self._context = None
        if address.startswith("tcp://"):
            self._context = zmq.Context()
            self._socket = self._context.socket(zmq.DEALER)
            self._socket.setsockopt(zmq.LINGER, 0)
            self._socket.connect(address)
            self._fd = self._socket.getsockopt(zmq.FD)
            return
        if address.startswith("unix://"):
            self._socket, self._framing = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET), Datagrams()
            self._socket.connect(address.removeprefix("unix://"))
        else:
            self._socket, self._framing = socket.create_connection(stream.split(address)[:2]), Cobs()
        self._socket.setblocking(False)
        self._fd = self._socket.fileno()

    def __enter__(self) -> Stranger:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        if self._context:
            self._context.term()

    def send(self, frame: bytes) -> list[bytes]:
        """Send, and return the answers that arrived meanwhile."""
        answers: list[bytes] = []
        if self._context:
            while not (events := self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLOUT:
                self._socket.poll(TIMEOUT_S * 1000, zmq.POLLOUT)
            self._socket.send(frame)
            while events & zmq.POLLIN:
                answers.append(self._socket.recv())
                events = self._socket.getsockopt(zmq.EVENTS)
            return answers
        for piece in self._framing.pack(frame):
            while piece:
                readable, writable, _ = select.select((self._socket,), (self._socket,), (), TIMEOUT_S)
                if readable:
                    answers += self._framing.feed(self._socket.recv(PIECE_BYTES))
                if writable:
                    piece = piece[self._socket.send(piece) :]
        return answers

    def finish(self) -> None:
        """Wait until the device has read all that was sent: until it answers a last frame that it must refuse."""
        last, deadline = wire.frame(Kind.ECHO, 0, LAST_SEQ), monotonic() + TIMEOUT_S
        while not any(wire.read_header(answer).seq == LAST_SEQ for answer in self.send(last)):
            if monotonic() > deadline:
                raise SystemExit("the device stopped answering")
            select.select((self._fd,), (), (), 0.1)


def rss_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


if __name__ == "__main__":
    main()
