"""What every controller promises, on every plant that it fits; and what hilbench's own ones do beside that."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from optional import MISSING
from policies import push

from hilbench import modules, plugins
from hilbench.envs._recorded import RecordedPlant
from hilbench.errors import ScenarioError
from hilbench.nal import Network, save
from hilbench.nal.model.codec import pack
from hilbench.testing import ControllerContract
from hilbench.testing._parts import part_of, refusal
from hilbench.testing.controllers import spec_of

FOUND = plugins.all_of("controllers")
NEEDS = {"network", "sb3"}
"""Controllers without a default for their `path`."""
IN_A_MODEL = [
    name
    for name, each in plugins.all_of("envs").items()
    if name not in MISSING and not (hasattr(each.load(), "realtime_only") or issubclass(each.load(), RecordedPlant))
]
POSE = {"facing": ["heading"], "at_m": [0.0, 0.0, 0.15]}
CARRIED = {
    "ecg": {"spikes": {"kind": "delta", "entries": ["lead"], "threshold": 0.06}},
    "emg": {"spikes": {"kind": "delta", "entries": [f"e{k}" for k in range(8)], "threshold": 0.6}},
    "lidar_nav": {
        "lidar": {"kind": "lidar", **POSE},
        "skirt": {"kind": "proximity", "radius_m": 0.18, "normalised": True, **POSE},
    },
    "sound_orient": {"ears": {"kind": "cochlea", "n_channels": 16, "low_hz": 200.0, "high_hz": 1500.0}},
    "watermaze": {"places": {"kind": "place_cells", "gate": "searching"}},
    "words": {"spikes": {"kind": "cochlea", "ears": ["near"]}},
    "wrist": {"spikes": {"kind": "delta", "entries": ["ax", "ay", "az", "wx", "wy", "wz"], "threshold": 0.2}},
}
"""Sensors without which some controllers do not fit."""
PLANTS = {name: {"sensors": CARRIED[name]} if name in CARRIED else {} for name in IN_A_MODEL}
PLANTS["gymnasium"] = {"id": "MountainCarContinuous-v0"}
"""Every plant that is found and needs neither a robot nor files, and settings that it cannot be made without."""


class TestControllers(ControllerContract):
    """Every controller that is found."""

    plants = tuple(PLANTS.items())

    def cases(self):
        return [(name, {}) for name in FOUND]

    @pytest.fixture
    def part(self, request):
        name = request.param[0]
        settings = {"path": request.getfixturevalue(f"path_for_{name}")} if name in NEEDS else {}
        if name == "policy":
            modules.allow(["policies"])
            settings = {"function": "policies:push"}
        return part_of("controllers", name, settings)

    def _fitting(self, part):
        found = super()._fitting(part)
        if part.name != "policy":
            return found
        # One of somebody's own fits the plants that it was written for, which nobody else can know.
        return [
            one
            for one in found
            if push(np.zeros(len(one.plant_spec.obs_names))).size == len(one.plant_spec.action_names)
        ]

    def test_refusals_begin_with_whose_they_are(self, part):
        begins = ("encoders.", "decoders.") if part.name == "network" else f"controller {part.name!r} needs"
        for name, settings in self._tried():
            said = refusal(name, self._build, part, spec_of(name, settings), errors=ScenarioError)
            assert said is None or (said.startswith(begins) and part.name != "random")

    def test_each_value_of_a_port_has_a_unit(self, part, fitting):
        for plant in fitting:
            program = self._build(part, plant.plant_spec).program
            for port in (*program.inputs, *program.outputs):
                assert len(port.units) == port.size, port.name
                assert all(port.units)

    def test_a_network_follows_its_seed(self, part, fitting):
        for plant in fitting:
            one, other = (self._build(part, plant.plant_spec, seed).program for seed in (3, 4))
            if isinstance(one, Network) and part.name != "network":
                assert pack(one) != pack(other)


@pytest.fixture(scope="session")
def path_for_network(tmp_path_factory):
    """A network that pushes a cart-pole somewhere."""
    net = Network(0.001, spike_amplitude=1000.0, seed=1)
    net.input("state", 4, units=("m", "m/s", "rad", "rad/s"))
    net.lif("neurons", 20, tau_s=0.02)
    net.readout("force", 1, tau_s=0.005, units=("N",))
    random = np.random.default_rng(0)
    net.connect("state", "neurons", random.normal(size=(20, 4)), bias=1.2)
    net.connect("neurons", "force", random.normal(size=(1, 20)) * 0.01)
    path = tmp_path_factory.mktemp("nir") / "net.nir"
    save(net, path)
    return str(path)


@pytest.fixture(scope="session")
def path_for_sb3(save_policy):
    """An untrained policy for a cart-pole."""
    with gymnasium.make("hilbench/CartPoleLadder-v0") as env:
        return str(save_policy(env)[1])
