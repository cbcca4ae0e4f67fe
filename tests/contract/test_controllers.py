"""What every controller promises, on every plant that it fits."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench import plugins
from hilbench.errors import ScenarioError
from hilbench.nal import Network
from hilbench.nal.codec import pack, unpack
from hilbench.recorder import read_run
from hilbench.running import run
from hilbench.scenario import resolve
from hilbench.types import Control, PlantSpec, Probes, Tick, size_of

CONTROLLERS = sorted(plugins.all_of("controllers"))
PLANTS = sorted(plugins.all_of("envs"))
PERIOD_US = 10_000
PAIRS = [(controller, plant) for controller in CONTROLLERS for plant in PLANTS]


@pytest.fixture(scope="module")
def sheets() -> dict[str, PlantSpec]:
    found = {}
    for name in PLANTS:
        with plugins.get("envs", name)() as plant:
            found[name] = plant.sheet
    return found


def build(controller: str, sheet: PlantSpec, seed: int = 3) -> Control:
    cls = plugins.get("controllers", controller)
    return cls.build(cls.Config(), sheet, PERIOD_US, seed)


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request, sheets):
    """A controller and a plant that it fits."""
    controller, plant = request.param
    try:
        build(controller, sheets[plant])
    except ScenarioError as error:
        pytest.skip(str(error))
    return controller, plant


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_it_fits_some_plant_and_refuses_the_others_in_one_line(controller, sheets):
    refusals = []
    for plant in PLANTS:
        try:
            build(controller, sheets[plant])
        except ScenarioError as error:
            refusals.append(str(error))
    assert len(refusals) < len(PLANTS)
    assert all(text.startswith(f"controller {controller!r} needs") and "\n" not in text for text in refusals)
    assert not refusals or controller != "random"


def test_ports_carry_units_for_each_value(pair, sheets):
    program = build(pair[0], sheets[pair[1]]).program
    for port in (*program.inputs, *program.outputs):
        assert len(port.units) == port.size, port.name
        assert all(port.units)


def test_a_seed_decides_the_program_and_a_network_follows_its_seed(pair, sheets):
    one, same, other = (pack(build(pair[0], sheets[pair[1]], seed).program) for seed in (3, 3, 4))
    assert one == same
    if isinstance(build(pair[0], sheets[pair[1]]).program, Network):
        assert one != other


def replies(kind: str, program) -> list[bytes]:
    cls = plugins.get("backends", kind)
    backend = cls(cls.Config())
    backend.load(program, PERIOD_US, Probes())
    backend.reset(1, "none")
    random = np.random.default_rng(0)
    n_in, n_errors = size_of(program.inputs, "values"), size_of(program.modulators, "values")
    found = []
    for k in range(20):
        values, errors = (random.normal(0, 0.3, n).astype(np.float32) for n in (n_in, n_errors))
        found.append(backend.step(Tick(k, values=values, modulators=errors)).values.tobytes())
    return found


def test_its_program_crosses_the_wire_unchanged(pair, sheets):
    program = build(pair[0], sheets[pair[1]]).program
    kind = plugins.get("controllers", pair[0]).backend or "numba"
    assert replies(kind, unpack(pack(program))) == replies(kind, program)


def test_fifty_ticks_give_finite_actions_within_the_plants_limits(pair, sheets, tmp_path):
    controller, plant = pair
    raw = {
        "name": "contract",
        "summary": "Fifty ticks.",
        "controller": controller,
        "plant": {"kind": plant},
        "loop": {"period_s": 0.01, "duration_s": 0.5},
        "backend": {"kind": "numba"},
        "controllers": {controller: {"kind": controller}},
    }
    assert run(resolve(raw, "contract"), tmp_path / "run").status == "done"
    columns = read_run(tmp_path / "run").episodes[0]
    assert len(columns["seq"]) == 50
    assert columns["answered"].all()
    assert not columns["not_finite"].any()
    sheet = sheets[plant]
    actions = columns["actions"].reshape(-1, len(sheet.action_names))
    assert np.isfinite(actions).all()
    assert (actions >= sheet.action_low).all()
    assert (actions <= sheet.action_high).all()
