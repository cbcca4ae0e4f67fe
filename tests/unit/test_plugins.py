"""Plug-ins are found where they stand, without being imported, and beside those of others."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

import hilbench
from hilbench import plugins
from hilbench.cli import main
from hilbench.conformance.suite import conform_all
from hilbench.errors import PluginError, ScenarioError
from hilbench.metrics import Measure, measure, metric
from hilbench.runs.metering import meters
from hilbench.studies.evaluation import evaluate
from hilbench.types import Empty


@pytest.fixture(autouse=True)
def fresh():
    forget()
    yield
    forget()


def forget():
    for cached in (plugins.all_of, plugins._own, plugins._all_points):
        cached.cache_clear()


@pytest.mark.parametrize("kind", sorted(plugins.KINDS))
def test_one_is_found_by_its_name_as_among_all(kind, monkeypatch):
    """Though for most kinds its own file alone is read; what is hidden behind it is told too."""
    points = [EntryPoint(name, "far:Away", f"hilbench.{kind}") for name in ("beam", "lqr", "numba", "zmq", "pes")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points if group == f"hilbench.{kind}" else [])
    found = plugins.all_of(kind)
    assert {name: plugins.find(kind, name) for name in found} == found


@pytest.mark.parametrize("kind", sorted(plugins.KINDS))
def test_every_kind_has_plugins_that_load_and_say_what_they_are(kind):
    found = plugins.all_of(kind)
    for name, plugin in found.items():
        assert plugin.summary.endswith((".", "?")), f"{kind} {name}: {plugin.summary!r}"
        loaded = plugins.get(kind, name)
        assert callable(loaded)
        assert kind in ("metrics", "rules") or hasattr(loaded, "Config"), name
    assert found or kind == "rules"


def test_names_come_from_files_or_where_many_share_one_from_classes():
    assert {"arm_payload", "cartpole_ladder"} <= set(plugins.all_of("envs"))
    assert {"payload", "sensor_bias"} <= set(plugins.all_of("disturbances"))
    assert {"latency", "error_rms"} <= set(plugins.all_of("metrics"))
    assert not [name for name in plugins.all_of("backends") if name.startswith("_")]


def test_a_name_that_stands_for_nothing_names_the_nearest():
    with pytest.raises(PluginError, match=r"no backends plug-in 'nunba'; allowed: .*; did you mean 'numba'\?"):
        plugins.get("backends", "nunba")


def test_entry_points_add_plugins_and_replace_none(monkeypatch):
    def entry_points(group):
        assert group == "hilbench.backends"
        return [EntryPoint("mine", "collections:OrderedDict.fromkeys", group), EntryPoint("numba", "os:sep", group)]

    monkeypatch.setattr(plugins, "entry_points", entry_points)
    found = plugins.all_of("backends")
    assert found["mine"].summary == "from collections:OrderedDict.fromkeys"
    assert plugins.get("backends", "mine")("ab").keys() == {"a", "b"}
    assert found["numba"].module == "hilbench.backends.numba"


def test_listing_imports_nothing():
    code = (
        "import sys; from hilbench import plugins; before = set(sys.modules); "
        "[plugins.all_of(kind) for kind in plugins.KINDS]; "
        "print([name for name in set(sys.modules) - before if name.startswith('hilbench')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.strip() == "[]"


PACKAGE = {
    "types.py": "class Link: ...\n",
    "nal/rules/__init__.py": "from hilbench.nal.model.rule import Rule\n",
    "nal/rules/mine.py": '\nfrom hilbench.nal.rules import Rule\nclass Mine(Rule, frozen=True):\n    """A rule."""\n',
    "envs/_plant.py": "import gymnasium\nclass Plant(gymnasium.Env): ...\n",
    "envs/_engine.py": "from hilbench.envs._plant import Plant\nclass EnginePlant(Plant): ...\n",
    "envs/_legged.py": "from hilbench.envs import _engine\nclass LeggedPlant(_engine.EnginePlant): ...\n",
    "envs/hopper.py": "from hilbench.envs._legged import LeggedPlant as Base\nclass Hopper(Base):\n    'Hops.'\n",
    "envs/odd.py": "class Odd: ...\nclass Plan(Odd): ...\nclass _Half(Base): ...\n",
    "bridge/client/__init__.py": "from hilbench.bridge.client.frames import FrameLink\n",
    "bridge/client/frames.py": "from hilbench import types\nclass FrameLink(types.Link): ...\n",
    "bridge/radio.py": "from hilbench.bridge.client import FrameLink\nclass Radio(FrameLink[int]):\n    'By radio.'\n",
}
"""Files of a small package, some with plug-ins."""


def test_a_plugin_is_found_by_its_base_through_any_number_of_classes(monkeypatch, tmp_path):
    for name, text in PACKAGE.items():
        file = tmp_path / "hilbench" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.setattr(plugins, "PACKAGE", tmp_path / "hilbench")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    assert plugins.all_of("envs") == {"hopper": ("hopper", "Hops.", "hilbench.envs.hopper", "Hopper", ())}
    assert plugins.all_of("links") == {"radio": ("radio", "By radio.", "hilbench.bridge.radio", "Radio", ())}
    assert plugins.all_of("rules") == {"mine": ("mine", "A rule.", "hilbench.nal.rules.mine", "Mine", ())}


@metric("m", "lower")
def foreign_column(run):
    """Reads what another plant's runs have."""
    return {"": Measure(float(run.episodes[0]["info.another_plants_m"].max()), 1)}


