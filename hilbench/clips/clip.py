"""Draws a clip of a recorded run into a file."""

from __future__ import annotations

from pathlib import Path

from hilbench.clips.frames import Look, frames
from hilbench.clips.span import BEFORE_S, span_of
from hilbench.clips.write import check_kind, write
from hilbench.errors import ScenarioError
from hilbench.record.reader import read_run
from hilbench.runs.redrive import drawn_plant


def draw(
    folder: Path, out: Path, look: Look, episode: int | None = None, from_s: float | None = None,
    to_s: float | None = None, *, trust: bool = False,
) -> int:  # fmt: skip
    """Write a clip of a run; how many frames it has. Raises HilbenchError for what cannot be drawn.

    Parameters
    ----------
    folder : Path
        The run's.
    out : Path
        NAME.gif, NAME.mp4, or NAME.png for a single picture.
    look : Look
    episode : int, optional
        As in `span_of`.
    from_s, to_s : float, optional
        The time shown, in seconds after the episode's start. Of a single picture `from_s` is the instant, 1 s after the
        change when absent, and its panels show the time around the change.
    trust : bool
        Whether modules that the run names as MODULE:NAME may be imported, which runs their code.
    """
    check_kind(out)
    run = read_run(folder)
    still = out.suffix.lower() == ".png"
    span = span_of(run.meta, episode, None if still else from_s, to_s)
    first_s = span.from_s
    if still:
        marked_s = next((change.at_s for change in run.meta.scenario.changes), span.from_s)
        last_s = span.to_s - run.meta.scenario.loop.period_s
        first_s = min(marked_s + 1.0, last_s) if from_s is None else from_s
        if not span.from_s <= first_s < span.to_s:  # another time than that around the change
            begin_s = first_s - min(BEFORE_S, first_s) if first_s >= 0 else first_s
            span = span_of(run.meta, episode, begin_s, to_s)
    with drawn_plant(run, folder, trust=trust) as plant:
        n = write(frames(run, plant, span, look, first_s), out, look.fps)
    if not n:
        raise ScenarioError(f"{folder}: the run ended before {first_s:g} s; give an earlier --from-s")
    return n
