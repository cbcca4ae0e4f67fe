"""What a run's program costs in joules: a host meter counts while the recorded ticks are fed to it again, back to back.

A meter that counts during the closed loop would count the simulated plant as well.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from time import monotonic_ns, sleep

import numpy as np

from hilbench import plugins
from hilbench.errors import HilbenchError, MeterError, said
from hilbench.record.layout import ENERGY
from hilbench.record.meta import EnergyRecord
from hilbench.runs.given import recorded_scenario
from hilbench.runs.refeed import answer, program_of, recorded_run, write_beside
from hilbench.runs.sources import source_of
from hilbench.scenario.loop import LoopConfig
from hilbench.scenario.resolved import Scenario
from hilbench.types import Link, Meter, Tick

IDLE_S = 2.0
"""How long the idle host is metered."""
LEAST_S = 2.0
"""The record is fed again until so much time is metered: a counter that moves every ms says nothing about less."""


def meters() -> dict[str, str | None]:
    """The name of every meter, with the reason why it cannot be read here; None where it can."""
    return {name: _asked(name)[1] for name in plugins.all_of("meters")}


def measure_energy(
    folder: str | Path, meter: Meter | None = None, scenario: Scenario | None = None, *, trust: bool = False
) -> EnergyRecord:
    """Meter a run's program, write `energy.json` into the run's folder, and return what it says.

    Raises MeterError where no meter can be read, or where the run's device metered itself; nothing is written then.

    Parameters
    ----------
    folder : str or Path
        The run's folder.
    meter : Meter, optional
        The first one that can be read here when absent.
    scenario : Scenario, optional
        The run's, as it was run; the one in its record when absent.
    trust : bool
        Whether modules that the record names as MODULE:NAME may be imported, which runs their code.
    """
    recorded, ticks = recorded_run(folder, "meter")
    if any(np.isfinite(episode["energy_j"]).any() for episode in recorded.episodes):
        raise MeterError(f"{folder}: its device metered itself; energy_measured gives that")
    meter = meter or _first_available()
    scenario = scenario or recorded_scenario(recorded.meta, f"{folder}: run.json", trust=trust)
    with ExitStack() as stack:
        link, loop = program_of(recorded, scenario, stack)
        idle_w = _idle_w(meter)
        n, seconds, total_j = _metered(meter, link, loop, ticks)
    name = type(meter).__name__.lower()
    found = EnergyRecord(
        meter=name,
        meter_sha256=source_of("meters", name),
        domains=tuple(meter.domains()),
        accuracy=meter.accuracy,
        n_ticks=n,
        duration_s=seconds,
        total_j=total_j,
        idle_j=idle_w * seconds,
        dynamic_j=total_j - idle_w * seconds,
    )
    write_beside(Path(folder), ENERGY, found)
    return found


def _idle_w(meter: Meter) -> float:
    """The idle host's power, in W."""
    before_j, before_ns = meter.read_j(), monotonic_ns()
    sleep(IDLE_S)
    after_j, after_ns = meter.read_j(), monotonic_ns()
    return (after_j - before_j) / ((after_ns - before_ns) * 1e-9)


def _metered(meter: Meter, link: Link, loop: LoopConfig, episodes: list[list[Tick]]) -> tuple[int, float, float]:
    """How many ticks were fed, and the seconds and joules that they took."""
    n, seconds, before_j, before_ns = 0, 0.0, meter.read_j(), monotonic_ns()
    while seconds < LEAST_S:
        for number, ticks in enumerate(episodes):
            link.reset(loop.seed + number, "none" if number == 0 else loop.carry, loop.catch_up)
            for tick in ticks:
                answer(link, tick)
            n += len(ticks)
        seconds = (monotonic_ns() - before_ns) * 1e-9
    return n, seconds, meter.read_j() - before_j


def _asked(name: str) -> tuple[Meter | None, str | None]:
    """A meter, and why it cannot be read here; None for a meter that cannot be made, and for no reason."""
    try:
        kind = plugins.get("meters", name)
        meter = kind(kind.Config())
        return meter, meter.unavailable()
    except Exception as error:  # a broken meter counts as one that cannot be read
        return None, str(error) if isinstance(error, HilbenchError) else f"it raised {said(error)}"


def _first_available() -> Meter:
    reasons = {}
    for name in plugins.all_of("meters"):
        meter, reason = _asked(name)
        if meter is not None and reason is None:
            return meter
        reasons[name] = reason
    raise MeterError("no meter can be read here: " + "; ".join(f"{name}: {reason}" for name, reason in reasons.items()))
