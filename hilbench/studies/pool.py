"""Work on a process pool that survives its workers: one that raises or dies costs its own task alone."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any, TypeVar

from hilbench.machine.signals import as_interrupts

log = logging.getLogger(__name__)
T = TypeVar("T")
Ended = Callable[[T, Any, BaseException | None], None]
"""Is told a task with its result, or with the error instead."""


def work(tasks: Sequence[T], function: Callable[[T], Any], ended: Ended[T], workers: int) -> None:
    """Run `function` on every task in processes of their own.

    A worker that dies takes its pool along. The tasks that may have been at work then are run again, each alone, so
    that the one that kills its worker is found out; the rest goes on in a new pool. An interruption cancels what waits,
    and returns when what runs has ended.
    """
    left = list(tasks)
    while left := _on_one_pool(left, function, ended, workers):
        suspects, left = left[: 2 * workers + 1], left[2 * workers + 1 :]  # a pool hands out a few ahead
        for task in suspects:
            if _on_one_pool([task], function, ended, 1):
                ended(task, None, BrokenProcessPool("the worker process died"))


def _on_one_pool(tasks: list[T], function: Callable[[T], Any], ended: Ended[T], workers: int) -> list[T]:
    """The tasks without a result because the pool broke."""
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _prepare)
    running, done = {}, []
    try:
        with suppress(BrokenProcessPool):
            for task in tasks:
                running[pool.submit(_work, function, task)] = task
        for future in as_completed(running):
            task, error = running[future], future.exception()
            if not isinstance(error, BrokenProcessPool):
                done.append(task)
                ended(task, None if error else future.result(), error)
    except KeyboardInterrupt:
        log.warning("interrupted: waiting for what runs; interrupt again to end that too")
        raise
    finally:
        _wait(pool)
    return [task for task in tasks if task not in done]


def _wait(pool: ProcessPoolExecutor) -> None:
    """Let what runs end and cancel the rest; a second interruption ends the workers."""
    try:
        pool.shutdown(wait=True, cancel_futures=True)
    except KeyboardInterrupt:
        for child in multiprocessing.active_children():
            child.kill()
        raise


def _work(function: Callable[[T], Any], task: T) -> Any:
    """In a worker: one task. Who asks this very process to end gets a record that was closed, and no next task."""
    try:
        with as_interrupts():
            return function(task)
    except KeyboardInterrupt:
        os._exit(130)


def _prepare() -> None:
    """In a worker: Ctrl-C, which reaches the whole group, is the parent's to decide; its death ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A worker holds both ends of its queue, so it would wait for work for ever.
    wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
