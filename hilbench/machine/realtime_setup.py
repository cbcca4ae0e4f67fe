"""What the operating system can do for a run in real time: priority, processors, locked memory.

It asks for them, notes what was refused, and undoes everything afterwards. It must not know clocks, loops or records.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from msgspec import Struct

from hilbench.scenario.loop import LoopConfig

ALL_PAGES = 1 | 2
"""All present and future pages: MCL_CURRENT | MCL_FUTURE of Linux's mman.h."""


class Rights(Struct, frozen=True):
    """What a run asked for, and for what was refused, the reason."""

    asked: dict[str, Any]
    refused: dict[str, str]

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for each field that was refused."""
        return tuple(
            f"loop.{field} = {self.asked[field]}: the run did without: {reason}; see `hilbench doctor`"
            for field, reason in self.refused.items()
        )


@contextmanager
def granted(loop: LoopConfig) -> Iterator[Rights]:
    """Inside, this process has what `loop` asks for, as far as the system permits; on exit everything is restored.

    It holds for every thread of the process: one that reads a link's socket must not wait for other programs either.
    """
    asked = {name: value for name in WAYS if (value := getattr(loop, name))}
    refused: dict[str, str] = {}
    with ExitStack() as undo:
        for name, value in asked.items():
            with ExitStack() as partly:
                try:
                    WAYS[name](value, partly.callback)
                    undo.push(partly.pop_all())
                except (OSError, AttributeError) as error:  # a system other than Linux has no such call
                    refused[name] = getattr(error, "strerror", None) or "this system cannot"
        yield Rights(asked, refused)


def memory_refusal() -> str | None:
    """Why locking memory is not even tried here; None where it is."""
    try:
        import resource
    except ImportError:
        return "this system cannot"
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if limit == resource.RLIM_INFINITY or os.geteuid() == 0:
        return None
    return f"its limit is {limit / 2**20:g} MiB, and where a limit ends, allocations in the middle of a run would fail"


def _prioritise(level: int, undo: Callable) -> None:
    for thread in _threads():
        with suppress(ProcessLookupError):  # it has just ended
            before = os.sched_getscheduler(thread), os.sched_getparam(thread)
            os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(level))
            undo(_restore, os.sched_setscheduler, thread, *before)


def _pin(cpus: tuple[int, ...], undo: Callable) -> None:
    for thread in _threads():
        with suppress(ProcessLookupError):
            before = os.sched_getaffinity(thread)
            os.sched_setaffinity(thread, cpus)
            undo(_restore, os.sched_setaffinity, thread, before)
            if os.sched_getaffinity(thread) != set(cpus):  # the system drops those that it does not have
                raise OSError(errno.EINVAL, f"this process may run on the CPUs {sorted(before)}")


def _lock(_: bool, undo: Callable) -> None:
    if refusal := memory_refusal():
        raise OSError(errno.EPERM, refusal)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(ALL_PAGES):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    undo(libc.munlockall)


def _threads() -> list[int]:
    return [int(name) for name in os.listdir("/proc/self/task")]


def _restore(call: Callable, thread: int, *before: Any) -> None:
    with suppress(ProcessLookupError):
        call(thread, *before)


WAYS: dict[str, Callable[[Any, Callable], None]] = {
    "realtime_priority": _prioritise,
    "cpus": _pin,
    "lock_memory": _lock,
}
"""The loop's fields, and the function that applies each."""
