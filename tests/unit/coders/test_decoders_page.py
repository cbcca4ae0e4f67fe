"""docs/decoders.md against the code: every decoder, every field with its default, and examples that build."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from msgspec.structs import fields

from hilbench import plugins
from hilbench.settings import to_config

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = (Path(__file__).parents[3] / "docs" / "decoders.md").read_text("utf-8")
OWN = sorted(name for name, plugin in plugins.all_of("decoders").items() if not plugin.foreign)
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))
SPOKEN = {"spread": (), "lower limit": None, "upper limit": None}
"""Defaults that the page says in words."""


def test_the_table_names_all_decoders_and_no_other():
    assert sorted(re.findall(r"^\| \[`(\w+)`\]\(#\w+\)", PAGE, re.M)) == OWN


@pytest.mark.parametrize("name", OWN)
def test_its_fields_and_defaults_are_the_codes(name):
    rows = re.findall(r"^\| `(\w+)` \| [^|]*\| ([^|]+) \|", SECTIONS[name], re.M)
    found = {field: SPOKEN[said] if said in SPOKEN else _value(said) for field, said in rows}
    assert found == {field.name: field.default for field in fields(plugins.get("decoders", name).Config)}


@pytest.mark.parametrize("name", OWN)
def test_its_example_is_one_of_this_kind_and_its_settings_are_allowed(name):
    (text,) = re.findall(r"^```toml\n(.*?)^```", SECTIONS[name], re.M | re.S)
    (table,) = tomllib.loads(text)["controllers"]["mine"]["decoders"].values()
    assert table.pop("kind") == name
    config = plugins.get("decoders", name).Config
    assert to_config(config, table, "decoder") != config()


def _value(said: str):
    return tomllib.loads(f"x = {said.strip('`')}")["x"]
