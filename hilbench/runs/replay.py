"""Runs a recorded run again on the virtual clock, and compares the plant's states."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from hilbench.errors import RecordError
from hilbench.loop.virtual import Recorded
from hilbench.record.data import RunData
from hilbench.record.reader import read_run
from hilbench.record.writer import ensure_writable
from hilbench.runs.build import checked, close_plant, make_agent, make_plant, nearest_link
from hilbench.runs.digests import digest_of_path
from hilbench.runs.given import recorded_scenario, was_given, with_given
from hilbench.runs.run import RunLabels, open_recorder, record_run

log = logging.getLogger(__name__)


def replay(
    folder: str | Path,
    out: str | Path,
    progress: Callable[[float], None] | None = None,
    plant: Any = None,
    *,
    trust: bool = False,
) -> tuple[bool, int]:
    """Run a recorded run again on the virtual clock, and compare the plant's states.

    Returns whether they are equal bit for bit, and how many ticks were compared. Raises RecordError when the run cannot
    be repeated.

    Parameters
    ----------
    folder : str or Path
        The recorded run.
    out : str or Path
        Where the replay's own record goes.
    progress : callable, optional
        Receives the simulated time in s, once a second of it.
    plant : gymnasium.Env or Plant, optional
        What the run was given from Python, where it was given a plant.
    trust : bool
        Whether modules that the run names as MODULE:NAME may be imported, which runs their code.
    """
    ensure_writable(Path(out))
    recorded = read_run(folder)
    if not recorded.episodes:
        raise RecordError(f"{folder}: no tick was recorded, so there is nothing to replay")
    check_repeatable(recorded, folder)
    for number, episode in enumerate(recorded.episodes):
        if "state" not in episode:
            raise RecordError(
                f"{folder}: episode {number}: found no column 'state'; a replay compares the plant's states with it"
            )
    scenario = recorded_scenario(recorded.meta, f"{folder}: run.json", trust=trust)
    for path in changed_files(recorded):
        log.warning("%s: is not what it was in the run, so the replay may differ", path)
    if (name := was_given(recorded.meta)) and plant is None:
        text = f"its plant, {name}, was given from Python; give hilbench.runs.replay.replay one like it as plant"
        raise RecordError(f"{folder}: {text}")
    ticks = max(len(episode["seq"]) for episode in recorded.episodes)
    loop = msgspec.structs.replace(
        scenario.loop, duration_s=ticks * scenario.loop.period_s, episodes=len(recorded.episodes)
    )
    again = replace(scenario, loop=loop, link=nearest_link(scenario))
    with ExitStack() as stack:
        if plant is None:
            plant = make_plant(again)
            stack.callback(close_plant, again, plant)
        else:
            again, plant = with_given(again, plant)
        agent = stack.enter_context(make_agent(again, plant.plant_spec, checked(again, plant)))
        clock = Recorded(recorded.episodes, scenario.loop.mode == "realtime")
        recorder = stack.enter_context(open_recorder(again, out, plant, agent, clock, RunLabels(replay_of=str(folder))))
        record_run(again, recorder, plant, agent, clock, progress)
    states = [(a["state"], b["state"]) for a, b in zip(recorded.episodes, read_run(out).episodes, strict=True)]
    return all(np.array_equal(a, b, equal_nan=True) for a, b in states), sum(len(a) for a, _ in states)


def changed_files(run: RunData) -> list[str]:
    """The files that decided a run's numbers, as its network, and whose contents are no longer those of then."""
    files = run.meta.sources.file_sha256
    return [path for path, was in files.items() if digest_of_path(Path(path)) != was]


def check_repeatable(run: RunData, folder: str | Path) -> None:
    """Raise RecordError for a robot's run, and where lost replies leave open which ticks the network has run.

    Parameters
    ----------
    run : RunData
    folder : str or Path
        What the error names as the run's place.
    """
    if run.meta.plant_spec.nondeterministic:
        raise RecordError(
            f"{folder}: its plant is nondeterministic: a robot does nothing twice; such a run cannot be replayed"
        )
    for fault in run.meta.faults:
        if fault.recovery is not None:
            raise RecordError(
                f"{folder}: episode {fault.episode}: the device was lost at tick {fault.tick} and came back, and "
                "its network went on from another state; such a run cannot be replayed"
            )
    for number, episode in enumerate(run.episodes):
        answered = np.flatnonzero(episode["answered"])
        # A reply's `prev_seq` names only one tick of those between it and the reply before.
        before, ran = np.concatenate(([-1], answered[:-1])), episode["prev_seq"][answered]
        for first, last in zip(before[ran > before], ran[ran > before], strict=True):
            if (unknown := np.flatnonzero(~episode["skipped"][first + 1 : last])).size:
                raise RecordError(
                    f"{folder}: episode {number}: replies up to tick {last}'s were lost, so nobody knows whether the "
                    f"network has run tick {first + 1 + unknown[0]}; such a run cannot be replayed"
                )
        unanswered = ~episode["answered"][answered[-1] + 1 if answered.size else 0 :]
        unanswered &= ~episode["skipped"][len(episode["seq"]) - unanswered.size :]
        if unanswered.any() and number + 1 < len(run.episodes) and run.meta.scenario.loop.carry != "none":
            raise RecordError(
                f"{folder}: episode {number}: its last replies were lost, so nobody knows what the network carried into"
                " the next one; such a run cannot be replayed"
            )
