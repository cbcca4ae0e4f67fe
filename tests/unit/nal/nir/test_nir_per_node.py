"""What is stated of single nodes: it stands as it is, and what cannot be is refused by name."""

from __future__ import annotations

from inspect import signature

import nir
import numpy as np
import pytest
from nir_graphs import STATED, chain, lif, looped, ones, port

from hilbench import plugins
from hilbench.cli import main
from hilbench.errors import NetworkError
from hilbench.nal import Network, load, read, save
from hilbench.nal.nir import from_nir
from hilbench.nal.nir.statements import Statements
from hilbench.types import EVENT, Probes, Tick


def simulated(w_in, w_rec, delays, thresholds, inputs: list[list[int]]) -> list[list[int]]:
    """Integrate and fire without leak, at the threshold, in the step of the input; who fired in each step.

    As an event queue does it: only those that an event comes to are looked at, and a weight of 0 sends none.
    """
    n, v, fired = len(thresholds), [0] * len(thresholds), []
    for now, given in enumerate(inputs):
        came = [[w_in[i][j] for j in given if w_in[i][j]] for i in range(n)]
        for i in range(n):
            came[i] += [w_rec[i][j] for j in range(n) for f in fired[-delays[i][j] :][:1]
                        if now >= delays[i][j] and j in f and w_rec[i][j]]  # fmt: skip
            v[i] += sum(came[i])
        fired.append([i for i in range(n) if came[i] and v[i] >= thresholds[i]])
        for i in fired[-1]:
            v[i] = 0
    return fired


@pytest.mark.parametrize("engine", ["reference", "numba"])
@pytest.mark.parametrize(("lowest", "more"), [(3, {}), (-2, {"fires": "on_arrival"})])
def test_another_simulators_conventions_are_stated_and_not_approximated(tmp_path, engine, lowest, more):
    """With thresholds of 0 and less, too, where they are tested on arrival alone."""
    random = np.random.default_rng(5)
    n = 6
    w_in, w_rec = random.integers(0, 4, (n, n)), random.integers(-2, 4, (n, n))
    delays, thresholds = random.integers(1, 6, (n, n)), random.integers(lowest, lowest + 5, n)
    graph = chain(nir.Linear(w_in.astype("f4")), nir.IF(ones(n), thresholds.astype("f4")), n_in=(n,), n_out=(n,))
    graph.nodes["rec"] = nir.Linear(w_rec.astype("f4"))
    graph.edges += [("n1", "rec"), ("rec", "n1")]
    nir.write(tmp_path / "net.nir", graph)
    net = read(tmp_path / "net.nir", dt_s=1e-3, integrator="discrete", reset="zero", threshold_test=">=",
               inputs="events", nodes={"rec": {"delay_steps": delays}}, **more)  # fmt: skip
    save(net, tmp_path / "stated.nir")
    kind = plugins.get("backends", engine)
    backend = kind(kind.Config())
    backend.load(load(tmp_path / "stated.nir"), net.dt_us, Probes())
    inputs = [sorted(random.choice(n, random.integers(0, 3), replace=False).tolist()) for _ in range(200)]
    found = []
    for seq, given in enumerate(inputs):
        events = np.array([(0, j) for j in given], EVENT)
        found.append(sorted(backend.step(Tick(seq, events=events)).events["address"].tolist()))
    expected = simulated(w_in.tolist(), w_rec.tolist(), delays.tolist(), thresholds.tolist(), inputs)
    assert found == expected
    assert sum(map(len, expected)) > 100


@pytest.mark.parametrize("recurrent_delay", [None, 0, 1])
@pytest.mark.parametrize(
    ("own", "steps", "after_threshold"), [({"delay_steps": 1}, 1, False), ({"after_threshold": True}, 0, True)]
)
def test_what_is_stated_of_the_node_that_closes_a_loop_stands_as_it_is(recurrent_delay, own, steps, after_threshold):
    more = {} if recurrent_delay is None else {"recurrent_delay": recurrent_delay}
    net = from_nir(looped(), dt_s=1e-3, integrator="euler", reset="zero", nodes={"back": own}, **more)
    assert (net.projections["back"].delay_steps, net.projections["back"].after_threshold) == (steps, after_threshold)


