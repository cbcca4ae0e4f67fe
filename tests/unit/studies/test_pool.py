"""A pool of processes: what a task that raises, or kills its worker, costs the others."""

from __future__ import annotations

import pytest
from pool_tasks import divide

from hilbench.studies.pool import Workers

pytestmark = pytest.mark.timeout(100)


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
