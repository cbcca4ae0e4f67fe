"""A pool of processes: what a task that raises, or kills its worker, costs the others."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pool_tasks import divide, interrupts, prepare_nothing, worker

from hilbench.studies import pool as pools
from hilbench.studies.pool import Workers

pytestmark = pytest.mark.timeout(100)


@pytest.fixture(autouse=True)
def listens_to_ctrl_c() -> Iterator[None]:
    """Whoever started these tests: a shell starts what runs in the background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_is_told_once_and_only_those_that_fail_fail(workers: int) -> None:
    told: dict[int, str] = {}

    def ended(task: int, result: int | None, error: BaseException | None) -> None:
        assert task not in told
        told[task] = str(result) if error is None else f"{type(error).__name__}: {error}"

    with Workers(workers) as pool:
        pool.work([1, 2, 0, 7, 3, 4, 5, 6], divide, ended)
    assert told.pop(7) == "BrokenProcessPool: the worker process died"
    assert told.pop(0).startswith("ZeroDivisionError: ")
    assert told == {number: str(60 // number) for number in (1, 2, 3, 4, 5, 6)}


def test_no_task_is_no_work() -> None:
    with Workers(2) as pool:
        pool.work([], divide, lambda *_: pytest.fail("nothing was to do"))


def pids(pool: Workers, n: int) -> set[int]:
    """The processes that do n tasks."""
    found: set[int] = set()
    pool.work(list(range(n)), worker, lambda task, pid, error: found.add(pid))
    return found


def test_workers_stay_until_they_are_closed() -> None:
    with Workers(1) as pool:
        first = pids(pool, 3)
        assert len(first) == 1
        assert pids(pool, 2) == first
        pool.close()
        assert pids(pool, 1).isdisjoint(first)


def test_workers_that_outlive_a_broken_pool_are_new_ones() -> None:
    told: list[int] = []
    with Workers(1) as pool:
        first = pids(pool, 1)
        pool.work([7, 4], divide, lambda task, found, error: told.append(task))
        assert pids(pool, 1).isdisjoint(first)
    assert sorted(told) == [4, 7]


def test_what_is_needed_later_is_imported_once_workers_are_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needed_later.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with Workers(1, ("needed_later",)) as pool:
        assert "needed_later" not in sys.modules
        pids(pool, 1)
        assert sys.modules.pop("needed_later").__file__ == str(tmp_path / "needed_later.py")


def test_an_interruption_waits_until_a_module_is_imported_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needed_later.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhole = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt), Workers(1, ("needed_later",)) as pool:
        pids(pool, 1)
    assert sys.modules.pop("needed_later").whole


def test_ctrl_c_never_reaches_a_worker_not_even_while_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[bool, bool]] = []
    with Workers(1) as pool:
        pool.work([0], interrupts, lambda task, found, error: told.append(found))
    monkeypatch.setattr(pools, "_prepare", prepare_nothing)
    with Workers(1) as pool:
        pool.work([0], interrupts, lambda task, found, error: told.append(found))
    assert told == [(True, False), (False, True)]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
