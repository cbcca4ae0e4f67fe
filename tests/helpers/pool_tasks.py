"""What tests of the pool and of signals have workers do. It imports nothing that takes them time."""

import os
import signal


def divide(number: int) -> int:
    """60 over the number, but 7 ends the worker."""
    if number == 7:
        os._exit(3)
    return 60 // number


def ended_from_outside(path: str) -> None:
    """Asked to end in the middle, as by a service manager; what was open is closed."""
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    finally:
        with open(path, "a") as file:
            file.write("closed")


def worker(_: int) -> int:
    """Which process does the task."""
    return os.getpid()


def interrupts(_: int) -> tuple[bool, bool]:
    """In a worker: whether SIGINT is ignored, and whether it is blocked."""
    blocked = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    return signal.getsignal(signal.SIGINT) == signal.SIG_IGN, blocked


def prepare_nothing() -> None:
    """In place of what prepares a worker: it stays as it was started."""
