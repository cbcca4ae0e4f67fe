"""docs/encoders.md: every encoder is on it with all of its fields, and its examples are right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from coding import EYE, encoder, observed

from hilbench import plugins
from hilbench.scenario.files import tomllib

PAGE = (Path(__file__).parents[3] / "docs" / "encoders.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))
NAMES = [plugin.name for plugin in plugins.all_of("encoders").values() if not plugin.foreign]
CART_POLE = observed("x", "xd", "theta", "thetad", sensors=(EYE,))


def test_the_table_and_the_sections_are_the_encoders():
    assert sorted(re.findall(r"^\| \[`(\w+)`\]\(#\1\) ", PAGE, re.M)) == sorted(NAMES)
    assert set(SECTIONS) - {"Ranges"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_section_has_every_field_and_an_example_that_builds(name):
    fields = plugins.get("encoders", name).Config.__struct_fields__
    rows = re.findall(r"^\| (`.*?) \|", SECTIONS[name], re.M)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(fields)
    (example,) = re.findall(r"```toml\n(.*?)```", SECTIONS[name], re.S)
    (settings,) = tomllib.loads(example)["controllers"]["mine"]["encoders"].values()
    assert settings.pop("kind") == name
    made = encoder(name, CART_POLE, **settings)
    (row,) = re.findall(rf"^\| \[`{name}`\]\(#{name}\) \| (.*?) \|", PAGE, re.M)
    assert made.kind in row.split(" or ")
