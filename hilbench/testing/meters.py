"""What every meter promises, whether or not this machine has it."""

from __future__ import annotations

from hilbench.testing._parts import Contract, ensure


class MeterContract(Contract):
    """What every meter promises: it reads joules, or says in one line why it cannot."""

    kind = "meters"

    def test_it_reads_or_says_why_not(self, part):
        meter = part.cls(part.config)
        reason = meter.unavailable()
        if reason is not None:
            one_line = isinstance(reason, str) and reason and "\n" not in reason
            ensure(one_line, f"unavailable() is None, or why in one line: found {reason!r}")
            return
        ensure(meter.domains(), "domains() names what is added up: found nothing")
        first = meter.read_j()
        second = meter.read_j()
        ensure(0 <= first <= second, f"read_j() never falls, from 0 on: found {first} J, then {second} J")

    def test_it_says_what_is_counted_and_how_well(self, part):
        said = getattr(part.cls, "accuracy", "")
        ensure(isinstance(said, str) and said, f"accuracy says what is counted, and how well: found {said!r}")
