"""Controllers that tell samples apart: counts by hand, the regression's steps, the discriminant, and the network."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hilbench import plugins, read_run
from hilbench.controllers._fields import Fields, wiring
from hilbench.controllers._streams import Blocks, Counts, Scores, Stream, softmax, stream_of
from hilbench.controllers.emg_discriminant import EmgDiscriminant, EmgDiscriminantConfig, events_of
from hilbench.controllers.emg_discriminant import EmgDiscriminantLaw as Discriminant
from hilbench.controllers.stream_linear import StreamLinear, StreamLinearConfig, StreamLinearLaw
from hilbench.controllers.stream_pes import StreamPES, StreamPESConfig, stream_network
from hilbench.errors import ScenarioError
from hilbench.runs.run import run
from hilbench.scenario.files import load
from hilbench.types import EVENT, NO_EVENTS

PERIOD_US, N = 20_000, 16
SPIKES = {"spikes": {"kind": "delta", "entries": [f"e{k}" for k in range(8)], "threshold": 0.6}}


@pytest.fixture(scope="module")
def plant():
    with plugins.get("envs", "emg")(sensors=SPIKES) as found:
        return found.plant_spec


@pytest.fixture
def stream(plant):
    return stream_of(plant, "stream_pes", PERIOD_US)


def shown(label=None):
    obs = np.zeros(13, np.float32)
    if label is not None:
        obs[8 + label] = 1.0
    return obs


def events(*addresses):
    found = np.zeros(len(addresses), EVENT)
    found["address"] = addresses
    return found


def test_the_stream_is_read_from_the_plants_spec(stream):
    assert stream.classes == ("fist", "open", "flex", "extend", "pinch")
    assert (stream.n_addresses, stream.shape, stream.label_columns) == (16, (8, 2), (8, 9, 10, 11, 12))


def test_events_are_counted_by_address_and_part_of_the_sample_and_begin_anew_with_the_next(plant, stream):
    counts, values = Counts(stream, plant, PERIOD_US, 3), np.zeros(3 * N + 5, np.float32)
    counts.reset(0)
    counts.encode(shown(), NO_EVENTS, values)  # the episode's first instant
    for tick in range(1, 46):
        counts.encode(shown(2 if tick == 31 else None), events(tick % 2, 5), values)
        found = values[: 3 * N].reshape(3, N)
        first, second = min(tick, 10), min(max(tick - 10, 0), 10)
        assert found[:, 5].tolist() == [first, second, tick - first - second]
        assert values[3 * N :].tolist() == [0, 0, float(tick == 31), 0, 0]
    counts.encode(shown(), events(5), values)
    assert values[: 3 * N].sum() == values[5] == 1


def regression(plant, **settings):
    program = StreamLinear.build(StreamLinearConfig(**settings), plant, PERIOD_US, 0).program
    law = StreamLinearLaw(msgspec.convert(program.config, StreamLinearLaw.Config))
    law.reset(0)
    return law


def test_the_regression_takes_the_gradients_step_once_for_each_label(plant):
    law = regression(plant, rate=0.1, decay=0.0, n_bins=1)
    counts = np.arange(16.0)
    hidden, label = np.append(counts, np.zeros(5)), np.append(counts, np.eye(5)[3])
    assert law.step(hidden, np.zeros(0), True).tolist() == [0.0] * 5
    for _ in range(3):
        law.step(label, np.zeros(0), True)
    standard = np.append(np.sqrt(counts) / np.sqrt(1.01), 1.0)  # of mean 0 and variance 1, which it begins with
    np.testing.assert_allclose(law.weights, -0.1 * np.outer(np.full(5, 0.2) - np.eye(5)[3], standard))
    np.testing.assert_allclose(law.mean, np.sqrt(counts))
    before = law.weights.copy()
    law.step(hidden, np.zeros(0), True)
    law.step(label, np.zeros(0), False)
    np.testing.assert_array_equal(law.weights, before)  # learning is off


def test_the_regression_finds_what_tells_classes_apart(plant):
    law, random, right = regression(plant, rate=0.05, n_bins=1), np.random.default_rng(0), []
    for _ in range(400):
        label = random.integers(5)
        counts = random.poisson(20 + 15 * (np.arange(16) % 5 == label))
        right.append(law.step(np.append(counts, np.zeros(5)), np.zeros(0), True).argmax() == label)
        law.step(np.append(counts, np.eye(5)[label]), np.zeros(0), True)
    assert np.mean(right[-200:]) > 0.95


def test_a_count_of_all_is_all_that_whole_gets(plant):
    law = regression(plant, whole=True)
    assert law.weights.shape == (5, 3)
    assert law.step(np.append(np.ones(48), np.zeros(5)), np.zeros(0), True).size == 5


def test_who_has_a_rate_of_0_always_says_the_first_class(plant):
    law = regression(plant, rate=0.0)
    for label in range(5):
        assert law.step(np.append(np.ones(48), np.eye(5)[label]), np.zeros(0), True).argmax() == 0


def test_scores_teach_by_the_gradient_of_their_softmax(stream):
    scores, modulators, action = Scores(stream), np.ones(5, np.float32), np.zeros(5)
    scores.decode(np.float32([1, 2, 0, 0, 0]), NO_EVENTS, action)
    assert action.tolist() == [1, 2, 0, 0, 0]
    scores.teach(shown(), NO_EVENTS, 0.0, {}, modulators)
    assert not modulators.any()
    scores.teach(shown(1), NO_EVENTS, 0.0, {}, modulators)
    np.testing.assert_allclose(modulators, softmax(np.array([1, 2, 0, 0, 0.0])) - np.eye(5)[1], rtol=1e-6)
    assert softmax(np.array([1000.0, 0.0])).tolist() == [1.0, 0.0]


def test_a_signal_twice_as_large_gives_about_twice_as_many_events():
    sizes, counts = events_of(0.6, 20.0, 350.0, 1000)
    assert counts[0] == 0
    assert (np.diff(counts) >= 0).all()
    assert np.interp(8.0, sizes, counts) == pytest.approx(2 * np.interp(4.0, sizes, counts), rel=0.1)


def test_the_discriminant_knows_the_arm_and_who_is_told_the_sleeve_too(plant):
    """On counts by its own model: nine in ten are right, fewer once the sleeve is turned, as many if that is told."""
    laws = {}
    for told in (False, True):
        program = EmgDiscriminant.build(EmgDiscriminantConfig(knows_change=told), plant, PERIOD_US, 0).program
        laws[told] = Discriminant(msgspec.convert(program.config, Discriminant.Config))
        laws[told].reset(0)
    gains = np.array([0.7, 1.3, 0.8, 1.2, 1.0, 0.7, 1.3, 1.0])
    random, shares = np.random.default_rng(7), {}
    for name, turned, own in (("as it was", 0.0, np.ones(8)), ("turned", 0.628, gains)):
        right = {False: 0, True: 0}
        for label, gesture in enumerate(laws[True].config.classes):
            for counts in laws[True]._counts(gesture, turned, own, random)[:60]:
                values = np.zeros(21, np.float32)
                values[:16:2] = counts
                for told, law in laws.items():
                    right[told] += (
                        law.step(values, np.append(turned, own) if told else np.zeros(0), False).argmax() == label
                    )
        shares[name] = {told: n / 300 for told, n in right.items()}
    assert shares["as it was"][False] == shares["as it was"][True] > 0.9
    assert shares["turned"][False] < 0.75
    assert shares["turned"][True] > 0.9


def test_cells_have_as_many_inputs_as_asked_for_drawn_by_the_seed(stream):
    config = StreamPESConfig(n_cells=40)
    one, same, other = (
        stream_network(config, stream, seed).projections["spikes_to_cells"].weights.toarray() for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert (one.sum(axis=1) == 3 - 6).all()


def test_the_network_learns_gestures_from_their_labels(tmp_path):
    """150 samples, each decided on before its label is shown: of the last 50 two thirds are right."""
    done = run(load("emg", {"loop.episodes": 6, "loop.seed": 5}), tmp_path / "run")
    assert done.status == "done"
    shares = [np.nansum(each["reward"]) for each in read_run(tmp_path / "run").episodes]
    assert np.mean(shares[4:]) > 0.66


@pytest.mark.parametrize("controller", [StreamPES, StreamLinear, EmgDiscriminant])
def test_plants_that_play_no_samples_or_have_no_events_are_refused(controller):
    with plugins.get("envs", "emg")() as bare, plugins.get("envs", "beam")() as beam:
        with pytest.raises(ScenarioError, match="needs one event sensor, as delta; found 0"):
            controller.build(controller.Config(), bare.plant_spec, PERIOD_US, 0)
        with pytest.raises(ScenarioError, match="needs a stream of samples with labels"):
            controller.build(controller.Config(), beam.plant_spec, PERIOD_US, 0)


@pytest.mark.parametrize("controller", [StreamPES, StreamLinear, EmgDiscriminant])
@pytest.mark.parametrize(("period_us", "found"), [(50_000, "0.05"), (14_000, "0.014")])
def test_a_control_period_is_in_step_with_samples_and_no_label_falls_between_two(plant, controller, period_us, found):
    allowed = rf"at most 0.02 s that divides 0.9 s; found {found}"
    with pytest.raises(ScenarioError, match=allowed):
        controller.build(controller.Config(), plant, period_us, 0)
    controller.build(controller.Config(), plant, 10_000, 0)


CAMERA = Stream(("a", "b"), 512, (16, 16, 2), ("y", "x", "polarity"), ())


def test_a_field_is_a_disc_of_one_polarity_within_the_picture():
    weights, delays = wiring(Fields(1, 0, 2.0, None, 30, 5), CAMERA, 200, np.random.default_rng(0))
    pictures = weights.reshape(200, 16, 16, 2)
    used = pictures.any((1, 2))
    assert (used.sum(1) == 1).all()
    assert used.any(0).all()
    for picture, late in zip(pictures, delays, strict=True):
        y, x, _ = np.nonzero(picture)
        assert 9 <= y.size <= 14
        assert max(np.ptp(y), np.ptp(x)) <= 4
        assert np.unique(late[picture.ravel() != 0]).size == 1
    assert set(delays[weights != 0]) <= set(range(31))
    assert delays.max() > 25


def test_fields_of_a_cell_are_near_its_first_and_at_most_so_much_later():
    weights, delays = wiring(Fields(3, 0, 0.5, 2.0, 0, 7), CAMERA, 300, np.random.default_rng(0))
    apart = []
    for row in weights:
        y, x, _ = np.unravel_index(np.flatnonzero(row), CAMERA.shape)
        apart.append(max(np.ptp(y), np.ptp(x)) if y.size > 1 else 0)
    assert np.median(apart) <= 5
    assert delays.max() == 7


def test_single_addresses_are_drawn_from_anywhere_none_twice_of_a_sign(stream):
    weights, delays = wiring(Fields(3, 6, 0.0, None, 0, 0), stream, 400, np.random.default_rng(0))
    assert (np.maximum(weights, 0).sum(1) <= 3).all()
    assert (weights.sum(1) == -3).all()
    assert not delays.any()
    assert wiring(Fields(30, 0, 0.0, None, 0, 0), stream, 2, np.random.default_rng(0))[0].sum() == 2 * N
    late = wiring(Fields(3, 0, 0.0, None, 9, 4), stream, 400, np.random.default_rng(0))[1]
    assert (late.max(), late.min()) == (13, 0)


def test_a_cell_waits_for_its_part_of_a_sample(stream):
    config = StreamPESConfig(n_cells=40, delay_s=0.5, threshold=4.0)
    net = stream_network(config, stream, 1)
    steps = net.projections["spikes_to_cells"].delay_steps
    assert steps.max() > 400
    assert (net.populations["cells"].v_threshold == 4.0).all()


@pytest.fixture(scope="module")
def seeing():
    """The spec of a plant that a camera looks at, 32 x 32 pixels."""
    with plugins.get("envs", "gestures")(control_period_s=0.02, physics_step_s=0.005) as found:
        return found.plant_spec


def address(row, column, polarity=0):
    return (32 * row + column) * 2 + polarity


def test_neighbours_of_a_polarity_are_counted_together(seeing):
    blocks = Blocks(seeing, 4)
    counts = Counts(stream_of(seeing, "stream_linear", PERIOD_US), seeing, PERIOD_US, 2, blocks)
    values = np.zeros(counts.size, np.float32)
    assert counts.size == 2 * 8 * 8 * 2 + 8
    shown = np.zeros(12, np.float32)
    counts.encode(shown, NO_EVENTS, values)
    counts.encode(shown, events(address(4, 8, 1), address(7, 11, 1), address(7, 11, 0), address(8, 8, 1)), values)
    found = values[:128].reshape(8, 8, 2)
    assert (found[1, 2].tolist(), found[2, 2].tolist(), values.sum()) == ([1, 2], [0, 1], 4)


def test_events_of_a_turned_picture_are_counted_where_they_would_be():
    """A quarter of a turn is exact: what was to the right is above, where the camera's left side is turned up."""
    with plugins.get("envs", "gestures")(
        control_period_s=0.02, sensors={"eye": {"kind": "dvs", "width": 5, "height": 5}}
    ) as small:
        blocks = Blocks(small.plant_spec)
    blocks.turn(np.pi / 2)
    right, above = 2 * (5 * 2 + 4) + 1, 2 * (5 * 0 + 2) + 1
    assert blocks.table[above] == right
    assert sorted(blocks.table) == list(range(50))
    blocks.turn(np.pi / 4)
    assert blocks.table[2 * (5 * 2 + 2)] == 2 * (5 * 2 + 2)  # the middle stays
    assert (blocks.table == blocks.size).sum() > 0  # corners are from beyond the border
    blocks.turn(0.0)
    assert blocks.table.tolist() == list(range(50))


