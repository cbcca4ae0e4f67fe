"""What every backend promises, and that every backend which runs networks means by them what `reference` means."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mistreatment import mistreat, untouched
from random_networks import everything, learners, networks, stream

from hilbench import plugins
from hilbench.backends import lava
from hilbench.errors import NetworkError
from hilbench.nal import Network
from hilbench.nal.rules.pes import PES
from hilbench.record.reader import read_run
from hilbench.runs.build import make_control, make_plant
from hilbench.runs.run import run
from hilbench.scenario.files import load
from hilbench.types import EVENT, NO_EVENTS, LawProgram, Port, Probes, Tick, size_of

NAMES = [name for name in sorted(plugins.all_of("backends")) if name != "lava" or lava.installed()]
NO_LAVA = pytest.mark.skip(reason="lava needs an environment of its own, in which tests/lava runs it")
BACKENDS = [*NAMES, *([] if "lava" in NAMES else [pytest.param("lava", marks=NO_LAVA)])]
LAW = LawProgram("random", {"low": [-1.0, -1.0], "high": [1.0, 1.0]}, (Port("x", 2),), (Port("u", 2),))
PERIOD_US = 4000
INTEGERS = "computes in Loihi's integers, which tests/lava compares"
OTHER_NUMBERS = {
    "loihi": INTEGERS,
    "lava": INTEGERS,
    "cortexm": "computes in Loihi's integers, which tests/unit/backends/test_cortexm.py compares with loihi",
}
NO_SNAPSHOTS = {"cortexm": "keeps its state on the board"}
EACH_TICK = Probes(weights=("learnt",), weights_period_s=PERIOD_US * 1e-6)


def learner(weights=None) -> Network:
    """Two values and two event lines drive three neurons; a readout of two learns from them.

    The membranes forget within a step, so that each step's spikes follow from its input alone.
    """
    net = Network(0.001, seed=3)
    net.input("x", 2)
    net.input("e", 2, kind="events")
    net.lif("a", 3, tau_s=1e-6, output=True)
    net.readout("y", 2, tau_s=0.01)
    net.connect("x", "a", [[1, 5], [0.2, 5], [1, 0]])
    net.connect("e", "a", [[0, 1], [0, 0], [0, 2]])
    net.connect(
        "a", "y", np.zeros((2, 3)) if weights is None else weights, rule=PES(modulator="error", learning_rate=0.1),
        delay_steps=2, name="learnt",
    )  # fmt: skip
    return net


def static() -> Network:
    """The learner with its weights fixed, for backends that do not learn."""
    net = learner()
    net.projections["learnt"] = replace(net.projections["learnt"], rule=None)
    net.modulators = ()
    return net


def make(name: str):
    cls = plugins.get("backends", name)
    return cls(cls.Config())


def loaded(name: str, program=None, probes: Probes | None = None):
    """The backend, loaded; without a program, with the first one that it takes: a learner, a network, a law."""
    backend = make(name)
    if program is not None:
        backend.load(program, PERIOD_US, probes or Probes())
        return backend, program
    program = next(program for program in (learner(), static(), LAW) if runs(name, program) is not None)
    backend.load(program, PERIOD_US, (probes or Probes()) if isinstance(program, Network) else Probes())
    return backend, program


def runs(name: str, program, probes: Probes | None = None) -> bool | None:
    """Whether a backend runs a program whole; None where it refuses it."""
    try:
        return not make(name).load(program, PERIOD_US, probes or Probes()).dropped
    except NetworkError:
        return None


@pytest.fixture(autouse=True)
def tools(request):
    """What the backend of a test needs from the machine."""
    params = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if "cortexm" in (params.get("name"), params.get("network_backend")):
        request.getfixturevalue("cortexm")


def runs_networks(name: str) -> bool:
    return bool(runs(name, static()))


@pytest.fixture(params=BACKENDS)
def network_backend(request) -> str:
    if not runs_networks(request.param):
        pytest.skip(f"{request.param} runs no networks")
    return request.param


@pytest.fixture
def learning_backend(network_backend) -> str:
    if not runs(network_backend, learner()):
        pytest.skip(f"{network_backend} does not learn")
    if not runs(network_backend, learner(), EACH_TICK):
        pytest.skip(f"{network_backend} does not tell its weights; tests/unit/firmware compares what follows from them")
    return network_backend


def skip_unless_reals(name: str) -> None:
    """Skip where equality with the reference is not promised."""
    if not runs_networks(name):
        pytest.skip(f"{name} runs no networks")
    if name in OTHER_NUMBERS:
        pytest.skip(f"{name} {OTHER_NUMBERS[name]}")


def ticks_for(program, n: int = 12) -> list[Tick]:
    if isinstance(program, Network):
        return stream(program, PERIOD_US, n, seed=5)
    x = np.linspace(-1, 1, 2 * n, dtype=np.float32).reshape(n, 2)
    return [Tick(seq, values=x[seq]) for seq in range(n)]


def answers(backend, ticks) -> list[tuple]:
    """Copies of what the backend replies."""
    return answers_of(backend.step(tick) for tick in ticks)


def answers_of(replies) -> list[tuple]:
    """Copies of all their arrays."""
    return [tuple(a.copy() for a in (r.events, r.values, r.counters, r.probe_events, r.probe_values)) for r in replies]


def same(one: list[tuple], two: list[tuple]) -> bool:
    return [[a.tobytes() for a in row] for row in one] == [[a.tobytes() for a in row] for row in two]


def test_the_backends_that_must_run_networks_do():
    assert {name for name in NAMES if runs_networks(name)} >= {"loihi", "numba", "reference"}
    assert {name for name in NAMES if runs(name, learner())} >= {"numba", "reference"}


@pytest.mark.parametrize("name", BACKENDS)
def test_replies_have_the_types_of_the_wire(name):
    backend, program = loaded(name)
    for tick in ticks_for(program):
        reply = backend.step(tick)
        assert (reply.values.dtype, reply.values.shape) == (np.float32, (size_of(program.outputs, "values"),))
        assert (reply.counters.dtype, reply.counters.shape) == (np.uint64, (5,))
        assert reply.events.dtype == EVENT == reply.probe_events.dtype
        assert reply.probe_values.dtype == np.float32


@pytest.mark.parametrize("name", BACKENDS)
def test_a_seed_decides_every_reply_and_ticks_are_left_alone(name):
    backend, program = loaded(name)
    ticks = ticks_for(program)
    before = copy.deepcopy(ticks)
    backend.reset(7, "none")
    first = answers(backend, ticks)
    backend.reset(7, "none")
    assert same(first, answers(backend, ticks))
    other, _ = loaded(name, program)
    other.reset(7, "none")
    assert same(first, answers(other, ticks))
    for a, b in zip(before, ticks, strict=True):
        np.testing.assert_array_equal(a.values, b.values)
        np.testing.assert_array_equal(a.events, b.events)
        np.testing.assert_array_equal(a.modulators, b.modulators)


def pair_with_probes(name: str):
    """A backend twice, with whatever it records of the program that `loaded` finds, and the program."""
    program = loaded(name)[1]
    if not isinstance(program, Network):
        return [loaded(name, program)[0] for _ in range(2)], program
    spikes = Probes(spikes=("a",))
    probes = Probes(("a",), ("learnt",), ("learnt",), PERIOD_US * 1e-6)
    return [loaded(name, program, probes if runs(name, program, probes) else spikes)[0] for _ in range(2)], program


@pytest.mark.parametrize("name", BACKENDS)
def test_what_a_reader_makes_of_ticks_and_replies_changes_nothing_later(name):
    """Every array of both is resized, overwritten and replaced, also before a gap, a reset and a snapshot."""
    (backend, twin), program = pair_with_probes(name)
    ticks = ticks_for(program)
    for k, tick in enumerate([*ticks, *ticks]):
        if k in (4, 9):
            for each in (backend, twin):
                each.advance(k - 3)
        if k == len(ticks):
            for each in (backend, twin):
                each.reset(3, "weights")
        expected = answers(twin, [tick])
        mine = copy.deepcopy(tick)
        reply = backend.step(mine)
        assert same(answers_of([reply]), expected)
        foreign = mistreat(reply) + mistreat(mine)
        if k % 5 == 2 and runs_networks(name) and name not in NO_SNAPSHOTS:
            saved, wanted = backend.snapshot(), twin.snapshot()
            assert all(saved[key].tobytes() == wanted[key].tobytes() for key in wanted)
            backend.restore(saved, "all")
            mistreated = [array for array in saved.values() if array.flags.writeable]
            for array in mistreated:
                array.view(np.uint8)[...] = 0x47
        next_reply = backend.step(ticks[0])
        assert same(answers_of([next_reply]), answers(twin, [ticks[0]]))
        assert untouched(foreign)


def test_a_network_that_is_built_on_changes_no_backend_that_runs_it(network_backend):
    net = static()
    (backend, _), (twin, _) = (loaded(network_backend, each) for each in (net, static()))
    ticks = stream(net, PERIOD_US, 6, seed=2)
    net.lif("more", 2, tau_s=0.01)
    net.connect("a", "more", np.ones((2, 3)))
    net.connect("more", "a", np.ones((3, 2)), delay_steps=1)
    net.populations["a"] = replace(net.populations["a"], v_threshold=np.full(3, 9, np.float32))
    del net.projections["learnt"]
    for carry in ("none", "weights", "all"):
        for each in (backend, twin):
            each.reset(1, carry)
        assert same(answers(backend, ticks), answers(twin, ticks))
    with pytest.raises(ValueError, match="read-only"):
        net.populations["a"].v_threshold[:] = 1


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(net=learners(), seed=st.integers(0, 2**32 - 1))
def test_what_a_reader_makes_of_a_learners_replies_changes_nothing_later(learning_backend, net, seed):
    backend, twin = (make(learning_backend) for _ in range(2))
    for each in (backend, twin):
        each.load(net, net.dt_us, everything(net, net.dt_us))
    for tick in stream(net, net.dt_us, 12, seed):
        mine = copy.deepcopy(tick)
        reply = backend.step(mine)
        assert same(answers_of([reply]), answers(twin, [tick]))
        foreign = mistreat(reply) + mistreat(mine)
        assert untouched(foreign)


@pytest.mark.parametrize("name", BACKENDS)
def test_a_program_that_cannot_run_is_refused_with_a_reason(name):
    programs = [LAW, static()] if name != "null" else []  # null drops everything: nothing is beyond it
    refusals = []
    for program in programs:
        try:
            make(name).load(program, PERIOD_US, Probes())
        except NetworkError as error:
            refusals.append(str(error))
    assert len(refusals) == len(programs) // 2
    assert all("allowed" in text and "\n" not in text for text in refusals)


@pytest.mark.parametrize(
    ("program", "period_us", "probes", "says"),
    [
        (static(), 1500, Probes(), "1500 us is no multiple of the network step of 1000 us"),
        (static(), 4_000_000_000, Probes(), "4000000 network steps; allowed: 100000"),
        (static(), PERIOD_US, Probes(spikes=("aa",)), "did you mean 'a'"),
        (static(), PERIOD_US, Probes(spikes=("y",)), "record.spikes"),
        (static(), PERIOD_US, Probes(spikes=("a", "a")), "once"),
        (static(), PERIOD_US, Probes(weights=("learned",)), "did you mean 'learnt'"),
        (static(), PERIOD_US, Probes(weight_norms=("learnt",), weights_period_s=0.001), "weights_period_s"),
        (Network(0.001), PERIOD_US, Probes(), "no populations"),
    ],
)
def test_what_a_network_backend_refuses(network_backend, program, period_us, probes, says):
    with pytest.raises(NetworkError, match=says):
        make(network_backend).load(program, period_us, probes)


def test_counters_by_hand(learning_backend):
    backend, _ = loaded(learning_backend, learner())
    events = np.array([(0, 1), (999, 0), (3999, 1)], EVENT)
    x, error = np.array([2, 0], np.float32), np.array([0.5, 0], np.float32)
    reply = backend.step(Tick(events=events, values=x, modulators=error))
    # Neurons 0 and 2 fire in each of 4 steps. Weights: x_0 has 3, x_1 is 0; line 1 has 2, line 0 none. A spike has two
    # synapses: both are 0 until the first spike has arrived, 2 steps on, and one has learnt from it; the other one's
    # error is 0. Those of x multiply, because a value is 2.
    np.testing.assert_array_equal(reply.counters, [8, 4 * 3 + 2 * 2 + 1 * 2, 4 * 5, 4 * 3, 4 * 3])
    assert [tuple(e) for e in reply.events.tolist()] == [(t, a) for t in (0, 1000, 2000, 3000) for a in (0, 2)]
    reply = backend.step(Tick(values=x, modulators=error, learning=False))
    np.testing.assert_array_equal(reply.counters, [8, 4 * 3 + 8, 4 * 5, 0, 4 * 3])


def test_advance_is_ticks_with_held_values_no_events_and_no_learning(network_backend):
    one, net = loaded(network_backend)
    two, _ = loaded(network_backend, net)
    first, last = stream(net, PERIOD_US, 2, seed=8)
    first.learning = last.learning = True
    held = Tick(1, learning=False, events=NO_EVENTS, values=first.values, modulators=first.modulators)
    one.step(first)
    one.advance(3)
    jumped = answers(one, [last])[0]
    two.step(first)
    *between, told = answers(two, [held, held, held, last])
    assert told[0].size
    np.testing.assert_array_equal(jumped[0], told[0])
    np.testing.assert_array_equal(jumped[1], told[1])
    np.testing.assert_array_equal(jumped[2], told[2] + sum(row[2] for row in between))


def test_the_learning_bit_stops_weights_and_nothing_else(learning_backend):
    x, error = np.array([2, 0], np.float32), np.array([1, 1], np.float32)
    frozen, on = (Tick(values=x, modulators=error, learning=learning) for learning in (False, True))
    backend, net = loaded(learning_backend, learner(), EACH_TICK)
    assert all(not row[4].any() and row[2][3] == 0 for row in answers(backend, [frozen] * 5))
    thawed = answers(backend, [on])[0][4]
    fresh, _ = loaded(learning_backend, net, EACH_TICK)
    # The rates ran on while weights were frozen, so the first step learns from high rates.
    assert abs(thawed).sum() > 1.2 * abs(answers(fresh, [on])[0][4]).sum()


def test_what_a_reset_carries(learning_backend):
    backend, net = loaded(learning_backend, learner(), EACH_TICK)
    ticks = stream(net, PERIOD_US, 20, seed=9)
    fresh = answers(backend, ticks)

    backend.reset(0, "weights")
    learnt = fresh[-1][4].reshape(3, 2).T
    twin, _ = loaded(learning_backend, learner(learnt), EACH_TICK)
    for a, b in zip(answers(backend, ticks), answers(twin, ticks), strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_allclose(a[1], b[1], rtol=1e-5, atol=1e-6)
    backend.reset(0, "none")
    assert same(answers(backend, ticks[:10]), fresh[:10])
    backend.reset(0, "all")
    assert same(answers(backend, ticks[10:]), fresh[10:])
    assert fresh[-1][1].any()


def test_a_snapshot_brings_the_same_future_back(network_backend):
    if network_backend in NO_SNAPSHOTS:
        pytest.skip(f"{network_backend} {NO_SNAPSHOTS[network_backend]}")
    net = learner() if runs(network_backend, learner()) else static()
    backend, _ = loaded(network_backend, net, EACH_TICK)
    ticks = stream(net, PERIOD_US, 20, seed=9)
    answers(backend, ticks[:10])
    saved = backend.snapshot()
    kept = {name: array.copy() for name, array in saved.items()}
    future = answers(backend, ticks[10:])
    assert all(np.array_equal(saved[name], kept[name]) for name in kept)
    for other in (backend, loaded(network_backend, net, EACH_TICK)[0]):
        other.restore(saved, "all")
        assert same(answers(other, ticks[10:]), future)
    for wrong in ({}, {name: np.ones((7, 7)) for name in saved}):
        with pytest.raises(NetworkError, match="snapshot: "):
            backend.restore(wrong, "all")
    assert same(answers(backend, ticks[:3]), answers(other, ticks[:3]))


def test_a_snapshot_brings_what_was_learnt_back(learning_backend):
    backend, net = loaded(learning_backend, learner(), EACH_TICK)
    answers(backend, stream(net, PERIOD_US, 10, seed=9))
    saved = backend.snapshot()
    backend.reset(0, "none")
    backend.restore(saved, "none")
    assert not backend.snapshot()["weights/learnt"].any()
    backend.restore(saved, "weights")
    now = backend.snapshot()
    np.testing.assert_array_equal(now["weights/learnt"], saved["weights/learnt"])
    assert any(not np.array_equal(now[name], saved[name]) for name in saved if "/" in name)
    for wrong in ({}, saved | {"weights/learnt": np.ones(5)}):
        with pytest.raises(NetworkError, match="weights/learnt"):
            backend.restore(wrong, "weights")
    np.testing.assert_array_equal(backend.snapshot()["weights/learnt"], saved["weights/learnt"])


@pytest.mark.parametrize("name", BACKENDS)
def test_a_backend_without_snapshots_says_so(name):
    if runs_networks(name) and name not in NO_SNAPSHOTS:
        pytest.skip(f"{name} has them")
    backend, _ = loaded(name)
    with pytest.raises(NetworkError, match="cannot save its state"):
        backend.snapshot()
    with pytest.raises(NetworkError, match="cannot take a state back"):
        backend.restore({}, "all")


def near(found, expected) -> None:
    """Replies are float32, and some backends compute in fewer bits than the reference: near, not equal."""
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * max(1, np.abs(expected).max(initial=0)))


def agree(found: tuple, expected: tuple) -> None:
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[3], expected[3])
    np.testing.assert_array_equal(found[2], expected[2])
    near(found[1], expected[1])
    near(found[4], expected[4])


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(net=networks(), steps=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_random_networks_mean_what_the_reference_says(network_backend, net, steps, seed):
    period_us = steps * net.dt_us
    ticks = stream(net, period_us, 16, seed)
    if network_backend == "reference":
        pytest.skip("it would be compared with itself")
    skip_unless_reals(network_backend)
    pair = [make(name) for name in (network_backend, "reference")]
    for backend in pair:
        backend.load(net, period_us, everything(net, period_us))
    for part, carry, jump in ((ticks[:6], "none", 0), (ticks[6:11], "weights", 2), (ticks[11:], "all", 1)):
        for backend in pair:
            backend.reset(seed, carry)
            backend.step(ticks[0])
            backend.advance(jump)
        for found, expected in zip(*(answers(backend, part) for backend in pair), strict=True):
            agree(found, expected)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(net=learners(), steps=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_random_learners_learn_what_the_reference_does(learning_backend, net, steps, seed):
    if learning_backend == "reference":
        pytest.skip("it would be compared with itself")
    period_us = steps * net.dt_us
    ticks = stream(net, period_us, 30, seed)
    pair = [make(name) for name in (learning_backend, "reference")]
    for backend in pair:
        backend.load(net, period_us, everything(net, period_us))
    for part, carry in ((ticks[:15], "none"), (ticks[15:23], "weights"), (ticks[23:], "all")):
        for backend in pair:
            backend.reset(seed, carry)
            backend.advance(1)
        for found, expected in zip(*(answers(backend, part) for backend in pair), strict=True):
            agree(found, expected)
    found, expected = (backend.snapshot() for backend in pair)
    for name in expected:
        if name.startswith(("weights/", "thresholds/", "pre_traces/", "post_traces/", "synapse_traces/")):
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, atol=1e-12, err_msg=name)


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
    reference = make("reference")
    reference.load(program, scenario.period_us, probes)
    reference.reset(0, "none")
    return program, scenario.period_us, probes, ticks, least, answers(reference, ticks), columns["values_out"]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "reference"])
def test_a_recorded_run_gives_the_spikes_of_the_reference(name, recorded):
    skip_unless_reals(name)
    program, period_us, probes, ticks, least, expected, run_outputs = recorded
    backend = make(name)
    backend.load(program, period_us, probes)
    backend.reset(0, "none")
    found = answers(backend, ticks)
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
