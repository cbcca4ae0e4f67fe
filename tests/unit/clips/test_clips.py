"""Clips of short runs: what they show, of which time, and what becomes of mistakes."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from blank import with_meta
from msgspec import structs
from PIL import Image

from hilbench.cli import main
from hilbench.cli.render import _run
from hilbench.clips.clip import draw
from hilbench.clips.frames import Look, marks_of
from hilbench.clips.panels import BLUE, RED, Axes, Marked, at_time, line_panel, raster_panel
from hilbench.clips.span import Span, span_of
from hilbench.clips.write import sheet
from hilbench.errors import RecordError, ScenarioError
from hilbench.record.reader import read_run
from hilbench.runs.redrive import drawn_plant, redriven
from hilbench.runs.run import run
from hilbench.scenario.files import load

SHORT = {
    "loop.duration_s": 0.6, "disturbances.load.at_s": 0.3, "record.spikes": ["neurons"],
    "controllers.pes.n_neurons": 50,
}  # fmt: skip
LOOK = Look(160, 120, fps=10, speed=1)
SPAN = Span(0, 0.0, 10.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("clip") / "run"
    run(load("arm_payload", SHORT, "pes"), place)
    return place


def pixels(image, colour):
    """(n, 2): rows and columns of a colour."""
    return np.argwhere((np.asarray(image.convert("RGB")) == colour).all(axis=2))


def test_the_plant_moves_as_it_did_bit_for_bit(folder, caplog):
    found = read_run(folder)
    with drawn_plant(found, folder) as plant, caplog.at_level(logging.WARNING):
        states = [plant.state().copy() for _ in redriven(found, plant, 0)]
    np.testing.assert_array_equal(states, found.episodes[0]["state"])
    assert not caplog.records


def test_a_plant_that_moves_otherwise_is_told_of_once(folder, caplog):
    found = read_run(folder)
    found.episodes[0]["state"] = found.episodes[0]["state"] + 1e-9
    with drawn_plant(found, folder) as plant, caplog.at_level(logging.WARNING):
        n = sum(1 for _ in redriven(found, plant, 0))
    assert n == 600
    assert [record.getMessage() for record in caplog.records] == [
        "the plant moves otherwise than recorded from tick 0 on"
    ]


@pytest.mark.parametrize(("kind", "look", "n"), [
    ("gif", LOOK, 6), ("gif", LOOK._replace(speed=2.0), 3), ("mp4", LOOK, 6), ("png", LOOK, 1),
])  # fmt: skip
def test_a_clip_has_a_frame_for_each_instant(folder, tmp_path, kind, look, n):
    if kind == "mp4":
        pytest.importorskip("imageio_ffmpeg", reason="imageio-ffmpeg is not installed (extra video)")
    out = tmp_path / f"clip.{kind}"
    assert draw(folder, out, look) == n
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    if kind != "mp4":
        with Image.open(out) as image:
            assert image.size == (160, 120)
            assert getattr(image, "n_frames", 1) == n


def test_the_change_is_marked_where_it_comes(folder, tmp_path):
    draw(folder, tmp_path / "a.png", LOOK, from_s=0.4)
    with Image.open(tmp_path / "a.png") as image:
        line = pixels(image, RED)
        column = 4 + 0.5 * (160 - 8)  # at 0.3 s of 0.6 s
        assert (np.abs(line[line[:, 0] > 80][:, 1] - column) <= 1).all()
        assert line[line[:, 0] > 80].size


def test_a_line_is_as_high_as_its_values_and_keeps_every_peak():
    t_s = np.linspace(0, 10, 10_001)
    values = np.where(t_s == 5.0, 2.0, 1.0)  # one sample of ten thousand
    panel = line_panel(Axes((208, 80), SPAN, (), "error"), t_s, values)
    rows = {column: row for row, column in sorted(pixels(panel, BLUE).tolist(), reverse=True)}
    foot, head = 80 - 4, 22
    assert rows[104] == pytest.approx(head, abs=2)
    assert rows[20] == pytest.approx((foot + head) / 2, abs=2)


def test_a_raster_is_dark_where_spikes_are():
    t_s, address = np.array([2.0, 2.0, 8.0]), np.array([5, 5, 90])
    panel = np.asarray(raster_panel(Axes((208, 80), SPAN, (Marked(4.0, 6.0, "x"),), ""), t_s, address).convert("L"))
    dark = panel[22:76] < 200
    assert set(np.flatnonzero(dark.any(axis=0))) == {44, 164, 84}  # two instants, and the mark
    assert np.flatnonzero(dark[:, 44]).max() < np.flatnonzero(dark[:, 164]).min()


def test_the_cursor_leaves_the_panel_as_it_is():
    panel = line_panel(Axes((100, 60), SPAN, (), ""), np.arange(3.0), np.ones(3))
    before = np.asarray(panel).copy()
    assert (np.asarray(at_time(panel, SPAN, 5.0)) != before).any()
    np.testing.assert_array_equal(np.asarray(panel), before)


def test_a_sheet_puts_pictures_row_by_row():
    whole = sheet((Image.new("RGB", (4, 3), (k, 0, 0)) for k in range(5)), 2)
    assert np.asarray(whole)[::3, ::4, 0].tolist() == [[0, 1], [2, 3], [4, 255]]


def test_a_clip_is_around_the_change_unless_it_is_told(folder):
    meta = read_run(folder).meta
    assert span_of(meta) == Span(0, 0.0, 0.6)
    later = structs.replace(meta.scenario, disturbances={"load": {"kind": "payload", "at_s": 99.0}})
    assert span_of(structs.replace(meta, scenario=later)) == Span(0, 0.0, 0.6)
    assert span_of(meta, from_s=0.2, to_s=0.5) == Span(0, 0.2, 0.5)
    with pytest.raises(ScenarioError, match="--episode: found 1; allowed: 0 to 0"):
        span_of(meta, 1)
    with pytest.raises(ScenarioError, match=r"found 0.5 and 0.2; allowed: 0 to 0.6, the earlier first"):
        span_of(meta, from_s=0.5, to_s=0.2)


def test_what_acts_through_all_of_a_run_is_not_marked(folder):
    run = read_run(folder)
    noise = {"kind": "sensor_noise", "std": {"q_1": 0.1}}
    scenario = structs.replace(run.meta.scenario, disturbances={"noise": noise, **run.meta.scenario.disturbances})
    marks = marks_of(replace(run, meta=structs.replace(run.meta, scenario=scenario)), SPAN)
    assert [mark.label for mark in marks] == ["load: mass 1.5 kg"]


def test_of_a_scenario_with_episodes_those_after_the_shown_one_do_not_run(tmp_path):
    short = {"loop.duration_s": 0.2, "controllers.told.knows_change": False}
    for episode, n in ((1, 2), (None, 31)):
        _run("gradient_seek", tmp_path / str(n), dict(short), "told", None, episode, trust=False)
        assert read_run(tmp_path / str(n)).meta.n_episodes == n


def test_a_run_that_ends_before_its_change_shows_its_last_episode(tmp_path):
    short = {"loop.episodes": 2, "loop.duration_s": 0.2}
    run(load("gradient_seek", short, "told"), tmp_path / "r")
    assert span_of(read_run(tmp_path / "r").meta).episode == 1


def test_a_scenario_runs_as_long_as_the_clip_that_is_asked_for(tmp_path, capsys):
    """The usual clip of the beam ends at 27 s."""
    with pytest.raises(SystemExit) as end:
        main(["render", "beam", "--controller", "pd", "--from-s", "28", "-o", str(tmp_path / "x.png")])
    assert end.value.code == 0, capsys.readouterr().err


def test_a_failure_leaves_no_file(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("hilbench.clips.frames._caption", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        draw(folder, tmp_path / "clip.gif", LOOK)
    assert not list(tmp_path.iterdir())


def test_a_robot_has_no_picture(folder):
    found = read_run(folder)
    with_meta(found, plant_spec={"nondeterministic": True})
    with pytest.raises(RecordError, match="its plant is a robot"), drawn_plant(found, folder):
        pass


@pytest.mark.parametrize(("words", "line"), [
    (["arm_payload", "-o", "a.jpg"], "a.jpg: found the ending '.jpg'; allowed: .gif, .mp4, .png"),
    (["arm_payload", "--size", "9x9"], "--size: found '9x9'; allowed: WIDTHxHEIGHT in pixels"),
    (["arm_payload", "--fps", "0"], "--fps: found 0; allowed: above 0"),
    (["arm_paylod"], "did you mean 'arm_payload'"),
])  # fmt: skip
def test_a_mistake_is_one_line(words, line, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["render", *words])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert line in said
    assert len(said.splitlines()) == 1
    assert not list(tmp_path.iterdir())
