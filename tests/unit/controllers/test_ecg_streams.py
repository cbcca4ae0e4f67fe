"""Controllers that tell heartbeats apart: counts of the time just over, weights of rare classes, cells, and a law."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hilbench import plugins
from hilbench.coders import Crossings
from hilbench.controllers._recent import Recent, counting
from hilbench.controllers._streams import Counts, Scores, softmax, stream_of
from hilbench.controllers.ecg_discriminant import EcgDiscriminant, EcgDiscriminantConfig, EcgDiscriminantLaw
from hilbench.controllers.stream_linear import StreamLinear, StreamLinearConfig, StreamLinearLaw
from hilbench.controllers.stream_pes import StreamPESConfig, stream_network
from hilbench.errors import ScenarioError
from hilbench.types import EVENT, NO_EVENTS

PERIOD_US = 10_000
SPIKES = {"spikes": {"kind": "delta", "entries": ["lead"], "threshold": 0.06}}
OTHER = (0.8, 1.5, 0.5, 2.6, -0.8, 0.85, 1.5)


@pytest.fixture(scope="module")
def plant():
    with plugins.get("envs", "ecg")(sensors=SPIKES, physics_step_s=0.002, control_period_s=0.01) as found:
        return found.plant_spec


@pytest.fixture
def stream(plant):
    return stream_of(plant, "stream_pes", PERIOD_US)


def shown(label=None):
    return np.append(0.3, np.zeros(2) if label is None else np.eye(2)[label]).astype(np.float32)


def events(*addresses):
    found = np.zeros(len(addresses), EVENT)
    found["address"] = addresses
    return found


def test_beats_differ_in_length_so_that_no_trial_is_stated(plant, stream):
    assert "trial_s" not in plant.parameters
    assert stream.classes == ("normal", "ventricular")
    assert (stream.n_addresses, stream.label_columns) == (2, (1, 2))
    assert isinstance(counting(stream, plant, PERIOD_US, 3), Recent)
    with plugins.get("envs", "emg")(sensors={"spikes": {"kind": "delta", "threshold": 0.6}}) as emg:
        of_emg = stream_of(emg.plant_spec, "stream_linear", 20_000)
        assert isinstance(counting(of_emg, emg.plant_spec, 20_000, 3), Counts)


def test_events_of_the_last_sample_are_counted_by_when_they_were(plant, stream):
    counts, values = Recent(stream, plant, PERIOD_US, 4), np.zeros(10, np.float32)
    assert counts.size == 10
    counts.reset(0)
    for tick in range(200):
        counts.encode(shown(1 if tick == 130 else None), events(0, 0) if tick == 100 else NO_EVENTS, values)
        found = values[:8].reshape(4, 2)
        assert not found[:, 1].any()
        age = tick - 100  # of 54 ticks, the newest last; parts begin with ticks 0, 13, 27 and 40
        at = None if not 0 <= age < 54 else int(np.searchsorted([13, 27, 40], 53 - age, side="right"))
        assert found[:, 0].tolist() == [2.0 if part == at else 0.0 for part in range(4)]
        assert values[8:].tolist() == [0, float(tick == 130)]
    counts.encode(shown(), events(1), values)
    counts.reset(0)
    counts.encode(shown(), NO_EVENTS, values)
    assert not values.any()


def test_more_parts_than_control_periods_are_refused(plant, stream):
    with pytest.raises(ScenarioError, match="n_bins: found 55; allowed: at most 54"):
        Recent(stream, plant, PERIOD_US, 55)


@pytest.mark.parametrize("label", [0, 1])
def test_errors_of_rare_classes_are_weighted(stream, label):
    scores, modulators, action = Scores(stream, (1.0, 8.0)), np.zeros(2, np.float32), np.zeros(2)
    scores.decode(np.float32([1.0, 0.0]), NO_EVENTS, action)
    scores.teach(shown(label), NO_EVENTS, 0.0, {}, modulators)
    expected = (softmax(np.array([1.0, 0.0])) - np.eye(2)[label]) * (1.0, 8.0)[label]
    np.testing.assert_allclose(modulators, expected, rtol=1e-6)
    scores.teach(shown(), NO_EVENTS, 0.0, {}, modulators)
    assert not modulators.any()


def test_steps_of_the_regression_are_weighted_too(plant):
    found = []
    for weights in ((), (1.0, 8.0)):
        config = StreamLinearConfig(rate=0.1, decay=0.0, n_bins=1, class_weights=weights)
        law = StreamLinearLaw(
            msgspec.convert(StreamLinear.build(config, plant, PERIOD_US, 0).program.config, StreamLinearLaw.Config)
        )
        law.reset(0)
        law.step(np.array([4.0, 9.0, 0.0, 1.0]), np.zeros(0), True)
        found.append(law.weights)
    standard = np.append(np.array([2.0, 3.0]) / np.sqrt(1.01), 1.0)
    np.testing.assert_allclose(found[0], -0.1 * np.outer([0.5, -0.5], standard))
    np.testing.assert_allclose(found[1], 8 * found[0])


@pytest.mark.parametrize(
    "build",
    [
        lambda plant: StreamLinear.build(StreamLinearConfig(class_weights=(1.0,)), plant, PERIOD_US, 0),
        lambda plant: Scores(stream_of(plant, "stream_pes", PERIOD_US), (1.0, 2.0, 3.0)),
    ],
)
def test_as_many_weights_as_classes_are_wanted(plant, build):
    with pytest.raises(ScenarioError, match=r"class_weights: found \d numbers; allowed: one each for normal, ventric"):
        build(plant)


def test_cells_have_time_constants_of_their_own_and_hold_several_rates(stream):
    config = StreamPESConfig(
        n_cells=30, n_exciting=1, n_inhibiting=0, delay_s=0.5, tau_s=0.005, tau_high_s=0.015,
        rate_hz=(2.0, 5.0, 9.0, 20.0), learning_rate=0.3,
    )  # fmt: skip
    net = stream_network(config, stream, 1)
    cells = [part for name, part in net.populations.items() if name.startswith("cells")]
    assert [part.shape for part in cells] == [(8,), (8,), (7,), (7,)]
    assert [part.rule.target_rate_hz for part in cells] == [2.0, 5.0, 9.0, 20.0]
    tau_s = np.concatenate([part.tau_s for part in cells])
    assert 0.005 <= tau_s.min() < 0.007
    assert 0.013 < tau_s.max() <= 0.015
    inputs = [net.projections[f"spikes_to_cells_{k}"].weights.toarray() for k in range(4)]
    assert (np.concatenate(inputs).sum(axis=1) == 1).all()
    steps = [net.projections[f"meanings_{k}"].rule.learning_rate / (8, 8, 7, 7)[k] for k in range(4)]
    np.testing.assert_allclose(steps, 0.3 / 30)  # PES divides by the cells that it reads


def test_cells_of_one_rate_are_one_population(stream):
    net = stream_network(StreamPESConfig(n_cells=20), stream, 1)
    assert net.projections["meanings"].rule.learning_rate == StreamPESConfig().learning_rate
    assert (net.populations["cells"].tau_s == 0.02).all()


def counts_of(law, n, share, held, seed):
    """What the sensor makes of beats, (n, 44), and which are ventricular: with samples from an own seed."""
    at_s = 0.002 * np.arange(-145, 125)
    *gains, interval_scale, noise_scale = held
    lead, rare = plugins.get("envs", "ecg").windows(
        np.random.default_rng(seed), n, share, at_s, np.array(gains), interval_scale, 0.02 * noise_scale
    )
    crossings, found = Crossings(n, 0.06, None, 0.0, 1000, 2000), np.zeros((n, 22, 2))
    for step, sample in enumerate(lead.T):
        which, address = np.divmod(crossings(sample)["address"], 2)
        np.add.at(found, (which, step * 22 // 270, address ^ 1), 1)
    return found.reshape(n, -1), rare


def test_the_discriminant_knows_beats_and_who_is_told_the_patient_too(plant):
    laws, found = {}, {}
    for knows in (False, True):
        program = EcgDiscriminant.build(EcgDiscriminantConfig(knows_change=knows), plant, PERIOD_US, 0).program
        laws[knows] = EcgDiscriminantLaw(msgspec.convert(program.config, EcgDiscriminantLaw.Config))
        laws[knows].reset(0)
    for name, held in (("as it was", (1.0,) * 7), ("another", OTHER)):
        counts, rare = counts_of(laws[False], 600, 0.2, held, 5)
        for knows, law in laws.items():
            modulators = np.array(held) if knows else np.zeros(0)
            alarms = np.array([np.argmax(law.step(np.append(row, (0, 0)), modulators, False)) for row in counts]) == 1
            found[name, knows] = 2 * (alarms & rare).sum() / (alarms.sum() + rare.sum())
    assert found["as it was", False] == found["as it was", True] > 0.93
    assert found["another", False] < 0.7
    assert found["another", True] > 0.93


def test_the_discriminant_refuses_what_has_no_lead():
    emg, line = plugins.get("envs", "emg"), "controller 'ecg_discriminant' needs one lead"
    with emg(sensors={"spikes": {"kind": "delta", "threshold": 0.6}}) as emg, pytest.raises(ScenarioError, match=line):
        EcgDiscriminant.build(EcgDiscriminantConfig(), emg.plant_spec, 20_000, 0)


def test_a_control_period_is_not_longer_than_a_label_is_shown(plant):
    with pytest.raises(ScenarioError, match=r"a control period of at most 0.01 s; found 0.02"):
        stream_of(plant, "stream_linear", 20_000)
