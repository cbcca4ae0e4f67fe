"""Signals and time limits that hold whatever a process is at.

Python runs the handler of a signal between two of its instructions. Compiled code that does not give the interpreter
back keeps it from ever running, and a thread of this process could do no better. A small process of its own therefore
hears of every signal through a pipe that Python's handler in C writes to, and kills this one when it has not answered
within a second.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import CodeType, FrameType

PATIENCE_S = 0.8
"""How long after a signal this process may take to end, or to say that it goes on."""
LOAD_TIMEOUT_S = 120.0
"""A plant's side gives up earlier, after `link.start_timeout_s`, 60 s by default."""
_GOES_ON = b"\0"  # other bytes are numbers of signals

_WATCH = """
import os, select, signal, sys, time
pid, patience_s, text = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
until = None
while True:
    left = None if until is None else max(0.0, until - time.monotonic())
    if not select.select([0], [], [], left)[0]:
        if os.getppid() == pid:
            print(text, file=sys.stderr, flush=True)
            os.kill(pid, signal.SIGKILL)
        break
    data = os.read(0, 256)
    if not data:
        break
    before, calm, after = data.rpartition(b"\\0")
    if calm:
        until = None
    if after and until is None:
        until = time.monotonic() + patience_s
"""


class Interrupted(BaseException):
    """A signal came; nobody but whoever asked for it may catch this."""


class Overdue(BaseException):
    """The time for a piece of work is over; nobody but whoever set it may catch this."""


class Watchdog:
    """What a process tells the one that watches it; in a thread, and without one, no signal comes."""

    def __init__(self, pipe_fd: int | None) -> None:
        self._pipe_fd = pipe_fd
        self.signalled = False
        """Whether SIGINT, SIGTERM or SIGHUP has come while `obeying`."""

    @contextlib.contextmanager
    def obeying(self, within: CodeType) -> Iterator[None]:
        """Signals set `signalled`, and also end a call of this code object that is under way: it raises Interrupted."""
        if self._pipe_fd is None:
            yield
            return

        def handle(_: int, frame: FrameType | None) -> None:
            first, self.signalled = not self.signalled, True
            while first and frame is not None:
                if frame.f_code is within:
                    raise Interrupted
                frame = frame.f_back

        under_nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        numbers = signal.SIGINT, signal.SIGTERM, *(() if under_nohup else (signal.SIGHUP,))
        before = {number: signal.signal(number, handle) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """What is done here raises Overdue after this time. Where it cannot be interrupted, the process is killed."""
        if self._pipe_fd is None:
            yield
            return

        def ring(*_: object) -> None:
            raise Overdue

        before = signal.signal(signal.SIGALRM, ring)
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            if not self.signalled:
                os.write(self._pipe_fd, _GOES_ON)


@contextlib.contextmanager
def watched(text: str) -> Iterator[Watchdog]:
    """Have this process killed, after `text` on standard error, when it does not end within a second of a signal."""
    if threading.current_thread() is not threading.main_thread():
        yield Watchdog(None)
        return
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    # A session of its own: Ctrl-C at a terminal goes to the process that is watched alone.
    command = [sys.executable, "-I", "-S", "-c", _WATCH, str(os.getpid()), str(PATIENCE_S), text]
    watcher = subprocess.Popen(command, stdin=read_fd, stdout=subprocess.DEVNULL, start_new_session=True)
    os.close(read_fd)
    before = signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    try:
        yield Watchdog(write_fd)
    finally:
        signal.set_wakeup_fd(before)
        os.close(write_fd)
        watcher.kill()
        watcher.wait()