@metric("m", "lower")
def no_measure(run):
    """Answers with a word."""
    return {"": Measure("far", 1)}


@metric("m", "lower")
def numpy_number(run):
    """Answers as NumPy does."""
    return {"": Measure(np.float32(0.5), np.int64(3))}


class Smoky:
    """A meter that fails when it is asked."""

    Config = Empty

    def __init__(self, config):
        """Nothing to do."""

    def unavailable(self):
        raise OSError("on fire")


BAD = {
    "gone": ("no_such_module:x", "ModuleNotFoundError: No module named 'no_such_module'"),
    "nameless": ("os:no_such_name", "AttributeError: module 'os' has no attribute 'no_such_name'"),
    "ends": ("ends_at_import:x", "SystemExit: 3"),
    "broken": ("broken_at_import:x", "SyntaxError: "),
    "shapeless": ("no attribute at all", "does not load"),
}
"""Entry points that do not load, and what is said of each."""


@pytest.fixture
def bad(monkeypatch, tmp_path):
    """Every kind has these bad plug-ins, and some sound ones beside them."""
    (tmp_path / "ends_at_import.py").write_text("import sys\nsys.exit(3)\n")
    (tmp_path / "broken_at_import.py").write_text("def x(:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    sound = {
        "hilbench.metrics": [f"{__name__}:{name}" for name in ("foreign_column", "no_measure", "numpy_number")],
        "hilbench.meters": [f"{__name__}:Smoky"],
    }

    def entry_points(group):
        values = {name: value for name, (value, _) in BAD.items()}
        values |= {value.partition(":")[2].lower(): value for value in sound.get(group, ())}
        return [EntryPoint(name, value, group) for name, value in values.items()]

    monkeypatch.setattr(plugins, "entry_points", entry_points)
    return sound


@pytest.mark.parametrize("name", BAD)
def test_a_plugin_that_does_not_load_says_why_in_one_line(bad, name):
    with pytest.raises(PluginError) as found:
        plugins.get("backends", name)
    assert str(found.value).startswith(f"plug-in {name!r} (")
    assert BAD[name][1] in str(found.value)
    assert "\n" not in str(found.value)


def test_the_list_names_each_bad_plugin_and_shows_the_others(bad, capsys):
    with pytest.raises(SystemExit) as end:
        main(["list"])
    assert not end.value.code
    said = " ".join(capsys.readouterr().out.split())
    for name in BAD:
        assert said.count(f"plug-in {name!r}") == len(plugins.KINDS)
    assert "A meter that fails when it is asked. (from " in said
    assert said.count("arm_payload") >= 2


