"""The sensor of recordings: a part of them, pooled, at their own times."""

from __future__ import annotations

import numpy as np
import pytest
from small_plants import Mass

from hilbench.envs.sensors import Mount, Playback
from hilbench.envs.sensors.recorded import Recorded
from hilbench.errors import ScenarioError
from hilbench.settings import to_config


class Player:
    """A carrier that plays."""

    time_s, truth = 0.0, ()

    def __init__(self, shape, events):
        t_us, address = np.array(events, np.int64).reshape(-1, 2).T
        self.plays = Playback(shape, t_us, address)

    def playback(self):
        return self.plays


def made(period_us=1000, **settings):
    return Recorded(to_config(Recorded.Config, settings, "sensors.eye"), Mount("sensors.eye", (), (), period_us))


def told(sensor, player, n):
    """(t_us within the sample, address) of each of some samples, the first one at 0."""
    found = []
    for k in range(n):
        player.time_s = k * sensor.mount.period_us * 1e-6
        found.append([tuple(map(int, event)) for event in sensor.sample(player)])
    return found


def test_a_window_has_its_start_and_not_its_end():
    player = Player((4,), [(0, 3), (999, 1), (1000, 2), (1000, 0), (2999, 1), (7000, 1)])
    assert told(made(shape=[4]), player, 4) == [[], [(0, 3), (999, 1)], [(0, 2), (0, 0)], [(999, 1)]]
    assert told(made(shape=[4], period_us=2000), player, 3)[1:] == [
        [(0, 3), (999, 1), (1000, 2), (1000, 0)],
        [(999, 1)],
    ]


def test_pixels_are_pooled_for_each_polarity_and_borders_are_left_out():
    sensor = made(shape=[6, 8, 2], crop=1, pool=2)
    assert (sensor.shape, sensor.axes) == ((2, 3, 2), ("y", "x", "polarity"))
    at = [(0, 3, 1), (1, 1, 0), (2, 2, 1), (4, 6, 1), (3, 5, 0), (5, 1, 0), (2, 7, 1), (4, 1, 0)]
    player = Player((6, 8, 2), [(k, np.ravel_multi_index(place, (6, 8, 2))) for k, place in enumerate(at)])
    places = [(0, 0, 0), (0, 0, 1), (1, 2, 1), (1, 2, 0), (1, 0, 0)]
    expected = [int(np.ravel_multi_index(place, (2, 3, 2))) for place in places]
    assert told(sensor, player, 2)[1] == list(zip([1, 2, 3, 4, 7], expected, strict=True))


def test_what_does_not_divide_leaves_a_smaller_block():
    assert made(shape=[7], pool=3).shape == (3,)
    assert told(made(shape=[7], pool=3), Player((7,), [(k, k) for k in range(7)]), 2)[1] == [
        (0, 0), (1, 0), (2, 0), (3, 1), (4, 1), (5, 1), (6, 2),
    ]  # fmt: skip


def test_mistakes_are_refused_in_a_line():
    with pytest.raises(ScenarioError, match=r"sensors.eye.crop: found 3 of 6; allowed"):
        made(shape=[6, 8], crop=3)
    with pytest.raises(ScenarioError, match=r"sensors.eye.shape: found \[5\]; allowed: \[4\], of what the plant plays"):
        made(shape=[5]).sample(Player((4,), []))
    with pytest.raises(ScenarioError, match=r"sensors.r: found a plant without playback\(\)"):
        Mass(sensors={"r": {"kind": "recorded", "shape": [4]}})
