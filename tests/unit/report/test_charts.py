"""What charts share: labels that cross nothing, and files that are pictures."""

from __future__ import annotations

import io
from pathlib import Path

import altair as alt
import numpy as np
import pytest
from PIL import Image

from hilbench.report import charts

PLACES_MS = {
    "apart": (0.6, 12.0, 1.0),
    "all at one place": (0.6, 0.6, 0.6),
    "at the right edge": (30.0, 80.0, 60.0),
    "a label fits the chart but not before the rule at the edge": (30.0, 1.0, 60.0),
    "at both edges": (0.2, 80.0, 0.21),
    "five of them": (1.0, 0.4, 0.64, 0.16, 20.0),
}


@pytest.mark.parametrize("places", PLACES_MS.values(), ids=PLACES_MS)
@pytest.mark.parametrize("width", [420, 1100])
def test_labels_of_rules_cross_no_rule_and_no_label(places: tuple[float, ...], width: int) -> None:
    span = (0.2, 80.0) if min(places) >= 0.2 else (0.1, 80.0)
    marks = [charts.Mark(at, f"mark {i} {at:.2f}") for i, at in enumerate(places)]
    boxes, rules = [], []
    for flag in charts.flags(marks, span, log=True):
        drawn = flag.to_dict()
        [value], (rule, label) = drawn["data"]["values"], drawn["layer"]
        x = width * np.log(value["at"] / span[0]) / np.log(span[1] / span[0])
        text, top = 7 * len(value["text"]), label["encoding"]["y"]["value"]
        left = x + 5 if label["mark"]["align"] == "left" else x - 5 - text
        boxes.append((left, left + text, top, top + 11))
        rules.append((x, rule["encoding"]["y"]["value"]))
    assert len(boxes) == len(marks)
    for left, right, top, bottom in boxes:
        assert left >= 0
        assert right <= width + 5
        assert not [x for x, start in rules if left < x < right and start < bottom], "a rule runs through a label"
        assert sum(top < other[3] and other[2] < bottom for other in boxes) == 1, "two labels in one row"


def test_labels_that_fit_nowhere_are_still_all_there() -> None:
    marks = [charts.Mark(1.0 + i / 100, "a label as long as this one is wide " * 3) for i in range(9)]
    assert len(charts.flags(marks, (1.0, 2.0))) == 9
    assert charts.flags([], (0.0, 1.0)) == []


def test_saved_pictures_are_pictures(tmp_path: Path) -> None:
    data = alt.Data(values=[{"t": i, "y": i * i} for i in range(20)])
    chart = alt.Chart(data).mark_line().encode(x="t:Q", y="y:Q").properties(**charts.wide(200))
    charts.save(chart, tmp_path / "x.png", "title")
    pixels = np.asarray(Image.open(io.BytesIO((tmp_path / "x.png").read_bytes())).convert("RGB"))
    assert pixels.shape[1] > 2 * charts.WIDTH * 0.9, "as wide as a page, at twice the resolution"
    assert 0.002 < np.mean(np.any(pixels < 200, axis=2)) < 0.6, "neither empty nor black"
    charts.save(chart, tmp_path / "x.svg", "title")
    assert (tmp_path / "x.svg").read_text().startswith("<svg")


def test_what_a_picture_cannot_show_is_no_number() -> None:
    assert charts.rounded([1.23456, float("nan"), float("inf")]) == [1.235, None, None]
