"""Runs a scenario and leaves its record in a folder. Everything that a run needs is built here and released here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path
from time import monotonic_ns
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import LinkError, NetworkError, ScenarioError
from hilbench.loop.agent import Agent
from hilbench.loop.clock import Clock, Wall
from hilbench.loop.echo import echo_ns
from hilbench.loop.loop import Loop
from hilbench.loop.outcome import Outcome
from hilbench.loop.virtual import Delayed, Lockstep, TickTimes, Traced
from hilbench.machine.realtime_setup import granted
from hilbench.metrics import column, timing
from hilbench.nal.compile.facts import network_facts
from hilbench.nal.model.learnt import write_learnt
from hilbench.record.data import RunData
from hilbench.record.histogram import counted
from hilbench.record.meta import Histograms, LinkLosses, NotFinite, Ports, RealtimeRights, RunMeta
from hilbench.record.reader import read_run
from hilbench.record.writer import Recorder, ensure_writable
from hilbench.runs.build import checked, close_plant, make_agent, make_plant, network_seed, own_period_us
from hilbench.runs.given import with_given
from hilbench.runs.metering import meters
from hilbench.runs.provenance import provenance
from hilbench.runs.sources import Reader, modules_of
from hilbench.scenario.delays import TraceDelay
from hilbench.scenario.loop import LoopConfig
from hilbench.scenario.recorded import recorded
from hilbench.scenario.resolved import Scenario
from hilbench.types import EVENT, size_of

BEHIND_SHARE, BEHIND_LEAST = 0.01, 10
"""A run warns when more than this share of its ticks, and at least so many, began more than a period late."""
TRACE = ("answered", "arrived_ns", "scheduled_ns", "skipped", "processed", "terminated", "truncated")
"""The columns that say what happened to each tick."""
LAG = ("scheduled_ns", "captured_ns", "encoded_ns", "sent_ns", "terminated", "truncated")
"""The columns that say how late each tick began."""


class RunLabels(TypedDict, total=False):
    """What an evaluation or a replay adds to a run's `run.json`: fields of RunMeta."""

    reuse_key: str
    run_id: str
    latencies_of_run_id: str | None
    replay_of: str


def run(
    scenario: Scenario,
    folder: str | Path,
    progress: Callable[[float], None] | None = None,
    labels: RunLabels | None = None,
    plant: Any = None,
) -> Outcome:
    """Run a scenario and leave its record in a folder.

    A lost device ends the run with an Outcome, not with an exception. Raises HilbenchError for a run that cannot start.

    Parameters
    ----------
    scenario : Scenario
    folder : str or Path
        Where the record goes; a folder that holds one already is refused.
    progress : callable, optional
        Receives the simulated time in s, once a second of it.
    labels : RunLabels, optional
        Added to `run.json`.
    plant : gymnasium.Env or Plant, optional
        What to drive in place of the scenario's plant; it stays open, and the record says that it was given.
    """
    ensure_writable(Path(folder))  # before a device is started for nothing
    began_ns = monotonic_ns()
    outcome = _run(scenario, folder, progress, labels, plant)
    return replace(outcome, took_s=(monotonic_ns() - began_ns) * 1e-9)


def _run(
    scenario: Scenario,
    folder: str | Path,
    progress: Callable[[float], None] | None,
    labels: RunLabels | None,
    plant: Any,
) -> Outcome:
    with ExitStack() as stack:
        if plant is None:
            plant = make_plant(scenario)
            stack.callback(close_plant, scenario, plant)
        else:
            scenario, plant = with_given(scenario, plant)
        control = checked(scenario, plant)
        trace = scenario.loop.delay
        times = tick_times(read_run(trace.run, TRACE)) if isinstance(trace, TraceDelay) else []
        clock = _clock(scenario.loop, plant.plant_spec.physics_step_s, times)
        agent = stack.enter_context(make_agent(scenario, plant.plant_spec, control))
        recorder = stack.enter_context(open_recorder(scenario, folder, plant, agent, clock, labels))
        if not clock.realtime:
            return record_run(scenario, recorder, plant, agent, clock, progress)
        # Only now: a device that was started above must not inherit the loop's priority and processors.
        rights = stack.enter_context(granted(scenario.loop))
        clock.measure(agent.link.receive)
        recorder.add(realtime=RealtimeRights(spin_s=clock.spin_ns * 1e-9, asked=rights.asked, refused=rights.refused))
        outcome = record_run(scenario, recorder, plant, agent, clock, progress)
        return replace(outcome, notes=(*rights.notes, *outcome.notes))


