"""Versions of files: older ones become the present one, newer ones are refused in a line."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from blank import run_meta
from msgspec import structs

from hilbench.errors import RecordError
from hilbench.metrics import measure
from hilbench.record import reader
from hilbench.record.reader import read_meta, read_run
from hilbench.record.sealed import read_sealed, write_sealed
from hilbench.record.versions import Format
from hilbench.report.page import write
from hilbench.runs.replay import replay
from hilbench.studies import schema
from hilbench.studies.schema import Summary, read_summary, write_summary

KEPT = Path(__file__).parent / "version_5"
"""An evaluation as the first version left it from which on all versions are read. It is never made anew."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_sealed(tmp_path / "run.json", run_meta(status="done"))
    return tmp_path


def rewritten(folder: Path, **more: object) -> None:
    write_sealed(folder / "run.json", read_sealed(folder / "run.json") | more)


def test_an_older_version_becomes_the_present_one_step_by_step(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 3 said `label` for what 4 calls `name` and 5 `run_id`."""
    steps = {
        3: lambda found: found | {"name": found.pop("label").upper()},
        4: lambda found: found | {"run_id": found.pop("name") + "!"},
    }
    rewritten(folder, format_version=3, label="abc", run_id=None)
    with pytest.raises(RecordError, match=r"run\.json: record version 3; allowed: 5; make it again"):
        read_meta(folder)
    monkeypatch.setattr(reader, "RECORD", Format("record", 5, steps))
    found = read_meta(folder)
    assert (found.run_id, found.format_version) == ("ABC!", 5)
    rewritten(folder, format_version=2)
    with pytest.raises(RecordError, match="record version 2; allowed: 3 to 5"):
        read_meta(folder)


@pytest.mark.parametrize("version", [6, "5", 5.0, True, None])
def test_a_version_that_nobody_knows_is_one_line(folder: Path, version: object) -> None:
    rewritten(folder, format_version=version)
    newer = "a newer hilbench wrote it" if version == 6 else "make it again"
    with pytest.raises(RecordError, match=rf"record version {version!r}; allowed: 5; {newer}"):
        read_run(folder)


def test_the_scenario_has_a_version_of_its_own(folder: Path) -> None:
    said = read_sealed(folder / "run.json")
    rewritten(folder, scenario=said["scenario"] | {"format_version": 2})
    with pytest.raises(RecordError, match=r"run\.json: scenario version 2; allowed: 1; a newer hilbench wrote it"):
        read_meta(folder)
    rewritten(folder, scenario=said["scenario"] | {"later": 1})
    with pytest.raises(RecordError, match=r"unknown field `later`.*scenario"):
        read_meta(folder)


def test_a_summary_of_another_version_is_one_line_or_becomes_the_present_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = Summary(suite="s", status="done")
    write_summary(tmp_path, structs.replace(summary, format_version=3))
    with pytest.raises(RecordError, match=r"summary\.json: summary version 3; allowed: 2; a newer hilbench wrote it"):
        read_summary(tmp_path)
    steps = {3: lambda found: found | {"suite": found["suite"] * 2}}
    monkeypatch.setattr(schema, "SUMMARY_FORMAT", Format("summary", 4, steps))
    assert read_summary(tmp_path) == structs.replace(summary, suite="ss", format_version=4)


def test_a_key_that_is_not_known_is_passed_over(folder: Path) -> None:
    rewritten(folder, of_a_later_minor_change={"a": 1})
    assert read_meta(folder) == run_meta(status="done")


def test_numbers_without_a_word_in_json_and_those_of_numpy_come_back(tmp_path: Path) -> None:
    odd = (math.nan, math.inf, -math.inf, 0.1)
    ended = {"terminated": False, "truncated": False, "info": {"x": math.inf}}
    end = {"episode": 0, "obs": odd, "reward": math.nan, **ended}
    meta = run_meta(episode_ends=[end], plant_spec={"action_low": [-math.inf], "parameters": {"a_m": 0.5}})
    parameters = {"a_m": np.float32(0.5), "b": np.int64(3)}
    plant_spec = structs.replace(meta.plant_spec, parameters=parameters)
    write_sealed(tmp_path / "run.json", structs.replace(meta, plant_spec=plant_spec))
    text = (tmp_path / "run.json").read_text()
    assert '"NaN"' in text
    assert "-Infinity," not in text.replace('"-Infinity"', "")
    found = read_meta(tmp_path)
    np.testing.assert_array_equal(found.episode_ends[0].obs, odd)
    assert math.isnan(found.episode_ends[0].reward)
    assert found.episode_ends[0].info == {"x": math.inf}
    assert found.plant_spec.action_low == (-math.inf,)
    assert found.plant_spec.parameters == {"a_m": 0.5, "b": 3.0}


def test_what_the_first_kept_version_left_is_read_measured_replayed_and_drawn(tmp_path: Path) -> None:
    [cell] = read_summary(KEPT).cells
    run = read_run(KEPT / cell.run_folders[0])
    assert measure(run)["error_rms"]["value"] == cell.metrics["error_rms"].iqm > 0
    assert replay(KEPT / cell.run_folders[0], tmp_path / "again") == (True, 3)
    assert write([KEPT], tmp_path / "report.html").tables[0].rows
