"""`hilbench enjoy`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from hilbench.cli._shared import complain
from hilbench.cli.render import size_of
from hilbench.errors import HilbenchError, ScenarioError

if TYPE_CHECKING:
    from hilbench.record.data import RunData
    from hilbench.scenario.resolved import Scenario


def enjoy(
    scenario: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SCENARIO")],
    /,
    *,
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    seed: int | None = None,
    seconds: float = 10.0,
    size: str = "480x360",
) -> int:
    """Run a shipped scenario with what its learner has learnt before, draw it, and run an untaught one beside it.

    The scenario's change acts from the start, and learning is off. `hilbench list` has the scenarios.

    Parameters
    ----------
    scenario
        a shipped scenario's name
    out
        the clip: NAME.gif or NAME.mp4, or NAME.png for a picture; SCENARIO.gif when absent
    seed
        of the run; the scenario's own when absent
    seconds
        how long the clip is, and the run too where it does not end by itself
    size
        width x height in pixels
    """
    from hilbench.clips.clip import draw
    from hilbench.clips.frames import Look
    from hilbench.clips.write import check_kind
    from hilbench.runs.learnt import learnt_scenario

    clip = out or Path(f"{scenario}.gif")
    check_kind(clip)
    width, height = size_of(size)
    if not 1 <= seconds <= 600:
        raise ScenarioError(f"--seconds: found {seconds:g}; allowed: 1 to 600")
    taught = learnt_scenario(scenario, seed, seconds)
    with tempfile.TemporaryDirectory() as folder:
        first = _ran(taught, Path(folder) / "taught")
        print(f"{taught.name}, {taught.controller} with what it has learnt: {how_it_went(first)}", flush=True)
        length_s = _length_s(first)
        look = Look(width, height, fps=10, speed=max(1.0, length_s / seconds))
        n = draw(Path(folder) / "taught", clip, look, to_s=length_s)
        print(f"Wrote {clip} ({n} frame{'' if n == 1 else 's'}, {clip.stat().st_size / 1e6:.2f} MB)", flush=True)
        print(f"Untaught: {how_it_went(_ran(_untaught(taught), Path(folder) / 'untaught'))}")
    return 0


def _untaught(scenario: Scenario) -> Scenario:
    from dataclasses import replace

    from msgspec import structs

    return replace(scenario, loop=structs.replace(scenario.loop, start_from=None))


def _ran(scenario: Scenario, folder: Path) -> RunData:
    from hilbench.record.reader import read_run
    from hilbench.runs.run import run

    outcome = run(scenario, folder)
    for note in outcome.notes:
        complain(note)
    if outcome.fault:
        raise HilbenchError(outcome.fault)
    return read_run(folder)


def _length_s(run: RunData) -> float:
    return float(len(run.episodes[0]["t_us"]) * run.meta.scenario.loop.period_s)


def how_it_went(run: RunData) -> str:
    """How large the plant's error was or, of a task that ends, whether and when it succeeded, or its return.

    Parameters
    ----------
    run : RunData
        Of one episode.
    """
    import numpy as np

    from hilbench.metrics.tracking import return_
    from hilbench.report import words
    from hilbench.scenario.losses import OF_EPISODES, Return

    (rows,), meta = run.episodes, run.meta
    seconds, loss = _length_s(run), meta.scenario.score.loss
    if isinstance(loss, OF_EPISODES):
        reached = rows[f"info.{loss.key}"] > 0
        if reached[-1]:
            return f"{loss.key} after {float(rows['t_us'][np.argmax(reached)]) * 1e-6:.1f} s"
        ended = ": the plant ended the run after" if rows["terminated"][-1] else " in"
        return f"not {loss.key}{ended} {seconds:.1f} s"
    if isinstance(loss, Return) and (found := return_(run)):
        return f"return {found[''].value:.3g} after {seconds:.1f} s"
    error = meta.plant_spec.error
    size = float(np.sqrt(np.mean(np.square(rows[f"info.{error}"]))))
    unit = meta.plant_spec.info_units[error]
    fell = " until the plant ended the run" if rows["terminated"][-1] else ""
    return f"{words.subject(error)} {words.quantity(size, unit)} (RMS over {seconds:.0f} s{fell})"
