"""What counts as a synaptic operation, by hand: structure of every form, and what engines count as they run."""

from __future__ import annotations

import nir
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench import plugins
from hilbench.errors import NetworkError
from hilbench.nal import Network
from hilbench.nal.compile.facts import network_facts
from hilbench.nal.compile.operations import counted, dense
from hilbench.nal.model import forms
from hilbench.nal.model.forms import Form
from hilbench.nal.nir import from_nir
from hilbench.nal.rules.pes import PES
from hilbench.types import EVENT, Probes, Tick

DT_S = 0.001


def graph(*nodes: nir.NIRNode) -> Network:
    """A chain of nodes between an input of values and an output."""
    named = {f"n{i}": node for i, node in enumerate(nodes)}
    edges = list(zip(named, list(named)[1:], strict=False))
    whole = nir.NIRGraph(named, edges, type_check=False)
    return from_nir(whole, dt_s=DT_S, integrator="discrete", reset="zero")


def image(*shape: int) -> nir.Input:
    return nir.Input({"input": np.array(shape)})


def cells(*shape: int) -> nir.LIF:
    one = np.ones(shape)
    return nir.LIF(tau=DT_S * one, r=one, v_leak=0 * one, v_threshold=0.5 * one, v_reset=0 * one)


def output(*shape: int) -> nir.Output:
    return nir.Output({"output": np.array(shape)})


def conv(shape: tuple, channels: int, padding: int | tuple = 0, stride: int = 1, dilation: int = 1, groups: int = 1):
    weight = np.zeros((channels, shape[0] // groups, 3, 3))  # zeros are no synapses, and count in the structure
    weight[:, :, 1, 1] = 1
    return nir.Conv2d(shape[1:], weight, stride, padding, dilation, groups, np.zeros(channels))


def structure(net: Network) -> dict[str, int]:
    facts = network_facts(net, net.dt_us).projections
    return {name: facts[name].n_dense_synapses for name in facts}


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        # Without padding 2 x 3 places, 9 weights at each, for each of 2 output and 2 input channels.
        ((image(2, 4, 5), conv((2, 4, 5), 2), cells(2, 2, 3), output(2, 2, 3)), 2 * 2 * 2 * 3 * 9),
        # With padding 1, 4 x 4 places; along an axis the kernel lies inside at 3 x 4 - 2 of 12 positions.
        ((image(1, 4, 4), conv((1, 4, 4), 3, padding=1), cells(3, 4, 4), output(3, 4, 4)), 3 * 10 * 10),
        # Stride 2: 2 places along an axis, of which the first has one position outside.
        ((image(1, 4, 4), conv((1, 4, 4), 1, padding=1, stride=2), cells(1, 2, 2), output(1, 2, 2)), 5 * 5),
        # Dilation 2 with padding 2: of 3 x 5 positions along an axis 2 lie before the image and 2 behind it.
        ((image(1, 5, 5), conv((1, 5, 5), 1, padding=2, dilation=2), cells(1, 5, 5), output(1, 5, 5)), 11 * 11),
        # Two groups: each of 4 output channels reads one of 2 input channels.
        ((image(2, 3, 3), conv((2, 3, 3), 4, groups=2), cells(4, 1, 1), output(4, 1, 1)), 4 * 1 * 9),
        ((image(7), nir.Linear(np.eye(3, 7)), cells(3), output(3)), 3 * 7),
        # One matrix for each row.
        ((image(2, 3), nir.Linear(np.ones((2, 4, 3))), cells(2, 4), output(2, 4)), 2 * 4 * 3),
        ((image(3), nir.Scale(np.array([1.0, 2.0, 1.0])), cells(3), output(3)), 3),
        ((image(3), nir.Scale(np.ones(3)), cells(3), output(3)), 0),
        ((image(3), nir.Delay(np.full(3, 2 * DT_S)), cells(3), output(3)), 0),
        ((image(1, 2, 3), nir.Flatten({"input": np.array([1, 2, 3])}, 0, -1), cells(6), output(6)), 0),
        ((image(1, 4, 4), nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])), cells(1, 2, 2),
          output(1, 2, 2)), 0),
        ((image(1, 4, 4), nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])), cells(1, 2, 2),
          output(1, 2, 2)), 0),
        ((image(3), cells(3), output(3)), 0),
    ],
)  # fmt: skip
def test_the_structure_of_each_node_by_hand(nodes, expected):
    assert sum(structure(graph(*nodes)).values()) == expected


@given(
    side=st.integers(1, 7), kernel=st.integers(1, 4), stride=st.integers(1, 3), padding=st.integers(0, 3),
    dilation=st.integers(1, 2), groups=st.integers(1, 2), ins=st.integers(1, 2), outs=st.integers(1, 3),
)  # fmt: skip
def test_the_structure_of_a_convolution_is_the_matrix_of_ones(
    side, kernel, stride, padding, dilation, groups, ins, outs
):
    weight = np.ones((outs * groups, ins, kernel, kernel), np.float32)
    settings = {"stride": [stride] * 2, "padding": [padding] * 2, "dilation": [dilation] * 2, "groups": groups}
    shape = (ins * groups, side, side)
    try:
        matrix = forms.convolution(weight, shape, settings)
    except NetworkError:
        return  # a kernel that fits nowhere
    form = Form("conv2d", shape, (outs * groups, *forms.sides_out([kernel] * 2, [side] * 2, settings)))
    form.arrays["weight"] = 0 * weight
    form.settings.update(settings)
    assert form.size == matrix.nnz == matrix.sum()


