"""What a program sees once its inputs are held."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.coders._blindfold import Blindfold
from hilbench.errors import ScenarioError
from hilbench.types import EVENT, NO_EVENTS, Encoder, Port

PORTS = (Port("state", 2), Port("eye", 3, "events"), Port("command", 1), Port("ear", 2, "events"))


class Counting(Encoder):
    """Values count up with each tick; each event port has an event in every tick."""

    def __init__(self):
        self.n = 0

    def reset(self, seed):
        self.n = 0

    def encode(self, obs, events, values):
        self.n += 1
        values[:] = self.n
        return np.array([(1, 0), (2, 4)], EVENT)


def seen(blind, n):
    values = np.zeros(3, np.float32)
    found = []
    for _ in range(n):
        events = blind.encode(np.zeros(1, np.float32), NO_EVENTS, values)
        found.append((values.tolist(), events["address"].tolist()))
    return found


def test_named_ports_are_held_at_their_mean_and_the_others_go_on():
    blind = Blindfold(Counting(), PORTS, ("state", "eye"), 3, 0)
    blind.reset(0)
    shown = seen(blind, 5)
    assert shown[:3] == [([k, k, k], [0, 4]) for k in (1.0, 2.0, 3.0)]
    assert shown[3:] == [([2.0, 2.0, 4.0], [4]), ([2.0, 2.0, 5.0], [4])]


def test_from_an_episode_on_all_of_it_is_held_at_the_mean_of_those_before():
    blind = Blindfold(Counting(), PORTS, None, 0, 2)
    for _ in range(2):
        blind.reset(0)
        assert [each[0] for each in seen(blind, 2)] == [[1.0] * 3, [2.0] * 3]
    blind.reset(0)
    assert seen(blind, 2) == [([1.5] * 3, [])] * 2


def test_a_port_that_is_not_there_is_named():
    with pytest.raises(ScenarioError, match=r"blind_inputs: found 'stat'; .*state"):
        Blindfold(Counting(), PORTS, ("stat",), 0, 0)
