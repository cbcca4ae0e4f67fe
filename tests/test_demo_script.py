"""The demo's own judgement, on made-up summaries: whether what the README claims holds."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from load_script import load_script

from hilbench.errors import RecordError
from hilbench.studies.schema import Summary

SCRIPT = Path(__file__).parents[1] / "scenarios" / "scripts" / "demo.py"


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    return load_script(SCRIPT)


def cell(controller: str, mode: str = "lockstep", link: str = "inprocess", **metrics: list) -> dict:
    """A summary's cell over two seeds."""
    found = {name: {"values": values} for name, values in metrics.items()}
    traits = {"controller": controller, "mode": mode, "link": link}
    return {**traits, "label": "", "scenario": "", "seeds": [1, 2], "failures": [], "metrics": found}


def summary(demo: ModuleType, **changes: list) -> Summary:
    """One in which every claim holds, but for `changes`: CELL_METRIC -> values."""
    good = {
        "pd_error": [0.17, 0.2], "frozen_error": [0.13, 0.101], "pes_error": [0.01, 0.002],
        "pes_score": [0.9, 0.97], "pid_score": [0.5, 0.6],
    } | changes  # fmt: skip
    device = cell("pes", "realtime", "zmq", **{name: [0.1] for name in demo.DEVICE})
    found = {
        "suite": "demo",
        "cells": [
            cell("pd", **{demo.SETTLED: good["pd_error"]}),
            cell("pid", adaptivity=good["pid_score"]),
            cell("pes", **{demo.SETTLED: good["pes_error"]}, adaptivity=good["pes_score"]),
            device | {"seeds": [1]},
        ],
        "references": [{**cell("pes", **{demo.SETTLED: good["frozen_error"]}), "role": "twin"}],
    }
    return msgspec.convert(found, Summary)


def verdicts(demo: ModuleType, found: Summary) -> list[bool]:
    return [holds for _, holds in demo.judge(found)]


@pytest.mark.parametrize(("changes", "broken"), [
    ({}, None),
    ({"pes_error": [0.011, 0.002]}, 0),
    ({"pd_error": [0.2, 0.1]}, 0),
    ({"frozen_error": []}, 0),
    ({"pes_error": [0.01, None]}, 0),
    ({"pes_score": [0.89, 0.97]}, 1),
    ({"pid_score": [0.5, 0.95]}, 1),
    ({"pid_score": [0.5]}, 1),
])  # fmt: skip
def test_a_claim_holds_only_when_every_seed_bears_it_out(demo: ModuleType, changes: dict, broken: int | None) -> None:
    assert verdicts(demo, summary(demo, **changes)) == [number != broken for number in range(3)]


def test_a_failed_seed_is_against_every_claim_about_its_cell(demo: ModuleType) -> None:
    found = summary(demo)
    found.cells[2].failures.append("seed 2: gone")
    assert verdicts(demo, found) == [False, False, True]


def test_the_device_needs_its_latency_its_misses_and_its_links_round_trip(demo: ModuleType) -> None:
    for name in demo.DEVICE:
        found = summary(demo)
        del found.cells[3].metrics[name]
        assert verdicts(demo, found) == [True, True, False]
    found = summary(demo)
    del found.cells[3]
    assert verdicts(demo, found) == [True, True, False]


def test_the_readme_has_the_table_that_its_command_prints(demo, tmp_path, capsys, monkeypatch):
    """Its numbers put into a summary come out as its lines."""
    readme = (SCRIPT.parents[2] / "README.md").read_text("utf-8")
    printed = re.search(r"^\| controller \|.*\n(?:\|.*\n)+", readme, re.M)[0].splitlines()
    assert "scenarios/scripts/demo.py --table" in readme
    found = {"format_version": 2, "suite": "demo", "cells": [], "references": []}
    for line, (title, controller, traits) in zip(printed[2:], demo.ROWS, strict=True):
        name, score, controls, *errors, frozen = (column.strip() for column in line.strip("|").split("|"))
        assert name == title
        of = {"label": name, "scenario": "arm", "controller": controller, "link": "inprocess", **traits}
        of |= {"seeds": list(range(5)), "controls": {"-": None, "passed": [], "failed": ["a reason"]}[controls]}
        metrics = {f"error_rms[{p}]": {"iqm": float(e) / 1000} for p, e in zip(demo.PHASES, errors, strict=True)}
        if score != "-":
            numbers, _, few = score.partition("],")
            value, *ci95 = map(float, re.findall(r"[\d.]+", numbers))
            metrics["adaptivity"] = {"iqm": value, "ci95": ci95 or None, "n": int(few.split()[0]) if few else 5}
        found["cells"].append(of | {"metrics": metrics})
        if frozen != "-":
            error = {f"error_rms[{demo.PHASES[-1]}]": {"iqm": float(frozen) / 1000}}
            found["references"] += [{**of, "role": "floor", "metrics": {}}, {**of, "role": "twin", "metrics": error}]
    (tmp_path / "summary.json").write_text(json.dumps(found))
    monkeypatch.setattr(sys, "argv", ["demo.py", "--table", "--out", str(tmp_path)])
    assert demo.main() == 0
    assert capsys.readouterr().out.splitlines() == printed


def test_a_table_of_no_summary_is_refused(demo, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["demo.py", "--table", "--out", str(tmp_path)])
    with pytest.raises(RecordError, match="make demo"):
        demo.main()
