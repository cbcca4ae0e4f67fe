"""Plug-ins are found where they stand, without being imported, and beside those of others."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from hilbench import plugins
from hilbench.errors import PluginError


@pytest.fixture(autouse=True)
def fresh():
    plugins.all_of.cache_clear()
    yield
    plugins.all_of.cache_clear()


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