def test_a_matrix_of_delays_closes_a_loop_where_there_are_synapses():
    back = nir.Linear(np.array([[1, 0], [0, 1]], np.float32))
    stated = {"dt_s": 1e-3, "integrator": "euler", "reset": "zero"}
    net = from_nir(looped(back), **stated, nodes={"back": {"delay_steps": [[2, 0], [0, 3]]}})
    np.testing.assert_array_equal(net.projections["back"].delay_steps, [2, 3])
    with pytest.raises(NetworkError, match="state recurrent_delay"):
        from_nir(looped(back), **stated, nodes={"back": {"delay_steps": [[2, 0], [0, 0]]}})


NAN = float("nan")
REFUSED = [
    ({"dt_s": NAN}, "^dt_s: found nan; allowed: finite numbers"),
    ({"refractory_s": np.float64("inf")}, "^refractory_s: found inf"),
    ({"nodes": {"n1": {"v_floor": -np.inf}}}, "^nodes.n1.v_floor: found -inf"),
    ({"nodes": {"n1": {"v_initial": [0.5, NAN]}}}, "^nodes.n1.v_initial: found nan"),
    ({"nodes": {"n1": {"v_initial": np.array([0.5, NAN])}}}, "^nodes.n1.v_initial: found an array of float64"),
    ({"nodes": {"n0": {"delay_steps": object()}}}, "^nodes.n0.delay_steps: found object"),
    ({"nodes": {"n0": {"delay_steps": 1.5}}}, "nodes: n0: delay_steps: found '1.5'; allowed: whole numbers"),
    ({"nodes": {"n0": {"delay_steps": True}}}, "nodes: n0: delay_steps: found 'True'"),
    ({"nodes": {"n0": {"delay_steps": [[1, True], [1, 1]]}}}, "nodes: n0: delay_steps: found"),
    ({"nodes": {"n0": {"delay_steps": [[1, 2], [3]]}}}, "nodes: n0: delay_steps: found"),
    ({"nodes": {"n0": {"delay_steps": "two"}}}, "nodes: n0: delay_steps: found 'two'"),
    ({"nodes": {"n0": {"delay_steps": 10**30}}}, "nodes: n0: delay_steps: found"),
    ({"nodes": {"n0": {"after_threshold": "no"}}}, "nodes: n0: after_threshold: found 'no'; allowed: true or false"),
    ({"nodes": {"in": {"reset": "zero"}}}, "nodes: in: found 'reset'; allowed: none"),
    ({"nodes": {"out": {"bogus": 3}}}, "nodes: out: found 'bogus'; allowed: none"),
]


@pytest.mark.parametrize(("stated", "says"), REFUSED)
def test_what_cannot_be_stated_is_refused_by_name(tmp_path, stated, says):
    graph = chain(nir.Linear(np.eye(2, dtype=np.float32)), lif())
    with pytest.raises(NetworkError, match=says) as error:
        from_nir(graph, **STATED | stated)
    assert "\n" not in str(error.value)


def test_a_number_that_json_cannot_hold_is_refused_before_a_file_is_read(tmp_path):
    nir.write(tmp_path / "net.nir", chain(lif()))
    with pytest.raises(NetworkError, match=r"nodes\.n0\.v_floor: found nan"):
        read(tmp_path / "net.nir", **STATED, nodes={"n0": {"v_floor": NAN}})


def test_numbers_of_numpy_can_be_stated(tmp_path):
    nir.write(tmp_path / "net.nir", chain(nir.Linear(np.eye(2, dtype=np.float32)), lif()))
    stated = {"dt_s": np.float64(1e-3), "refractory_s": np.float64(2e-3), "seed": np.int64(3)}
    net = read(tmp_path / "net.nir", **STATED | stated, nodes={"n0": {"delay_steps": np.int32(2)}})
    assert (net.dt_s, net.seed, net.projections["n0"].delay_steps) == (1e-3, 3, 2)


