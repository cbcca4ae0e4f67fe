"""What a link over shared memory could take: why there is none.

Two processes, both looking without sleep at a slot of shared memory each way. `bare` echoes a frame; `hilbench` has the
frames, checks and session of every link on top, with the backend `null`. There is no more to it: nothing notices a
process that died, sleeps, or keeps a second plant out. `unix` is the Unix link in the same run.

    python benchmarks/shared_memory.py [--ticks 20000] [--rounds 4]
"""

from __future__ import annotations

import argparse
import mmap
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from time import monotonic_ns, perf_counter_ns

from link import PROGRAM, link_trip, ticking

from hilbench.bridge.client.client import FrameLink, Limits
from hilbench.bridge.device.device import Device
from hilbench.bridge.device.session import build_backend
from hilbench.types import Probes

SLOT_BYTES, HEAD_BYTES = 4096, 16
"""Of a slot: a number that counts its frames, the length of the newest one, and that frame."""
WARM_UP = 2000
Write, Read = Callable[[bytes], None], Callable[[], bytes]


def ends(memory: mmap.mmap, out: int, into: int) -> tuple[Write, Read]:
    """What writes a frame into one slot, and what waits for the next one in the other."""
    data, words = memoryview(memory), memoryview(memory).cast("Q")
    out_at, into_at = out * SLOT_BYTES, into * SLOT_BYTES
    counts, parent = [0, 0], os.getppid()

    def write(frame: bytes) -> None:
        data[out_at + HEAD_BYTES : out_at + HEAD_BYTES + len(frame)] = frame
        words[out_at // 8 + 1] = len(frame)
        counts[0] += 1
        words[out_at // 8] = counts[0]

    def read() -> bytes:
        counts[1] += 1
        looks = 0
        while words[into_at // 8] != counts[1]:
            looks += 1
            if looks % 2**16 == 0 and os.getppid() != parent:
                sys.exit("the process at the other end has ended")
        n_bytes = min(words[into_at // 8 + 1], SLOT_BYTES - HEAD_BYTES)
        return bytes(data[into_at + HEAD_BYTES : into_at + HEAD_BYTES + n_bytes])

    return write, read


def serve(fd: int, bare: bool) -> None:
    """The device's side, until an empty frame."""
    write, read = ends(mmap.mmap(fd, 2 * SLOT_BYTES), 1, 0)
    device = Device(build_backend("null", {}), 1e6)
    while frame := read():
        answer = frame if bare else device.answer(b"plant", frame, monotonic_ns())
        if answer is not None:
            write(answer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ticks", type=int, default=20000, help="ticks per run")
    parser.add_argument("--rounds", type=int, default=4, help="how often all take their turn")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve is not None:
        serve(args.serve, args.bare)
        return
    taken: dict[str, list[float]] = {"bare": [], "hilbench": [], "unix": []}
    for _ in range(args.rounds):
        taken["bare"].append(shared_us(args.ticks, bare=True))
        taken["hilbench"].append(shared_us(args.ticks, bare=False))
        with link_trip("unix") as trip:
            taken["unix"].append(median_us(trip, args.ticks))
    for name, found in taken.items():
        print(f"{name:10} {statistics.median(found):6.2f} us   of {', '.join(f'{us:.2f}' for us in found)}")
    ratios = [mine / theirs for mine, theirs in zip(taken["hilbench"], taken["unix"], strict=True)]
    print(f"hilbench / unix {statistics.median(ratios):.2f}")


def shared_us(n_ticks: int, bare: bool) -> float:
    """The median trip over shared memory, with a process of its own at the other end."""
    fd = os.memfd_create("slots")
    os.ftruncate(fd, 2 * SLOT_BYTES)
    write, read = ends(mmap.mmap(fd, 2 * SLOT_BYTES), 0, 1)
    command = [sys.executable, __file__, "--serve", str(fd), *(["--bare"] if bare else [])]
    with subprocess.Popen(command, pass_fds=[fd]):
        found = median_us(bare_trip(write, read) if bare else hilbench_trip(write, read), n_ticks)
        write(b"")
    os.close(fd)
    return found


def bare_trip(write: Write, read: Read) -> Callable[[], None]:
    frame = bytes(64)

    def trip() -> None:
        write(frame)
        read()

    return trip


def hilbench_trip(write: Write, read: Read) -> Callable[[], None]:
    class Config(Limits, frozen=True, kw_only=True):
        address: str | None = "shared memory"

    class Shared(FrameLink):
        name, own_bind = "shared memory", "shared memory"

        def _connect(self) -> None: ...

        def _disconnect(self) -> None: ...

        def _write(self, frame: bytes) -> bool:
            write(frame)
            return True

        def _next(self, deadline_ns: int) -> bytes:
            return read()

    Shared.Config = Config
    link = Shared(Config(), "null", {})
    link.load(PROGRAM, 1000, Probes())
    link.reset(0, "none", 0)
    return ticking(link)


def median_us(trip: Callable[[], None], n_ticks: int) -> float:
    times = []
    for _ in range(WARM_UP + n_ticks):
        begun_ns = perf_counter_ns()
        trip()
        times.append(perf_counter_ns() - begun_ns)
    return statistics.median(times[WARM_UP:]) / 1e3


if __name__ == "__main__":
    main()
