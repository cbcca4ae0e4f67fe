"""What every backend promises, over each that is found; and that a recorded run gives the spikes of the reference."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench import plugins
from hilbench.backends import lava
from hilbench.errors import NetworkError
from hilbench.record.reader import read_run
from hilbench.runs.build import make_control, make_plant
from hilbench.runs.run import run
from hilbench.scenario.files import load
from hilbench.testing import BackendContract
from hilbench.testing._backend_networks import REFUSED
from hilbench.testing._backend_parts import LAW, PERIOD_US, arrays, learner, make, runs, static
from hilbench.testing._parts import part_of, refusal
from hilbench.types import Probes, Tick

FOUND = plugins.all_of("backends")
INTEGERS = "computes in Loihi's integers, which tests/lava compares"
OTHER_NUMBERS = {
    "loihi": INTEGERS,
    "lava": INTEGERS,
    "cortexm": "computes in Loihi's integers, which tests/unit/backends/test_cortexm.py compares with loihi",
}
NO_SNAPSHOTS = {"cortexm": "keeps its state on the board"}
SAYS = (
    "1500 us is no multiple of the network step of 1000 us", "4000000 network steps; allowed: 100000",
    "did you mean 'a'", "record.spikes", "once", "did you mean 'learnt'", "weights_period_s", "no populations",
)  # fmt: skip
"""What hilbench's own backends say of each case of REFUSED."""
NAMES = [name for name in sorted(FOUND) if name != "lava" or lava.installed()]


class TestBackends(BackendContract):
    """Every backend that is found."""

    def cases(self):
        return [(name, {}) for name in FOUND]

    @pytest.fixture(autouse=True)
    def tools(self, request):
        """What the backend of a test needs from the machine."""
        name = request.node.callspec.params["part"][0]
        if name == "lava" and not lava.installed():
            pytest.skip("lava needs an environment of its own, in which tests/lava runs it")
        if name == "cortexm":
            request.getfixturevalue("cortexm")
            if "every_feature" in request.node.name:
                pytest.skip("bit for bit as loihi, in tests/unit/backends/test_cortexm.py; firmware takes minutes")

    @pytest.mark.parametrize(("case", "says"), list(zip(REFUSED, SAYS, strict=True)))
    def test_a_refusal_says_what_is_allowed(self, for_networks, case, says):
        if FOUND[for_networks.name].foreign:
            pytest.skip("it has words of its own")
        with pytest.raises(NetworkError, match=says):
            make(for_networks).load(*REFUSED[case])

    def test_it_saves_its_state_or_a_list_says_why_not(self, part, loaded):
        assert loaded.saves == (bool(runs(part, static())) and part.name not in NO_SNAPSHOTS)

    def test_it_is_as_exact_as_a_list_says(self, for_networks):
        report = make(for_networks).load(static(), PERIOD_US, Probes())
        assert bool(report.approximated) == (for_networks.name in OTHER_NUMBERS)


def backend_of(name: str):
    return make(part_of("backends", name, {}))


def test_the_backends_that_must_run_networks_do():
    parts = [part_of("backends", name, {}) for name in NAMES]
    assert {part.name for part in parts if runs(part, static())} >= {"loihi", "numba", "reference"}
    assert {part.name for part in parts if runs(part, learner())} >= {"numba", "reference"}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "null"])
def test_a_law_or_a_network_is_refused_with_what_is_allowed(name):
    load = backend_of(name).load
    said = [refusal(name, load, program, PERIOD_US, Probes(), errors=NetworkError) for program in (LAW, static())]
    assert said.count(None) == 1
    assert all("allowed" in text for text in said if text)


@pytest.fixture(scope="module", params=[("arm_payload", "pes", 50_000), ("cartpole_ladder", "lif_lqr", 20_000)])
def recorded(request, tmp_path_factory):
    """10 s of a real scenario: its network, its ticks, how many spikes to expect, what reference makes of them."""
    name, controller, least = request.param
    overrides = {"loop.duration_s": 10.0}
    if name == "arm_payload":
        overrides |= {"disturbances.load.at_s": 3.0, "phases": {}}
    scenario = load(name, overrides, controller=controller)
    folder = tmp_path_factory.mktemp("recorded") / "run"
    assert run(scenario, folder).status == "done"
    columns = read_run(folder).episodes[0]
    plant = make_plant(scenario)
    program = make_control(scenario, plant.plant_spec).program
    plant.close()
    errors = columns.get("modulators", np.zeros((len(columns["seq"]), 0), np.float32))
    rows = zip(columns["learning"].tolist(), columns["values_in"], errors, strict=True)
    ticks = [Tick(k, learning=row[0], values=row[1], modulators=row[2]) for k, row in enumerate(rows)]
    assert len(ticks) == 10_000
    probes = Probes(spikes=("neurons",), weights=("decoders",), weights_period_s=0.5)
    reference = backend_of("reference")
    reference.load(program, scenario.period_us, probes)
    reference.reset(0, "none")
    return program, scenario.period_us, probes, ticks, least, arrays(reference, ticks), columns["values_out"]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "reference"])
def test_a_recorded_run_gives_the_spikes_of_the_reference(name, recorded):
    if name in OTHER_NUMBERS or not runs(part_of("backends", name, {}), static()):
        pytest.skip(OTHER_NUMBERS.get(name, f"{name} runs no networks"))
    program, period_us, probes, ticks, least, expected, run_outputs = recorded
    backend = backend_of(name)
    backend.load(program, period_us, probes)
    backend.reset(0, "none")
    found = arrays(backend, ticks)
    compared = 0
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a[3], b[3])
        np.testing.assert_array_equal(a[2], b[2])
        compared += len(b[3])
    assert compared > least
    if name == "numba":  # it was the loop's own backend
        np.testing.assert_array_equal([row[1] for row in found], run_outputs)
    outputs = np.array([row[1] for row in expected])
    np.testing.assert_allclose([row[1] for row in found], outputs, atol=1e-4 * np.abs(outputs).max())
    learnt = np.concatenate([row[4] for row in expected])
    np.testing.assert_allclose(np.concatenate([row[4] for row in found]), learnt, atol=1e-3 * np.abs(learnt).max())
