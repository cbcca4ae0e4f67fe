"""What each part of a tick over a Unix socket takes: again and again, after 1 ms of looking, and after 1 ms of sleep.

All in one process, with the backend `null`: hilbench's own parts, and the socket's calls for one frame. A paced plant
sleeps before every tick and its device looks for it without sleep, so the plant's parts cost what the last column says,
the device's what the middle one does.

    python benchmarks/tick_parts.py [--ticks 300]
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Callable
from statistics import median
from time import perf_counter_ns, sleep

import numpy as np
from link import PROGRAM

from hilbench.bridge.device.session import Session, build_backend
from hilbench.bridge.protocol.ticks import ReplyReader, TickReader, TickWriter, encode_reply
from hilbench.bridge.protocol.wire import Sizes
from hilbench.types import Probes, Tick

PAUSE_NS = 1_000_000
Part = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ticks", type=int, default=300, help="how often each part runs after each pause")
    args = parser.parse_args()
    pauses, found = (no_pause, look, lambda: sleep(PAUSE_NS * 1e-9)), parts()
    taken_ns: dict[str, list[list[int]]] = {name: [[] for _ in pauses] for name in found}
    for _ in range(args.ticks):  # all take turns: a shared machine drifts
        for name, part in found.items():
            for pause, times in zip(pauses, taken_ns[name], strict=True):
                times.append(after(pause, part))
    print(f"{'us, medians':34}{'at once':>9}{'looked':>9}{'slept':>9}")
    for name, columns in taken_ns.items():
        print(f"{name:34}" + "".join(f"{median(times) / 1e3:9.2f}" for times in columns))


def parts() -> dict[str, Part]:
    """The parts by name; each may run again and again."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    session, sizes = Session(build_backend("null", {})), Sizes.of(PROGRAM, 1000)
    session.load(PROGRAM, 1000, Probes())
    session.reset(0, "none", 0)
    tick = Tick(seq=-1, values=np.zeros(8, np.float32))

    def step() -> object:
        tick.seq += 1
        return session.tick(tick, 0)

    reply = session.tick(Tick(seq=0, values=tick.values), 0)
    assert reply is not None, "it is the first tick"
    tick.seq = 1
    writer, tick_reader, reply_reader = TickWriter(sizes, 1), TickReader(sizes), ReplyReader(sizes)
    asked, answered = writer.write(tick), encode_reply(reply, 1)
    return {
        "nothing: the clock alone": lambda: None,
        "plant: check and pack a TICK": lambda: writer.write(tick),
        "socket: send and recv": lambda: (here.send(asked), there.recv(2**16)),
        "device: check and read a TICK": lambda: tick_reader.read(asked),
        "device: session and null": step,
        "device: pack a REPLY": lambda: encode_reply(reply, 1),
        "plant: check and read a REPLY": lambda: reply_reader.read(answered),
    }


def after(pause: Part, part: Part) -> int:
    """What this part, which has just run, takes after this pause, in ns."""
    for _ in range(3):
        part()
    pause()
    begun_ns = perf_counter_ns()
    part()
    return perf_counter_ns() - begun_ns


def no_pause() -> None: ...


def look() -> None:
    until_ns = perf_counter_ns() + PAUSE_NS
    while perf_counter_ns() < until_ns:
        pass


if __name__ == "__main__":
    main()
