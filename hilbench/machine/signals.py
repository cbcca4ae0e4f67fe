"""Treats signals that ask a process to end as Ctrl-C: SIGTERM of a service manager, SIGHUP of a closing terminal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INSIST = 3
"""So many times Ctrl-C, and a person gets out without what is being closed."""


@contextmanager
def as_interrupts() -> Iterator[None]:
    """Inside, such a signal raises KeyboardInterrupt in the main thread, so that everything open is closed in order.

    A signal that is ignored stays ignored, as SIGHUP under nohup. After the first signal others are only counted,
    whichever they are, for the closing must not be interrupted: a service manager may send two at once, and a terminal
    that closes sends SIGHUP after Ctrl-C. The third Ctrl-C interrupts again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDING}
    heard = [number for number, handler in before.items() if handler != signal.SIG_IGN]
    came: dict[int, int] = dict.fromkeys(ENDING, 0)

    def interrupt(number: int, frame: Any) -> None:
        came[number] += 1
        first = sum(came.values()) == 1
        if first or (number == signal.SIGINT and came[number] >= INSIST):
            raise KeyboardInterrupt

    for number in heard:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


@contextmanager
def held_back() -> Iterator[None]:
    """Inside, such a signal does nothing yet; it acts at the end. For what an interruption would leave half made."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDING}
    heard = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    came: list[int] = []
    for number in heard:
        signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])
        for found in came:
            signal.raise_signal(found)


@contextmanager
def blocked_in_children() -> Iterator[None]:
    """A process that starts inside does not get SIGINT before it calls `ignore_interrupts`.

    What this process gets acts as ever, at the latest at the end.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_interrupts() -> None:
    """Ignore SIGINT, also one that came while it was blocked."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
