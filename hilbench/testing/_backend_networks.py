"""Promises of a backend that runs networks: the same meaning as `reference`, or a line in its LoadReport."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hilbench import plugins
from hilbench.conformance.suite import conform
from hilbench.errors import NetworkError
from hilbench.nal import Network
from hilbench.testing._backend_parts import PERIOD_US, Loaded, answers, arrays, learner, make, runs, static
from hilbench.testing._parts import Part, brief, ensure, refusal
from hilbench.testing.networks import everything, networks, stream
from hilbench.types import NO_EVENTS, Backend, Carry, Empty, Probes, Tick

REFUSED: dict[str, tuple[Network, int, Probes]] = {
    "a period that is no multiple of the network's step": (static(), 1500, Probes()),
    "a period of 4 million network steps": (static(), 4_000_000_000, Probes()),
    "a probe on a population that is not there": (static(), PERIOD_US, Probes(spikes=("aa",))),
    "a probe on spikes of a population that has none": (static(), PERIOD_US, Probes(spikes=("y",))),
    "a probe on the same population twice": (static(), PERIOD_US, Probes(spikes=("a", "a"))),
    "a probe on a projection that is not there": (static(), PERIOD_US, Probes(weights=("learned",))),
    "weights recorded more often than ticks come": (
        static(), PERIOD_US, Probes(weight_norms=("learnt",), weights_period_s=0.001),
    ),
    "a network without populations": (Network(0.001), PERIOD_US, Probes()),
}  # fmt: skip


def agree(found: tuple[Any, ...], expected: tuple[Any, ...], where: str) -> None:
    """Fail unless a reply has the events and counters of another one, and nearly its values.

    Values are float32, and some backends compute in fewer bits than the reference.

    Parameters
    ----------
    found, expected : tuple of arrays
        As `arrays` gives them.
    where : str
    """
    for name, a, b in zip(
        ("events", "values", "counters", "probe events", "probe values"), found, expected, strict=True
    ):
        if "values" in name:
            near = a.shape == b.shape and np.allclose(a, b, 1e-4, 1e-5 * max(1, np.abs(b).max(initial=0)))
        else:
            near = np.array_equal(a, b)
        ensure(near, f"{where}: {name} are those of the reference: found {brief(a)}, reference {brief(b)}")


def against_reference(
    part: Part, net: Network, period_us: int, seed: int, spans: list[tuple[list[Tick], Carry, int]]
) -> list[Backend]:
    """Compare a backend with the reference; both afterwards, or none where it does not run all of the network exactly.

    Parameters
    ----------
    part : Part
    net : Network
    period_us : int
        The control period, in microseconds.
    seed : int
    spans : list of (ticks, carry, periods)
        Each begins with a reset that carries so much, the first tick, and a jump over so many periods.
    """
    pair: list[Backend] = [make(part), plugins.get("backends", "reference")(Empty())]
    try:
        report = pair[0].load(net, period_us, everything(net, period_us))
    except NetworkError:
        return []
    if report.approximated or report.dropped:
        return []
    pair[1].load(net, period_us, everything(net, period_us))
    for ticks, carry, jump in spans:
        for backend in pair:
            backend.reset(seed, carry)
            backend.step(ticks[0])
            backend.advance(jump)
        for k, (found, expected) in enumerate(zip(*(arrays(backend, ticks) for backend in pair), strict=True)):
            agree(found, expected, f"tick {k} after a reset that carries {carry}")
    return pair


class NetworkPromises:
    """What a backend promises that runs networks."""

    @pytest.fixture
    def for_networks(self, part: Part) -> Part:
        """The backend, where it runs a small static network."""
        if not runs(part, static()):
            pytest.skip("it does not run the small network that this is tested with")
        return part

    @pytest.mark.parametrize("case", REFUSED)
    def test_what_a_network_backend_refuses(self, for_networks, case):
        said = refusal(case, make(for_networks).load, *REFUSED[case], errors=NetworkError)
        ensure(said, f"{case} is refused by NetworkError: found no error")

    def test_a_network_that_is_built_on_changes_no_backend_that_runs_it(self, for_networks):
        net = static()
        backend, twin = (Loaded(for_networks, each, Probes()).new() for each in (net, static()))
        ticks = stream(net, PERIOD_US, 6, seed=2)
        net.lif("more", 2, tau_s=0.01)
        net.connect("a", "more", np.ones((2, 3)))
        net.connect("more", "a", np.ones((3, 2)), delay_steps=1)
        net.populations["a"] = replace(net.populations["a"], v_threshold=np.full(3, 9, np.float32))
        del net.projections["learnt"]
        for carry in ("none", "weights", "all"):
            for each in (backend, twin):
                each.reset(1, carry)
            line = f"load takes the network as it is then: found other replies after a reset that carries {carry}"
            ensure(answers(backend, ticks) == answers(twin, ticks), line)

    def test_advance_is_ticks_with_held_values_no_events_and_no_learning(self, for_networks):
        net = learner() if runs(for_networks, learner()) else static()
        one, two = (Loaded(for_networks, net, Probes()).new() for _ in range(2))
        first, last = stream(net, PERIOD_US, 2, seed=8)
        first.learning = last.learning = True
        held = Tick(1, learning=False, events=NO_EVENTS, values=first.values, modulators=first.modulators)
        one.step(first)
        one.advance(3)
        jumped = arrays(one, [last])[0]
        two.step(first)
        *between, told = arrays(two, [held, held, held, last])
        line = "advance(3) is three ticks with values held, no events and no learning"
        for name, a, b in (("events", jumped[0], told[0]), ("values", jumped[1], told[1])):
            ensure(np.array_equal(a, b), f"{line}: found {name} {brief(a)}, then {brief(b)}")
        counted = told[2] + sum(row[2] for row in between)
        ensure(
            np.array_equal(jumped[2], counted), f"{line}: counters {brief(jumped[2])}, of the ticks {brief(counted)}"
        )

    def test_every_feature_is_as_the_reference_has_it_or_the_report_says_why(self, for_networks):
        """Refused, dropped, approximated, or the same: the networks of `hilbench conformance`."""
        with for_networks.found() as name:
            outcomes = conform(name)
        for outcome in outcomes:
            line = f"feature {outcome.feature!r} is as the reference has it, or the report says so"
            ensure(outcome.verdict != "differs", f"{line}: {outcome.reason}")
            ensure(outcome.verdict == "same" or outcome.reason, f"{line}: {outcome.verdict} without a reason")

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(net=networks(), steps=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
    def test_random_networks_mean_what_the_reference_says(self, for_networks, net, steps, seed):
        """Those that it takes whole and exactly; any other is refused, or its report says so."""
        period_us = steps * net.dt_us
        ticks = stream(net, period_us, 16, seed)
        spans = [(ticks[:6], "none", 0), (ticks[6:11], "weights", 2), (ticks[11:], "all", 1)]
        against_reference(for_networks, net, period_us, seed, spans)
