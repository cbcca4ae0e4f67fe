"""What every controller promises, on every plant that it fits."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

from hilbench import plugins
from hilbench.errors import ScenarioError
from hilbench.nal import Network, save
from hilbench.nal.model.codec import pack, unpack
from hilbench.record.reader import read_run
from hilbench.runs.run import run
from hilbench.scenario.files import resolve
from hilbench.settings import to_config
from hilbench.types import BuiltController, PlantSpec, Probes, Tick, size_of

CONTROLLERS = sorted(plugins.all_of("controllers"))
PLANTS = sorted(name for name in plugins.all_of("envs") if not hasattr(plugins.get("envs", name), "realtime_only"))
PERIOD_US = 10_000
NEEDS = {"gymnasium": {"id": "MountainCarContinuous-v0"}}
"""Settings that a plant cannot be made without."""

Table = dict[str, Any]
"""A controller as a scenario has it: its kind, and what it needs besides defaults."""


@pytest.fixture(scope="module")
def plant_specs() -> dict[str, PlantSpec]:
    found = {}
    for name in PLANTS:
        with plugins.get("envs", name)(**NEEDS.get(name, {})) as plant:
            found[name] = plant.plant_spec
    return found


@pytest.fixture(scope="module", params=CONTROLLERS)
def controller(request) -> Table:
    """Two need a file: `sb3` an untrained policy for the cart-pole, `network` a network for it."""
    needs = {}
    if request.param == "network":
        needs["path"] = str(request.getfixturevalue("tmp_path_factory").mktemp("nir") / "net.nir")
        save_network(needs["path"])
    if request.param == "sb3":
        save = request.getfixturevalue("save_policy")
        with gymnasium.make("hilbench/CartPoleLadder-v0") as env:
            needs["path"] = str(save(env)[1])
    return {"kind": request.param, **needs}


def save_network(path: str) -> None:
    """Write a network that pushes a cart-pole somewhere."""
    net = Network(0.001, spike_amplitude=1000.0, seed=1)
    net.input("state", 4, units=("m", "m/s", "rad", "rad/s"))
    net.lif("neurons", 20, tau_s=0.02)
    net.readout("force", 1, tau_s=0.005, units=("N",))
    random = np.random.default_rng(0)
    net.connect("state", "neurons", random.normal(size=(20, 4)), bias=1.2)
    net.connect("neurons", "force", random.normal(size=(1, 20)) * 0.01)
    save(net, path)


def build(controller: Table, plant_spec: PlantSpec, seed: int = 3) -> BuiltController:
    fields = dict(controller)
    cls = plugins.get("controllers", fields.pop("kind"))
    return cls.build(to_config(cls.Config, fields, controller["kind"]), plant_spec, PERIOD_US, seed)


@pytest.fixture(params=PLANTS)
def pair(request, controller, plant_specs) -> tuple[Table, str]:
    """A controller and a plant that it fits."""
    try:
        build(controller, plant_specs[request.param])
    except ScenarioError as error:
        pytest.skip(str(error))
    return controller, request.param


def test_it_fits_some_plant_and_refuses_the_others_in_one_line(controller, plant_specs):
    refusals = []
    for plant in PLANTS:
        try:
            build(controller, plant_specs[plant])
        except ScenarioError as error:
            refusals.append(str(error))
    assert len(refusals) < len(PLANTS)
    begins = "encoders." if controller["kind"] == "network" else f"controller {controller['kind']!r} needs"
    assert all(text.startswith(begins) and "\n" not in text for text in refusals)
    assert not refusals or controller["kind"] != "random"


def test_ports_carry_units_for_each_value(pair, plant_specs):
    program = build(pair[0], plant_specs[pair[1]]).program
    for port in (*program.inputs, *program.outputs):
        assert len(port.units) == port.size, port.name
        assert all(port.units)


def test_a_seed_decides_the_program_and_a_network_follows_its_seed(pair, plant_specs):
    one, same, other = (pack(build(pair[0], plant_specs[pair[1]], seed).program) for seed in (3, 3, 4))
    assert one == same
    in_a_file = pair[0]["kind"] == "network"
    if isinstance(build(pair[0], plant_specs[pair[1]]).program, Network) and not in_a_file:
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


def test_its_program_crosses_the_wire_unchanged(pair, plant_specs):
    program = build(pair[0], plant_specs[pair[1]]).program
    kind = plugins.get("controllers", pair[0]["kind"]).backend or "numba"
    assert replies(kind, unpack(pack(program))) == replies(kind, program)


def test_fifty_ticks_give_finite_actions_within_the_plants_limits(pair, plant_specs, tmp_path):
    controller, plant = pair
    raw = {
        "name": "contract",
        "summary": "Fifty ticks.",
        "controller": controller["kind"],
        "plant": {"kind": plant, **NEEDS.get(plant, {})},
        "loop": {"period_s": 0.01, "duration_s": 0.5},
        "backend": {"kind": "numba"},
        "controllers": {controller["kind"]: controller},
    }
    assert run(resolve(raw, "contract"), tmp_path / "run").status == "done"
    columns = read_run(tmp_path / "run").episodes[0]
    assert len(columns["seq"]) == 50
    assert columns["answered"].all()
    assert not columns["not_finite"].any()
    plant_spec = plant_specs[plant]
    actions = columns["actions"].reshape(-1, len(plant_spec.action_names))
    assert np.isfinite(actions).all()
    assert (actions >= plant_spec.action_low).all()
    assert (actions <= plant_spec.action_high).all()
