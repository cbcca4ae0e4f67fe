"""Versions of files: older ones become the present one, newer ones are refused in a line."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from msgspec import structs
from recorded_rows import SHAPE, run_meta, write_reply, write_tick

from hilbench.errors import RecordError
from hilbench.metrics import measure
from hilbench.record import reader
from hilbench.record.reader import read_meta, read_run
from hilbench.record.sealed import read_sealed, write_sealed
from hilbench.record.streams import StreamWriter
from hilbench.record.versions import Format
from hilbench.record.writer import Recorder
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
    rewritten(folder, scenario=said["scenario"] | {"format_version": 3})
    with pytest.raises(RecordError, match=r"run\.json: scenario version 3; allowed: 1 to 2; a newer hilbench wrote it"):
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


@pytest.mark.parametrize(
    ("table", "key", "value", "says"),
    [
        ("scenario", "controller", "on", r"scenario\.controller: found 'on'; allowed: one; did you mean 'one'\?"),
        ("scenario", "controllers", {}, r"scenario\.controller: found 'one'; allowed: a key of scenario\.controllers"),
        ("scenario", "controllers", {"one": {"backend": 3}}, r"controllers\.one\.backend\.kind: found False"),
        ("scenario", "link", {}, r"scenario\.link\.kind: found None; allowed: text"),
        ("scenario", "link", {"kind": []}, r"scenario\.link\.kind: found \[\]; allowed: text"),
        ("scenario", "score", {"change": "load"}, r"score\.change: found 'load'; allowed: a key of scenario\.disturb"),
        ("plant_spec", "error", "tip_m", r"plant_spec\.error: found 'tip_m'; allowed: a key of plant_spec\.info_units"),
        ("scenario", "disturbances", {"load": {"at_s": None}}, r"load\.at_s: found None; allowed: a number"),
        (None, "n_episodes", 10**9, r"n_episodes: found 1000000000; allowed: 0 to 1"),
        (None, "n_episodes", 10**25, r"Expected `int` .*n_episodes"),
        (None, "n_episodes", -1, r"Expected `int` >= 0 .*n_episodes"),
        (None, "link_losses", {"broken_frames": 10**25}, r"Expected `int` .*link_losses\.broken_frames"),
        (
            None,
            "histograms_ns",
            {"latency": {"8": 10**25}, "link_echo": {}},
            r"Expected `int` .*histograms_ns\.latency",
        ),
        (None, "histograms_ns", {"latency": {"a": 1}, "link_echo": {}}, r"matching regex .*histograms_ns\.latency"),
    ],
)
def test_what_must_fit_together_in_run_json_is_one_line(
    folder: Path, table: str | None, key: str, value: object, says: str
) -> None:
    said = read_sealed(folder / "run.json")
    rewritten(folder, **({key: value} if table is None else {table: said[table] | {key: value}}))
    with pytest.raises(RecordError, match=says):
        read_meta(folder)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_json_of_any_depth_is_one_line(folder: Path, text: str) -> None:
    (folder / "run.json").write_text(text)
    with pytest.raises(RecordError, match=r"no readable run\.json in this folder \(maximum recursion depth"):
        read_meta(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.replace_schema_metadata({"format_version": "6"}), "record version 6; allowed: 5; a newer"),
        (lambda t: t.replace_schema_metadata(None), "record version 'none'; allowed: 5"),
        (lambda t: t.drop_columns(["answered"]), "column 'answered': found no such column; allowed: bool"),
        (lambda t: t.drop_columns(["info.x"]), r"column 'info\.x': found no such column; allowed: double"),
        (lambda t: t.drop_columns(["events"]), "column 'events': found no such column; allowed: list<uint64>"),
        (lambda t: t.set_column(0, "seq", pa.array(["0"])), "column 'seq': found string; allowed: int64"),
        (
            lambda t: t.drop_columns(["obs"]),
            r"column 'obs': found no such column; allowed: fixed_size_list<float>\[3\]",
        ),
        (lambda t: wide(t, "obs", 2, "f4"), r"column 'obs': found .*<float>\[2\]; allowed: .*<float>\[3\]"),
        (lambda t: wide(t, "actions", 2, "f8"), r"column 'actions': found .*<double>\[2\]; allowed: .*<double>\[4\]"),
        (lambda t: wide(t, "values_in", 4, "f4"), r"column 'values_in': found .*<float>\[4\]; allowed: .*<float>\[3\]"),
        (lambda t: wide(t, "values_out", 1, "f4"), r"column 'values_out': found .*\[1\]; allowed: .*<float>\[2\]"),
        (lambda t: wide(t, "modulators", 2, "f4"), r"column 'modulators': found .*\[2\]; allowed: .*<float>\[1\]"),
        (lambda t: t.drop_columns(["modulators"]), r"column 'modulators': found no such column; allowed: .*\[1\]"),
        (lambda t: t.append_column("later", pa.array([1])), None),
    ],
)
def test_a_stream_of_another_version_or_without_a_column_is_one_line(
    tmp_path: Path, change: Callable[[pa.Table], pa.Table], says: str | None
) -> None:
    with Recorder(tmp_path, run_meta(plant_spec={"info_units": {"error": "", "x": ""}})) as recorder:
        rows = recorder.episode(SHAPE, 1)
        write_tick(rows, 0)
        write_reply(rows, 0)
    path = tmp_path / "episode_0000.arrow"
    with pa.ipc.open_stream(path.read_bytes()) as stream:
        table = change(stream.read_all())
    again = StreamWriter(path, table.schema, compress=True)
    again.write(table.to_batches()[0])
    again.close()
    rewritten(tmp_path, streams={path.name: again.totals()})
    if says is None:
        assert read_run(tmp_path).episodes[0]["later"].tolist() == [1]
        return
    with pytest.raises(RecordError, match=rf"episode_0000\.arrow: {says}"):
        read_run(tmp_path)


def wide(table: pa.Table, name: str, width: int, kind: str) -> pa.Table:
    """The same table with rows of another width in a column."""
    column = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(width * len(table), kind)), width)
    return table.set_column(table.column_names.index(name), name, column)


def test_a_column_that_nobody_has_is_not_allowed_either(tmp_path: Path) -> None:
    """The plant's spec has no observation, and the stream has one."""
    with Recorder(tmp_path, run_meta(plant_spec={"obs_names": []})) as recorder:
        write_tick(recorder.episode(SHAPE, 1), 0)
    with pytest.raises(RecordError, match=r"column 'obs': found fixed_size_list<float>\[3\]; allowed: no such column"):
        read_run(tmp_path)


