"""Runs: from a scenario to a folder, and from a folder to its replay. Everything is built here and released here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ScenarioError
from hilbench.loop.agent import Agent
from hilbench.loop.clock import Clock, Delayed, Lockstep, TickTimes, Traced, Wall
from hilbench.loop.echo import echo_ns
from hilbench.loop.loop import Loop, Outcome
from hilbench.machine.realtime_setup import granted
from hilbench.metrics import column, timing
from hilbench.nal.compile.facts import network_facts
from hilbench.record.histogram import counted
from hilbench.record.reader import read_run
from hilbench.record.writer import Recorder, ensure_writable
from hilbench.runs.build import checked, make_agent, make_plant
from hilbench.runs.metering import meters
from hilbench.runs.provenance import provenance
from hilbench.runs.sources import Reader, modules_of
from hilbench.scenario.files import Scenario, dump
from hilbench.scenario.loop import LoopConfig, TraceDelay
from hilbench.types import EVENT, Plant, RunData, size_of, to_builtins

BEHIND_SHARE, BEHIND_LEAST = 0.01, 10
"""Of ticks that may begin more than a period late before a run says so; a few stalls are none."""
TRACE = ("answered", "arrived_ns", "scheduled_ns", "skipped", "processed", "terminated", "truncated")
"""The columns that tell what became of a tick."""
LAG = ("scheduled_ns", "captured_ns", "encoded_ns", "sent_ns", "terminated", "truncated")
"""The columns that tell of it."""


def run(
    scenario: Scenario, folder: str | Path, progress: Callable[[float], None] | None = None, **more: Any
) -> Outcome:
    """Run a scenario and leave its record in `folder`. `progress` is told the simulated time, once a second of it.

    `more` is kept in `run.json` as it is.

    A device that is lost is an Outcome, not an exception. Raises HilbenchError for what cannot start.
    """
    ensure_writable(Path(folder))  # before a device is started for nothing
    with ExitStack() as stack:
        plant = make_plant(scenario)
        stack.callback(plant.close)
        control = checked(scenario, plant)
        trace = scenario.loop.delay
        times = tick_times(read_run(trace.run, TRACE)) if isinstance(trace, TraceDelay) else []
        clock = _clock(scenario.loop, plant.plant_spec.physics_step_s, times)
        agent = stack.enter_context(make_agent(scenario, plant.plant_spec, control))
        recorder = stack.enter_context(open_recorder(scenario, folder, plant, agent, clock, **more))
        if not clock.realtime:
            return record_run(scenario, recorder, plant, agent, clock, progress)
        # After the device was started, which must not inherit the loop's priority and processors.
        rights = stack.enter_context(granted(scenario.loop))
        clock.measure(agent.collect)
        recorder.add(realtime={"spin_s": clock.spin_ns * 1e-9, **to_builtins(rights)})
        outcome = record_run(scenario, recorder, plant, agent, clock, progress)
        return replace(outcome, notes=(*rights.notes, *outcome.notes))


def tick_times(run: RunData) -> list[TickTimes]:
    """What became of every tick of a real-time run, episode by episode. Raises ScenarioError for a run without any.

    The row in which the plant ended an episode is no tick.
    """
    if run.mode != "realtime" or not any(episode["answered"].any() for episode in run.episodes):
        raise ScenarioError("loop.delay.run: a trace needs the latencies of a real-time run with answered ticks")
    found = []
    for episode in run.episodes:
        if (live := ~(episode["terminated"] | episode["truncated"])).any():
            delay_ns = episode["arrived_ns"] - episode["scheduled_ns"]
            columns = (delay_ns, episode["answered"], episode["skipped"], episode["processed"])
            found.append(TickTimes(*(column[live].tolist() for column in columns)))
    return found


def open_recorder(
    scenario: Scenario, folder: str | Path, plant: Plant, agent: Agent, clock: Clock, **more: Any
) -> Recorder:  # fmt: skip
    """The run's folder, opened, with all that is known before its first tick."""
    meta = {
        "scenario": dump(scenario),
        "plant_spec": to_builtins(plant.plant_spec),
        "report": to_builtins(agent.report),
        "sources": Reader()(scenario, modules_of(agent.control.program)),
        "program": _ports(agent),
        "notes": list(agent.control.notes),
        "network": network_facts(agent.control.program, scenario.period_us),
        "same_clock": agent.link.same_clock,
        "meters": meters(),
        **provenance(),
        **more,
    }
    return Recorder(folder, meta, compress=not clock.realtime)


