"""`hilbench render`."""

from __future__ import annotations

import re
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import tyro

from hilbench.cli._shared import complain
from hilbench.errors import ScenarioError

LARGEST = 4096
"""Of a picture's sides, in pixels."""


def render(
    what: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SCENARIO|RUN")],
    /,
    *,
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("clip.gif"),
    controller: str | None = None,
    episode: int | None = None,
    from_s: float | None = None,
    to_s: float | None = None,
    fps: float = 10.0,
    speed: float = 1.0,
    size: str = "480x360",
    trust: bool = False,
    overrides: tyro.conf.Suppress[Any] = None,
) -> int:
    """Draw a run: the robot with its events, error and spikes below it in step, every change marked.

    A recorded run's plant moves again by the actions on record. A scenario is run first, up to the clip's end.
    By default a clip shows 10 s around the change.

    Parameters
    ----------
    what
        the folder of a recorded run, or a scenario's file or name
    out
        the clip: NAME.mp4, NAME.gif, or NAME.png for the picture at --from-s alone
    controller
        which of the scenario's controllers runs
    episode
        which episode is shown
    from_s
        from when on, in seconds after the episode's start
    to_s
        until when
    fps
        frames in a second of the clip
    speed
        seconds of the run in a second of the clip
    size
        width x height in pixels
    trust
        import modules that the scenario names as MODULE:NAME, which runs their code
    overrides
        SECTION.FIELD -> value, taken from the command line before the option parser
    """
    from hilbench.clips.write import check_kind

    check_kind(out)
    width, height = size_of(size)
    for name, found in (("--fps", fps), ("--speed", speed)):
        if not 0 < found <= 1000:
            raise ScenarioError(f"{name}: found {found:g}; allowed: above 0, up to 1000")
    from hilbench.clips.clip import draw
    from hilbench.clips.frames import Look
    from hilbench.clips.span import AFTER_S, BEFORE_S

    with ExitStack() as stack:
        folder = Path(what)
        if folder.is_dir():
            if controller is not None or overrides:
                raise ScenarioError(f"{what}: a recorded run has its controller and settings; allowed: a scenario")
            if (folder / "summary.json").is_file():
                raise ScenarioError(f"{what}: holds an evaluation; give one of its runs, {what}/runs/NAME")
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "run"
            last_s = to_s if to_s is not None or from_s is None else from_s + BEFORE_S + AFTER_S
            fields = {key.replace("-", "_"): value for key, value in (overrides or {}).items()}
            _run(what, folder, fields, controller, last_s, episode, trust=trust)
        n = draw(folder, out, Look(width, height, fps, speed), episode, from_s, to_s, trust=trust)
    print(f"Wrote {out} ({n} frame{'' if n == 1 else 's'}, {out.stat().st_size / 1e6:.2f} MB)")
    return 0


def _run(
    name: str, folder: Path, overrides: dict[str, Any], controller: str | None, to_s: float | None,
    episode: int | None, *, trust: bool,
) -> None:  # fmt: skip
    """Run a scenario up to the clip's end, and leave its record in a folder."""
    from hilbench.clips.span import AFTER_S, BEFORE_S
    from hilbench.runs.run import run
    from hilbench.scenario.files import load

    found = load(name, overrides, controller, trust=trust)
    if "loop.duration_s" not in overrides and found.loop.episodes == 1:
        end_s = to_s if to_s is not None else max(found.change_s or 0.0, BEFORE_S) + AFTER_S
        if 0 < end_s < found.loop.duration_s:
            overrides = overrides | {"loop.duration_s": end_s}
            found = load(name, overrides, controller, trust=trust)
    elif "loop.episodes" not in overrides:
        change = next(iter(found.changes), None)
        shown = episode if episode is not None else (change.at_episode or 0) if change else 0
        if not 0 <= shown < found.loop.episodes:
            raise ScenarioError(f"--episode: found {shown}; allowed: 0 to {found.loop.episodes - 1}")
        if shown + 1 < found.loop.episodes:
            found = load(name, overrides | {"loop.episodes": shown + 1}, controller, trust=trust)
    outcome = run(found, folder)
    for note in (*outcome.notes, outcome.fault):
        if note:
            complain(note)


def size_of(text: str) -> tuple[int, int]:
    """Width and height in pixels of a text as 480x360. Raises ScenarioError."""
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    sides = tuple(map(int, found.groups())) if found else ()
    if len(sides) != 2 or not all(32 <= side <= LARGEST for side in sides):
        raise ScenarioError(
            f"--size: found {text!r}; allowed: WIDTHxHEIGHT in pixels, as 480x360, 32 to {LARGEST} each"
        )
    return sides[0], sides[1]