def test_who_is_told_counts_a_turned_camera_as_if_it_were_not(seeing):
    """The same gestures before a camera that is turned and one that is not: counts agree for who is told."""
    found = {}
    for turned in (0.0, 0.5236):
        built = StreamLinear.build(StreamLinearConfig(n_bins=1, pool=8, knows_change=True), seeing, PERIOD_US, 0)
        sensors, mount = {"eye": SMOOTH}, {"kind": "camera_turn", "roll_rad": turned}
        with plugins.get("envs", "gestures")(
            control_period_s=0.02, physics_step_s=0.005, sensors=sensors, disturbances={"mount": mount}
        ) as plant:
            obs, info = plant.reset(seed=1)
            values, modulators = np.zeros(40, np.float32), np.zeros(1, np.float32)
            for _ in range(51):
                built.encoder.encode(obs, plant.events(), values)
                built.modulate(obs, NO_EVENTS, 0.0, info, modulators)
                obs, _, _, _, info = plant.step(np.zeros(8))
        assert modulators[0] == pytest.approx(turned)
        found[turned] = values[:32].copy()
    assert np.corrcoef(found[0.0], found[0.5236])[0, 1] > 0.97
    np.testing.assert_allclose(found[0.5236].sum(), found[0.0].sum(), rtol=0.05)