def test_without_a_form_every_pair_counts_and_what_learns_counts_too():
    net = Network(DT_S)
    net.input("e", 4, kind="events")
    net.lif("a", 3, tau_s=0.02)
    net.readout("y", 2, tau_s=0.02)
    net.connect("e", "a", np.eye(3, 4), name="in")
    net.connect("a", "y", np.zeros((2, 3)), name="learnt", rule=PES(modulator="error"))
    assert structure(net) == {"in": 12, "learnt": 6}


def test_what_leads_spikes_straight_to_neurons_is_their_synapses_and_nothing_before_or_behind_a_relay_is():
    net = Network(DT_S)
    net.input("x", 4)
    net.input("e", 4, kind="events")
    for name, kind in (("a", "lif"), ("b", "lif"), ("relay", "passthrough")):
        net.add(name, kind, 4, **({"tau_s": 0.02} if kind == "lif" else {}))
    edge = Form("identity", (4,), (4,))
    ends = [("x", "a"), ("e", "a"), ("a", "b"), ("a", "relay"), ("relay", "b")]
    for source, target in ends:
        net.connect(source, target, forms.identity(4), name=f"{source}_{target}", form=edge)
    found = {p.name for p in net.projections.values() if counted(net, p)}
    assert found == {"e_a", "a_b"}
    assert {name: dense(net, net.projections[name]) for name in found} == {"e_a": 4, "a_b": 4}


@pytest.fixture(params=["reference", "numba"])
def counts(request):
    """Counters (spikes, operations, multiplications) of each tick of one step that holds these values."""

    def run(net: Network, rows, steps: int = 1) -> list[tuple[int, int, int]]:
        cls = plugins.get("backends", request.param)
        backend = cls(cls.Config())
        backend.load(net, steps * net.dt_us, Probes())
        backend.reset(0, "none")
        replies = [backend.step(Tick(k, values=np.float32(row))).counters.copy() for k, row in enumerate(rows)]
        return [(int(r[0]), int(r[1]), int(r[4])) for r in replies]

    return run


def pooled() -> Network:
    """Eight pixels that spike above 0.5, pooled two by two, and a layer of 3 x 2 weights behind them."""
    pool = nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))
    flat = nir.Flatten({"input": np.array([1, 1, 2])}, 0, -1)
    linear = nir.Linear(np.array([[1.0, 1], [1, 1], [1, 0]]))
    return graph(image(1, 2, 4), cells(1, 2, 4), pool, flat, linear, cells(3), output(3))


def test_a_layer_behind_an_average_pooling_multiplies_where_a_window_is_not_full(counts):
    full, one, none = [1, 1, 0, 0] * 2, [1, 1, 1, 0, 1, 1, 0, 0], [0] * 8
    found = counts(pooled(), [full, one, none])
    # Pooled: 1 and 0, which crosses 3 weights; 1 and 0.25, 3 + 2; nothing. The three behind spike with it.
    assert found == [(4 + 3, 3, 0), (5 + 3, 5, 5), (0, 0, 0)]


def test_values_multiply_unless_all_are_0_or_1_large(counts):
    net = Network(DT_S)
    net.input("x", 3)
    net.input("z", 1)
    net.lif("a", 2, tau_s=0.02, v_threshold=1e9)
    net.connect("x", "a", np.array([[1.0, 1, 0], [1, 0, 1]]))
    net.connect("z", "a", np.array([[1.0], [1]]), delay_steps=2)
    rows = [[1, 0, -1, 0], [1, 0.5, 0, 0], [1, -1, 0, 3], [np.nan, 1, 0, 2]]
    assert counts(net, rows, steps=4) == [(0, 4 * 3, 0), (0, 4 * 3, 4 * 3), (0, 4 * 5, 4 * 2), (0, 4 * 3, 4 * 2)]


@pytest.mark.parametrize("amplitude", [1.0, 1000.0])
def test_spikes_accumulate_whatever_they_are_worth_also_behind_a_relay(counts, amplitude):
    net = Network(DT_S, spike_amplitude=amplitude)
    net.input("x", 3)
    net.add("a", "threshold", 3, v_threshold=0.5)
    net.add("relay", "passthrough", 3)
    net.lif("b", 2, tau_s=0.02, v_threshold=1e9)
    net.connect("x", "a", forms.identity(3), form=Form("identity", (3,), (3,)))
    net.connect("a", "relay", forms.identity(3), form=Form("flatten", (3,), (3,)))
    net.connect("relay", "b", np.ones((2, 3)))
    net.connect("a", "b", np.ones((2, 3)))
    assert counts(net, [[1, 0, 1]]) == [(2, 2 * 2 * 2, 0)]


def test_graded_spikes_multiply(counts):
    net = Network(DT_S)
    net.input("x", 2)
    net.lif("a", 2, tau_s=DT_S, integrator="discrete", spikes="graded", v_threshold=0.5)
    net.lif("b", 3, tau_s=0.02, v_threshold=1e9)
    net.connect("x", "a", forms.identity(2), form=Form("identity", (2,), (2,)))
    net.connect("a", "b", np.ones((3, 2)))
    assert counts(net, [[0.7, 0.2]]) == [(1, 3, 3)]


def test_events_accumulate_also_two_at_once():
    for name in ("reference", "numba"):
        net = Network(DT_S)
        net.input("e", 1, kind="events")
        net.lif("a", 2, tau_s=0.02, v_threshold=1e9)
        net.connect("e", "a", np.ones((2, 1)))
        cls = plugins.get("backends", name)
        backend = cls(cls.Config())
        backend.load(net, net.dt_us, Probes())
        backend.reset(0, "none")
        found = backend.step(Tick(events=np.array([(0, 0), (0, 0)], EVENT))).counters
        assert (found[1], found[4]) == (4, 0)
