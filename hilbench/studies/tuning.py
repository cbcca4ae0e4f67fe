"""Tuning: every controller gets the same number of runs, on the same seeds, by the same optimiser.

A run's loss is that of `[score]` over the horizon after the change, and the run ends there. Losses are kept in a
journal as they come, so that tuning which was interrupted goes on from where it was.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from hilbench.errors import ScenarioError, allowed_hint
from hilbench.files import write_whole
from hilbench.scenario.files import find, read_toml, read_tuned, resolve
from hilbench.scenario.losses import better
from hilbench.scenario.resolved import Scenario, choose_controller
from hilbench.scenario.tuning import SUFFIX, TuneConfig, Tuned, TunedController, check_budget, content_digest, near_ends
from hilbench.studies.evaluation import Progress
from hilbench.studies.pool import Workers
from hilbench.studies.suite import check_episodes
from hilbench.studies.trials import Journal, Runner
from hilbench.studies.tuner import Tuner
from hilbench.types import Probes, to_builtins

log = logging.getLogger(__name__)
HEAD = '# Written by `hilbench tune`; a scenario beside it uses it by: tuned = "{name}"\n'


def tune(
    scenario: str | Path,
    out: Path | None = None,
    controllers: Sequence[str] = (),
    changes: Mapping[str, Any] | None = None,
    progress: Callable[[Progress], None] | None = None,
    workers: int | None = None,
    *,
    journal: Path | None = None,
    trust: bool = False,
) -> tuple[Tuned, Path]:
    """Tune controllers of a scenario, write what was found and return it with its file.

    What the file has of other controllers stays. An interruption leaves the file as it was; with a journal, the next
    call with the same arguments takes the runs that had ended from there. Raises HilbenchError for a mistake.

    Parameters
    ----------
    scenario : str or Path
        A scenario's name or file.
    out : Path, optional
        The file; when absent, the one that the scenario names, or else NAME.tuned.toml beside it.
    controllers : sequence of str
        Which of those that its `[tune]` names; all of them when empty.
    changes : mapping, optional
        Fields of `[tune]` -> value, in place of the scenario's.
    progress : callable, optional
        Receives a Progress after each run.
    workers : int, optional
        How many processes run at a time; one per core when absent. The result is the same for any number.
    journal : Path, optional
        Where losses are kept as they come.
    trust : bool
        Whether modules that the scenario names as MODULE:NAME may be imported, which runs their code.
    """
    path = find(scenario)
    raw = read_toml(path)
    judged = _judged(resolve(raw, str(path), trust=trust, folder=str(path.resolve().parent)))
    config = msgspec.structs.replace(judged.tune, **(changes or {}))
    names = _check(config, controllers, judged)
    place = out or path.parent / (raw.get("tuned") or f"{path.stem}{SUFFIX}")
    kept = _kept(place, raw)
    with Workers((os.cpu_count() or 1) if workers is None else workers) as shared:
        runner = Runner(shared, Journal(journal), progress, config.runs * len(names))
        digests = {name: content_digest(raw, name) for name in names}
        tuners = [Tuner(choose_controller(judged, name), config, runner) for name in names]
        found = {tuner.name: tuner.tune(digests[tuner.name]) for tuner in tuners}
    loss = judged.score.loss
    result = Tuned(
        scenario=judged.name, loss=to_builtins(loss)["kind"], better=better(loss), controllers={**kept, **found}
    )
    write_whole(place, (HEAD.format(name=place.name) + tomli_w.dumps(_without_none(result))).encode())
    for name, one in found.items():
        for line in near_ends(config.controllers[name], one.tuned) if one.loss_tuned is not None else ():
            log.warning("%s: %s; a wider one, where the setting allows it, may hold better values", name, line)
    return result, place


def _judged(scenario: Scenario) -> Scenario:
    """The scenario up to the end of the judged time, with nothing recorded besides. Raises ScenarioError."""
    score, loop, where = scenario.score, scenario.loop, scenario.where
    if not scenario.changes:
        raise ScenarioError(f"{where}: score.change: found none; tuning needs a change, after which runs are judged")
    if loop.mode == "realtime":
        raise ScenarioError(f"{where}: loop.mode: found 'realtime'; allowed for tuning: lockstep, delayed")
    first = scenario.changes[0]
    if score.by_episode:
        episodes = (first.at_episode or 0) + score.horizon_episodes
        if episodes > loop.episodes:
            raise ScenarioError(f"{where}: loop.episodes: found {loop.episodes}; the horizon ends with {episodes}")
        cut = msgspec.structs.replace(loop, episodes=episodes)
    else:
        end_s = math.ceil((first.at_s + score.horizon_s) / loop.period_s - 1e-6) * loop.period_s
        if end_s > loop.duration_s + 1e-9:
            raise ScenarioError(f"{where}: loop.duration_s: found {loop.duration_s:g}; the horizon ends at {end_s:g} s")
        cut = msgspec.structs.replace(loop, duration_s=end_s)
    return replace(scenario, loop=cut, record=Probes())


def _check(config: TuneConfig, controllers: Sequence[str], scenario: Scenario) -> list[str]:
    """The controllers to tune. Raises ScenarioError for what cannot be tuned, or with too little."""
    where = f"{scenario.where}: tune"
    if not config.controllers:
        raise ScenarioError(f"{where}.controllers: found none; expected ranges of parameters for one or more")
    check_budget(config, where)
    check_episodes(tuple((seed, scenario) for seed in config.seeds))
    for name in controllers:
        if name not in config.controllers:
            raise ScenarioError(f"--controllers: found {name!r}; {allowed_hint(name, config.controllers)}")
    return list(dict.fromkeys(controllers or config.controllers))


def _kept(place: Path, raw: Mapping[str, Any]) -> dict[str, TunedController]:
    """What a file has of controllers whose tables have not changed. Raises ScenarioError if it cannot be replaced."""
    if not os.access(place if place.exists() else place.parent, os.W_OK):
        raise ScenarioError(f"{place}: cannot be written; give another file by --out")
    found = read_tuned(place).controllers if place.exists() else {}
    return {name: one for name, one in found.items() if content_digest(raw, name) == one.scenario_sha256}


def _without_none(tuned: Tuned) -> dict[str, Any]:
    """A file of tuned values as TOML can have it: a loss that is not there is absent."""
    whole = to_builtins(tuned)
    controllers = whole["controllers"].items()
    return whole | {"controllers": {name: {k: v for k, v in one.items() if v is not None} for name, one in controllers}}
