"""Scenario files: what is wrong is one line that says where, what was found and what is allowed."""

from __future__ import annotations

import shutil

import pytest

from hilbench import plugins
from hilbench.errors import ScenarioError
from hilbench.scenario import files as scenarios
from hilbench.scenario.files import assignments, find, load, parse_value
from hilbench.scenario.loop import ConstantDelay, GammaDelay

SHIPPED = sorted(scenarios.names())


@pytest.mark.parametrize(("overrides", "section", "parts"), [
    ({"loop.perod_s": 1}, "loop.perod_s: no such field", ["allowed: blind_at_episode, ", "did you mean 'period_s'?"]),
    ({"loop.period_s": -1.0}, "loop.period_s: found -1.0", ["> 0.0"]),
    ({"loop.period_s": "fast"}, "loop.period_s: found 'fast'", ["expected `float`"]),
    ({"loop.period_s": 0.0015}, "loop.period_s: found 0.0015 s", ["whole number of physics steps of 0.001 s"]),
    ({"loop.period_s": 1.5e-6}, "loop.period_s: found 1.5e-06 s", ["whole number of microseconds"]),
    ({"loop.duration_s": 0.0105, "loop.period_s": 0.001}, "loop.duration_s: found 0.0105 s", ["control periods"]),
    ({"controller.dt_s": 0.0003}, "loop.period_s: found 0.001 s", ["network steps (controllers.pes.dt_s) of 0.0003 s"]),
    ({"score.window_s": 0.0015}, "score.window_s: found 0.0015 s", ["whole number of control periods of 0.001 s"]),
    ({"score.horizon_s": 10.5}, "score.horizon_s: found 10.5 s", ["whole number of windows of 1.0 s"]),
    ({"score.change": "lode"}, "score.change: found 'lode'", ["did you mean 'load'?"]),
    ({"score.oracle": "tolled"}, "score.oracle: found 'tolled'", ["did you mean 'told'?"]),
    ({"score.critical_delay_s": {"pess": 1.0}}, "score.critical_delay_s.pess: found 'pess'", ["did you mean 'pes'?"]),
    ({"controllers": {"fast/pd": {"kind": "pd"}}}, "controllers", ["matching regex"]),
    ({"loop.mode": "real"}, "loop.mode: found 'real'", ["allowed: delayed, lockstep, realtime", "'realtime'?"]),
    ({"loop.late": "hold on"}, "loop.late: found 'hold on'", ["allowed: drop, hold, safe", "did you mean 'hold'?"]),
    ({"loop.silence_s": float("inf")}, "loop.silence_s: found inf", ["expected a finite number"]),
    ({"loop.deadline_s": float("nan")}, "loop.deadline_s: found nan", []),
    ({"loop.delay": 0.01}, "loop.delay: found 0.01", ["expected a table, as { s = 0.01 }"]),
    ({"loop.delay.kind": "gama"}, "loop.delay.kind: found 'gama'", ["constant, gamma, trace", "'gamma'?"]),
    ({"loop.delay.kind": ["gamma"]}, "loop.delay.kind: found ['gamma']", ["allowed: constant, gamma, trace"]),
    ({"loop.delay.kind": "gamma", "loop.delay.mean_s": 1}, "loop.delay: ", ["missing required field `sd_s`"]),
    ({"loop.delay.mean_s": 1}, "loop.delay.mean_s: no such field", ["allowed: s"]),
    ({"plant.kind": "arm_paylod"}, "plant.kind: ", ["'arm_paylod'", "allowed: arm7, arm_payload, ", "'arm_payload'?"]),
    ({"plant.kind": 3}, "plant: kind: found 3", ["allowed: arm7, arm_payload, "]),
    ({"plant.kp": 3}, "plant.kp: no such field", ["allowed: ", "did you mean 'kp_"]),
    ({"controllers.rbf.gains.kpp": 3}, "controllers.rbf.gains.kpp: no such field", ["allowed: force_cost, ", "'kp'?"]),
    ({"link.kind": "zmk"}, "link.kind: ", ["'zmk'", "did you mean 'zmq'?"]),
    ({"link.address": "tcp://x:1"}, "link.address: no such field of kind 'inprocess'", ["allowed: timeout_s"]),
    ({"name": "a/b"}, "scenario.name: found 'a/b'", ["allowed: letters, digits"]),
    ({"link.timeout_s": 0}, "link.timeout_s: found 0", ["> 0.0"]),
    ({"backend.kind": "nunba"}, "backend.kind: ", ["'nunba'", "did you mean 'numba'?"]),
    ({"backend.cores": 2}, "backend.cores: no such field", ["allowed: threads"]),
    ({"backend.kind": "reference", "backend.cores": 2}, "backend.cores: no such field", ["allowed: none"]),
    ({"record.spike": ["a"]}, "record.spike: no such field", ["did you mean 'spikes'?"]),
    ({"record.spikes": "a"}, "record.spikes: found 'a'", ["expected `array`"]),
    ({"disturbances.load.kind": "paylod"}, "disturbances.load.kind: ", ["'paylod'", "did you mean 'payload'?"]),
    ({"disturbances.load.mass": 2}, "disturbances.load.mass: no such field", ["did you mean 'mass_kg'?"]),
    ({"disturbances.load.mass_kg": "2 kg"}, "disturbances.load.mass_kg: found '2 kg'", ["expected `float`"]),
    ({"disturbances.wind.at_s": 2}, "disturbances.wind: kind is missing", ["allowed: actuator_gain, "]),
    ({"sensors.eye.kind": "analogue"}, "sensors.eye.kind: ", ["'analogue'", "did you mean 'analog'?"]),
    ({"sensors.eye.kind": "analog", "sensors.eye.noise": 1}, "sensors.eye.noise: no such field", ["noise_std"]),
    ({"sensors.eye.kind": "delta"}, "sensors.eye: ", ["threshold"]),
    ({"sensors.-eye.kind": "analog"}, "scenario: ", ["$.sensors"]),
    ({"controller": "pess"}, "controller: found 'pess'", ["allowed: adaptive, ", "did you mean 'pes'?"]),
    ({"controller.learning_rat": 1}, "controllers.pes.learning_rat: no such", ["did you mean 'learning_rate'?"]),
    ({"controller.backend": "numba"}, "controllers.pes.backend: found 'numba'", ["expected a table"]),
    ({"controller.backend.kind": "nunba"}, "controllers.pes.backend.kind: ", ["did you mean 'numba'?"]),
    ({"controllers.pess.gain": 1}, "controllers.pess: kind is missing", ["allowed: adaptive, "]),
    ({"phases.before": [3, 2]}, "phases.before: found [3.0, 2.0]", ["a start before its end"]),
    ({"loop": 3}, "scenario.loop: found 3", ["expected"]),
    ({"summary.text": "a"}, "--summary.text: 'summary' is a field", ["not a section"]),
    ({"lop.period_s": 1}, "--lop.period_s: no section 'lop'", ["allowed: backend, ", "did you mean 'loop'?"]),
])  # fmt: skip
def test_a_mistake_is_one_line_with_place_found_and_allowed(overrides, section, parts):
    with pytest.raises(ScenarioError) as error:
        load("arm_payload", overrides)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(f"{find('arm_payload')}: ")
    for part in [section, *parts]:
        assert part in text


