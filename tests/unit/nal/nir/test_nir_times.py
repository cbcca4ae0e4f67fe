"""What a file counts time in: all of its times alike, and what cannot be is refused with the remedies."""

from __future__ import annotations

import nir
import numpy as np
import pytest
from nir_graphs import STATED, chain, lif, looped, ones, read

from hilbench import plugins
from hilbench.errors import NetworkError
from hilbench.nal import Network, save
from hilbench.nal.nir import from_nir, read_with_notes
from hilbench.types import Empty, Probes, Tick

REMEDY = (
    r"does the file count time in other units\? state tau_unit \(--tau-unit s, dt, 1/dt\) or another dt_s \(--dt-s\)"
)
PLAIN = {"dt_s": 1e-3, "reset": "subtract", "recurrent_delay": 1}
DT_S = 1e-3


def delayed_cells(per_s: float) -> nir.NIRGraph:
    """20 and 40 ms, behind 3 ms, in units of which a second has so many."""
    cells = lif(tau=np.float32([0.02, 0.04]) * per_s)
    cuba = nir.CubaLIF(
        tau_mem=0.02 * per_s * ones(2), tau_syn=0.005 * per_s * ones(2), r=ones(2), v_leak=0 * ones(2),
        v_threshold=ones(2),
    )  # fmt: skip
    return chain(nir.Delay(0.003 * per_s * ones(2)), cells, nir.Linear(np.eye(2, dtype=np.float32)), cuba)


@pytest.mark.parametrize(("unit", "per_s"), [("s", 1), ("dt", 1000), ("1/dt", 1e-3)])
@pytest.mark.parametrize("integrator", ["exact", "euler", "discrete"])
def test_all_times_of_a_file_are_in_its_unit(tmp_path, unit, per_s, integrator):
    net = from_nir(delayed_cells(per_s), **PLAIN, integrator=integrator, tau_unit=unit)
    assert net.projections["n0"].delay_steps == 3
    np.testing.assert_allclose(net.populations["n1"].tau_s, [0.02, 0.04], rtol=1e-6)
    np.testing.assert_allclose(net.populations["n3"].tau_s, 0.02, rtol=1e-6)
    np.testing.assert_allclose(net.populations["n3"].tau_syn_s, 0.005, rtol=1e-6)
    save(net, tmp_path / "ours.nir")  # a saved file is in seconds
    np.testing.assert_allclose(nir.read(tmp_path / "ours.nir").nodes["n0"].delay, 0.003, rtol=1e-6)
    assert read(tmp_path / "ours.nir", {})[0].projections["n0"].delay_steps == 3


def test_long_delays_in_steps_are_exact():
    steps = np.float32([65_535, 12_345])
    net = from_nir(chain(nir.Delay(steps), lif(tau=20 * ones(2))), **STATED, tau_unit="dt")
    np.testing.assert_array_equal(net.projections["n0"].delay_steps, steps)


def n_spikes(net: Network) -> int:
    backend = plugins.get("backends", "reference")(Empty())
    backend.load(net, 100 * net.dt_us, Probes())
    return backend.step(Tick(0, values=2 * np.ones(2, np.float32))).events.size


def test_time_constants_below_the_step_are_noted_where_they_are_not_refused(tmp_path):
    """Seconds under a preset that counts steps: 2.5 ms stand for 2.5 us, and nothing is integrated."""
    nir.write(tmp_path / "net.nir", chain(nir.Linear(np.eye(2, dtype=np.float32)), lif(tau=0.0025 * ones(2))))
    stated = {"preset": "sinabs", "dt_s": DT_S}
    wrong, notes = read_with_notes(tmp_path / "net.nir", stated)
    assert notes[-1:] == [
        "time constants from 2.5e-06 s are below the network step of 0.001 s; does the file count time in other units?"
        " state tau_unit (--tau-unit s, dt, 1/dt) or another dt_s (--dt-s): n1"
    ]
    right, notes = read_with_notes(tmp_path / "net.nir", stated | {"tau_unit": "s"})
    assert not any("below the network step" in note for note in notes)
    assert n_spikes(wrong) > 2 * n_spikes(right) > 0


def test_a_current_that_decays_within_a_step_is_noted(tmp_path):
    graph = delayed_cells(1)
    graph.nodes["n3"].tau_syn = 0.0005 * ones(2)
    nir.write(tmp_path / "net.nir", graph)
    _, notes = read(tmp_path / "net.nir", PLAIN | {"integrator": "exact"})
    assert "time constants from 0.0005 s are below the network step" in notes[-1]
    assert notes[-1].endswith(": n3")
    assert not any(
        "below" in note for note in read(tmp_path / "net.nir", PLAIN | {"integrator": "exact", "dt_s": 5e-4})[1]
    )


@pytest.mark.parametrize(
    ("node", "stated", "says"),
    [
        (lif(tau=0.0005 * ones(2)), {}, "node 'n0': tau_s: found 0.0005; allowed: the network step of 0.001 s or more"),
        (lif(tau=0.02 * ones(2)), {"tau_unit": "dt"}, "node 'n0': tau_s: found 2e-05; allowed: the network step"),
        (nir.Delay(0.0015 * ones(2)), {}, "node 'n0': delay: found 0.0015 s; allowed: whole steps of 0.001 s, 0 to"),
        (nir.Delay(300 * ones(2)), {}, "node 'n0': delay: found 300 s; allowed: whole steps of 0.001 s, 0 to 65535"),
        (nir.Delay(1e30 * ones(2)), {}, "node 'n0': delay: found 1e\\+30 s"),
    ],
)  # fmt: skip
def test_a_time_that_cannot_be_is_refused_with_both_remedies(node, stated, says):
    with pytest.raises(NetworkError, match=f"^{says}.*{REMEDY}$") as error:
        from_nir(chain(node), **STATED, **stated)
    assert "\n" not in str(error.value)


def test_times_that_leave_float32_are_refused():
    with pytest.raises(
        NetworkError, match="node 'n0': its times counted in '1/dt' are more seconds than float32 holds"
    ):
        from_nir(chain(lif(tau=3e38 * ones(2))), **STATED, tau_unit="1/dt")


def test_a_loop_through_a_delay_in_steps_is_closed():
    net = from_nir(looped(nir.Delay(2 * ones(2))), dt_s=DT_S, integrator="exact", reset="zero", tau_unit="dt")
    assert net.projections["back"].delay_steps == 2
