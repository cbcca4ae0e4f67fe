"""Networks in open loop: spikes and membranes at their closed-form times, whatever the form of the input."""

from __future__ import annotations

from math import ceil, exp, log

import numpy as np
import pytest

from hilbench import nal
from hilbench.errors import HilbenchError
from hilbench.nal import Network, Spikes, run
from hilbench.nal.feed import TICK_STEPS, feed
from hilbench.nal.rules.pes import PES

TAU_S, DT_S = 0.02, 1e-3


def cells(n: int = 1, dt_s: float = DT_S, **more) -> Network:
    """Port x onto as many LIF neurons, one each, with v_threshold 1 and a reset to 0."""
    net = Network(dt_s)
    net.input("x", n, **more)
    net.lif("cells", n, tau_s=TAU_S)
    net.connect("x", "cells", np.eye(n))
    net.output("out", "cells")
    return net


def watcher() -> Network:
    """Values and events onto neurons that excite each other, and a readout."""
    net = Network(DT_S)
    net.input("x", 2)
    net.input("seen", 3, kind="events")
    net.input("told", 2, kind="events")
    net.lif("cells", 4, tau_s=TAU_S)
    random = np.random.default_rng(3)
    net.connect("x", "cells", random.uniform(0, 1, (4, 2)))
    net.connect("seen", "cells", random.uniform(0, 9, (4, 3)))
    net.connect("told", "cells", random.uniform(0, 9, (4, 2)))
    net.connect("cells", "cells", random.uniform(-1, 3, (4, 4)), delay_steps=2)
    net.readout("mean", 1, tau_s=0.05)
    net.connect("cells", "mean", np.ones((1, 4)))
    net.output("mean_v", "mean")
    return net


