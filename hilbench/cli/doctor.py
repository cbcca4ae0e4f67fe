"""`hilbench doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hilbench.cli._shared import print_json
from hilbench.errors import ScenarioError

if TYPE_CHECKING:
    from hilbench.machine.doctor import Lava
    from hilbench.machine.findings import MachineReport, Spread


_ABOUT = """measuring for about {:.0f} s: clock, sleep, and the echo of a device that computes nothing over {}
other programs that run now count; a rate is held when at most {:.0%} of echoes take longer than its period"""


def doctor(
    *, each_s: float = 1.0, lava: bool = False, as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
) -> int:
    """Measure this machine: which real-time rate it holds over which link, what limits it, and what can be improved.

    A link is measured by the echo of a device that computes nothing; a controller's own time comes on top.

    Parameters
    ----------
    each_s
        how long each timing takes, one for each link and rate among them; stalls that are rare need longer ones
    lava
        start Lava's device too, and time its steps; takes some 15 s more
    as_json
        print everything as JSON
    """
    from hilbench.machine.doctor import examine, expected_s
    from hilbench.machine.doctor import lava as time_lava
    from hilbench.machine.findings import LATE_SHARE, LINKS
    from hilbench.types import to_builtins

    if not 0.01 <= each_s <= 600:
        raise ScenarioError(f"--each-s: found {each_s}, expected a time from 0.01 s to 600 s")
    if not as_json:
        print(_ABOUT.format(expected_s(each_s), " and ".join(LINKS.values()), LATE_SHARE), flush=True)
    timed = time_lava() if lava else None  # first, since it may not be installed
    report = examine(each_s)
    if as_json:
        print_json(to_builtins(report) | ({"lava": to_builtins(timed)} if timed else {}))
    else:
        _print(report, timed)
    return 0 if report.rate_steps else 1


def _print(report: MachineReport, timed: Lava | None) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2))
    for name, found in _rows(report):
        table.add_row(escape(name), escape(found))
    if timed is not None:
        table.add_row("Lava, 10-100-4 LIF over ZeroMQ", escape(_lava(timed)))
    console = Console()
    console.print(table)
    for line in report.advice:
        console.print(f"advice: {escape(line)}", soft_wrap=True)
    console.print(f"verdict: {escape(report.verdict)}", soft_wrap=True)


def _rows(report: MachineReport) -> Iterator[tuple[str, str]]:
    from hilbench.machine.findings import LINKS

    clock, stalls = report.clock, report.stalls
    yield "monotonic clock", f"resolution {clock.resolution_s * 1e9:g} ns, a reading takes {clock.read_s * 1e9:.0f} ns"
    yield "sleep to a 1 ms schedule", f"late by {_told(report.sleep)}"
    yield (
        "stood still above 0.1 ms",
        f"{stalls.per_s:.1f} per second, {stalls.share:.2%} of the time, longest {stalls.longest_s * 1e3:.2f} ms",
    )
    for step in report.rate_steps:
        held = "held" if step.held else "not held"
        yield (
            f"echo over {LINKS[step.link]}, {step.rate_hz} Hz",
            f"{held}: {step.late} of {step.sent} late; {_told(step.echo)}",
        )
    for link, reason in report.unmeasured.items():
        yield f"echo over {LINKS[link]}", f"not measured: {reason}"
    for fact in report.facts:
        yield fact.name, fact.found


def _lava(timed: Lava) -> str:
    held = f"holds {timed.rate_held_hz} Hz" if timed.rate_held_hz else "holds none of the rates tried"
    return f"{held}; starts in {timed.start_s:.1f} s, a tick of one step takes {_told(timed.step)}"


def _told(spread: Spread) -> str:
    values = {"p50": spread.p50_s, "p99": spread.p99_s, "max": spread.max_s}
    known = (f"{name} {value * 1e3:.3f} ms" for name, value in values.items() if value is not None)
    return f"{', '.join(known) or 'nothing came back'} (N {spread.n})"