def test_a_metric_that_raises_stands_alone(bad, tmp_path, monkeypatch):
    overrides = {"loop.duration_s": 0.05}
    assert hilbench.run("cartpole_ladder", tmp_path / "run", overrides=overrides, controller="lqr").status == "done"
    run = hilbench.read_run(tmp_path / "run")
    found = measure(run)
    assert found["foreign_column"]["value"] is None
    assert found["foreign_column"]["note"] == "this metric raised KeyError: 'info.another_plants_m'"
    assert found["no_measure"]["note"].startswith("this metric raised TypeError: a Measure's value is a number")
    assert all(text in found[name]["note"] for name, (_, text) in BAD.items())
    assert found["numpy_number"] == {"value": 0.5, "unit": "m", "better": "lower", "n": 3}
    json.dumps(found)
    own = {"foreign_column", "no_measure", "numpy_number", *BAD}
    plugins.all_of.cache_clear()
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    assert {name: answer for name, answer in found.items() if name not in own} == measure(run)


def test_a_suite_is_summarised_beside_bad_metrics(bad, tmp_path, monkeypatch):
    from hilbench.studies import evaluation

    monkeypatch.setattr(
        evaluation.Workers, "work", lambda _, tasks, function, ended: [ended(t, function(t), None) for t in tasks]
    )
    suite = {"name": "s", "summary": "s", "scenarios": ["cartpole_ladder"], "controllers": ["lqr"], "seeds": [1, 2, 3]}
    (cell,) = evaluate(suite | {"set": {"loop.duration_s": 0.05}}, tmp_path / "out").cells
    assert not cell.failures
    assert cell.metrics["error_rms"].n == 3
    assert cell.metrics["foreign_column"].note == "this metric raised KeyError: 'info.another_plants_m'"
    assert cell.metrics["gone"].iqm is None
    json.loads((tmp_path / "out" / "summary.json").read_text())


def test_a_meter_that_raises_is_one_that_cannot_be_read(bad):
    found = meters()
    assert found["smoky"] == "it raised OSError: on fire"
    assert "No module named 'no_such_module'" in found["gone"]
    assert "rapl" in found


def test_a_backend_that_does_not_load_is_refused_beside_the_others(bad, monkeypatch):
    from hilbench.conformance import suite as conformance

    one = dict(list(conformance.features().items())[:1])
    monkeypatch.setattr(conformance, "features", lambda: one)
    found = conform_all()
    assert {outcome.verdict for name in BAD for outcome in found[name]} == {"refused"}
    assert found["numba"][0].verdict == "same"


def test_a_scenario_with_a_bad_plugin_names_it(bad):
    with pytest.raises(ScenarioError, match=r"plant.kind: plug-in 'gone' \(no_such_module:x\) does not load"):
        hilbench.load("cartpole_ladder", {"plant.kind": "gone"})
    bad["hilbench.backends"] = ["collections:OrderedDict"]
    plugins.all_of.cache_clear()
    with pytest.raises(ScenarioError, match=r"backend.kind: plug-in 'ordereddict' has no Config; allowed"):
        hilbench.load("cartpole_ladder", {"backend.kind": "ordereddict"})
    with pytest.raises(ScenarioError, match=r"disturbances.x.kind: plug-in 'gone'"):
        hilbench.load("cartpole_ladder", {"disturbances.x.kind": "gone"})


def test_a_plugin_with_the_name_of_a_built_in_one_is_named_and_warned_of_once(monkeypatch, caplog):
    from importlib.metadata import EntryPoint

    points = [EntryPoint("lqr", "acme.lqr:LQR", "hilbench.controllers")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points if group == "hilbench.controllers" else [])
    plugins.all_of.cache_clear()
    try:
        assert plugins.summaries("controllers")["lqr"].endswith("taken: from acme.lqr:LQR)")
        for _ in range(2):
            assert plugins.get("controllers", "lqr").__module__ == "hilbench.controllers.lqr"
        assert [line.getMessage() for line in caplog.records] == [
            "controllers 'lqr' is hilbench's own; the plug-in from acme.lqr:LQR of the same name is not used"
        ]
    finally:
        plugins.all_of.cache_clear()


class Silent(Smoky):
    __doc__ = None


def test_the_list_shows_a_part_s_own_words_and_not_its_base_s(monkeypatch):
    points = [EntryPoint(name.lower(), f"{__name__}:{name}", "hilbench.meters") for name in ("Smoky", "Silent")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points if group == "hilbench.meters" else [])
    found = plugins.summaries("meters")
    assert found["smoky"] == f"A meter that fails when it is asked. (from {__name__}:Smoky)"
    assert found["silent"] == f"(from {__name__}:Silent)"