def record_run(
    scenario: Scenario, recorder: Recorder, plant: Plant, agent: Agent, clock: Clock, progress: Callable | None
) -> Outcome:
    """Drive the loop, with the link's bare echo before it and after it in real time.

    Where ticks carry events their sizes are known afterwards alone, and so the echo comes then, twice as long.
    """
    echoes_ns = partial(_bare_echo_ns, scenario.loop, agent) if clock.realtime else lambda *_: np.empty(0, np.int64)
    with_events = size_of(agent.control.program.inputs, "events") > 0
    if not with_events:
        recorder.echo(echoes_ns(clock.spin_ns))
    try:
        outcome = Loop(plant, agent, scenario.loop, recorder, clock, progress).run()
    finally:
        recorder.meta["link"] = agent.link.tally()  # written when the recorder closes
    if outcome.status == "done":
        recorder.end_episode()
        known = with_events and clock.realtime
        recorder.echo(echoes_ns(clock.spin_ns, _events_per_tick(recorder.folder) if known else None))
    recorder.close(outcome.status)
    outcome = replace(outcome, notes=(*(f"warning: {line}" for line in agent.report.warnings), *outcome.notes))
    if clock.realtime:
        recorder.add(histograms_ns=histograms_ns(recorder.folder))
        late = behind(scenario, read_run(recorder.folder, LAG))
        recorder.add(behind=bool(late))
        outcome = replace(outcome, notes=(*outcome.notes, *late))
    return replace(outcome, notes=(*agent.control.notes, *outcome.notes))


def histograms_ns(folder: str | Path) -> dict[str, dict[str, int]]:
    """How often a run has which latencies, as `run.json` keeps them: of every tick, and of the link's bare echo."""
    columns = ("applied_step", "applied_ns", "scheduled_ns", "terminated", "truncated")
    found = read_run(folder, columns)
    return {"latency": counted(np.rint(timing.latencies_s(found) * 1e9)), "echo": counted(found.echo_ns)}


def behind(scenario: Scenario, run: RunData) -> tuple[str, ...]:
    """A note when the loop itself did not keep to the clock in real time.

    No count tells of that: the plant stands still while the loop is behind, so no reply is late and no tick skipped.
    """
    lag_s = timing.lags_s(run)
    period_s = scenario.loop.period_s
    late = int((lag_s > period_s).sum())
    if late < BEHIND_LEAST or late <= BEHIND_SHARE * lag_s.size:
        return ()
    text = (
        f"the loop fell behind the clock: {late} of {lag_s.size} ticks began more than a period "
        f"({period_s * 1e3:g} ms) late, up to {lag_s.max():.3g} s, and the plant stood still meanwhile"
    )
    took_s = (column(run, "sent_ns") - column(run, "encoded_ns"))[column(run, "sent_ns") > 0] * 1e-9
    if scenario.link.kind != "inprocess" or not took_s.size or np.median(took_s) < period_s / 2:
        return (f"{text}; `hilbench doctor` says which rate this machine holds",)
    return (
        f"{text}. Backend {scenario.chosen.backend.kind!r} takes {np.median(took_s) * 1e3:.3g} ms a tick and runs in "
        "the loop's process: with link.kind unix, or zmq, it has one of its own",
    )


def _bare_echo_ns(loop: LoopConfig, agent: Agent, spin_ns: int, n_events: NDArray | None = None) -> NDArray:
    """The link's bare echo at the run's rate, with frames of its ticks' size: those of ticks with so many events."""
    n, n_bytes = ceil(loop.echo_s / loop.period_s), agent.tick.values.nbytes + agent.tick.modulators.nbytes
    sizes = np.full(n, n_bytes)
    if n_events is not None:  # spread over the run
        spread = np.linspace(0, n_events.size - 1, 2 * n).round().astype(int)
        sizes = n_bytes + EVENT.itemsize * n_events[spread]
    return echo_ns(agent.link, sizes.tolist(), round(loop.period_s * 1e9), loop.max_in_flight, spin_ns=spin_ns)


def _events_per_tick(folder: Path) -> NDArray:
    """How many events each tick that was sent carried, (n,) int; a single 0 where none was sent."""
    episodes = read_run(folder, ("events", "skipped")).episodes
    return np.array([len(row) for e in episodes for row in e["events"][~e["skipped"]]] or [0])


def _ports(agent: Agent) -> dict[str, Any]:
    program = agent.control.program
    return {kind: to_builtins(getattr(program, kind)) for kind in ("inputs", "outputs", "modulators")}


def _clock(loop: LoopConfig, step_s: float, trace: Sequence[TickTimes]) -> Clock:
    if loop.mode == "realtime":
        return Wall(loop)
    if loop.mode == "delayed":
        return Traced(loop, step_s, trace) if trace else Delayed(loop, step_s)
    return Lockstep(round(loop.period_s / step_s))
