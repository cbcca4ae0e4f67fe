"""What a report reads: evaluations, single runs, and mistakes in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec import structs
from report_example import SHORT, cell, summary, write

from hilbench.cli import main
from hilbench.errors import RecordError
from hilbench.record.meta import LinkLosses
from hilbench.record.sealed import write_sealed
from hilbench.report import curves, data
from hilbench.report.page import _losses, gather
from hilbench.report.page import write as write_page


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cells of one label, whose points differ."""
    folder = tmp_path_factory.mktemp("evaluation")
    cells = [cell(folder, "PD", "pd", point={"plant.kp_1": gain}) for gain in (60.0, 80.0)]
    return write(folder, summary(cells))


def test_titles_tell_cells_apart(evaluation: Path) -> None:
    [found] = data.read([evaluation])
    assert [cell.title for cell in found.cells] == ["PD, kp 1 60", "PD, kp 1 80"]
    assert all(cell.metas for cell in found.cells)
    assert data.phases(found.cells) == ("error_rms[before]", "error_rms[late after]")


def test_a_label_does_not_repeat_the_scenario_that_stands_above_it(tmp_path: Path) -> None:
    run = cell(tmp_path, "PD", "pd")
    cells = [run | {"label": label, "scenario": name} for label, name in (("PD", "arm"), ("PD lane null", "lane"))]
    [found] = data.read([write(tmp_path, summary(cells))])
    assert [(each.label, each.group) for each in found.cells] == [("PD", "arm"), ("PD null", "lane")]
    assert [each.name for each in found.cells] == ["PD in arm", "PD null in lane"]
    [alone] = data.read([write(tmp_path, summary(cells[:1]))])
    assert alone.cells[0].name == "PD"


def test_a_change_between_episodes_is_at_no_time_of_one(evaluation: Path) -> None:
    [found] = data.read([evaluation])
    meta = found.cells[0].metas[0]
    assert data.change_s(meta) == 1.5
    tables = {"load": meta.scenario.disturbances["load"] | {"at_s": 0.0, "at_episode": 2}}
    later = structs.replace(meta, scenario=structs.replace(meta.scenario, disturbances=tables))
    assert data.change_s(later) is None
    assert curves._changes(later) == []
    assert len(curves._changes(meta)) == 1


def test_a_run_is_an_evaluation_of_one_cell(evaluation: Path) -> None:
    run = evaluation / data.read([evaluation])[0].cells[0].run_folders[0]
    whole, single = data.read([evaluation, run])
    [cell] = single.cells
    assert (cell.scenario, cell.controller, cell.backend, cell.mode) == ("arm-payload", "pd", "law", "lockstep")
    assert cell.seeds == [SHORT.get("loop.seed", 10000)]
    assert cell.value("error_rms") == pytest.approx(whole.cells[0].value("error_rms"))
    assert [each.group for each in (whole.cells[0], cell)] == ["arm-payload, example", "arm-payload, single runs"]
    report = gather([run])
    assert report.figures["error"]
    assert report.tables[0].rows


def test_what_a_link_lost_is_told(evaluation: Path, tmp_path: Path) -> None:
    cells = data.read([evaluation])[0].cells
    assert gather([evaluation]).losses == []
    for each, (unsent, broken) in zip(cells, [(1, 20), (0, 1)], strict=True):
        losses = LinkLosses(unsent_ticks=unsent, broken_frames=broken)
        each.metas = [structs.replace(each.metas[0], link_losses=losses)]
    assert _losses(cells) == [
        ("PD, kp 1 60, seed 10000", "no room on the link for 1 tick; 20 damaged frames from the device"),
        ("PD, kp 1 80, seed 10000", "1 damaged frame from the device"),
    ]


def test_a_run_that_is_gone_is_left_out(evaluation: Path, tmp_path: Path) -> None:
    raw = json.loads((evaluation / "summary.json").read_text())
    raw["cells"][0]["run_folders"] = [None, "runs/gone"]
    raw["cells"][0]["reference_folders"] = {"twin": [None], "floor": ["runs/gone"]}
    report = gather([write(tmp_path, raw)])
    assert report.figures["error"] == []
    assert len(report.tables[0].rows) == 2


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(data)


def test_a_damaged_run_is_named_and_the_rest_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = write(tmp_path / "x", summary([cell(tmp_path / "x", "PD", "pd", [1, 2])]))
    [_, second] = data.read([folder])[0].cells[0].run_folders
    damage(folder / second / "episode_0000.arrow")
    with pytest.raises(SystemExit) as end:
        main(["report", str(folder), "-o", str(tmp_path / "report.html")])
    said = capsys.readouterr().err
    assert (end.value.code, said.count("\n")) == (1, 1)
    assert said.startswith(f"hilbench: PD: seed 2: {folder / second}/episode_0000.arrow: damaged: rows 0 to 2999 ")
    report = gather([folder])
    assert "1 of 2" in [entry.text for entry in report.tables[0].rows[0][1]]
    assert report.cards[-1].figure == "1 of 2"
    assert said[len("hilbench: ") :].strip() in report.tables[0].failed
    assert [len(each.metas) for each in report.cells] == [1]
    with pytest.raises(SystemExit) as end:
        main(["report", str(folder / second), "-o", str(tmp_path / "single.html")])
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "single.html").exists()


MISTAKES = {
    "no such folder": (None, "no such folder"),
    "nothing in it": ({}, "neither an evaluation (summary.json) nor a run (run.json)"),
    "broken": ({"summary.json": "{"}, "not readable as JSON"),
    "a list": ({"summary.json": "[]"}, "found list, expected a JSON object"),
    "an old format": ({"summary.json": '{"cells": []}'}, "summary version None; allowed: 2"),
    "no cells": ({"summary.json": '{"format_version": 2, "suite": "a", "status": "done"}'}, "hold no cell"),
    "a wrong cell": (
        {"summary.json": '{"format_version": 2, "suite": "a", "cells": [{"label": 3}]}'},
        "$.cells[0].label",
    ),
    "a broken run": ({"run.json": "{"}, "no readable run.json"),
    "a run without a checksum": ({"run.json": '{"format_version": 5, "status": "done"}'}, "has no 'crc32'"),
    "half a run": ({"run.json": {"format_version": 5, "status": "done"}}, "missing required field `scenario`"),
    "an old run": ({"run.json": {"format_version": 4}}, "record version 4; allowed: 5"),
}


@pytest.mark.parametrize(("files", "text"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(
    files: dict | None, text: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "x"
    for name, content in (files or {}).items():
        folder.mkdir(exist_ok=True)
        if isinstance(content, str):
            (folder / name).write_text(content)
        else:
            write_sealed(folder / name, content)
    if files == {}:
        folder.mkdir()
    with pytest.raises(SystemExit) as end:
        main(["report", str(folder), "-o", str(tmp_path / "out" / "report.html")])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert text in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_report_on_nothing_is_one_line(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as end:
        main(["report"])
    assert (end.value.code, capsys.readouterr().err.count("\n")) == (2, 1)


def test_a_page_that_cannot_be_written_is_one_line(evaluation: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot hold the report"):
        write_page([evaluation], tmp_path / "file" / "report.html")
