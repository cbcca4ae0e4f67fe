"""No test leaves a process or a thread behind."""

from __future__ import annotations

import os
import threading
from multiprocessing import resource_tracker
from pathlib import Path

import pytest


def children() -> dict[int, str]:
    """Processes that this one has started and that have not been waited for: pid -> command; none without /proc."""
    tracker = getattr(resource_tracker._resource_tracker, "_pid", None)
    found = {}
    for task in Path("/proc/self/task").glob("*/children"):
        for pid in map(int, task.read_text().split()):
            if pid not in (tracker, None):  # multiprocessing keeps its tracker for the whole session
                found[pid] = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip() or "a zombie"
    return found


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """Fail a test after which a child process or a non-daemon thread is still there that was not there before."""
    before, threads = set(children()), set(threading.enumerate())
    yield
    left = {pid: command for pid, command in children().items() if pid not in before}
    left_threads = [t.name for t in set(threading.enumerate()) - threads if t.is_alive() and not t.daemon]
    assert not left, f"pid {os.getpid()}: child processes left behind: {left}"
    assert not left_threads, f"threads left behind: {left_threads}"