SMOOTH = {"kind": "dvs", "width": 32, "height": 32, "fov_rad": 0.761, "period_s": 0.005, "noise_hz": 0, "leak_hz": 0}


def test_only_a_camera_can_be_told_to_be_turned(plant):
    with pytest.raises(
        ScenarioError, match=r"knows_change: found a sensor of \('channel', 'polarity'\); allowed: one of x"
    ):
        StreamLinear.build(StreamLinearConfig(knows_change=True), plant, PERIOD_US, 0)


@pytest.mark.parametrize(("dt_s", "refractory_s"), [(0.001, 0.002), (0.0005, 0.002), (0.005, 0.005)])
def test_a_cell_is_refractory_for_2_ms_or_a_step(stream, dt_s, refractory_s):
    net = stream_network(StreamPESConfig(n_cells=3, dt_s=dt_s), stream, 0)
    assert net.populations["cells"].behaviour.refractory_s == pytest.approx(refractory_s)


def test_the_network_learns_what_it_sees(tmp_path):
    """125 gestures, of which one in eight would be right by chance: of the last 50 half are."""
    done = run(load("gestures", {"loop.episodes": 5, "loop.seed": 5}), tmp_path / "run")
    assert done.status == "done"
    shares = [np.nansum(each["reward"]) for each in read_run(tmp_path / "run").episodes]
    assert np.mean(shares[3:]) > 0.5
