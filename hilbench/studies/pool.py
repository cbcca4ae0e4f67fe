"""Work on a process pool that survives its workers: a worker that raises or dies costs only its own task."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any, TypeVar

from hilbench.machine.signals import as_interrupts

log = logging.getLogger(__name__)
T = TypeVar("T")
Ended = Callable[[T, Any, BaseException | None], None]
"""Receives a task with its result and None, or with None and the error."""


def work(tasks: Sequence[T], function: Callable[[T], Any], ended: Ended[T], workers: int) -> None:
    """Run a function on every task in worker processes.

    A worker that dies breaks its pool. The tasks that may have been running then are run again one by one, which finds
    the one that kills its worker; the others go on in a new pool. An interruption cancels the tasks that wait, and this
    function returns when the running ones have ended.

    Parameters
    ----------
    tasks : sequence
        What the function is called with, one at a time; it is pickled.
    function : callable
        A function of a module, which a new process can import.
    ended : callable
        Receives each task in this process, with its result and None, or with None and the error.
    workers : int
        How many processes run at a time.
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
    running: dict[Future[Any], T] = {}
    done: list[T] = []
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
    """Cancel the tasks that wait, and wait for the running ones; a second interruption ends the workers."""
    try:
        pool.shutdown(wait=True, cancel_futures=True)
    except KeyboardInterrupt:
        for child in multiprocessing.active_children():
            child.kill()
        raise


def _work(function: Callable[[T], Any], task: T) -> Any:
    """In a worker: run one task. A signal that asks this process to end closes the record, then ends the worker."""
    try:
        with as_interrupts():
            return function(task)
    except KeyboardInterrupt:
        os._exit(130)


def _prepare() -> None:
    """In a worker: leave Ctrl-C, which reaches the whole process group, to the parent; end when the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A worker holds both ends of its queue, so it would wait for work for ever.
    parent = multiprocessing.parent_process()
    assert parent is not None, "only workers run this"
    wait([parent.sentinel])
    os._exit(1)