def without(folder: Path, out: Path, column: str) -> Path:
    """A copy of a run without a column, its checksums made anew."""
    shutil.copytree(folder, out)
    path = out / "episode_0000.arrow"
    with pa.ipc.open_stream(path.read_bytes()) as stream:
        table = stream.read_all()
    again = StreamWriter(path, table.drop_columns([column]).schema, compress=True)
    for batch in table.drop_columns([column]).to_batches():
        again.write(batch)
    again.close()
    said = read_sealed(out / "run.json")
    write_sealed(out / "run.json", said | {"streams": said["streams"] | {path.name: again.totals()}})
    return out


def test_a_run_without_its_plants_state_is_measured_and_drawn_but_not_replayed(tmp_path: Path) -> None:
    [cell] = read_summary(KEPT).cells
    run = without(KEPT / cell.run_folders[0], tmp_path / "run", "state")
    assert measure(read_run(run)) == measure(read_run(KEPT / cell.run_folders[0]))
    assert write([run], tmp_path / "report.html").tables[0].rows
    with pytest.raises(RecordError, match=r"run: episode 0: found no column 'state'; a replay compares") as caught:
        replay(run, tmp_path / "again")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("column", ["obs", "actions", "values_out", "sources", "reward", "applied_step"])
def test_a_run_without_any_other_column_is_refused_whoever_reads_it(tmp_path: Path, column: str) -> None:
    [cell] = read_summary(KEPT).cells
    run = without(KEPT / cell.run_folders[0], tmp_path / "run", column)
    said = rf"episode_0000\.arrow: column '{column}': found no such column; allowed: "
    with pytest.raises(RecordError, match=said):
        replay(run, tmp_path / "again")
    with pytest.raises(RecordError, match=said):
        write([run], tmp_path / "report.html")


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