def test_a_delay_node_says_its_delay_itself():
    graph = chain(nir.Delay(np.array([0.001, 0.002], np.float32)), lif())
    with pytest.raises(NetworkError, match="nodes: n0: found 'delay_steps'; allowed: after_threshold"):
        from_nir(graph, **STATED, nodes={"n0": {"delay_steps": 2}})


def test_the_delay_of_a_preset_adds_to_that_of_a_delay_node():
    graph = chain(lif(), nir.Delay(np.array([0.001, 0.002], np.float32)), lif())
    net = from_nir(graph, dt_s=1e-3, preset="lava-float")
    np.testing.assert_array_equal(net.projections["n1"].delay_steps, [2, 3])


def test_an_input_may_have_a_single_number_for_a_shape():
    graph = chain(nir.Scale(ones(2)), lif())
    graph.nodes["in"] = port(nir.Input, 2)
    graph.nodes["in"].input_type = {"input": np.array(2)}
    assert from_nir(graph, **STATED).inputs[0].size == 2


@pytest.mark.parametrize("integrator", ["euler", "discrete"])
def test_a_time_constant_below_the_step_is_refused_where_decay_would_be_negative(integrator):
    graph = chain(lif(tau=np.float32([0.0005, 0.1])))
    stated = STATED | {"integrator": integrator}
    with pytest.raises(NetworkError, match=rf"node 'n0': tau_s: found 0\.0005; .* under '{integrator}'"):
        from_nir(graph, **stated)
    from_nir(graph, **stated, nodes={"n0": {"integrator": "exact"}})
    cuba = nir.CubaLI(tau_mem=ones(2), tau_syn=ones(2) / 2000, r=ones(2), v_leak=0 * ones(2))
    with pytest.raises(NetworkError, match=r"node 'n0': tau_syn_s: found 0\.0005"):
        from_nir(chain(cuba), **stated)


def test_a_threshold_below_nothing_is_refused():
    with pytest.raises(NetworkError, match="node 'n0': v_threshold: found -1, neuron 1 would fire for ever"):
        from_nir(chain(nir.Threshold(np.float32([1, -1]))), **STATED)


def test_two_outputs_of_the_same_spikes_are_refused():
    graph = chain(lif())
    graph.nodes["more"] = port(nir.Output, 2)
    graph.edges.append(("n0", "more"))
    with pytest.raises(NetworkError, match="output 'out': the spikes of 'n0' leave through 'more' already"):
        from_nir(graph, **STATED)


def test_a_relay_with_sides_is_saved_flat_between_matrices(tmp_path):
    net = Network(1e-3)
    net.input("in", 3)
    net.add("relay", "passthrough", (2, 2))
    net.connect("in", "relay", np.ones((4, 3)), name="w")
    net.output("out", "relay")
    save(net, tmp_path / "net.nir")
    assert nir.read(tmp_path / "net.nir").nodes["out"].output_type["output"].tolist() == [4]
    assert load(tmp_path / "net.nir").populations["relay"].shape == (2, 2)


def test_the_file_itself_is_not_written_over(tmp_path, capsys):
    path = tmp_path / "net.nir"
    nir.write(path, chain(lif()))
    before = path.read_bytes()
    with pytest.raises(SystemExit) as end:
        main(["import", str(path), "--dt-s", "1e-3", "--integrator", "exact", "--reset", "zero", "--out", str(path)])
    assert end.value.code == 2
    assert "--out" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_keywords_name_every_statement_and_another_is_refused():
    for function, first in ((read, "path"), (from_nir, "graph")):
        assert set(signature(function).parameters) - {first, "unknown"} == set(Statements.__struct_fields__)
    with pytest.raises(NetworkError, match=r"integrater: nothing of this name can be stated; allowed: .*'integrator'"):
        from_nir(chain(lif()), **STATED, integrater="exact")
