"""Which networks are refused because they would fire for ever, and what `fires` on arrival means, step by step."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import h5py
import msgspec
import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench import plugins
from hilbench.errors import NetworkError
from hilbench.nal import Network, load, save
from hilbench.nal.compile.firing import awaits_arrivals
from hilbench.nal.compile.report import compile_network
from hilbench.nal.compile.target import load_target
from hilbench.nal.model.codec import pack, unpack
from hilbench.nal.nir import from_nir
from hilbench.nal.nir.export import to_nir
from hilbench.nal.rules.pes import PES
from hilbench.nal.rules.stdp import STDP
from hilbench.types import EVENT, Empty, Probes, Tick, size_of

DT_S = 1e-3
ENGINES = pytest.mark.parametrize("engine", ["reference", "numba"])


def cells(kind="if", n=1, **stated) -> Network:
    """Two event lines, of weight 1 and -1, and neurons in whole numbers, at 0 after a spike unless stated otherwise."""
    net = Network(DT_S)
    net.input("e", 2, kind="events")
    usual = {"reset": "zero", "v_threshold": 0.0} if kind != "threshold" else {"v_threshold": 0.0}
    whole = {"integrator": "discrete"} if kind != "threshold" else {}
    net.add("a", kind, n, output=True, **usual | whole | stated)
    net.connect("e", "a", np.tile([[1, -1]], (n, 1)))
    return net


def fired(engine: str, net: Network, events=(), values=None, n_steps=8) -> list[int]:
    """The steps in which neuron 0 of `a` spikes; `events` are (step, line)."""
    cls = plugins.get("backends", engine)
    backend = cls(cls.Config())
    backend.load(net, n_steps * net.dt_us, Probes(spikes=("a",)))
    backend.reset(0, "none")
    found = np.array([(step * net.dt_us, line) for step, line in events], EVENT)
    values = np.zeros(size_of(net.inputs, "values"), np.float32) if values is None else np.float32(values)
    spikes = backend.step(Tick(events=found, values=values)).probe_events
    return [int(t_us) // net.dt_us for t_us in spikes["t_us"][spikes["address"] == 0]]


@ENGINES
@pytest.mark.parametrize("threshold", [0.0, -3.0])
def test_a_threshold_that_is_always_passed_is_tested_on_arrival_alone(engine, threshold):
    net = cells(v_threshold=threshold, threshold_test=">=", fires="on_arrival")
    assert fired(engine, net) == []
    assert fired(engine, net, [(2, 0), (5, 0)]) == [2, 5]


@ENGINES
def test_arrivals_that_cancel_out_are_arrivals(engine):
    net = cells(threshold_test=">=", fires="on_arrival")
    assert fired(engine, net, [(2, 0), (2, 1), (4, 1)]) == [2]  # 1 - 1 is at the threshold, and -1 below


@ENGINES
def test_what_lifts_a_membrane_without_an_arrival_waits_for_one(engine):
    """A constant input, and a synaptic current that goes on."""
    net = cells(v_threshold=3.0, fires="on_arrival")
    net.input("x", 1)
    net.connect("x", "a", [[0.25]], bias=[1.0])
    assert fired(engine, net, [(6, 0)]) == [6]
    assert fired(engine, net, values=[1.0]) == [2, 5]  # 1.25 a step: 3.75 passes 3
    net = cells("cuba_lif", tau_s=1.0, tau_syn_s=1.0, v_threshold=1.5, fires="on_arrival")
    assert fired(engine, net, [(0, 0), (5, 1)]) == [5]
    assert fired(engine, replaced(net, fires="always"), [(0, 0), (5, 1)])[0] == 1


def replaced(net: Network, **fields) -> Network:
    """The same network with another behaviour, of which nothing is asked."""
    a = net.populations["a"]
    behaviour = msgspec.structs.replace(a.behaviour, **fields)
    return replace(net, populations=net.populations | {"a": replace(a, behaviour=behaviour)})


@ENGINES
def test_values_arrive_in_every_step_of_their_tick_unless_they_are_0(engine):
    net = cells(threshold_test=">=", fires="on_arrival")
    net.input("x", 2)
    net.connect("x", "a", [[1.0, 0.0]])
    assert fired(engine, net, values=[0, 0]) == []
    assert fired(engine, net, values=[0, 7]) == []  # a weight of 0 is no synapse
    assert fired(engine, net, values=[1, 0]) == list(range(8))


@ENGINES
def test_delayed_input_counts_when_it_arrives_and_late_input_for_the_next_step(engine):
    stated = {"threshold_test": ">=", "fires": "on_arrival"}
    for n_lines, connect, expected in (
        (1, {"delay_steps": 3}, [4]),
        (2, {"delay_steps": [[3, 5]]}, [4, 6]),
        (1, {"after_threshold": True}, [2]),
        (1, {"after_threshold": True, "delay_steps": 3}, [5]),
        (2, {"after_threshold": True, "delay_steps": [[0, 5]]}, [2, 7]),
    ):
        net = Network(DT_S)
        net.input("e", n_lines, kind="events")
        net.add("a", "if", 1, integrator="discrete", v_threshold=0.0, reset="zero", output=True, **stated)
        net.connect("e", "a", np.ones((1, n_lines)), **connect)
        assert fired(engine, net, [(1, line) for line in range(n_lines)]) == expected


@ENGINES
def test_what_arrives_while_a_membrane_is_held_is_not_kept(engine):
    net = cells(threshold_test=">=", fires="on_arrival", refractory_s=2 * DT_S)
    assert fired(engine, net, [(1, 0), (2, 0), (3, 0), (6, 0)]) == [1, 6]


@ENGINES
def test_noise_is_no_arrival(engine):
    net = cells(v_threshold=-100.0, threshold_noise=0.1, fires="on_arrival")
    assert fired(engine, net, [(3, 1)]) == [3]
    assert fired(engine, replaced(net, fires="always")) == list(range(8))


@ENGINES
def test_spikes_values_and_graded_spikes_of_other_populations_arrive(engine):
    """Those that are 0 do not; what a rule may change is a synapse, whatever its weight."""
    stated = {
        "v_threshold": 0.0,
        "threshold_test": ">=",
        "fires": "on_arrival",
        "reset": "zero",
        "integrator": "discrete",
    }
    for kind, behaviour in (
        ("if", {}),
        ("if", {"spikes": "graded"}),
        ("threshold", {}),
        ("i", {}),
        ("passthrough", {}),
    ):
        net = Network(DT_S)
        net.input("e", 2, kind="events")
        whole = {"integrator": "discrete"} if kind in ("if", "i") else {}
        reset = {"reset": "zero", "v_threshold": 0.5} if kind == "if" else {}
        level = {"v_threshold": 0.5} if kind == "threshold" else {}
        net.add("b", kind, 1, **whole, **reset, **level, **behaviour)
        net.connect("e", "b", [[1, -1]])
        net.add("a", "if", 1, **stated)
        net.connect("b", "a", [[1.0]], delay_steps=1)
        found = fired(engine, net, [(1, 0), (3, 0), (3, 1), (5, 1)])
        # An integrator is at 1 from step 1 to 4, sends that all the time, and is at 0 again from step 5 on.
        assert found == {"i": [2, 3, 4, 5], "passthrough": [2]}.get(kind, [2])
    net = Network(DT_S)
    net.input("e", 1, kind="events")
    net.add("a", "if", 1, **stated)
    net.connect("e", "a", [[0.0]], rule=STDP(a_plus=0.0, a_minus=0.0))
    assert fired(engine, net, [(1, 0)]) == [1]


@pytest.mark.parametrize("threads", [1, 3])
def test_the_marks_are_part_of_a_state_and_shared_by_threads(threads):
    cls = plugins.get("backends", "numba")
    random = np.random.default_rng(3)
    net = Network(DT_S)
    net.input("e", 3, kind="events")
    net.add(
        "a", "if", 50, integrator="discrete", v_threshold=0.0, threshold_test=">=", reset="zero", fires="on_arrival",
        output=True,
    )  # fmt: skip
    net.connect("e", "a", random.integers(-1, 3, (50, 3)), delay_steps=random.integers(0, 9, (50, 3)))
    net.connect("a", "a", random.integers(-2, 3, (50, 50)), delay_steps=2)
    events = np.array([(t, t // 1000 % 3) for t in range(0, 4000, 500)], EVENT)
    reference = plugins.get("backends", "reference")(Empty())
    backend, other = (cls(cls.Config(threads=threads)) for _ in range(2))
    for each in (reference, backend, other):
        each.load(net, 4000, Probes())
        each.reset(0, "none")
    n_spikes = 0
    for seq in range(6):
        tick = Tick(seq, events=events if seq % 2 == 0 else events[:0])
        expected, found = (each.step(tick).events for each in (reference, backend))
        np.testing.assert_array_equal(found, expected)
        n_spikes += found.size
        other.restore(backend.snapshot(), "all")
    assert 100 < n_spikes < 6 * 4 * 50
    np.testing.assert_array_equal(other.step(tick).events, backend.step(tick).events)


NUMBERS = st.integers(-4, 4).map(lambda n: n / 2)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(["lif", "if", "threshold"]), threshold=NUMBERS, v_reset=NUMBERS, v_leak=NUMBERS,
    tau=st.sampled_from([1.0, 1.25, 8.0]), comparison=st.sampled_from([">", ">="]),
    reset=st.sampled_from(["value", "zero"]), reset_at=st.sampled_from(["now", "next"]),
)  # fmt: skip
def test_what_is_refused_is_what_a_reset_leaves_above_its_threshold_for_ever(
    kind, threshold, v_reset, v_leak, tau, comparison, reset, reset_at
):
    stated = {"threshold_test": comparison}
    if kind != "threshold":
        stated |= {"integrator": "euler", "reset": reset, "reset_at": reset_at, "v_reset": v_reset, "r": 1000.0}
    if kind == "lif":
        stated |= {"tau_s": tau * DT_S, "v_leak": v_leak}
    accepted = cells(kind, v_threshold=1000.0, **stated)
    a = accepted.populations["a"]
    tried = replace(accepted, populations={"a": replace(a, v_threshold=np.float32([threshold]))})
    for_ever = fired("reference", tried, [(0, 0)] * 9, n_steps=40)[-30:] == list(range(10, 40))
    after = v_reset if reset == "value" and kind != "threshold" else 0.0
    left_above = after >= threshold if comparison == ">=" else after > threshold
    refuses = pytest.raises(NetworkError, match="would fire for ever") if for_ever and left_above else nullcontext()
    with refuses:
        cells(kind, v_threshold=threshold, **stated)
    cells(kind, v_threshold=threshold, **stated | {"fires": "on_arrival"})


REFUSED = {
    "at the threshold": (
        "if",
        {"v_threshold": 0.0, "threshold_test": ">="},
        "found 0, .* more than 0 with reset 'zero'",
    ),
    "below": (
        "lif",
        {"tau_s": 0.01, "v_threshold": -1.0},
        "found -1, .* 0 or more with reset 'zero' and threshold_test '>'",
    ),
    "nothing to take": ("if", {"v_threshold": 0.0, "reset": "subtract"}, "more than 0 with reset 'subtract'"),
    "reset above": ("if", {"v_threshold": 1.0, "v_reset": 2.0, "reset": "value"}, "2 or more with reset 'value'"),
    "threshold node": (
        "threshold",
        {"v_threshold": 0.0, "threshold_test": ">="},
        "more than 0 with threshold_test '>='",
    ),
    "decay": ("lif", {"tau_s": 1e-4, "v_threshold": 1.0}, "tau_s: found 0.0001; allowed: the network step"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_built_imported_sent_and_saved_is_checked_alike(case, tmp_path):
    kind, stated, says = REFUSED[case]
    with pytest.raises(NetworkError, match=says):
        cells(kind, **stated)
    usual = {"tau_s": 0.01} if kind == "lif" else {}
    good = cells(
        kind, **usual | {"v_threshold": 3.0} | {k: v for k, v in stated.items() if k in ("reset", "threshold_test")}
    )
    a = good.populations["a"]
    arrays = {key: np.float32([value]) for key, value in stated.items() if key in ("v_threshold", "v_reset", "tau_s")}
    bad = replace(good, populations={"a": replace(a, **arrays)})
    with pytest.raises(NetworkError, match=says):
        unpack(pack(bad))
    save(bad, tmp_path / "bad.nir")
    with pytest.raises(NetworkError, match=says):
        load(tmp_path / "bad.nir")
    with pytest.raises(NetworkError, match=says):
        from_nir(to_nir(bad))


@pytest.mark.parametrize("rule", [None, PES(modulator="error")])
def test_a_threshold_at_what_a_reset_leaves_is_a_threshold_for_any_input(rule, tmp_path):
    """With `>` it passes at nothing: such a neuron is silent until something lifts it."""
    net = cells(v_threshold=0.0, threshold_test=">")
    assert fired("reference", net, [(3, 0), (5, 1), (6, 0)]) == [3]
    net.readout("y", 1, tau_s=0.01)
    net.connect("a", "y", [[1.0]], rule=rule)
    save(net, tmp_path / "net.nir")
    assert load(tmp_path / "net.nir").populations["a"].v_threshold.tolist() == [0]


def test_it_travels_with_the_file_and_is_stated_on_import(tmp_path):
    net = cells(v_threshold=-1.0, fires="on_arrival")
    save(net, tmp_path / "net.nir")
    assert '"fires":"on_arrival"' in nir.read(tmp_path / "net.nir").metadata["hilbench"]
    assert load(tmp_path / "net.nir").populations["a"].behaviour == net.populations["a"].behaviour
    assert unpack(pack(net)).populations["a"].behaviour == net.populations["a"].behaviour
    foreign = to_nir(net)
    foreign.metadata.clear()
    stated = {"dt_s": DT_S, "integrator": "discrete", "reset": "zero", "inputs": "events"}
    with pytest.raises(NetworkError, match=r"node 'a': v_threshold: found -1, .*, or fires 'on_arrival'"):
        from_nir(foreign, **stated)
    for how in ({"fires": "on_arrival"}, {"nodes": {"a": {"fires": "on_arrival"}}}):
        found = from_nir(foreign, **stated, **how)
        assert found.populations["a"].behaviour.fires == "on_arrival"
        assert fired("numba", found, [(2, 1)]) == []
        assert fired("numba", found, [(2, 0)]) == [2]
    with pytest.raises(NetworkError, match=r"fires: .*on_arival"):
        from_nir(foreign, **stated, fires="on_arival")
    with pytest.raises(NetworkError, match="did you mean 'on_arrival'"):
        cells(fires="on_arrivals")


ALIKE = {
    "no leak": ("if", {"v_threshold": 3.0, "threshold_test": ">="}),
    "a leak": ("lif", {"v_threshold": 3.0, "tau_s": 0.01, "v_leak": -1.0, "v_reset": -2.0, "reset": "value"}),
    "held": ("if", {"v_threshold": 2.0, "refractory_s": 2 * DT_S}),
}
APART = {
    "what a subtraction leaves": ("if", {"v_threshold": 3.0, "reset": "subtract"}),
    "a leak that lifts": ("lif", {"v_threshold": 3.0, "tau_s": 0.01, "v_leak": 4.0}),
    "a start above": ("if", {"v_threshold": 3.0, "v_initial": 4.0}),
    "a current": ("cuba_lif", {"v_threshold": 3.0, "tau_s": 0.01, "tau_syn_s": 0.01}),
    "noise": ("if", {"v_threshold": 3.0, "threshold_noise": 0.1}),
    "any threshold": ("if", {"v_threshold": 0.0, "threshold_test": ">="}),
}


@pytest.mark.parametrize("case", ALIKE)
def test_where_nothing_else_lifts_a_membrane_chips_may_test_always(case):
    kind, stated = ALIKE[case]
    on, always = (cells(kind, **stated, fires=fires) for fires in ("on_arrival", "always"))
    assert not awaits_arrivals(on, on.populations["a"])
    random = np.random.default_rng(1)
    events = sorted((int(step), 0) for step in random.integers(0, 60, 45))
    events = sorted(events + [(int(step), 1) for step in random.integers(0, 60, 6)])
    for engine in ("reference", "numba", "loihi"):
        found = fired(engine, on, events, n_steps=64)
        assert found == fired(engine, always, events, n_steps=64)
        assert len(found) > 3


@pytest.mark.parametrize("case", APART)
def test_where_it_matters_a_chip_refuses_it(case):
    kind, stated = APART[case]
    net = cells(kind, **stated, fires="on_arrival")
    assert awaits_arrivals(net, net.populations["a"])
    with pytest.raises(NetworkError, match="population 'a': fires: found 'on_arrival'; allowed in Loihi's integers"):
        fired("loihi", net)
    for target in ("loihi2", "xylo", "cortexm4"):
        broken = [str(each) for each in compile_network(net, target, load_target(target)).broken]
        assert "population 'a': fires: found on_arrival; allowed: always" in broken


def test_a_constant_input_is_none_of_what_arrives():
    net = cells(v_threshold=3.0, fires="on_arrival")
    net.input("x", 1)
    net.connect("x", "a", [[1.0]])
    assert not awaits_arrivals(net, net.populations["a"])
    net.input("more", 1)
    net.connect("more", "a", [[1.0]], bias=[0.5])
    assert awaits_arrivals(net, net.populations["a"])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(["lif", "if"]), threshold=NUMBERS, floor=NUMBERS, comparison=st.sampled_from([">", ">="]),
    refractory_s=st.sampled_from([0.0, 3 * DT_S]), reset_at=st.sampled_from(["now", "next"]),
)  # fmt: skip
def test_a_floor_that_passes_the_threshold_is_refused(kind, threshold, floor, comparison, refractory_s, reset_at):
    """Reset and rest are far below, so that nothing but the floor can make a neuron go on without input."""
    stated = {"threshold_test": comparison, "v_floor": floor, "integrator": "euler", "reset": "value", "v_reset": -9.0}
    stated |= {"reset_at": reset_at, "refractory_s": refractory_s if reset_at == "now" else 0.0}
    stated |= {"tau_s": 2 * DT_S, "v_leak": -9.0} if kind == "lif" else {}
    accepted = cells(kind, v_threshold=1000.0, **stated)
    a = accepted.populations["a"]
    tried = replace(accepted, populations={"a": replace(a, v_threshold=np.float32([threshold]))})
    above = floor >= threshold if comparison == ">=" else floor > threshold
    assert any(step > 30 for step in fired("reference", tried, n_steps=40)) == above
    limit = f"{'less than' if comparison == '>=' else 'up to'} its threshold of {threshold:g}"
    says = f"v_floor: found {floor:g}, neuron 0 would fire for ever; allowed: {limit}"
    with pytest.raises(NetworkError, match=says) if above else nullcontext():
        cells(kind, v_threshold=threshold, **stated)


def test_a_file_with_a_floor_above_its_threshold_is_refused(tmp_path):
    """A file is refused as what is built is, and a Threshold node as a neuron is."""
    net = cells(v_threshold=1.0, v_floor=-1.0)
    save(net, tmp_path / "net.nir")
    with h5py.File(tmp_path / "net.nir", "r+") as file:
        text = file["node/metadata/hilbench"][()].decode()
        del file["node/metadata/hilbench"]
        file["node/metadata/hilbench"] = text.replace('"v_floor":-1.0', '"v_floor":2.0')
    with pytest.raises(NetworkError, match="v_floor: found 2, neuron 0 would fire for ever"):
        load(tmp_path / "net.nir")
    with pytest.raises(NetworkError, match="v_floor: found 2, neuron 0 would fire for ever"):
        cells("threshold", v_threshold=1.0, v_floor=2.0)


def test_a_threshold_that_does_not_rise_ends_nothing():
    for step in (0.0, -1.0):
        with pytest.raises(NetworkError, match="v_floor: found 2, neuron 0 would fire for ever"):
            cells(v_threshold=1.0, v_floor=2.0, adapt_tau_s=0.1, adapt_step=step)
    cells(v_threshold=1.0, v_floor=2.0, adapt_tau_s=0.1, adapt_step=1.0)
