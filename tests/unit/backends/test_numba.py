"""The compiled engine: a step allocates nothing, and a warm disk cache spares a new process every compilation."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import tracemalloc
from importlib.metadata import EntryPoint

import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hilbench import plugins
from hilbench.backends._numba.sending import WINDOW
from hilbench.backends._numba.table import TOGETHER
from hilbench.backends.numba import Numba, NumbaConfig
from hilbench.backends.reference import Reference
from hilbench.errors import NetworkError
from hilbench.nal import Network
from hilbench.nal.rules import Rule
from hilbench.nal.rules.pes import PES
from hilbench.nal.rules.stdp import STDP
from hilbench.testing.networks import everything, learners, networks, stream
from hilbench.types import EVENT, Empty, Probes, Tick


def loaded(threads: int = 1) -> tuple[Numba, Tick]:
    n = 2000
    net = Network(0.001)
    net.input("x", 4)
    net.input("e", 2, kind="events")
    net.lif("a", n, tau_s=0.01, output=True)
    net.readout("y", 50, tau_s=0.1)
    net.connect("x", "a", np.ones((n, 4)))
    net.connect("e", "a", np.ones((n, 2)))
    net.connect("a", "y", np.zeros((50, n)), rule=PES(modulator="error", learning_rate=1e-9))
    backend = Numba(NumbaConfig(threads=threads))
    backend.load(net, 2000, Probes(spikes=("a",)))
    events = np.array([(0, 0), (1500, 1)], EVENT)
    return backend, Tick(0, 0, True, events, np.ones(4, np.float32), np.ones(50, np.float32))


def test_steps_allocate_no_arrays_and_keep_nothing():
    backend, tick = loaded()
    spikes = sum(int(backend.step(tick).counters[0]) for _ in range(50))
    assert spikes > 2000
    tracemalloc.start()
    try:
        backend.step(tick)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(1000):
            backend.step(tick)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 1000
    assert peak - before < 4000  # views of the reply; the smallest array of the network has 8000 bytes


def test_a_warm_cache_compiles_nothing():
    loaded()
    script = (
        "from hilbench.backends.numba import Numba\n"
        "from hilbench.nal import Network\n"
        "from hilbench.types import Probes, Tick\n"
        "import numpy as np\n"
        "net = Network(0.001)\n"
        "net.input('x', 1)\n"
        "net.lif('a', 2, tau_s=0.1)\n"
        "net.connect('x', 'a', np.ones((2, 1)))\n"
        "backend = Numba(Numba.Config())\n"
        "backend.load(net, 1000, Probes())\n"
        "backend.step(Tick(values=np.ones(1, np.float32)))\n"
        "from hilbench.backends._numba.kernels import run\n"
        "stats = run.stats\n"
        "print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()), len(run.signatures))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    hits, misses, signatures = map(int, done.stdout.split())
    assert (hits, misses, signatures) == (1, 0, 1)


def test_every_kind_of_tick_runs_the_one_compiled_kernel():
    backend, tick = loaded()
    from hilbench.backends._numba.kernels import run

    before = len(run.signatures)
    for events in (tick.events[:0], tick.events[:1], tick.events):
        for learning in (True, False):
            backend.step(Tick(0, 0, learning, events, tick.values, tick.modulators))
    backend.advance(2)
    backend.reset(1, "weights")
    assert len(run.signatures) == before


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(net=networks() | learners(), threads=st.integers(2, 4), seed=st.integers(0, 2**32 - 1))
def test_threads_change_no_bit(net, threads, seed):
    probes, ticks = everything(net, 3 * net.dt_us), stream(net, 3 * net.dt_us, 5, seed)
    replies = []
    for n in (1, threads):
        backend = Numba(NumbaConfig(threads=n))
        backend.load(net, 3 * net.dt_us, probes)
        backend.reset(seed, "none")
        found = [backend.step(tick) for tick in ticks for _ in range(2)]
        backend.advance(1)
        last = backend.step(ticks[0])
        arrays = (last.events, last.values, last.counters, last.probe_events, last.probe_values)
        replies.append((len(found), *(a.tobytes() for a in arrays)))
    assert replies[0] == replies[1]


@pytest.mark.parametrize("threads", [1, 3])
def test_a_wide_population_sums_spikes_in_the_order_of_their_sources(threads):
    random = np.random.default_rng(5)
    n, n_source = 3 * WINDOW + 7, TOGETHER + 9
    weights = np.where(random.random((n, n_source)) < 0.1, random.standard_normal((n, n_source)), 0).astype(np.float32)
    net = Network(0.001)
    net.lif("before", 5, tau_s=1.0)  # the sources and the targets begin somewhere in the arrays
    net.lif("sources", n_source, tau_s=1.0, v_initial=np.where(np.arange(n_source) == 4, 0.0, 9.0))
    net.readout("targets", n, tau_s=1.0)
    net.connect("sources", "targets", scipy.sparse.csc_array(weights), delay_steps=3)
    backend = Numba(NumbaConfig(threads=threads))
    backend.load(net, 1000, Probes())
    reply = backend.step(Tick())
    fired = [s for s in range(n_source) if s != 4]
    total = np.zeros(n)
    for s in fired:  # one after the other: NumPy's own sum would add in pairs
        total += weights[:, s].astype(np.float64)
    ring = backend.snapshot()["delay_ring"]
    assert ring[3, -n:].tolist() == total.tolist()
    assert not ring[:3].any()
    assert reply.counters[:2].tolist() == [len(fired), np.count_nonzero(weights[:, fired])]


@pytest.mark.parametrize("current", [False, True])
def test_membranes_that_are_held_are_right_after_ticks_of_any_length(current):
    def states(steps: int) -> dict[str, list[float]]:
        net = Network(0.001)
        kind = {"tau_syn_s": 0.004} if current else {}
        make = net.cuba_lif if current else net.lif
        make("a", 300, tau_s=np.linspace(0.005, 0.02, 300), refractory_s=0.004, v_reset=-0.5, output=True, **kind)
        net.input("x", 1)
        net.connect("x", "a", np.linspace(1, 9, 300)[:, None])
        net.connect("a", "a", 0.3 * np.eye(300)[::-1], delay_steps=1)
        backend = Numba(Numba.Config())
        backend.load(net, 1000 * steps, Probes())
        found = []
        for k in range(60 // steps):
            reply = backend.step(Tick(k, values=np.ones(1, np.float32)))
            first = 1000 * steps * k
            found += [(first + int(t_us), int(address)) for t_us, address in reply.events]
        return {name: backend.snapshot()[name].tolist() for name in ("v", "current", "release")} | {"spikes": found}

    one_by_one = states(1)
    assert len(one_by_one["spikes"]) > 1000
    assert states(5) == one_by_one
    assert states(60) == one_by_one


def test_a_thread_that_was_started_ends_with_its_backend():
    before = set(threading.enumerate())
    backend, tick = loaded(threads=3)
    backend.step(tick)
    workers = set(threading.enumerate()) - before
    assert len(workers) == 2
    del backend
    gc.collect()
    for worker in workers:
        worker.join(timeout=20)
        assert not worker.is_alive()


class Still(Rule, frozen=True, kw_only=True):
    """A rule that is not built in: it changes nothing."""

    @staticmethod
    def change(c, w, e, s, x, z, y, d):
        return 0.0 * w, e


def test_a_rule_that_is_not_compiled_is_refused_by_name_and_runs_in_the_reference():
    net = Network(0.001)
    net.input("e", 1, kind="events")
    net.lif("a", 1, tau_s=0.1)
    net.connect("e", "a", [[1.0]], rule=Still(), name="w")
    with pytest.raises(NetworkError, match="'w': 'numba' has not compiled the rule Still; it runs in 'reference'"):
        Numba(NumbaConfig()).load(net, 1000, Probes())
    reference = Reference(Empty())
    reference.load(net, 1000, Probes())
    reference.step(Tick(events=np.array([(0, 0)], EVENT)))
    np.testing.assert_array_equal(reference.snapshot()["weights/w"], 1)


RULE = """
from typing import NamedTuple
from hilbench.nal.rules import Rule

