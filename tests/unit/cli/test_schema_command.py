"""`hilbench schema`: what hilbench writes and reads is valid by it, and what is wrong is not."""

from __future__ import annotations

import copy
import json
import re
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from blank import run_meta
from small_suite import SMALL

import hilbench
from hilbench import plugins
from hilbench.cli import main
from hilbench.errors import RecordError
from hilbench.nal import Network, save
from hilbench.record.meta import RECORD, SCENARIO
from hilbench.record.sealed import to_json, write_sealed
from hilbench.runs.simulation_file import SIMULATION_FORMAT, SimulationSummary
from hilbench.scenario.files import find, load, names
from hilbench.scenario.resolved import dump
from hilbench.studies.schema import SUMMARY_FORMAT, Summary
from hilbench.studies.suite import cells, load_suite

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def schema(what: str, capsys: pytest.CaptureFixture[str]) -> jsonschema.Draft7Validator:
    with pytest.raises(SystemExit) as end:
        main(["schema", what])
    assert end.value.code == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.Draft7Validator.check_schema(found)
    return jsonschema.Draft7Validator(found)


def test_runs_are_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    valid = schema("run", capsys)
    for name, more in (("a", {}), ("b", {"loop.mode": "realtime", "loop.echo_s": 0.02, "link.kind": "unix"})):
        overrides = {"loop.duration_s": 0.05, "loop.period_s": 0.01, **more}
        hilbench.run("arm_payload", tmp_path / name, overrides=overrides, controller="pes")
        said = json.loads((tmp_path / name / "run.json").read_text())
        valid.validate(said)
        for key in ("scenario", "plant_spec", "provenance"):
            assert not valid.is_valid({name: value for name, value in said.items() if name != key}), key
        assert not valid.is_valid(said | {"status": "fine"})
        assert not valid.is_valid(said | {"n_episodes": "1"})
    properties = valid.schema["$defs"]["RunMeta"]["properties"]
    assert [*properties, "crc32"] == list(said)
    assert "null on the virtual clock" in properties["fell_behind"]["description"]


def test_a_number_that_json_has_no_word_for_is_valid_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    valid = schema("run", capsys)
    write_sealed(tmp_path / "run.json", run_meta(plant_spec={"action_low": [float("-inf")]}))
    said = json.loads((tmp_path / "run.json").read_text())
    valid.validate(said)
    said["plant_spec"]["action_low"] = ["minus infinity"]
    assert not valid.is_valid(said)


def test_summaries_are_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    valid = schema("summary", capsys)
    hilbench.evaluate(SMALL | {"seeds": [1], "axes": {}, "baseline": "lqr"}, tmp_path, workers=1)
    said = json.loads((tmp_path / "summary.json").read_text())
    valid.validate(said)
    for wrong in ({"label": 3}, {"metrics": {"error_rms": {"iqm": "0.1"}}}):
        changed = copy.deepcopy(said)
        changed["cells"][0] |= wrong
        assert not valid.is_valid(changed), wrong


def test_simulations_are_valid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    valid = schema("simulation", capsys)
    monkeypatch.chdir(tmp_path)
    net = Network(1e-3)
    net.input("x", 1)
    net.lif("cells", 3, tau_s=0.02)
    net.connect("x", "cells", [[2.0], [3.0], [4.0]])
    net.readout("v", 1, tau_s=0.02)
    net.connect("cells", "v", [[1.0, 1.0, 1.0]])
    save(net, tmp_path / "net.nir")
    (tmp_path / "x.csv").write_text("x\n" + "1\n" * 50)
    asked = ("simulate", "net.nir", "--input", "x.csv", "--backend", "numba", "--backend", "reference", "--seed", "3")
    with pytest.raises(SystemExit) as end:
        main([*asked, "--out", "out", "--json"])
    assert end.value.code == 0
    said = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert json.loads(capsys.readouterr().out) == said
    valid.validate(said)
    assert list(valid.schema["$defs"]["SimulationSummary"]["properties"]) == list(said)
    for wrong in ({"seed": "3"}, {"backends": {"numba": {}}}, {"comparisons": [{"backends": ["numba"]}]}):
        assert not valid.is_valid(said | wrong), wrong


