"""Draws the README's moving picture, docs/clip.gif, and a sheet of all scenarios, docs/scenarios.png.

Each scenario is run with its own controller up to the picture's instant, 1 s after its change.

    python docs/scripts/pictures.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image
from scenario_tables import cards

from hilbench.clips.clip import draw
from hilbench.clips.frames import Look
from hilbench.clips.write import sheet
from hilbench.runs.run import run
from hilbench.scenario.files import load

ROOT = Path(__file__).parents[2]
LOOK = Look(320, 240, fps=10, speed=1)
FIRST = "arm_payload", {"loop.duration_s": 27.0, "record.spikes": ["neurons"]}
"""What moves in the README: a scenario, and what is set in it."""
COLUMNS = 4
LATER = {"homing": 70.0, "loom_dvs": 1.2, "sound_orient": 0.08}
"""Where a scenario is shown at another instant of its episode, in s: on its way out, while a ball comes, or while it
hears something."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        name, settings = FIRST
        run(load(name, settings), Path(folder) / "first")
        draw(Path(folder) / "first", ROOT / "docs" / "clip.gif", LOOK)
        pictures = [still(name, Path(folder)) for name in cards()]
        sheet(pictures, COLUMNS).save(ROOT / "docs" / "scenarios.png", optimize=True)
    print(f"wrote docs/clip.gif and docs/scenarios.png ({len(pictures)} scenarios)")


def still(name: str, folder: Path) -> Image.Image:
    """One picture of a scenario.

    Parameters
    ----------
    name : str
    folder : Path
        Where its run may lie.
    """
    scenario = load(name)
    change = next(iter(scenario.changes), None)
    settings = {}
    if scenario.loop.episodes == 1:
        settings["loop.duration_s"] = min((change.at_s if change else 3.0) + 2.0, scenario.loop.duration_s)
    elif change is not None and change.at_episode is not None:
        settings["loop.episodes"] = change.at_episode + 1
    run(load(name, settings), folder / name)
    draw(folder / name, folder / f"{name}.png", LOOK, from_s=LATER.get(name))
    with Image.open(folder / f"{name}.png") as picture:
        return picture.convert("RGB")


if __name__ == "__main__":
    main()
