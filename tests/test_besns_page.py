"""The benchmark's page: it names the tasks of the suite, and its example of a foreign network runs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from hilbench import read_run
from hilbench.nal import Network, save
from hilbench.runs.run import run
from hilbench.scenario.files import find, load
from hilbench.studies.suite import cells, load_suite, short_form

PAGE = (Path(__file__).parents[1] / "docs" / "besns.md").read_text("utf-8")
TRACKS = PAGE.partition("## Tracks")[2].partition("\n## ")[0]
CONTROLLER = re.search(r"```toml\n(.*?)```", PAGE, re.S)[1]
SUITE = re.search(r'^    name = "mine"\n(?:    .*\n)+', PAGE, re.M)[0].replace("\n    ", "\n").strip()


def test_the_page_names_each_task_of_each_track():
    named = re.findall(r"^\| (\w+) \| ((?:`\w+`(?:, )?)+) \|", TRACKS, re.M)
    found: dict[str, list[str]] = {}
    for cell in cells(load_suite("besns")):
        found.setdefault(cell.track, []).append(cell.source)
    assert {track: re.findall(r"`(\w+)`", tasks) for track, tasks in named} == found


def test_the_smoke_form_has_a_task_of_every_track():
    whole, smoke = ({cell.track for cell in cells(suite)} for suite in _forms())
    assert smoke == whole


def _forms():
    suite = load_suite("besns")
    return suite, short_form(suite, "smoke")


def test_a_network_in_a_file_takes_part_as_the_page_says(tmp_path, monkeypatch):
    net = Network(0.005, seed=1)
    net.input("spikes", 32, kind="events")
    net.lif("words", 10, tau_s=0.02, synapse="delta", v_threshold=1.0, output=True)
    net.connect("spikes", "words", np.random.default_rng(0).uniform(0, 0.2, (10, 32)))
    save(net, tmp_path / "mine.nir")
    (tmp_path / "words.toml").write_text(find("words").read_text("utf-8") + CONTROLLER, "utf-8")
    (tmp_path / "mine.toml").write_text(SUITE, "utf-8")
    monkeypatch.chdir(tmp_path)
    mine = cells(load_suite("mine.toml"))
    assert [cell.scenario.controller for cell in mine] == ["mine", "stream_pes", "linear"]
    short = {"loop.episodes": 1, "plant.n_samples": 2}
    done = run(load("words.toml", short, "mine"), tmp_path / "run")
    assert done.status == "done"


@pytest.mark.parametrize("word", ["--smoke", "--quick"])
def test_the_page_names_every_form(word):
    assert f"hilbench evaluate besns {word}" in PAGE


def test_the_example_tells_gestures_apart(tmp_path):
    example = Path(__file__).parents[1] / "examples" / "besns" / "emg.toml"
    run(load(example, {"loop.episodes": 1, "plant.n_samples": 12, "loop.seed": 3}), tmp_path / "run")
    assert read_run(tmp_path / "run").episodes[0]["reward"].sum() > 0.7
