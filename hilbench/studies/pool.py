"""Work on a process pool that survives its workers: a worker that raises or dies costs only its own task."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import wait
from typing import Any, TypeVar

from hilbench.machine.signals import as_interrupts, blocked_in_children, held_back, ignore_interrupts

log = logging.getLogger(__name__)
T = TypeVar("T")
Ended = Callable[[T, Any, BaseException | None], None]
"""Receives a task with its result and None, or with None and the error."""


class Workers:
    """Worker processes that stay between one piece of work and the next, with all that they have imported.

    They start with the first task; `close` ends them, and the next task starts new ones.
    """

    def __init__(self, n: int, soon: Sequence[str] = ()) -> None:
        """Start nothing yet.

        Parameters
        ----------
        n : int
            How many processes run at a time.
        soon : sequence of str
            Modules that this process needs later. It imports them while the workers are busy.
        """
        self._n, self._soon = n, soon
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers when what they run has ended; the tasks that wait are cancelled."""
        pool, self._pool = self._pool, None
        if pool is not None:
            _wait(pool)

    def work(self, tasks: Sequence[T], function: Callable[[T], Any], ended: Ended[T]) -> None:
        """Run a function on every task.

        A worker that dies breaks its pool. The tasks that may have been running then are run again one by one, which
        finds the one that kills its worker; the others go on in a new pool. An interruption cancels the tasks that
        wait, and this returns when the running ones have ended.

        Parameters
        ----------
        tasks : sequence
            What the function is called with, one at a time; it is pickled.
        function : callable
            A function of a module, which a new process can import.
        ended : callable
            Receives each task in this process, with its result and None, or with None and the error.
        """
        left = list(tasks)
        while left := self._attempt(left, function, ended):
            suspects, left = left[: 2 * self._n + 1], left[2 * self._n + 1 :]  # a pool hands out a few ahead
            for task in suspects:
                with Workers(1) as alone:
                    died = alone._attempt([task], function, ended)
                if died:
                    ended(task, None, BrokenProcessPool("the worker process died"))

    def _attempt(self, tasks: list[T], function: Callable[[T], Any], ended: Ended[T]) -> list[T]:
        """The tasks without a result because the pool broke."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self._n, multiprocessing.get_context("spawn"), _prepare)
        running: dict[Future[Any], T] = {}
        done: list[T] = []
        try:
            with suppress(BrokenProcessPool), blocked_in_children():
                for task in tasks:
                    running[self._pool.submit(_work, function, task)] = task
            with held_back():  # a module that is imported by halves cannot be imported again
                for module in self._soon:
                    import_module(module)
            for future in as_completed(running):
                task, error = running[future], future.exception()
                if not isinstance(error, BrokenProcessPool):
                    done.append(task)
                    ended(task, None if error else future.result(), error)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                log.warning("interrupted: waiting for what runs; Ctrl-C three times in all ends that too")
            self.close()
            raise
        left = [task for task in tasks if task not in done]
        if left:
            self.close()
        return left


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
    ignore_interrupts()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A worker holds both ends of its queue, so it would wait for work for ever.
    parent = multiprocessing.parent_process()
    assert parent is not None, "only workers run this"
    wait([parent.sentinel])
    os._exit(1)