def tick_times(run: RunData) -> list[TickTimes]:
    """What happened to every tick of a real-time run, by episode. Raises ScenarioError if none of them was answered.

    The last row of an episode that the plant ended is not a tick.
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
    scenario: Scenario, folder: str | Path, plant: Any, agent: Agent, clock: Clock, labels: RunLabels | None = None
) -> Recorder:
    """Open the run's folder for writing; `run.json` gets all that is known before the first tick.

    Parameters
    ----------
    scenario : Scenario
    folder : str or Path
        Where the record goes.
    plant : Plant
        The scenario's plant.
    agent : Agent
        Its program is loaded.
    clock : Clock
        In real time nothing is compressed while the run is going on.
    labels : RunLabels, optional
        Added to `run.json`.
    """
    return Recorder(folder, run_meta(scenario, plant, agent, labels), compress=not clock.realtime)


def run_meta(scenario: Scenario, plant: Any, agent: Agent, labels: RunLabels | None = None) -> RunMeta:
    """All that is known of a run before its first tick.

    Parameters
    ----------
    scenario, plant, agent, labels
        As in `open_recorder`.
    """
    program = agent.control.program
    return RunMeta(
        scenario=recorded(scenario),
        scenario_folder=scenario.folder if scenario.modules else "",
        plant_spec=plant.plant_spec,
        ports=Ports(inputs=program.inputs, outputs=program.outputs, modulators=program.modulators),
        load_report=agent.report,
        network=network_facts(program, own_period_us(agent.control, scenario.period_us)),
        controller_notes=agent.control.notes,
        device_shares_clock=agent.link.same_clock,
        meter_refusals=meters(),
        sources=Reader()(scenario, modules_of(agent.control)),
        provenance=provenance(),
        **(labels or {}),
    )


def record_run(
    scenario: Scenario,
    recorder: Recorder,
    plant: Any,
    agent: Agent,
    clock: Clock,
    progress: Callable[[float], None] | None,
) -> Outcome:
    """Run the loop to its end and close the record. In real time, measure the link's bare echo before and after.

    The size of ticks that carry events is known only afterwards. Their echo is measured then, for twice as long.

    Parameters
    ----------
    scenario : Scenario
    recorder : Recorder
        Of the run's folder, as `open_recorder` opens it.
    plant : Plant
        The scenario's plant.
    agent : Agent
        Its program is loaded.
    clock : Clock
    progress : callable, optional
        Receives the simulated time in s, once a second of it.
    """
    echoes_ns = partial(_bare_echo_ns, scenario.loop, agent) if clock.realtime else lambda *_: np.empty(0, np.int64)
    with_events = size_of(agent.control.program.inputs, "events") > 0
    if not with_events:
        recorder.echo(echoes_ns(clock.spin_ns))
    try:
        outcome = Loop(plant, agent, scenario.loop, recorder, clock, progress).run()
    finally:
        lost = agent.link.tally()
        recorder.note(link_losses=LinkLosses(unsent_ticks=lost.get("unsent"), broken_frames=lost.get("broken")))
        if hasattr(plant, "rest"):
            recorder.note(robot=plant.rest())
    if outcome.status == "done":
        recorder.end_episode()
        if scenario.loop.keep_weights:
            outcome = replace(outcome, notes=(*outcome.notes, *_kept(agent, recorder.folder, scenario)))
        known = with_events and clock.realtime
        recorder.echo(echoes_ns(clock.spin_ns, _events_per_tick(recorder.folder) if known else None))
    recorder.close(outcome.status)
    if (first := recorder.meta.plant_not_finite) is not None:
        outcome = replace(outcome, notes=(*outcome.notes, _not_finite(first)))
    outcome = replace(outcome, notes=(*(f"warning: {line}" for line in agent.report.warnings), *outcome.notes))
    if clock.realtime:
        recorder.add(histograms_ns=histograms_ns(recorder.folder))
        late = behind(scenario, read_run(recorder.folder, LAG))
        recorder.add(fell_behind=bool(late))
        outcome = replace(outcome, notes=(*outcome.notes, *late))
    return replace(outcome, notes=(*agent.control.notes, *outcome.notes))


def _not_finite(first: NotFinite) -> str:
    """The one line on a plant that showed what is no finite number: from there on its controller got it."""
    what = f"the plant's {', '.join(first.entries)} {'are' if len(first.entries) > 1 else 'is'} not finite"
    return f"warning: episode {first.episode}, tick {first.tick} ({first.t_s:.3f} s): {what}; the run went on with it"


def _kept(agent: Agent, folder: Path, scenario: Scenario) -> tuple[str, ...]:
    """Leave what the network has learnt in the run's folder; a note where that is nothing, or not of all episodes."""
    try:
        names = write_learnt(folder, agent.link.snapshot(), agent.control.program, network_seed(scenario))
    except (LinkError, NetworkError) as error:
        return (f"loop.keep_weights: nothing was kept: {error}",)
    if not names:
        return ("loop.keep_weights: nothing was kept: the controller learns no weights",)
    if scenario.loop.episodes > 1 and scenario.loop.carry == "none":
        return ('loop.keep_weights: kept is what the last episode has learnt, for loop.carry is "none"',)
    return ()


