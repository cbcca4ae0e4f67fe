"""What a run's program costs in joules: its recorded ticks are fed to it again, back to back, beside a host meter.

A meter beside the closed loop would count the simulated plant as well.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from time import monotonic_ns, sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench import plugins
from hilbench.agent import make_agent, make_plant
from hilbench.errors import MeterError, RecordError
from hilbench.loop_config import LoopConfig
from hilbench.recorder import ENERGY, read_run
from hilbench.scenario import Part, resolve
from hilbench.types import Link, Meter, RunData, Tick

IDLE_S = 2.0
"""How long the idle host is metered."""
LEAST_S = 2.0
"""The record is fed again until this much time is metered: a counter that moves every ms tells nothing of less."""


def meters() -> dict[str, str | None]:
    """Every meter there is, with the reason why it cannot be read here; None where it can."""
    return {name: _build(name).unavailable() for name in plugins.all_of("meters")}


def measure_energy(folder: str | Path, meter: Meter | None = None) -> dict[str, Any]:
    """Meter a run's program in this process, leave `energy.json` in the run's folder, and return what it says.

    `meter` is the first one that can be read here unless given. Raises MeterError where there is none, or where the
    run's device metered itself; nothing is written then.
    """
    recorded = read_run(folder)
    ticks = [list(_ticks(episode)) for episode in recorded.episodes]
    if not any(ticks) or "scenario" not in recorded.meta:
        raise RecordError(f"{folder}: no tick reached a device, so there is nothing to meter")
    if any(np.isfinite(episode["energy_j"]).any() for episode in recorded.episodes):
        raise MeterError(f"{folder}: its device metered itself; energy_measured gives that")
    meter = meter or _first_available()
    with ExitStack() as stack:
        link, loop = _program(recorded, f"{folder}: run.json", stack)
        idle_w = _idle_w(meter)
        n, seconds, total_j = _metered(meter, link, loop, ticks)
    found = {
        "meter": type(meter).__name__.lower(),
        "domains": list(meter.domains()),
        "accuracy": meter.accuracy,
        "ticks": n,
        "seconds": seconds,
        "total_j": total_j,
        "idle_j": idle_w * seconds,
        "dynamic_j": total_j - idle_w * seconds,
    }
    _write(Path(folder), found)
    return found


def _program(recorded: RunData, where: str, stack: ExitStack) -> tuple[Link, LoopConfig]:
    """The run's program, loaded in this process; the plant is needed for its sheet alone."""
    scenario = resolve(recorded.meta["scenario"], where)
    inside = replace(scenario, link=Part("inprocess", plugins.get("links", "inprocess").Config()))
    plant = make_plant(inside)
    try:
        agent = stack.enter_context(make_agent(inside, plant.sheet))
    finally:
        plant.close()
    return agent.link, scenario.loop


def _idle_w(meter: Meter) -> float:
    before_j, before_ns = meter.read_j(), monotonic_ns()
    sleep(IDLE_S)
    after_j, after_ns = meter.read_j(), monotonic_ns()
    return (after_j - before_j) / ((after_ns - before_ns) * 1e-9)


def _metered(meter: Meter, link: Link, loop: LoopConfig, episodes: list[list[Tick]]) -> tuple[int, float, float]:
    """Ticks fed, seconds and joules that they took."""
    n, seconds, before_j, before_ns = 0, 0.0, meter.read_j(), monotonic_ns()
    while seconds < LEAST_S:
        for number, ticks in enumerate(episodes):
            link.reset(loop.seed + number, "none" if number == 0 else loop.carry, loop.catch_up)
            for tick in ticks:
                link.send(tick)
                link.receive(0)
            n += len(ticks)
        seconds = (monotonic_ns() - before_ns) * 1e-9
    return n, seconds, meter.read_j() - before_j


def _ticks(columns: dict[str, NDArray]) -> Iterator[Tick]:
    """What reached the device, as it was sent."""
    blank = Tick()
    for k in np.flatnonzero(columns["processed"]):
        yield Tick(
            seq=int(k),
            t_ns=int(columns["t_us"][k]) * 1000,
            learning=bool(columns["learning"][k]),
            events=columns["events"][k],
            values=columns["values_in"][k] if "values_in" in columns else blank.values,
            modulators=columns["modulators"][k] if "modulators" in columns else blank.modulators,
        )


def _build(name: str) -> Meter:
    kind = plugins.get("meters", name)
    return kind(kind.Config())


def _first_available() -> Meter:
    reasons = {}
    for name in plugins.all_of("meters"):
        meter = _build(name)
        if (reason := meter.unavailable()) is None:
            return meter
        reasons[name] = reason
    raise MeterError("no meter can be read here: " + "; ".join(f"{name}: {reason}" for name, reason in reasons.items()))


def _write(folder: Path, found: dict[str, Any]) -> None:
    """Whole or not at all."""
    draft = folder / f".{ENERGY}"
    try:
        draft.write_text(json.dumps(found, indent=2), "utf-8")
        os.replace(draft, folder / ENERGY)
    except OSError as error:
        raise RecordError(f"{folder}: cannot hold {ENERGY}: {error.strerror}") from None
