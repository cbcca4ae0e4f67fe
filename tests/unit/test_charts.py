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


def test_delay_map_shows_the_largest_stable_rate() -> None:
    rows = [{"delay_ms": d, "rate": r, "error_mm": 1.0, "stable": r * d < 0.1} for d in (0.0, 5.0) for r in (0.01, 0.1)]
    chart = charts.delay_map(rows, floor=200.0)
    assert chart.to_dict()["vconcat"][1]["transform"][0] == {"filter": "datum.stable && datum.rate > 0"}


@pytest.mark.parametrize(("name", "words"), [("tip_error_m", "tip error"), ("theta_error_rad", "theta error")])
def test_names_as_words(name: str, words: str) -> None:
    assert charts._words(name) == words