def histograms_ns(folder: str | Path) -> Histograms:
    """The histograms of a run's latencies, as `run.json` keeps them: of every tick, and of the link's bare echo."""
    columns = ("applied_step", "applied_ns", "scheduled_ns", "terminated", "truncated")
    found = read_run(folder, columns)
    latency = counted(np.rint(timing.latencies_s(found) * 1e9))
    return Histograms(latency=latency, link_echo=counted(found.echo_ns))


def behind(scenario: Scenario, run: RunData) -> tuple[str, ...]:
    """A warning when the loop itself did not keep up with the clock in real time; empty when it did.

    No other count shows that: the plant stands still while the loop is behind, so no reply is late and no tick skipped.

    Parameters
    ----------
    scenario : Scenario
    run : RunData
        Its columns named by LAG.
    """
    lag_s = timing.lags_s(run)
    period_s = scenario.loop.period_s
    late = int((lag_s > period_s).sum())
    if late < BEHIND_LEAST or late <= BEHIND_SHARE * lag_s.size:
        return ()
    meanwhile = "robot went on" if run.meta.robot else "plant stood still"
    text = (
        f"the loop fell behind the clock: {late} of {lag_s.size} ticks began more than a period "
        f"({period_s * 1e3:g} ms) late, up to {lag_s.max():.3g} s, and the {meanwhile} meanwhile"
    )
    took_s = (column(run, "sent_ns") - column(run, "encoded_ns"))[column(run, "sent_ns") > 0] * 1e-9
    if scenario.link.kind != "inprocess" or not took_s.size or np.median(took_s) < period_s / 2:
        return (f"{text}; `hilbench doctor` says which rate this machine holds",)
    return (
        f"{text}. Backend {scenario.chosen.backend.kind!r} takes {np.median(took_s) * 1e3:.3g} ms a tick and runs in "
        "the loop's process: with link.kind unix, or zmq, it has one of its own",
    )


def _bare_echo_ns(loop: LoopConfig, agent: Agent, spin_ns: int, n_events: NDArray | None = None) -> NDArray:
    """The link's bare echo, int64 in ns, at the run's rate and with frames of its ticks' size.

    `n_events`, (n_ticks,) int, is how many events each tick carried.
    """
    n, n_bytes = ceil(loop.echo_s / loop.period_s), agent.tick.values.nbytes + agent.tick.modulators.nbytes
    sizes = np.full(n, n_bytes)
    if n_events is not None:  # spread over the run
        spread = np.linspace(0, n_events.size - 1, 2 * n).round().astype(int)
        sizes = n_bytes + EVENT.itemsize * n_events[spread]
    return echo_ns(agent.link, sizes.tolist(), round(loop.period_s * 1e9), loop.max_in_flight, spin_ns=spin_ns)


def _events_per_tick(folder: Path) -> NDArray:
    """How many events each sent tick carried, (n_ticks,) int; a single 0 where none was sent."""
    episodes = read_run(folder, ("events", "skipped")).episodes
    return np.array([len(row) for e in episodes for row in e["events"][~e["skipped"]]] or [0])


def _clock(loop: LoopConfig, step_s: float, trace: Sequence[TickTimes]) -> Clock:
    if loop.mode == "realtime":
        return Wall(loop)
    if loop.mode == "delayed":
        return Traced(loop, step_s, trace) if trace else Delayed(loop, step_s)
    return Lockstep(round(loop.period_s / step_s))