@pytest.mark.parametrize("what", ["run", "summary", "simulation"])
def test_a_version_that_the_reader_refuses_is_not_valid(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reader takes the present version alone, as long as there is no step from an older one."""
    valid = schema(what, capsys)
    found = {
        "run": run_meta(),
        "summary": Summary(suite="s"),
        "simulation": SimulationSummary(network="n", dt_s=1e-3, period_s=1e-3, duration_s=1.0, backends={}),
    }[what]
    said = json.loads(to_json(found))
    formats = {"run": RECORD, "summary": SUMMARY_FORMAT, "simulation": SIMULATION_FORMAT}[what]
    valid.validate(said)
    for version in (*range(formats.version + 3), str(formats.version), None, True):
        refused = not valid.is_valid(said | {"format_version": version})
        try:
            formats.checked(version, "here")
        except RecordError:
            assert refused, version
        else:
            assert not refused, version
    assert not valid.is_valid({key: value for key, value in said.items() if key != "format_version"})
    if what == "run":
        for version in (0, SCENARIO.version + 1, None):
            assert not valid.is_valid(said | {"scenario": said["scenario"] | {"format_version": version}})


FILES = [*map(find, names()), *sorted((Path(__file__).parents[3] / "examples").glob("*/*.toml"))]
WRONG: dict[str, dict[str, Any]] = {
    "a field of another plant": {"plant": {"kind": "cartpole_ladder", "kp_1": 60.0}},
    "a plant without a kind": {"plant": {"pole_m": 1.0}},
    "a range": {"loop": {"period_s": 0.0}},
    "a word": {"loop": {"mode": "live"}},
    "a section": {"loops": {}},
    "a backend of a controller": {"controllers": {"lqr": {"kind": "lqr", "backend": {"kind": "lav"}}}},
    "a disturbance": {"disturbances": {"load": {"kind": "payload", "at": 1.0}}},
}


@pytest.fixture(scope="module")
def of_scenarios() -> jsonschema.Draft7Validator:
    from hilbench.scenario.file_schema import scenario_schema

    return jsonschema.Draft7Validator(json.loads(json.dumps(scenario_schema())))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_scenarios_are_valid_as_files_and_resolved(file: Path, of_scenarios: jsonschema.Draft7Validator) -> None:
    raw = tomllib.loads(file.read_text("utf-8"))
    if "plant" not in raw or raw["plant"]["kind"] not in plugins.all_of("envs"):
        pytest.skip("no scenario, or one of a package that is not installed")
    of_scenarios.validate(raw)
    if file.stem in names():
        of_scenarios.validate(json.loads(json.dumps(dump(load(file)))))


def test_every_scenario_of_the_suites_is_valid(of_scenarios: jsonschema.Draft7Validator) -> None:
    """One of all those that have the same fields set and the same parts."""
    found = {}
    for suite in names("suites"):
        for cell in cells(load_suite(suite)):
            chosen = cell.scenario.chosen
            found[cell.source, chosen.kind, chosen.backend.kind, tuple(sorted(cell.overrides))] = cell.scenario
    assert len(found) > 100
    for scenario in found.values():
        of_scenarios.validate(json.loads(json.dumps(dump(scenario))))


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_is_wrong_in_a_scenario_is_not_valid(
    wrong: dict[str, Any], of_scenarios: jsonschema.Draft7Validator
) -> None:
    raw = tomllib.loads(find("cartpole_ladder").read_text("utf-8"))
    of_scenarios.validate(raw | {"plant": {"kind": "my_module:Plant", "anything": 1}})
    assert not of_scenarios.is_valid(raw | wrong)


def test_every_kind_that_is_installed_has_its_settings(of_scenarios: jsonschema.Draft7Validator) -> None:
    defs = of_scenarios.schema["$defs"]
    for kind in ("envs", "links", "backends", "controllers", "sensors", "disturbances"):
        for name in plugins.all_of(kind):
            config = plugins.get(kind, name).Config
            [own] = [found for key, found in defs.items() if re.fullmatch(rf"{kind}\.{name}\.{config.__name__}", key)]
            assert {"kind", *config.__struct_fields__} <= set(own["properties"])
    assert "pole" in defs["envs.cartpole_ladder.Config"]["properties"]["pole_m"]["description"]


def test_an_unknown_file_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["schema", "scenaro"])
    assert end.value.code == 2
    said = "schema: found 'scenaro'; allowed: run, scenario, simulation, summary; did you mean 'scenario'?"
    assert capsys.readouterr() == ("", f"hilbench: {said}\n")