class Constants(NamedTuple):
    step: float

class Up(Rule, frozen=True, kw_only=True):
    "Weights grow in each step by a part of the modulator."

    modulator: str = "m"

    def constants(self, network, part):
        return Constants(0.5)

    @staticmethod
    def change(c, w, e, s, x, z, y, d):
        return c.step * {factor} * d, e
"""
"""The file of a rule that is not hilbench's own."""


def plug_in(monkeypatch, folder, name, factor):
    """The rule of a file, known by an entry point."""
    (folder / f"{name}.py").write_text(RULE.replace("{factor}", factor))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [EntryPoint("up", f"{name}:Up", group)])
    monkeypatch.setattr(plugins, "all_of", plugins.all_of.__wrapped__)
    net = Network(0.001)
    net.input("e", 1, kind="events")
    net.lif("a", 2, tau_s=0.1)
    net.connect("e", "a", [[1.0], [2.0]], rule=plugins.get("rules", "up")(), name="w")
    return net


def test_a_rule_from_elsewhere_is_compiled_as_it_is_found(monkeypatch, tmp_path):
    net = plug_in(monkeypatch, tmp_path, "rule_that_doubles", "2.0")
    for backend in (Numba(NumbaConfig()), Reference(Empty())):
        backend.load(net, 1000, Probes())
        backend.step(Tick(modulators=np.array([0.25, -0.5], np.float32)))
        np.testing.assert_array_equal(backend.snapshot()["weights/w"], [1.25, 1.5])


