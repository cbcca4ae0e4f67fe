"""docs/sensors.md: every sensor is on it with all of its fields, every disturbance with its family, and it holds."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from dvs_lab import Seeing

from hilbench import plugins
from hilbench.envs.cartpole_ladder import CartpoleLadder
from hilbench.scenario.files import load, override, read_toml, resolve

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = (Path(__file__).parents[3] / "docs" / "sensors.md").read_text("utf-8")
SECTIONS = {name: body for name, body in re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)}
BLOCKS = re.findall(r"^```toml\n(.*?)^```", PAGE, re.M | re.S)


def rows(text: str) -> list[list[str]]:
    return [re.findall(r"`([^`]+)`", line.split("|")[1]) for line in text.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize("name", plugins.all_of("sensors"))
def test_a_sensor_is_on_the_page_with_its_fields(name: str) -> None:
    assert f"[`{name}`](#{name})" in PAGE
    told = {field for row in rows(SECTIONS[name]) for field in row}
    assert told == set(plugins.get("sensors", name).Config.__struct_fields__)


def test_every_disturbance_is_in_the_table_with_its_file() -> None:
    told = {
        row.split("|")[1].strip(" `"): row.split("|")[2].strip()
        for row in SECTIONS["Disturbances"].splitlines()
        if row.startswith("| `")
    }
    files = {name: plugin.module.split(".")[-1] for name, plugin in plugins.all_of("disturbances").items()}
    assert {name: {"body": "bodies"}.get(of, of) for name, of in told.items()} == files


@pytest.mark.parametrize("text", BLOCKS)
def test_a_block_fits_the_cart_pole_or_a_plant_that_is_seen(text: str) -> None:
    scenario = load("cartpole_ladder")
    raw = read_toml(Path(scenario.where)) | tomllib.loads(text)
    found = resolve(override(raw, {}, scenario.where), scenario.where)
    kind, own = (Seeing, 2) if '"dvs"' in text else (CartpoleLadder, 4)
    with kind(sensors=found.sensors, disturbances=found.disturbances) as plant:
        plant.reset(seed=0)
        plant.step([1.0])
        assert len(plant.plant_spec.obs_names) - own + len(plant.plant_spec.event_sensors) == len(found.sensors)
