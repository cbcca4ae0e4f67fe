"""docs/sensors.md: every sensor is on it with all of its fields, every disturbance with its family, and it holds."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from data_sets import Film
from dvs_lab import Seeing
from hearing_lab import Hearing
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
ON_WHEELS = ("lidar", "proximity", "odometry", "concentration", "place_cells")
PLANTS = {"dvs": (Seeing, 2), "cochlea": (Hearing, 2), "recorded": (Film, 2)} | dict.fromkeys(
    ON_WHEELS, (Cart, len(Cart.traits.sensors))
)
"""For a block's first sensor a plant that can carry it, with how many values it shows itself; else the cart-pole."""


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
def test_a_block_fits_the_cart_pole_or_a_plant_that_can_carry_it(text: str) -> None:
    scenario = load("cartpole_ladder")
    raw = read_toml(Path(scenario.where)) | tomllib.loads(text)
    found = resolve(override(raw, {}, scenario.where), scenario.where)
    kind, n_own = PLANTS.get(next((table["kind"] for table in found.sensors.values()), ""), (CartpoleLadder, 4))
    with kind(sensors=found.sensors, disturbances=found.disturbances) as plant:
        plant.reset(seed=0)
        plant.step([0.1] * len(plant.plant_spec.action_names))
        values = {name.partition(".")[0] for name in plant.plant_spec.obs_names[n_own:]}
        assert values | {sensor.name for sensor in plant.plant_spec.event_sensors} == set(found.sensors)


def test_every_mode_of_a_fault_is_in_the_table_with_its_settings() -> None:
    told = {
        cells[1].strip(" `"): set(re.findall(r"`([^`]+)`", cells[2]))
        for cells in (row.split("|") for row in SECTIONS["Faults"].splitlines() if row.startswith("| `"))
    }
    assert told == {mode: set(fields) for mode, fields in USES.items()}
