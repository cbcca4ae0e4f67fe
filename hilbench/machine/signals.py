"""Treats signals that ask a process to end as Ctrl-C: SIGTERM of a service manager, SIGHUP of a closing terminal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def as_interrupts() -> Iterator[None]:
    """Inside, such a signal raises KeyboardInterrupt in the main thread, so that everything open is closed in order.

    A signal that is ignored stays ignored, as SIGHUP under nohup. After the first signal the other one does nothing: a
    service manager may send both at once, and the second must not interrupt the closing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDING}
    heard = [number for number, handler in before.items() if handler != signal.SIG_IGN]

    def interrupt(number: int, frame: Any) -> None:
        for other in heard:
            if other != number:
                signal.signal(other, lambda *_: None)
        raise KeyboardInterrupt

    for number in heard:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])
