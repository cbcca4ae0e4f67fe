"""One evaluation at a time has a folder, and a folder has the results of one suite."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from hilbench.errors import RecordError, ScenarioError
from hilbench.record.sealed import RESERVE, reserve
from hilbench.studies.schema import SUMMARY, Summary, read_summary, write_summary
from hilbench.studies.suite import Suite

LOCK = ".lock"


@contextmanager
def claimed(folder: Path, suite: Suite) -> Iterator[None]:
    """Reserve the folder for this suite and this evaluation.

    Raises ScenarioError when it holds anything else, or when another evaluation is running there.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    suite : Suite
    """
    if folder.exists() and not folder.is_dir():
        raise ScenarioError(f"{folder}: found a file, expected a folder")
    held, why = None, ""
    if (folder / SUMMARY).is_file():
        try:
            held = read_summary(folder)
        except RecordError as error:
            why = f" ({error})"
    if folder.is_dir() and any(path.name not in (LOCK, RESERVE) for path in folder.iterdir()):
        if held is None:
            where = f"{folder}: found files but no readable {SUMMARY} of a suite, so it stays{why}"
            raise ScenarioError(f"{where}; give an empty folder")
        if held.suite != suite.name:
            where = f"{folder}: holds results of the suite {held.suite!r}"
            raise ScenarioError(f"{where}; give {suite.name!r} another folder")
    with _locked(folder):
        begun = held or Summary(suite=suite.name, suite_summary=suite.summary)
        write_summary(folder, msgspec.structs.replace(begun, status="running"))
        reserve(folder)
        yield


def _locked(folder: Path) -> IO[str]:
    """A file that locks the folder until it is closed, or this process ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / LOCK, "w")  # noqa: SIM115 - the caller closes it
    except OSError as error:
        raise ScenarioError(f"{folder}: cannot hold an evaluation: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise ScenarioError(f"{folder}: another evaluation is running here; wait for it, or end it") from None
    return lock
