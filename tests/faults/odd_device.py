"""A device process that misbehaves: `python odd_device.py --backend law --bind ...`, as `hilbench serve` is called.

How, HILBENCH_ODD says: `kill:5` at the frame of tick 5. What is done once is not done again by the next process: the
file that HILBENCH_ODD_DONE names remembers it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from hilbench import cli
from hilbench.bridge import server, wire
from hilbench.bridge.session import Session
from hilbench.bridge.wire import Kind

SLOW_S = 0.004
STOPPED_S = 1.0


def main() -> None:
    how, _, tick = os.environ["HILBENCH_ODD"].partition(":")
    at, done = int(tick or 0), Path(os.environ["HILBENCH_ODD_DONE"])

    def once() -> bool:
        with contextlib.suppress(FileExistsError):
            done.touch(exist_ok=False)
            return True
        return False

    if how in ("kill", "stop", "slow"):
        _before_ticks({"kill": _kill, "stop": _stop, "slow": _slow}[how], at, once)
    else:
        _replies({"twice": _twice, "old": Old(), "garbage": Garbage(at, once)}[how])
    sys.exit(cli.main(["serve", *sys.argv[1:]]))


def _before_ticks(act, at, once) -> None:
    step = Session.tick

    def tick(self, tick, recv_ns):
        if act is _slow or (tick.seq >= at and once()):
            act()
        return step(self, tick, recv_ns)

    Session.tick = tick


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop() -> None:
    """Stand still until a child of its own wakes it."""
    subprocess.Popen(["sh", "-c", f"sleep {STOPPED_S}; kill -CONT {os.getpid()}"])
    os.kill(os.getpid(), signal.SIGSTOP)


def _slow() -> None:
    threading.Event().wait(SLOW_S)


def _replies(frames_for) -> None:
    """Have `frames_for(reply)` leave instead of each REPLY."""
    listening = server.listening

    @contextlib.contextmanager
    def odd(*arguments):
        with listening(*arguments) as listener:
            send = listener.send

            def send_all(plant, frame):
                known = wire.read_header(frame).kind == Kind.REPLY
                for each in frames_for(frame) if known else (frame,):
                    send(plant, each)

            listener.send = send_all
            yield listener

    server.listening = odd


def _twice(frame):
    return frame, frame


class Old:
    """Each reply, and after it once more the one before it."""

    before = None

    def __call__(self, frame):
        sent = (frame,) if self.before is None else (frame, self.before)
        self.before = frame
        return sent


class Garbage:
    """Once, a reply that is cut off."""

    def __init__(self, at, once):
        self.at, self.once = at, once

    def __call__(self, frame):
        return (frame[:-3] if wire.read_header(frame).seq >= self.at and self.once() else frame,)


if __name__ == "__main__":
    main()
