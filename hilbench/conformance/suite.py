"""Compares a backend with `reference`, feature by feature, open loop on random ticks."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

import numpy as np

from hilbench import plugins
from hilbench.conformance.networks import features
from hilbench.errors import NetworkError, PluginError, said
from hilbench.nal import Network
from hilbench.types import EVENT, LoadReport, Probes, Reply, Tick, size_of

STEPS_PER_TICK, TICKS, SEED = 4, 30, 7
TOLERANCE = 1e-4
SPIKES_APART, VALUES_APART = 0.4, 0.75
"""What `approximated` may cover: the share of the larger number of spikes, the RMS difference by reference's RMS.

Wide enough for a chip that resets to zero where a network subtracts (0.38), or for which input acts before the
threshold test that should act after it (0.59)."""

_EXPECTED: dict[str, list[list[np.ndarray]]] = {}
"""What `reference` replied, by feature."""

Verdict = Literal["same", "approximated", "dropped", "refused", "differs"]


class FeatureOutcome(NamedTuple):
    """What became of one feature on one backend."""

    feature: str
    verdict: Verdict
    reason: str = ""


def conform(backend: str) -> list[FeatureOutcome]:
    """Every feature on a backend, beside `reference`. Raises PluginError."""
    plugins.get("backends", backend)
    return [_compare(backend, name, network) for name, network in features().items()]


def conform_all() -> dict[str, list[FeatureOutcome]]:
    """Every backend there is but `reference`; one that does not load is refused as a whole."""
    found: dict[str, list[FeatureOutcome]] = {}
    for name in plugins.all_of("backends"):
        try:
            found |= {name: conform(name)} if name != "reference" else {}
        except PluginError as error:
            found[name] = [FeatureOutcome(feature, "refused", str(error)) for feature in features()]
    return found


def unsupported(outcomes: list[FeatureOutcome]) -> list[tuple[Verdict, str, list[str]]]:
    """All that is not the same, by verdict and reason: (verdict, reason, features). Reasons may differ in numbers."""
    groups: dict[tuple[Verdict, str], list[FeatureOutcome]] = {}
    for outcome in outcomes:
        # What is approximated differs from network to network; each feature's own text stands in its outcome.
        kind = "" if outcome.verdict == "approximated" else re.sub(r"\d[\d.e+-]*", "#", outcome.reason)
        groups.setdefault((outcome.verdict, kind), []).append(outcome)
    return [
        (verdict, group[0].reason, [outcome.feature for outcome in group])
        for (verdict, _), group in sorted(groups.items())
        if verdict != "same"
    ]


def replies(backend: str, network: Network, ticks: list[Tick]) -> tuple[LoadReport, list[list[np.ndarray]]]:
    """What a backend reported at load, and copies of what it replied. Raises NetworkError.

    Parameters
    ----------
    backend : str
        The backend's name.
    network : Network
        What it runs.
    ticks : list of Tick
        What it receives.
    """
    cls = plugins.get("backends", backend)
    engine = cls(cls.Config())
    period_us = STEPS_PER_TICK * network.dt_us
    spiking = tuple(p.name for p in network.populations.values() if p.spiking)
    probes = Probes(spiking, tuple(network.projections), weights_period_s=period_us * 1e-6)
    report = engine.load(network, period_us, probes)
    engine.reset(SEED, "none")
    return report, [_copied(engine.step(tick)) for tick in ticks]


def ticks_for(network: Network) -> list[Tick]:
    """Random values, bursts of events, errors, and learning now and then off."""
    random = np.random.default_rng(SEED)
    found = []
    for seq in range(TICKS):
        events = np.zeros(random.integers(0, 6), EVENT)
        events["t_us"] = np.sort(random.integers(0, STEPS_PER_TICK * network.dt_us, events.size))
        events["address"] = random.integers(0, size_of(network.inputs, "events"), events.size)
        values = random.normal(0.5, 1, size_of(network.inputs, "values")).astype(np.float32)
        errors = random.normal(0, 1, size_of(network.modulators, "values")).astype(np.float32)
        found.append(Tick(seq, learning=seq % 5 > 0, events=events, values=values, modulators=errors))
    return found


def _copied(reply: Reply) -> list[np.ndarray]:
    parts = (reply.events, reply.probe_events, reply.counters, reply.values, reply.probe_values)
    return [np.copy(part) for part in parts]


def _compare(backend: str, feature: str, network: Network) -> FeatureOutcome:
    ticks = ticks_for(network)
    try:
        report, found = replies(backend, network, ticks)
    except NetworkError as error:
        return FeatureOutcome(feature, "refused", str(error))
    except Exception as error:  # a fault in one backend must not end the comparison of the others
        return FeatureOutcome(feature, "differs", f"it raised {said(error)}")
    if report.dropped:
        return FeatureOutcome(feature, "dropped", "; ".join(report.dropped))
    expected = _expected(feature, network, ticks)
    where = next((k for k, pair in enumerate(zip(found, expected, strict=True)) if not _agree(*pair)), None)
    if where is None:
        return FeatureOutcome(feature, "same")
    if report.approximated:
        far = _far(found, expected)
        return FeatureOutcome(feature, "differs" if far else "approximated", far or "; ".join(report.approximated))
    return FeatureOutcome(feature, "differs", f"from tick {where} of {TICKS} on")


def _expected(feature: str, network: Network, ticks: list[Tick]) -> list[list[np.ndarray]]:
    """What `reference` replies: the same for every backend, so it runs once in a process."""
    if feature not in _EXPECTED:
        _, _EXPECTED[feature] = replies("reference", network, ticks)
    return _EXPECTED[feature]


def _agree(found: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    """Events, probe events and counters equal; values and weights near."""
    exact = all(np.array_equal(a, b) for a, b in zip(found[:3], expected[:3], strict=True))
    return exact and all(
        np.allclose(a, b, TOLERANCE, TOLERANCE * max(1, np.abs(b).max(initial=0)))
        for a, b in zip(found[3:], expected[3:], strict=True)
    )


def _far(found: list[list[np.ndarray]], expected: list[list[np.ndarray]]) -> str:
    """What is further from `reference` than an approximation may be; empty where nothing is."""
    for part, name in enumerate(("output spikes", "probed spikes")):
        n, n_expected = (sum(row[part].size for row in rows) for rows in (found, expected))
        if abs(n - n_expected) > SPIKES_APART * max(n, n_expected):
            return f"{name}: found {n}, reference {n_expected}; approximated is at most {SPIKES_APART:.0%} apart"
    for part, name in ((3, "values"), (4, "probed weights")):
        a, b = (np.concatenate([np.ravel(row[part]) for row in rows]) for rows in (found, expected))
        if a.shape != b.shape:
            return f"{name}: found {a.size}, reference {b.size}"
        apart, size = np.linalg.norm(a - b), np.linalg.norm(b)
        if not apart <= VALUES_APART * size:  # NaN is far from everything
            return f"{name}: RMS difference {apart / size if size else np.inf:.2g} of reference's own RMS"
    return ""
