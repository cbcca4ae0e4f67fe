"""Devices that misbehave: in a thread, by `odd_replies`, and as a process, called as `hilbench serve` is called.

How a process does, HILBENCH_ODD says: `kill:5` at the frame of tick 5. What is done once is not done again by the next
process: the file that HILBENCH_ODD_DONE names remembers it, and who did it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

from hilbench import cli
from hilbench.bridge.device import server
from hilbench.bridge.device.session import Session
from hilbench.bridge.protocol import wire
from hilbench.bridge.protocol.wire import Kind


def main() -> None:
    how, _, tick = os.environ["HILBENCH_ODD"].partition(":")
    at, done = int(tick), Path(os.environ["HILBENCH_ODD_DONE"])

    def once() -> bool:
        with contextlib.suppress(FileExistsError), open(done, "x", encoding="ascii") as file:
            file.write(str(os.getpid()))
            return True
        return False

    if how == "garbage":
        server.listening = odd_replies(Garbage(at, once))
    else:
        _before_tick(at, once, {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[how])
    sys.exit(cli.main(["serve", *sys.argv[1:]]))


def _before_tick(at, once, number) -> None:
    """Have this process get a signal."""
    step = Session.tick

    def tick(self, tick, recv_ns):
        if tick.seq >= at and once():
            os.kill(os.getpid(), number)
        return step(self, tick, recv_ns)

    Session.tick = tick


def odd_replies(frames_for):
    """A `server.listening` by which `frames_for(reply)` leave instead of each REPLY."""
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

    return odd


def twice(frame):
    return frame, frame


class Old:
    """Each reply, and after it once more the one before it."""

    before = None

    def __call__(self, frame):
        sent = (frame,) if self.before is None else (frame, self.before)
        self.before = frame
        return sent


class Garbage:
    """A reply that is cut off, where `once` lets it."""

    def __init__(self, at, once=lambda: True):
        self.at, self.once = at, once

    def __call__(self, frame):
        return (frame[:-3] if wire.read_header(frame).seq >= self.at and self.once() else frame,)


class Lie:
    """A reply that says it took 2^63 ns."""

    def __init__(self, at):
        self.at = at

    def __call__(self, frame):
        if wire.read_header(frame).seq < self.at:
            return (frame,)
        where = wire.HEADER.size + 8
        return (frame[:where] + (2**63).to_bytes(8, "little") + frame[where + 8 :],)


if __name__ == "__main__":
    main()
