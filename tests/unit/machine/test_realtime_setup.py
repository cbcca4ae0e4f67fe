"""Priority, processors and locked memory: what is permitted is had and given back, what is not is told."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import threading

import pytest

from hilbench.machine import realtime_setup as realtime
from hilbench.machine.realtime_setup import granted
from hilbench.scenario.loop import LoopConfig

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setscheduler"), reason="this system has no SCHED_FIFO")


class System:
    """Keeps what each thread was given; `refuse` names calls that are not permitted."""

    def __init__(self, monkeypatch, refuse=(), threads=(1, 2), cpus=(0, 1, 2, 3)):
        self.threads = {thread: {"policy": (os.SCHED_OTHER, 0), "cpus": {*cpus}} for thread in threads}
        self.cpus, self.refuse, self.gone, self.locked = {*cpus}, set(refuse), set(), False
        monkeypatch.setattr(realtime, "_threads", lambda: list(threads))
        for name in ("sched_getscheduler", "sched_getparam", "sched_getaffinity"):
            monkeypatch.setattr(os, name, getattr(self, name))
        for name in ("sched_setscheduler", "sched_setaffinity"):
            monkeypatch.setattr(os, name, getattr(self, name))
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: self)
        monkeypatch.setattr(ctypes, "get_errno", lambda: errno.ENOMEM)
        monkeypatch.setattr(realtime, "memory_refusal", lambda: None)

    def _of(self, thread, call):
        if thread in self.gone:
            raise ProcessLookupError
        if call in self.refuse or (call, thread) in self.refuse:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return self.threads[thread]

    def sched_getscheduler(self, thread):
        return self._of(thread, "")["policy"][0]

    def sched_getparam(self, thread):
        return os.sched_param(self._of(thread, "")["policy"][1])

    def sched_setscheduler(self, thread, policy, param):
        self._of(thread, "fifo")["policy"] = policy, param.sched_priority

    def sched_getaffinity(self, thread):
        return self._of(thread, "")["cpus"]

    def sched_setaffinity(self, thread, cpus):
        if not self.cpus & set(cpus):
            raise OSError(errno.EINVAL, "Invalid argument")
        self._of(thread, "pin")["cpus"] = self.cpus & set(cpus)

    def mlockall(self, flags):
        self.locked = "lock" not in self.refuse and flags
        return 0 if self.locked else -1

    def munlockall(self):
        self.locked = False

    @property
    def untouched(self):
        before = {"policy": (os.SCHED_OTHER, 0), "cpus": self.cpus}
        return all(thread == before for thread in self.threads.values()) and not self.locked


ALL = LoopConfig(realtime_priority=40, cpus=(1, 3), lock_memory=True)


def test_what_is_permitted_holds_for_every_thread_and_is_given_back(monkeypatch):
    system = System(monkeypatch)
    with granted(ALL) as rights:
        assert set(map(str, system.threads.values())) == {str({"policy": (os.SCHED_FIFO, 40), "cpus": {1, 3}})}
        assert system.locked == 3
        assert rights.asked == {"realtime_priority": 40, "cpus": (1, 3), "lock_memory": True}
        assert rights.refused == {}
        assert rights.notes == ()
    assert system.untouched


@pytest.mark.parametrize(("call", "field", "reason"), [
    ("fifo", "realtime_priority", "Operation not permitted"), ("pin", "cpus", "Operation not permitted"),
    ("lock", "lock_memory", os.strerror(errno.ENOMEM)), (("fifo", 2), "realtime_priority", "Operation not permitted"),
])  # fmt: skip
def test_what_is_not_permitted_is_told_and_the_rest_holds(monkeypatch, call, field, reason):
    system = System(monkeypatch, refuse={call})
    with granted(ALL) as rights:
        assert rights.refused == {field: reason}
        assert [field in note and reason in note for note in rights.notes] == [True]
        if field == "realtime_priority":  # not in some threads and in others not
            assert {thread["policy"] for thread in system.threads.values()} == {(os.SCHED_OTHER, 0)}
        assert (system.locked == 3) == (field != "lock_memory")
        assert all((thread["cpus"] == {1, 3}) == (field != "cpus") for thread in system.threads.values())
    system.refuse.clear()
    assert system.untouched


@pytest.mark.parametrize(("cpus", "reason"), [((1, 9), r"may run on the CPUs \[0, 1, 2, 3\]"), ((9,), "Invalid")])
def test_a_processor_that_is_not_there(monkeypatch, cpus, reason):
    system = System(monkeypatch)
    with granted(LoopConfig(cpus=cpus)) as rights:
        assert rights.refused.keys() == {"cpus"}
        assert re.search(reason, rights.refused["cpus"])
        assert system.untouched
    assert system.untouched


def test_a_thread_that_ends_meanwhile_is_no_failure(monkeypatch):
    system = System(monkeypatch, threads=(1, 2, 3))
    system.gone = {2}
    with granted(ALL) as rights:
        assert rights.refused == {}
        system.gone = {2, 3}
    assert system.threads[1] == {"policy": (os.SCHED_OTHER, 0), "cpus": system.cpus}


def test_an_error_in_the_run_gives_everything_back(monkeypatch):
    system = System(monkeypatch)
    with pytest.raises(RuntimeError), granted(ALL):
        raise RuntimeError
    assert system.untouched


def test_nothing_asked_is_nothing_done(monkeypatch):
    system = System(monkeypatch, refuse={"fifo", "pin", "lock"})
    with granted(LoopConfig()) as rights:
        assert (rights.asked, rights.refused) == ({}, {})
    assert system.untouched


def test_pinning_this_process_to_where_it_may_run_already():
    """The real calls, with nothing that needs a permission."""
    before = {thread: os.sched_getaffinity(thread) for thread in realtime._threads()}
    started, end = threading.Event(), threading.Event()
    other = threading.Thread(target=lambda: (started.set(), end.wait(60)))
    other.start()
    try:
        assert started.wait(60)
        one = min(os.sched_getaffinity(0))
        with granted(LoopConfig(cpus=(one,))) as rights:
            assert rights.refused == {}
            assert os.sched_getaffinity(0) == os.sched_getaffinity(other.native_id) == {one}
        assert os.sched_getaffinity(other.native_id) == os.sched_getaffinity(0) == before[os.getpid()]
    finally:
        end.set()
        other.join()
