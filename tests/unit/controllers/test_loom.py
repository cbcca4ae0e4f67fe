"""Controllers that alarm of balls: fields of cells by hand, what the shared threshold finds, and the baselines."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hilbench import plugins, read_run
from hilbench.controllers._loom import eye_of, fields, middle
from hilbench.controllers.loom_lgmd import LoomLgmd, LoomLgmdConfig, lgmd_network
from hilbench.controllers.loom_rate import LoomRate, LoomRateConfig, LoomRateLaw
from hilbench.controllers.loom_tau import LoomTau, LoomTauConfig, LoomTauLaw
from hilbench.errors import ScenarioError
from hilbench.nal.open_loop import run as feed
from hilbench.runs.run import run
from hilbench.scenario.files import load

PERIOD_US, N = 10_000, 256
NOTHING = np.zeros(0)


@pytest.fixture(scope="module")
def plant():
    with plugins.get("envs", "loom_dvs")(control_period_s=0.01) as found:
        return found.plant_spec


def test_fields_are_squares_of_cells_that_overlap_by_half_and_border_ones_may_be_left_out():
    own = fields(0)
    assert own.shape == (49, N)
    assert (own.sum(axis=1) == 16).all()
    assert own.sum(axis=0).reshape(16, 16)[8].tolist() == [2, 2, *[4] * 12, 2, 2]
    assert fields(1).shape == (25, N)
    kept = middle(1).reshape(16, 16)
    assert kept[2:14, 2:14].all()
    assert kept.sum() == 144


def test_the_camera_is_read_from_the_plants_spec(plant):
    assert eye_of(plant, "loom_lgmd").pool == (4, 4)


def bursts(cells, times_s, each):
    """So many events at each of some cells at some instants: times and addresses, in order."""
    t_s = np.repeat(times_s, len(cells) * each)
    return t_s, np.tile(np.repeat(cells, each), len(times_s))


def spikes(config, events, duration_s, learning=False):
    found = feed(lgmd_network(config), {"events": events}, duration_s=duration_s, learning=learning)
    return {name: each[0] for name, each in found.spikes.items()}, found.values["alarm"]


def test_a_field_whose_cells_fire_together_alarms_and_as_many_spikes_elsewhere_do_not():
    config = LoomLgmdConfig(inhibit=0.0)
    square = (np.arange(6, 10)[:, None] * 16 + np.arange(6, 10)).ravel()  # one field's 16 cells
    events = bursts(square, [0.0101, 0.0131], 4)  # 4 events are beyond 3.3: each of them fires twice
    found, alarm = spikes(config, events, 0.03)
    assert len(found["cells"]) == 32
    # 16 spikes, and 16 more 3 ms later on 16 exp(-3/13): 28.7 of 24.
    assert found["fields"].min() == pytest.approx(0.013, abs=1e-6)
    assert alarm[9].max() == 0.0
    assert alarm.max() >= 1.0
    found, alarm = spikes(config, bursts(np.arange(0, N, 16), [0.0101, 0.0131], 4), 0.03)
    assert len(found["cells"]) == 32
    assert not len(found["fields"])
    assert alarm.max() == 0.0


def test_a_share_of_all_spikes_is_taken_from_each_field():
    square = (np.arange(6, 10)[:, None] * 16 + np.arange(6, 10)).ravel()
    rest = np.setdiff1d(np.arange(N), square)[:60]
    events = bursts(np.concatenate([square, rest]), [0.0101, 0.0131], 4)
    assert len(spikes(LoomLgmdConfig(inhibit=0.0, crowd=1e6), events, 0.03)[0]["fields"])
    # 16 of 76 spikes twice: 16 (1 - 76/256) each, 20.2 in all.
    assert not len(spikes(LoomLgmdConfig(inhibit=1.0, crowd=1e6), events, 0.03)[0]["fields"])


def test_where_very_many_cells_fire_at_once_the_crowd_silences_all_fields():
    events = bursts(np.arange(N), [0.0101, 0.0131], 4)
    found, alarm = spikes(LoomLgmdConfig(), events, 0.03)
    assert len(found["cells"]) == 2 * N
    assert len(found["crowd"])
    assert not len(found["fields"])
    assert alarm.max() == 0.0
    assert len(spikes(LoomLgmdConfig(hush=0.0, inhibit=0.0), events, 0.03)[0]["fields"])


def threshold(rate_hz, lasts_s=8, backend="numba"):
    """How often some cell fires in each second in which events come at random, and how often all cells do."""
    random = np.random.default_rng(0)
    n = random.poisson(lasts_s * rate_hz)
    t_s, at = np.sort(random.uniform(0, lasts_s, n)), random.integers(0, 16, n)
    config = LoomLgmdConfig(any_hz=200.0, events=2.0, rate=0.01)
    found = feed(lgmd_network(config), {"events": (t_s, at)}, duration_s=lasts_s, learning=True, backend=backend)
    fired = found.spikes["any"][0]
    return np.histogram(fired, lasts_s, (0, lasts_s))[0], len(found.spikes["cells"][0])


def test_the_threshold_finds_the_level_at_which_some_cell_fires_in_the_wanted_share_of_steps():
    for rate_hz in (5_000, 10_000):
        each, _ = threshold(rate_hz)
        assert each[-2:].mean() == pytest.approx(200, rel=0.15)


def test_reference_and_numba_agree():
    numba, reference = (threshold(5_000, 1, backend) for backend in ("numba", "reference"))
    assert numba[0].tolist() == reference[0].tolist()
    assert numba[1] == reference[1] > 200


def test_without_a_rate_nothing_is_learnt():
    network = lgmd_network(LoomLgmdConfig(rate=0.0))
    assert network.populations["cells"].rule is None


def law_of(controller, law, plant, **settings):
    program = controller.build(controller.Config(**settings), plant, PERIOD_US, 0).program
    found = law(msgspec.convert(program.config, law.Config))
    found.reset(0)
    return found


def test_the_rate_counts_the_middle_alone_and_follows_what_it_is_told(plant):
    law = law_of(LoomRate, LoomRateLaw, plant, least=100.0)
    values = np.zeros(N)
    values[~middle(1)] = 1000.0
    assert law.step(values, NOTHING, False) == 0.0
    values[middle(1)] = 100 / 144
    assert law.step(values + 1e-6, NOTHING, False) == 1.0
    told = law_of(LoomRate, LoomRateLaw, plant, least=100.0, knows_change=True)
    values *= 0.5
    assert told.step(values, np.array([1.0, 1.0]), False) == 0.0
    assert told.step(values, np.array([0.4, 1.0]), False) == 1.0
    assert told.step(values, np.array([1.0, 2.5]), False) == 1.0
    assert told.step(values, np.zeros(2), False) == 1.0  # told nothing yet


def disc(radius_px):
    """Ten events at each cell on a circle about the middle of the picture."""
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    rows, columns = (np.floor(8 + radius_px / 4 * each(angle)).astype(int) for each in (np.sin, np.cos))
    values = np.zeros((16, 16))
    values[rows, columns] = 10.0
    return values.ravel()


def test_tau_is_the_angle_over_its_growth(plant):
    told = law_of(LoomTau, LoomTauLaw, plant, knows_angle=True, tau_s=0.2, angle_rad=0.15)
    for angle, grows, alarms in ((0.3, 2.0, 1.0), (0.3, 1.0, 0.0), (0.1, 2.0, 0.0), (0.3, -2.0, 0.0)):
        assert told.step(np.zeros(N), np.array([angle, grows]), False) == alarms


def test_tau_by_events_alarms_of_a_disc_that_grows_and_not_of_one_that_stays_or_shrinks(plant):
    grows = [disc(radius) for radius in (6, 8, 11, 15, 20)]
    for pictures, alarms in ((grows, 1.0), (grows[::-1], 0.0), ([grows[2]] * 5, 0.0)):
        law = law_of(LoomTau, LoomTauLaw, plant)
        assert max(law.step(each, NOTHING, False)[0] for each in pictures) == alarms
    law = law_of(LoomTau, LoomTauLaw, plant)
    assert max(law.step(0.5 * each, NOTHING, False)[0] for each in grows) == 0.0  # no more events than noise


def test_the_network_dodges_balls_and_its_threshold_sinks_in_mist(tmp_path):
    """24 trials, from the 8th on in mist: by the 16th the threshold has sunk, and what learns dodges again."""
    short = {"loop.episodes": 24, "loop.seed": 3, "score.window_episodes": 8, "score.before_episodes": 8}
    short |= {"score.horizon_episodes": 16, "disturbances.mist.at_episode": 8}
    failed = {}
    for name, settings in (("learns", {}), ("fixed", {"controllers.lgmd.rate": 0.0})):
        done = run(load("loom_dvs", short | settings), tmp_path / name)
        assert done.status == "done"
        failed[name] = [end.info["failed"] for end in read_run(tmp_path / name).meta.episode_ends]
    assert np.mean(failed["learns"][:8]) <= 0.25
    assert np.sum(failed["learns"][12:]) < np.sum(failed["fixed"][12:])


@pytest.mark.parametrize("controller", [LoomLgmd, LoomRate, LoomTau])
def test_plants_without_an_alarm_or_a_fitting_camera_are_refused(controller):
    name = next(name for name, each in plugins.all_of("controllers").items() if each.load() is controller)
    make = plugins.get("envs", "loom_dvs")
    for sensors, message in (
        ({}, "needs one event sensor, a camera; found \\[\\]"),
        ({"eye": {"kind": "dvs", "width": 40}}, "needs a camera whose rows and columns are multiples of 16"),
    ):
        with make(sensors=sensors) as bare, pytest.raises(ScenarioError, match=f"^controller '{name}' {message}"):
            controller.build(controller.Config(), bare.plant_spec, PERIOD_US, 0)
    with plugins.get("envs", "lane_dvs")() as lane, pytest.raises(ScenarioError, match="needs a plant with the action"):
        controller.build(controller.Config(), lane.plant_spec, PERIOD_US, 0)


def test_configs_have_their_defaults():
    assert (LoomRateConfig().least, LoomTauConfig().knows_angle, LoomLgmdConfig().border) == (150.0, False, 1)
