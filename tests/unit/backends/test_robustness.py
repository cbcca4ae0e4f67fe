"""What no caller may do to an engine: numbers that are none, snapshots that do not fit, loads that fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hilbench import plugins
from hilbench.backends._numba.plans import compiled_rules
from hilbench.backends.numba import Numba, NumbaConfig, _in_parts
from hilbench.errors import NetworkError
from hilbench.nal import Network
from hilbench.nal.model.learnt import learnt
from hilbench.nal.rules.eprop import EProp
from hilbench.nal.rules.rstdp import RSTDP
from hilbench.nal.rules.stdp import STDP
from hilbench.types import EVENT, Probes, Tick

SPIKE = np.array([(0, 0)], EVENT)


def rewarded(weights=0.5) -> Network:
    net = Network(0.001)
    net.input("p", 3, kind="events")
    net.input("x", 1)
    net.lif("c", 20, tau_s=0.01, r=50.0, refractory_s=0.003)
    net.connect("p", "c", np.broadcast_to(weights, (20, 3)), rule=RSTDP(modulator="r"), name="w")
    net.connect("x", "c", np.ones((20, 1)))
    net.output("o", "c")
    return net


def static() -> Network:
    net = rewarded()
    net.projections["w"] = replace(net.projections["w"], rule=None)
    net.modulators = ()
    return net


def loaded(kind, net=None, **config):
    cls = plugins.get("backends", kind)
    backend = cls(cls.Config(**config))
    backend.load(net or (static() if kind == "loihi" else rewarded()), 1000, Probes())
    return backend


def tick(seq=0, reward=0.0, x=0.0, learning=True, plastic=True):
    modulators = np.full(1 if plastic else 0, reward, np.float32)
    return Tick(seq, 0, learning, SPIKE, np.array([x], np.float32), modulators)


@pytest.mark.parametrize("kind", ["numba", "reference"])
@pytest.mark.parametrize("learning", [False, True])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_modulator_that_is_no_number_counts_as_0(kind, learning, bad):
    backend, twin = loaded(kind), loaded(kind)
    for seq in range(5):
        backend.step(tick(seq, bad, learning=learning))
        twin.step(tick(seq, 0.0, learning=learning))
    found, expected = backend.snapshot(), twin.snapshot()
    np.testing.assert_array_equal(found["weights/w"], expected["weights/w"])
    np.testing.assert_array_equal(found["post_traces/w"], expected["post_traces/w"])


def test_weights_stand_while_learning_is_off_whatever_the_change_would_be():
    backend = loaded("numba")
    backend.step(tick())
    backend._plans.traces["synapse_traces/w"][:] = np.nan  # 0 times it is no number either
    backend.step(tick(1, 1.0, learning=False))
    np.testing.assert_array_equal(backend.snapshot()["weights/w"], np.float32(0.5))


@pytest.mark.parametrize("kind", ["loihi", "numba", "reference"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_input_value_that_is_no_number_counts_as_0(kind, bad):
    answers = []
    for x in (bad, 0.0):
        backend = loaded(kind)
        for seq in range(5):
            backend.step(tick(seq, x=x, plastic=kind != "loihi"))
        answers.append(backend.snapshot())
    np.testing.assert_array_equal(*(found["v" if "v" in found else "v/c"] for found in answers))


class Failing:
    """A kernel that fails in its first call, for part 0 after the others have begun to wait."""

    def __init__(self, kernel, first_at):
        self.kernel, self.first_at, self.failed = kernel, first_at, False

    def __call__(self, table_at, *arguments):
        if table_at == self.first_at and not self.failed:
            self.failed = True
            raise KeyboardInterrupt
        return self.kernel(table_at, *arguments)


@pytest.mark.parametrize("threads", [2, 4])
def test_a_step_that_is_interrupted_lets_the_next_one_run(threads):
    backend = loaded("numba", threads=threads)
    from hilbench.backends._numba.kernels import run

    first_at, *others_at = (table.ctypes.data for table in backend._tables)
    backend._kernel = _in_parts(Failing(run, first_at), others_at, backend._state["ARRIVED"])
    with pytest.raises(KeyboardInterrupt):
        backend.step(tick())
    backend.reset(0, "none")
    twin = loaded("numba")
    for seq in range(5):
        assert backend.step(tick(seq)).counters.tolist() == twin.step(tick(seq)).counters.tolist()


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (2, 4)])
def test_a_snapshot_moves_between_numbers_of_threads(before, after):
    net = rewarded(np.linspace(0.05, 0.5, 60).reshape(20, 3))
    first, second = loaded("numba", net, threads=before), loaded("numba", net, threads=after)
    for seq in range(4):
        first.step(tick(seq, 0.5))
    held = first.snapshot()["release"]
    assert len(set(held[held > 4])) > 1
    second.restore(first.snapshot(), "all")
    for seq in range(4, 20):
        first.step(tick(seq, 0.5))
        second.step(tick(seq, 0.5))
    for name, array in first.snapshot().items():
        np.testing.assert_array_equal(second.snapshot()[name], array, name)


@pytest.mark.parametrize(
    ("kind", "name", "wrong", "text"),
    [
        ("numba", "clocks", np.array([-5, -5]), "'clocks': found"),
        ("numba", "clocks", np.array(["x", "y"]), "'clocks': found <U1 numbers"),
        ("numba", "weights/w", np.full(60, np.nan), "not finite"),
        ("numba", "weights/w", np.full(60, -np.inf), "not finite"),
        ("reference", "clock", np.array(["x"]), "'clock': found <U1 numbers"),
        ("reference", "weights/w", np.full(60, np.inf), "not finite"),
        ("loihi", "marks", np.array([0, 0, 10**12]), "for the delay ring"),
        ("loihi", "marks", np.array([0, 0, -1]), "for the delay ring"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_a_snapshot_that_does_not_fit_changes_nothing(kind, name, wrong, text):
    backend = loaded(kind)
    backend.step(tick(plastic=kind != "loihi"))
    before = backend.snapshot()
    assert name in before
    changed = {key: array + 1 if array.dtype.kind == "f" else array for key, array in before.items()}
    with pytest.raises(NetworkError, match=text):
        backend.restore(changed | {name: wrong}, "all")
    for key, array in backend.snapshot().items():
        np.testing.assert_array_equal(array, before[key])


@pytest.mark.parametrize("wrong", [99.0, -1.0, np.nan])
def test_what_was_learnt_lies_within_the_bounds_of_its_rule(wrong):
    with pytest.raises(NetworkError, match="'weights/w'"):
        learnt(rewarded(), {"weights/w": np.full(60, wrong)})


class Unknown(STDP, frozen=True, kw_only=True):
    """A rule that no compiled engine knows."""


@pytest.mark.parametrize("kind", ["loihi", "numba", "reference"])
def test_a_load_that_fails_leaves_what_was_loaded(kind):
    backend = loaded(kind)
    before = dict(vars(backend))
    wrong = static() if kind == "reference" else rewarded()
    wrong.projections["w"] = replace(wrong.projections["w"], rule=Unknown())
    with pytest.raises(NetworkError):
        backend.load(wrong, 1500 if kind == "reference" else 10_000_000, Probes())
    assert vars(backend).keys() == before.keys()
    assert all(vars(backend)[name] is before[name] for name in before)


def spiking(**behaviour) -> Network:
    net = Network(0.001)
    net.input("p", 3, kind="events")
    net.lif("c", 2, tau_s=0.01, reset="subtract", **behaviour)
    net.readout("y", 1, tau_s=0.02)
    net.connect("c", "y", np.ones((1, 2)), name="out")
    return net


def test_eprop_refuses_thresholds_that_are_never_reached():
    net = spiking(v_threshold=np.inf)
    with pytest.raises(NetworkError, match="finite threshold above 0; found inf"):
        net.connect("p", "c", np.ones((2, 3)), rule=EProp(modulator="e", readout="out"))


def test_eprop_refuses_sources_of_graded_spikes():
    net = spiking()
    net.lif("g", 3, tau_s=0.01, spikes="graded")
    with pytest.raises(NetworkError, match="'g' sends graded ones"):
        net.connect("g", "c", np.ones((2, 3)), rule=EProp(modulator="e", readout="out"))


def test_buffers_that_no_machine_has_are_refused_by_name():
    net = Network(0.001)
    net.lif("big", 1_000_000, tau_s=0.01, spikes="multiple", reset="subtract", output=True)
    with pytest.raises(NetworkError, match=r"'big'.* period"):
        Numba(NumbaConfig()).load(net, 100_000_000, Probes())


def functions_in(kernel) -> set[str]:
    """The names of a compiled function and of all compiled functions that it closes over."""
    found = {kernel.py_func.__qualname__}
    for cell in kernel.py_func.__closure__ or ():
        if hasattr(cell.cell_contents, "py_func"):
            found |= functions_in(cell.cell_contents)
    return found


def test_no_two_rules_share_the_name_of_a_function():
    """Numba links kernels by these names: alike in two processes' caches, they would run each other's functions."""
    from hilbench.backends._numba import rules

    names = [functions_in(rules.kernel(rule)) for rule in compiled_rules()]
    assert len(names) >= 6
    assert all("<" not in name for mine in names for name in mine)
    made = [{name for name in mine if not name.startswith("_")} for mine in names]
    shared = {name for i, mine in enumerate(made) for other in made[:i] for name in mine & other}
    bounded = {"kept", "kept_in_proportion", "kept_softly"}  # each is one function for all rules
    inherited = {base.__name__ for rule in compiled_rules() for base in rule.__mro__[1:]}
    assert {name.split(".")[0] for name in shared} <= inherited | bounded
