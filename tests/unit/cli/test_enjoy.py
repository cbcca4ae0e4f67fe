"""`hilbench enjoy`: what is stored fits its scenario, holds what was learnt, and mistakes are one line."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from PIL import Image

from hilbench.cli import main
from hilbench.cli.enjoy import how_it_went
from hilbench.nal.model.learnt import read_learnt
from hilbench.record.reader import read_run
from hilbench.runs.build import check
from hilbench.runs.learnt import learnt_scenario, stored
from hilbench.runs.run import run
from hilbench.scenario.files import load, names


def test_every_scored_scenario_has_something_stored():

    assert set(stored()) == {name for name in names() if load(name).score.change}


@pytest.mark.parametrize("name", stored())
def test_what_is_stored_fits_its_scenario(name):
    path = stored()[name]
    assert path.stat().st_size < 200_000
    scenario = learnt_scenario(name)
    assert not scenario.loop.learning
    assert scenario.loop.episodes == 1
    program = check(scenario)
    arrays = read_learnt(path).arrays
    moved = [np.abs(array).max() for array in arrays.values()]
    assert max(moved) > 0
    for projection in program.projections.values():
        if projection.rule:
            np.testing.assert_allclose(projection.weights.data, arrays[f"weights/{projection.name}"], rtol=1e-6)


def test_it_draws_and_says_how_both_went(tmp_path, capsys):
    clip = tmp_path / "beam.png"
    with pytest.raises(SystemExit) as end:
        main(["enjoy", "beam", "-o", str(clip), "--seconds", "2"])
    assert end.value.code == 0
    with Image.open(clip) as picture:
        assert picture.size == (480, 360)
    first, wrote, last = capsys.readouterr().out.splitlines()
    assert first.startswith("beam, pes_feedback with what it has learnt: angle error ")
    assert wrote.startswith(f"Wrote {clip} (1 frame, ")
    assert last.startswith("Untaught: angle error ")
    assert last.endswith(" (RMS over 2 s)")


def test_what_was_learnt_carries_the_load_of_another_path(tmp_path):
    """Learnt with seed 100; the arm hangs 0.2 m low without it."""
    taught = learnt_scenario("arm_payload", seed=7, seconds=4.0)
    assert run(taught, tmp_path / "r").status == "done"
    error = read_run(tmp_path / "r").episodes[0]["info.tip_error_m"]
    assert np.sqrt(np.mean(error[1000:] ** 2)) < 0.03


@pytest.mark.parametrize(("duration_s", "word"), [(60.0, "found after"), (2.0, "not found in")])
def test_a_task_that_ends_says_when(duration_s, word, tmp_path):
    taught = learnt_scenario("gradient_seek", seed=3)
    timed = replace(taught, loop=msgspec.structs.replace(taught.loop, duration_s=duration_s))
    assert run(timed, tmp_path / "r").status == "done"
    found = read_run(tmp_path / "r")
    assert how_it_went(found) == f"{word} {len(found.episodes[0]['seq']) * 0.02:.1f} s"


def test_a_task_that_the_plant_ends_says_so(tmp_path):
    """A robot that has learnt nothing runs into the first obstacle."""
    taught = learnt_scenario("lidar_nav", seed=0)
    untaught = replace(taught, loop=msgspec.structs.replace(taught.loop, start_from=None))
    assert run(untaught, tmp_path / "r").status == "done"
    found = read_run(tmp_path / "r")
    assert found.episodes[0]["info.collided"][-1]
    seconds = len(found.episodes[0]["seq"]) * untaught.loop.period_s
    assert how_it_went(found) == f"not reached: the plant ended the run after {seconds:.1f} s"


def test_a_task_with_a_return_says_it(tmp_path):
    assert run(learnt_scenario("homing", seed=3), tmp_path / "r").status == "done"
    found = read_run(tmp_path / "r")
    rows = found.episodes[0]
    text = f"return {-rows['info.home_error_percent'][-1]:.3g} after {len(rows['seq']) * 0.02:.1f} s"
    assert how_it_went(found) == text
    assert rows["info.home_error_percent"][-1] < 15


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["arm"], "arm: nothing is stored for this name; allowed: arm7, "),
        (["cartpole_ladder"], "cartpole_ladder: nothing is stored for this name, which is a scenario; allowed: "),
        (["beam", "--seconds", "0"], "--seconds: found 0; allowed: 1 to 600"),
        (["beam", "-o", "clip.avi"], "clip.avi: found the ending '.avi'; allowed: "),
        (["beam", "--size", "big"], "--size: found 'big'; allowed: "),
    ],
)
def test_a_mistake_is_one_line(arguments, words, capsys):
    with pytest.raises(SystemExit) as end:
        main(["enjoy", *arguments])
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith(f"hilbench: {words}")