def test_a_file_that_is_no_toml_names_its_line(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text('name = "a"\nsummary = \n')
    with pytest.raises(ScenarioError, match=r"bad\.toml: not readable as TOML: .*line 2"):
        load(path)
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(ScenarioError, match=r"bad\.toml: not readable as TOML: "):
        load(path)


def test_what_a_file_lacks_or_has_too_much_is_named(tmp_path):
    path = tmp_path / "few.toml"
    path.write_text('name = "a"\nsummary = ""\ncontroller = "a"\n[controllers.a]\nkind = "pd"\n')
    with pytest.raises(ScenarioError, match=r"few\.toml: scenario: .*missing required field `plant`"):
        load(path)
    path.write_text('nane = "a"\n')
    with pytest.raises(ScenarioError, match=r"few\.toml: scenario\.nane: no such field; .*did you mean 'name'"):
        load(path)


def test_overrides_reach_every_table():
    found = load(
        "arm_payload",
        {
            "loop.freeze-at-s": 2.0, "loop.delay.s": 0.003, "controller.learning-rate": 0.5, "plant.kp_1": 1,
            "controllers.pid.ki": 7.0, "disturbances.load.mass_kg": 3.0, "disturbances.more.kind": "payload",
                "disturbances.more.mass_kg": 1, "sensors.eye.kind": "analog", "sensors.eye.noise-std": 0.5,
            "controller.backend.kind": "reference", "record.spikes": ["neurons"],
        },
    )  # fmt: skip
    assert found.loop.freeze_at_s == 2.0
    assert found.loop.delay == ConstantDelay(s=0.003)
    assert found.chosen.config.learning_rate == 0.5
    assert found.plant.config.kp_1 == 1.0
    assert found.controllers["pid"].config.ki == 7.0
    assert found.disturbances["load"]["mass_kg"] == 3.0
    assert set(found.disturbances) == {"load", "more"}
    assert found.sensors["eye"]["noise_std"] == 0.5
    assert found.chosen.backend.kind == "reference"
    assert found.record.spikes == ("neurons",)
    gamma = load("arm_payload", {"loop.delay.kind": "gamma", "loop.delay.mean_s": 1, "loop.delay.sd-s": 2.0})
    assert gamma.loop.delay == GammaDelay(mean_s=1.0, sd_s=2.0)


def test_controller_stands_for_the_one_that_was_chosen():
    found = load("arm_payload", {"controller.ki": 9.0}, controller="pid")
    assert found.controller == "pid"
    assert found.chosen.config.ki == 9.0


def test_an_override_changes_the_callers_dict_nowhere():
    raw = scenarios.read_toml(find("arm_payload"))
    before = repr(raw)
    scenarios.override(raw, {"loop.delay.s": 1.0, "controller.learning_rate": 1.0}, "here")
    assert repr(raw) == before


def test_a_law_runs_on_the_backend_for_laws_whatever_the_scenario_says():
    found = load("arm_payload", {"backend.kind": "reference"})
    assert {name: c.backend.kind for name, c in found.controllers.items() if name in ("pid", "pes")} == {
        "pid": "law",
        "pes": "reference",
    }


def test_every_shipped_scenario_is_found_by_its_name_and_path(tmp_path, monkeypatch):
    for name in SHIPPED:
        path = find(name)
        assert all(path.samefile(find(given)) for given in (path, f"{name}.toml", f"scenarios/{name}.toml"))
    copy = shutil.copy(find(SHIPPED[0]), tmp_path / "mine.toml")
    monkeypatch.chdir(tmp_path)
    assert find("mine.toml").read_text() == find(copy).read_text()
    with pytest.raises(ScenarioError, match=r"arm_paylod: no such file, .*did you mean 'arm_payload'\?"):
        find("arm_paylod")
    with pytest.raises(ScenarioError, match="no such file"):
        find(f"elsewhere/{SHIPPED[0]}.toml")


def test_the_packages_own_copy_comes_before_the_checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "PACKAGE", tmp_path / "hilbench")
    beside, inside = tmp_path / "scenarios", tmp_path / "hilbench" / "scenarios"
    for folder in (beside, inside):
        folder.mkdir(parents=True)
    (beside / "a.toml").touch()
    assert find("a") == beside / "a.toml"
    (inside / "a.toml").touch()
    assert find("a") == inside / "a.toml"


def test_arguments_are_split_into_overrides_and_the_rest():
    overrides, rest = assignments(
        ["arm", "--loop.mode", "realtime", "--seed", "3", "--loop.period-s=0.002", "--plant.inner_loop", "false", "-v"]
    )
    assert overrides == {"loop.mode": "realtime", "loop.period-s": 0.002, "plant.inner_loop": False}
    assert rest == ["arm", "--seed", "3", "-v"]
    with pytest.raises(ScenarioError, match=r"--loop\.mode: a value must follow"):
        assignments(["--loop.mode"])


@pytest.mark.parametrize(("text", "value"), [
    ("3", 3), ("3.5", 3.5), ("true", True), ("[1, 2]", [1, 2]), ("zmq", "zmq"), ('"3"', "3"), ("runs/a b", "runs/a b"),
    ("-1e-3", -0.001), ("", ""),
])  # fmt: skip
def test_a_value_is_toml_where_it_reads_as_such(text, value):
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)