RULE_OF_THRESHOLDS = """
from typing import ClassVar, NamedTuple
from hilbench.nal.rules import Rule

class Constants(NamedTuple):
    step: float

class Rise(Rule, frozen=True, kw_only=True):
    "Thresholds rise in each step, by more where the neuron spiked."

    modulator: None = None
    moves: ClassVar[str] = "thresholds"

    def constants(self, network, part):
        return Constants(0.25)

    @staticmethod
    def change(c, z):
        return c.step * (1.0 + 2.0 * z)
"""


def test_a_rule_of_thresholds_from_elsewhere_is_compiled_too(monkeypatch, tmp_path):
    """By hand: each of two steps adds 0.25, and 0.5 more where the neuron spikes: the first one in the first step."""
    (tmp_path / "rule_that_rises.py").write_text(RULE_OF_THRESHOLDS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [EntryPoint("rise", "rule_that_rises:Rise", group)])
    monkeypatch.setattr(plugins, "all_of", plugins.all_of.__wrapped__)
    net = Network(0.001)
    net.input("e", 1, kind="events")
    net.add("a", "if", 2, integrator="discrete", reset="zero", rule=plugins.get("rules", "rise")())
    net.connect("e", "a", [[1.5], [0.5]])
    for backend in (Numba(NumbaConfig()), Reference(Empty())):
        backend.load(net, 2000, Probes())
        backend.step(Tick(events=np.array([(0, 0)], EVENT)))
        np.testing.assert_array_equal(backend.snapshot()["thresholds/a"], [2.0, 1.5])


def test_a_rule_that_numba_cannot_compile_is_refused_with_the_reason(monkeypatch, tmp_path):
    net = plug_in(monkeypatch, tmp_path, "rule_of_text", "float(open('x').read())")
    with pytest.raises(NetworkError, match=r"'numba' cannot compile the rule Up .*; it runs in 'reference'"):
        Numba(NumbaConfig()).load(net, 1000, Probes())


def test_rules_by_spikes_touch_the_synapses_of_neurons_that_spiked():
    net = Network(0.001)
    net.input("e", 3, kind="events")
    net.lif("a", 4, tau_s=1e-6)
    net.connect("e", "a", np.full((4, 3), 0.5), rule=STDP(), name="w")
    backend = Numba(NumbaConfig())
    backend.load(net, 1000, Probes())
    assert backend.step(Tick()).counters[3] == 0
    assert backend.step(Tick(events=np.array([(0, 1)], EVENT))).counters[3] == 4
