"""What every backend promises, and that one which runs networks means by them what `reference` means."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest

from hilbench import plugins
from hilbench.errors import NetworkError
from hilbench.nal import Network
from hilbench.testing._backend_learning import LearningPromises
from hilbench.testing._backend_networks import NetworkPromises
from hilbench.testing._backend_parts import (
    LAW,
    PERIOD_US,
    Loaded,
    answers,
    answers_of,
    learner,
    make,
    runs,
    static,
    ticks_for,
    wrong_reply,
)
from hilbench.testing._parts import Contract, Part, brief, ensure, refusal
from hilbench.testing.mistreatment import mistreat, untouched
from hilbench.types import Backend, LawProgram, LoadReport, Probes, Program


class BackendContract(NetworkPromises, LearningPromises, Contract):
    """What every backend promises.

    `programs` are tried in order, and the backend is tested with the first that it takes whole: a small network that
    learns, the same without learning, and the law `random`. What is about networks is skipped for a backend that runs
    none, and what is about learning for one that does not learn.
    """

    kind = "backends"
    programs: ClassVar[Sequence[Program]] = (learner(), static(), LAW)

    @pytest.fixture
    def program(self, part: Part) -> Program:
        """The first of the programs that it takes whole; else the first that it takes."""
        return self._once("program", part, lambda: self._first(part))

    def _first(self, part: Part) -> Program:
        taken = [program for program in self.programs if runs(part, program) is not None]
        ensure(taken, "a backend takes one of `programs`: it refused all of them")
        return next((program for program in taken if runs(part, program)), taken[0])

    @pytest.fixture
    def loaded(self, part: Part, program: Program) -> Loaded:
        """The backend with that program, and with whatever of it the backend records."""
        return Loaded(part, program, _probes(part, program))

    def test_it_reports_what_it_made_of_the_program(self, part, program):
        report = make(part).load(program, PERIOD_US, Probes())
        ensure(isinstance(report, LoadReport), f"load gives a LoadReport: found a {type(report).__name__}")
        name = plugins.name_of("backends", part.cls)
        ensure(report.backend == name, f"a LoadReport has the backend's name, {name!r}: found {report.backend!r}")
        says = report.exact or report.approximated or report.dropped
        ensure(says, "a LoadReport says what runs exactly, approximated, or not at all: found nothing")

    def test_replies_have_the_types_of_the_wire(self, loaded):
        backend, n_probe_values = loaded.new(), loaded.n_probe_values
        for k, tick in enumerate(ticks_for(loaded.program)):
            found = wrong_reply(backend.step(tick), loaded.program, n_probe_values)
            ensure(not found, f"tick {k}: {found}")

    def test_a_seed_decides_every_reply_and_ticks_are_left_alone(self, loaded):
        backend, ticks = loaded.new(), ticks_for(loaded.program)
        before = copy.deepcopy(ticks)
        first = answers(backend, ticks, seed=7)
        ensure(first == answers(backend, ticks, seed=7), "reset(seed) begins anew: found other replies")
        ensure(first == answers(loaded.new(), ticks, seed=7), "two backends of a seed reply alike: found other replies")
        for k, (then, now) in enumerate(zip(before, ticks, strict=True)):
            for name in ("values", "events", "modulators"):
                a, b = getattr(then, name), getattr(now, name)
                ensure(a.tobytes() == b.tobytes(), f"a backend leaves ticks as they are: {name} of tick {k} changed")
            ensure(then.learning == now.learning, f"a backend leaves ticks as they are: learning of tick {k} changed")

    def test_what_a_reader_makes_of_ticks_and_replies_changes_nothing_later(self, loaded):
        """Every array of both is resized, overwritten and replaced, also before a gap, a reset and a snapshot."""
        backend, twin = loaded.new(), loaded.new()
        ticks, line = ticks_for(loaded.program), "nothing depends on what became of an earlier tick or reply"
        for k, tick in enumerate([*ticks, *ticks]):
            for each in (backend, twin):
                if k in (4, 9):
                    each.advance(k - 3)
                if k == len(ticks):
                    each.reset(3, "weights")
            expected, mine = answers(twin, [tick]), copy.deepcopy(tick)
            reply = backend.step(mine)
            ensure(answers_of([reply]) == expected, f"{line}: found another reply to tick {k}")
            foreign = mistreat(reply) + mistreat(mine)
            if k % 5 == 2 and loaded.saves:
                _mistreat_snapshot(backend, twin)
            next_reply = backend.step(ticks[0])
            ensure(answers_of([next_reply]) == answers(twin, [ticks[0]]), f"{line}: found another reply after tick {k}")
            ensure(untouched(foreign), "a backend writes into no array that its reader has put into a tick or a reply")

    def test_a_program_that_it_cannot_run_is_refused_with_a_reason(self, part):
        """A law is nothing that a backend for networks runs, and a network nothing for one of laws."""
        for program in (LAW, static()):
            what = "a law" if isinstance(program, LawProgram) else "a network"
            refusal(what, make(part).load, program, PERIOD_US, Probes(), errors=NetworkError)

    def test_a_refused_program_leaves_the_one_that_runs(self, loaded):
        backend, ticks = loaded.new(), ticks_for(loaded.program)
        other = static() if isinstance(loaded.program, LawProgram) else LAW
        if refusal("another program", backend.load, other, PERIOD_US, Probes(), errors=NetworkError) is None:
            pytest.skip("it takes laws and networks")
        found, expected = answers(backend, ticks, seed=7), answers(loaded.new(), ticks, seed=7)
        ensure(found == expected, "a program that is refused leaves the one before: found other replies")

    def test_a_snapshot_brings_the_same_future_back_or_is_refused(self, loaded):
        backend, ticks = loaded.new(), ticks_for(loaded.program, 20)
        if not loaded.saves:
            said = refusal("a snapshot", backend.restore, {}, "all", errors=NetworkError)
            ensure(said, "a backend that cannot save its state takes none back: found no error from restore")
            return
        answers(backend, ticks[:10], seed=2)
        saved = backend.snapshot()
        kept = {name: array.copy() for name, array in saved.items()}
        future = answers(backend, ticks[10:])
        stays = all(np.array_equal(saved[name], kept[name]) for name in kept)
        ensure(stays, "a snapshot is a copy: it has changed while the backend went on")
        for what, other in (("the same", backend), ("another", loaded.new())):
            other.restore(saved, "all")
            line = f"what follows a restored snapshot is what followed then, in {what} backend: found other replies"
            ensure(answers(other, ticks[10:]) == future, line)
        for wrong in ({}, {name: np.ones((7, 7)) for name in saved}):
            said = refusal("a snapshot that does not fit", backend.restore, wrong, "all", errors=NetworkError)
            ensure(said, f"restore refuses a snapshot that does not fit: found no error for {brief(list(wrong))}")
        same_still = answers(backend, ticks[:3]) == answers(other, ticks[:3])
        ensure(same_still, "a snapshot that is refused changes nothing: found other replies")


def _probes(part: Part, program: Program) -> Probes:
    """Whatever the backend records of a program that has a population `a` and a projection `learnt`."""
    if not isinstance(program, Network) or "a" not in program.populations or "learnt" not in program.projections:
        return Probes()
    every = Probes(("a",), ("learnt",), ("learnt",), PERIOD_US * 1e-6)
    return next((each for each in (every, Probes(spikes=("a",))) if runs(part, program, each) is not None), Probes())


def _mistreat_snapshot(backend: Backend, twin: Backend) -> None:
    """Put a snapshot back and write over its arrays, which are copies."""
    saved, wanted = backend.snapshot(), twin.snapshot()
    alike = all(saved[key].tobytes() == wanted[key].tobytes() for key in wanted)
    ensure(alike, "two backends that ran the same have the same snapshot: found another one")
    backend.restore(saved, "all")
    for array in saved.values():
        if array.flags.writeable:
            array.view(np.uint8)[...] = 0x47
