"""Charts: they draw from real records, mark the change, and need no network."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hilbench.recorder import read_run
from hilbench.report import charts
from hilbench.running import run
from hilbench.scenario import load


def record(folder: Path, controller: str, **overrides: object) -> object:
    settings = {"loop.duration_s": 2.0, "disturbances.load.at_s": 1.0} | overrides
    run(load("arm_payload", settings, controller), folder)
    return read_run(folder)


def test_error_over_time_has_a_line_per_label_and_the_change(tmp_path: Path) -> None:
    chart = charts.error_over_time({"PD": [record(tmp_path / "a", "pd"), record(tmp_path / "b", "pd")]})
    text = chart.to_json()
    assert '"load: 1.5 kg"' in text
    rows = charts._windows("PD", [record(tmp_path / "c", "pd")])
    assert [row["t_s"] for row in rows] == [0.25, 0.75, 1.25, 1.75]
    assert all(row["low"] <= row["middle"] <= row["high"] for row in rows)
    assert rows[-1]["middle"] > rows[1]["middle"], "the load shows"


def test_saved_pictures_are_pictures(tmp_path: Path) -> None:
    data = record(tmp_path / "a", "pd")
    charts.save(charts.error_over_time({"PD": [data]}) & charts.latency_distribution(data), tmp_path / "x.png", "title")
    pixels = np.asarray(Image.open(io.BytesIO((tmp_path / "x.png").read_bytes())).convert("RGB"))
    assert pixels.shape[0] > 800
    assert 0.005 < np.mean(np.any(pixels < 200, axis=2)) < 0.6, "neither empty nor black"
    charts.save(charts.error_over_time({"PD": [data]}), tmp_path / "x.svg", "title")
    assert (tmp_path / "x.svg").read_text().startswith("<svg")


def test_delay_map_draws_the_largest_stable_rates_and_what_has_an_error() -> None:
    rows = [{"delay_ms": d, "rate": r, "error_mm": 1.0, "stable": True} for d in (0.0, 5.0) for r in (0.01, 0.1)]
    rows[0]["error_mm"] = None
    squares, line = charts.delay_map(rows, {0.0: 0.1, 5.0: 0.0}, floor=200.0).to_dict()["vconcat"]
    assert line["data"]["values"] == [{"delay_ms": 0.0, "rate": 0.1}]
    assert squares["layer"][0].get("data", squares.get("data"))["values"] == rows[1:]


PLACES_MS = {
    "apart": (0.6, 12.0, 1.0),
    "all at one place": (0.6, 0.6, 0.6),
    "at the right edge": (30.0, 80.0, 60.0),
    "a label fits the chart but not before the rule at the edge": (30.0, 1.0, 60.0),
    "at both edges": (0.2, 80.0, 0.21),
}


@pytest.mark.parametrize("places", PLACES_MS.values(), ids=PLACES_MS)
def test_labels_of_rules_cross_no_rule_and_no_label(places: tuple[float, ...]) -> None:
    span = (0.2, 80.0)
    marks = [(at, f"mark {i} {at:.2f} ms") for i, at in enumerate(places)]
    boxes, rules = [], []
    for flag in charts._flags(marks, span):
        drawn = flag.to_dict()
        [value], (rule, label) = drawn["data"]["values"], drawn["layer"]
        x = charts.WIDTH * np.log(value["at"] / span[0]) / np.log(span[1] / span[0])
        width, top = 7 * len(value["text"]), label["encoding"]["y"]["value"]
        left = x + 5 if label["mark"]["align"] == "left" else x - 5 - width
        boxes.append((left, left + width, top, top + 11))
        rules.append((x, rule["encoding"]["y"]["value"]))
    assert len(boxes) == 3
    for left, right, top, bottom in boxes:
        assert left > 0
        assert right <= charts.WIDTH + 5
        assert not [x for x, start in rules if left < x < right and start < bottom], "a rule runs through a label"
        assert sum(top < other[3] and other[2] < bottom for other in boxes) == 1, "two labels in one row"


@pytest.mark.parametrize(("name", "words"), [("tip_error_m", "tip error"), ("theta_error_rad", "theta error")])
def test_names_as_words(name: str, words: str) -> None:
    assert charts._words(name) == words
