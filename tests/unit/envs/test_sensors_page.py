"""docs/sensors.md: every sensor is on it with all of its fields, every disturbance with its family, and it holds."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from small_plants import Cart

from hilbench import plugins
from hilbench.envs.cartpole_ladder import CartpoleLadder
from hilbench.envs.disturbances._faults import USES
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
def test_a_block_fits_the_cart_pole(text: str) -> None:
    scenario = load("cartpole_ladder")
    raw = read_toml(Path(scenario.where)) | tomllib.loads(text)
    found = resolve(override(raw, {}, scenario.where), scenario.where)
    with CartpoleLadder(sensors=found.sensors, disturbances=found.disturbances) as plant:
        plant.reset(seed=0)
        plant.step([1.0])
        values = {name.partition(".")[0] for name in plant.plant_spec.obs_names[4:]}
        assert values | {sensor.name for sensor in plant.plant_spec.event_sensors} == set(found.sensors)


@pytest.mark.parametrize("name", ["lidar", "proximity", "odometry", "concentration"])
def test_a_block_fits_a_robot_on_wheels(name: str) -> None:
    (text,) = re.findall(r"^```\n(\[sensors.*?)^```", SECTIONS[name], re.M | re.S)
    with Cart(sensors=tomllib.loads(text)["sensors"], control_period_s=0.05) as plant:
        plant.reset(seed=0)
        plant.step([20.0, 10.0])
        assert len(plant.plant_spec.obs_names) > 10 or plant.events().size > 10


def test_every_mode_of_a_fault_is_in_the_table_with_its_settings() -> None:
    told = {
        cells[1].strip(" `"): set(re.findall(r"`([^`]+)`", cells[2]))
        for cells in (row.split("|") for row in SECTIONS["Faults"].splitlines() if row.startswith("| `"))
    }
    assert told == {mode: set(fields) for mode, fields in USES.items()}
