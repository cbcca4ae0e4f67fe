"""Every backend over every feature of networks and every preset: as `reference` has it, or said at load and why."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hilbench import plugins
from hilbench.cli import main
from hilbench.conformance.networks import features
from hilbench.conformance.suite import STEPS_PER_TICK, conform, replies, ticks_for, unsupported
from hilbench.nal.model.forms import FormKind
from hilbench.nal.model.neurons import CHOICES, KINDS
from hilbench.nal.nir.presets import PRESETS

FEATURES = features()


def test_every_kind_and_choice_and_preset_has_a_feature():
    networks = FEATURES
    populations = [p for net in networks.values() for p in net.populations.values()]
    projections = [p for net in networks.values() for p in net.projections.values()]
    assert {p.kind for p in populations} == set(KINDS)
    for field, choices in CHOICES.items():
        assert {getattr(p.behaviour, field) for p in populations} == set(choices)
    for field in ("refractory_s", "v_floor", "threshold_noise", "adapt_tau_s"):
        assert any(getattr(p.behaviour, field) for p in populations)
    assert {p.form.kind for p in projections if p.form} == set(FormKind.__args__)
    assert any(p.after_threshold for p in projections)
    values = [p for net in networks.values() for port in net.inputs if port.kind == "values"
              for p in net.leaving(port.name)]  # fmt: skip
    assert any(p.after_threshold for p in values)
    assert any(p.max_delay_steps > STEPS_PER_TICK for p in values)
    assert any(np.ndim(p.delay_steps) for p in projections)
    assert any(np.ndim(p.delay_steps) for p in projections if p.rule)
    assert any(p.short_term for p in projections)
    rules = [p.rule for p in (*populations, *projections) if p.rule]
    built_in = [plugin for plugin in plugins.all_of("rules").values() if not plugin.foreign]
    assert {type(rule) for rule in rules} == {plugin.load() for plugin in built_in}
    assert all(any(getattr(rule, field) for rule in rules) for field in ("modulator_gain", "gate", "pooled"))
    assert {rule.modulator_is for rule in rules} == {"port", "population"}
    for name, preset in PRESETS.items():
        assert {f"preset {name}: {kind}" for kind in preset.behaviour} <= set(networks)


@pytest.mark.timeout(300)  # it compiles every kernel
def test_numba_runs_every_feature_and_loihi_most_with_few_reasons():
    """That each backend is as `reference`, or says why, is a promise of backends: tests/contract/test_backends.py."""
    assert not unsupported(conform("numba"))
    reasons = unsupported(conform("loihi"))
    assert len(reasons) <= 24
    assert all(reason for _, reason, _ in reasons)


@pytest.mark.parametrize("name", FEATURES)
def test_features_are_lively(name):
    """Neurons that are silent, or fire in every step, would agree on any backend."""
    net, ticks = FEATURES[name], ticks_for(FEATURES[name])
    _, rows = replies("reference", net, ticks)
    fired = {(k, *event) for k, row in enumerate(rows) for event in row[1].tolist()}
    lo = 0
    for size in (p.size for p in net.populations.values() if p.spiking):
        mine = [event for event in fired if lo <= event[2] < lo + size]
        assert 0.02 < len(mine) / (size * len(ticks) * STEPS_PER_TICK) < 0.95
        assert len({event[2] for event in mine}) > size / 3
        lo += size
    assert np.concatenate([row[3] for row in rows]).std() > 0


def test_a_difference_fails_the_command_and_names_the_feature(monkeypatch, capsys):
    """Numba whose last output event is lost on the way."""
    numba = plugins.get("backends", "numba")
    steps = numba.step

    def forgetful(self, tick):
        reply = steps(self, tick)
        reply.events = reply.events[:-1]
        return reply

    monkeypatch.setattr(numba, "step", forgetful)
    monkeypatch.setattr("hilbench.conformance.suite.features", lambda: {"lif, exact": FEATURES["lif, exact"]})
    with pytest.raises(SystemExit) as end:
        main(["conformance", "numba"])
    assert end.value.code == 1
    assert "lif, exact" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["loihi", "numba"])
@pytest.mark.parametrize("lost", ["events", "values"])
def test_what_is_called_approximated_may_not_be_silent(monkeypatch, name, lost):
    """A backend that admits to approximating and then sends no events, or zeros for values."""
    backend = plugins.get("backends", name)
    loads, steps = backend.load, backend.step

    def load(self, *arguments):
        report = loads(self, *arguments)
        return msgspec.structs.replace(report, approximated=(*report.approximated, "a little"))

    def step(self, tick):
        reply = steps(self, tick)
        reply.events = reply.events[:0] if lost == "events" else reply.events
        reply.values = 0 * reply.values if lost == "values" else reply.values
        return reply

    monkeypatch.setattr("hilbench.conformance.suite.features", lambda: {"lif, exact": FEATURES["lif, exact"]})
    monkeypatch.setattr(backend, "load", load)
    assert conform(name)[0].verdict == ("approximated" if name == "loihi" else "same")
    monkeypatch.setattr(backend, "step", step)
    (outcome,) = conform(name)
    assert outcome.verdict == "differs"
    assert lost.replace("events", "spikes") in outcome.reason


def test_the_command_prints_a_short_list_with_reasons(capsys):
    with pytest.raises(SystemExit) as end:
        main(["conformance", "law"])
    out = capsys.readouterr().out
    assert not end.value.code
    assert "everything" in out
    assert "runs laws" in " ".join(out.split())
    assert len(out.splitlines()) < 10
