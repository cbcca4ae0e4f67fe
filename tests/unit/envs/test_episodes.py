"""Disturbances that begin and end with an episode, and what the loop tells a plant of its number."""

from __future__ import annotations

import pytest

from hilbench.envs.cartpole_ladder import CartpoleLadder
from hilbench.errors import ScenarioError

PUSH = {"push": {"kind": "actuator_gain", "factor": 0.0, "at_episode": 1, "until_episode": 3}}


def acting(plant, n, **given):
    found = []
    for _ in range(n):
        plant.reset(seed=5, **given)
        plant.advance(1, [1.0])
        found.append(plant.forces)
    return found


def test_it_acts_in_its_episodes_alone_which_a_plant_counts():
    plant = CartpoleLadder(disturbances=PUSH)
    assert acting(plant, 4) == [[1.0], [0.0], [0.0], [1.0]]
    plant.next_episode = 2
    assert acting(plant, 2) == [[0.0], [1.0]]
    assert acting(plant, 1, options={"episode": 1}) == [[0.0]]
    plant.close()


def test_an_end_before_the_beginning_is_refused():
    with pytest.raises(ScenarioError, match=r"push.until_episode: found 1, expected more than at_episode = 1"):
        CartpoleLadder(disturbances={"push": PUSH["push"] | {"until_episode": 1}})