def some_events(n: int, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return np.sort(random.uniform(0, 0.4, n)).round(6), random.integers(0, size, n)


@pytest.mark.parametrize("backend", ["numba", "reference"])
@pytest.mark.parametrize("current", [1.2, 1.5, 3.0, 20.0])
def test_a_constant_current_makes_spikes_at_closed_form_times(backend: str, current: float) -> None:
    """v(t) = I (1 - exp(-t / tau)) passes 1 at tau ln(I / (I - 1)), and begins anew at each spike."""
    steps = ceil(TAU_S / DT_S * log(current / (current - 1)))
    spikes, values = run(cells(), {"x": current}, duration_s=1.0, backend=backend)
    wanted = np.arange(steps - 1, 1000, steps) * DT_S
    np.testing.assert_allclose(spikes["cells"].t_s, wanted, rtol=0, atol=1e-12)
    assert (spikes["cells"].neuron == 0).all()
    assert values == {}


def test_a_membrane_is_the_closed_form_at_the_end_of_each_period() -> None:
    found = run(cells(2), np.full((40, 2), (0.9, 0.5)), membranes=["cells"])
    assert found.t_s[[0, -1]].tolist() == [0.001, 0.04]
    wanted = np.outer([1 - exp(-t_s / TAU_S) for t_s in found.t_s], (0.9, 0.5))
    np.testing.assert_allclose(found.membranes["cells"], wanted, rtol=1e-5)
    assert found.spikes["cells"].t_s.size == 0


def test_two_backends_agree_spike_for_spike() -> None:
    inputs = {"x": np.random.default_rng(1).uniform(0, 2, (400, 2)), "seen": some_events(200, 3),
              "told": some_events(100, 2, seed=1)}  # fmt: skip
    mine, theirs = (run(watcher(), inputs, backend=name) for name in ("numba", "reference"))
    assert mine.spikes["cells"].t_s.size > 100
    assert all(map(np.array_equal, mine.spikes["cells"], theirs.spikes["cells"]))
    assert mine.counters == theirs.counters
    np.testing.assert_array_equal(mine.values["mean_v"], theirs.values["mean_v"])
    assert mine.values["mean_v"].shape == (400, 1)


def test_rows_may_be_held_over_several_steps() -> None:
    rows = np.random.default_rng(2).uniform(0, 3, (50, 2))
    held = run(cells(2), rows, period_s=0.008, membranes=["cells"])
    each = run(cells(2), np.repeat(rows, 8, axis=0), membranes=["cells"])
    assert held.spikes["cells"].t_s.size > 20
    assert all(map(np.array_equal, held.spikes["cells"], each.spikes["cells"]))
    np.testing.assert_array_equal(held.membranes["cells"], each.membranes["cells"][7::8])
    assert (held.n_steps, held.n_periods, held.duration_s) == (400, 50, 0.4)


def test_events_act_in_their_own_step_however_many_steps_a_call_has() -> None:
    """Without values to read, calls are long; a watched membrane makes them as short as the period."""
    net, events = cells(3, kind="events"), some_events(300, 3)
    net = cells(3, kind="events")
    net.connect("x", "cells", 30 * np.eye(3), name="strong")
    long, short = (run(net, events, duration_s=0.5, membranes=which) for which in ((), ("cells",)))
    assert feed(net, events, duration_s=0.5).periods_per_tick(net) == TICK_STEPS
    assert all(map(np.array_equal, long.spikes["cells"], short.spikes["cells"]))
    assert long.counters == short.counters
    # An event of weight 31 lifts v by 31 (1 - exp(-dt / tau)) > 1, so each fires in the step that it falls in.
    wanted = {(floor_s, address) for floor_s, address in zip(np.floor(events[0] * 1e3) / 1e3, events[1], strict=True)}
    assert set(zip(*long.spikes["cells"], strict=True)) == wanted


def test_events_last_until_the_last_one_is_in() -> None:
    found = run(cells(1, kind="events"), (np.array([0.0, 0.0301]), np.array([0, 0])))
    assert found.n_periods == 31


def test_spikes_of_one_network_are_events_of_the_next() -> None:
    first = run(cells(2), {"x": [1.5, 3.0]}, duration_s=0.2)
    net = Network(DT_S)
    net.input("heard", 2, kind="events")
    net.add("same", "threshold", 2, v_threshold=0.5)
    net.connect("heard", "same", np.eye(2))
    again = run(net, {"heard": first.spikes["cells"]}, duration_s=0.2)
    assert isinstance(again.spikes["same"], Spikes)
    assert first.spikes["cells"].t_s.size > 20
    assert all(map(np.array_equal, again.spikes["same"], first.spikes["cells"]))


def test_an_array_for_all_ports_is_split_in_their_order() -> None:
    net = Network(DT_S)
    for name, size in (("a", 1), ("b", 2)):
        net.input(name, size)
        net.readout(f"{name}_v", size, tau_s=TAU_S)
        net.connect(name, f"{name}_v", np.eye(size))
    rows = np.random.default_rng(5).normal(size=(20, 3))
    _, together = run(net, rows)
    _, apart = run(net, {"b": rows[:, 1:], "a": rows[:, 0]})
    assert list(together) == ["a_v", "b_v"]
    for name in together:
        np.testing.assert_array_equal(together[name], apart[name])
    assert np.ptp(together["b_v"]) > 0.1


def test_the_network_stays_as_it_is() -> None:
    net = cells()
    before = net.outputs
    run(net, {"x": 2.0}, duration_s=0.01, membranes=["cells"])
    assert net.outputs == before
    assert list(net.output_sources) == ["out"]


def learner() -> Network:
    net = cells()
    net.readout("guess", 1, tau_s=0.01)
    net.connect("cells", "guess", [[0.0]], rule=PES(learning_rate=1e-2, modulator="error"), name="decode")
    return net


def test_learning_is_off_unless_asked_for() -> None:
    still = run(learner(), {"x": 3.0}, duration_s=0.2)
    assert (still.learnt, still.counters["weight_updates"]) == ({}, 0)
    taught = run(learner(), {"x": 3.0}, duration_s=0.2, learning=True, modulators={"error": -np.ones(200)})
    assert taught.learnt["weights/decode"][0] > 0
    assert taught.counters["weight_updates"] > 0
    after = nal.learnt(learner(), taught.learnt)
    np.testing.assert_allclose(after.projections["decode"].weights.data, taught.learnt["weights/decode"], rtol=1e-6)
    untold = run(learner(), {"x": 3.0}, duration_s=0.2, learning=True)
    assert untold.learnt["weights/decode"].tolist() == [0.0]


def test_progress_is_told_in_order() -> None:
    told: list[float] = []
    run(cells(), {"x": 1.0}, duration_s=1.0, progress=told.append)
    assert told == sorted(told)
    assert 100 <= len(told) <= 250
    assert told[-1] > 0.9


TIMES = np.array([0.001, 0.003])


@pytest.mark.parametrize(
    ("inputs", "options", "line"),
    [
        (np.ones((5, 3)), {}, r"input: found shape \(5, 3\); allowed: \(n_periods, 2\), columns x\[0\], x\[1\]"),
        (np.array([[1, 2], [3, np.nan]]), {}, "input: row 1, column 1: found nan; allowed: finite numbers"),
        (np.array([[1, 1e39]]), {}, r"row 0, column 1: found 1e\+39; allowed: finite numbers in the range of float32"),
        ({"x": np.ones((5, 3))}, {}, r"input 'x': found shape \(5, 3\); allowed: \(n_periods, 2\)"),
        ({"y": 1.0}, {}, "input 'y': no such port; allowed: x"),
        ({"x": "many"}, {}, "input 'x': found no array of numbers"),
        ({"x": 1.0}, {}, "duration_s: not given, and no input says how long; allowed: seconds"),
        (np.ones((5, 2)), {"duration_s": 1.0}, "duration_s: found 1 s; 5 rows of 0.001 s last 0.005 s"),
        (np.ones((5, 2)), {"period_s": 0.0015}, "period_s: found 0.0015 s, expected a whole number of network steps"),
        (np.ones((0, 2)), {}, "inputs: found 0 rows; allowed: 1 or more"),
        ((TIMES, TIMES), {}, "inputs: found events; this network takes 2 values at 'x'"),
        (np.ones((5, 2)), {"backend": "numbas"}, "no backends plug-in 'numbas'; .*did you mean 'numba'"),
        (np.ones((5, 2)), {"settings": {"thread": 2}}, "settings.thread: no such field"),
        (np.ones((5, 2)), {"membranes": ["cell"]}, "membranes: found 'cell'; allowed: cells; did you mean 'cells'"),
        (np.ones((5, 2)), {"record": ["x"]}, "record.spikes: found 'x'; allowed: cells"),
        (np.ones((5, 2)), {"modulators": np.ones((5, 1))}, "modulators: given, but learning is off"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line(inputs, options, line: str) -> None:
    with pytest.raises(HilbenchError, match=line) as found:
        run(cells(2), inputs, **options)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("events", "options", "line"),
    [
        ((TIMES[::-1], [0, 0]), {}, "event 1: found 1000 us after one at 3000 us; sort them by time, from 0 on"),
        (([-0.1], [0]), {}, "event 0: found -100000 us before the start"),
        ((TIMES, [0, 2]), {}, "event 1: found address 2; allowed: 0 to 1"),
        ((TIMES, [0, -1]), {}, "event 1: found address -1; allowed: 0 to 1"),
        ((TIMES, [0, 0.5]), {}, "found an address that is no whole number"),
        ((TIMES, [0]), {}, r"found times \(2,\), addresses \(1,\)"),
        (([0.1, np.inf], [0, 0]), {}, "t_s: event 1: found inf; allowed: finite numbers"),
        (([1.7e9], [0]), {}, "found 1700000000001 periods of 0.001 s; allowed: 100000000; .*subtract the first one's"),
        ((TIMES, [0, 0]), {"duration_s": 0.002}, "events: found one at 3000 us; allowed: before the end at 2000 us"),
        (np.ones((5, 2)), {}, "inputs: found numbers; this network takes 2 events at 'x'"),
        (np.zeros(3, [("t", "i8"), ("x", "i4")]), {}, "found fields t, x; allowed: t_us, address"),
    ],
)  # fmt: skip
def test_events_that_do_not_fit_are_one_line(events, options, line: str) -> None:
    with pytest.raises(HilbenchError, match=line) as found:
        run(cells(2, kind="events"), events, **options)
    assert "\n" not in str(found.value)
