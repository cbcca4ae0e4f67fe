"""The T-maze: when cue, choice and reward come, which arm is chosen and which is rewarded."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.envs.tmaze import TMaze
from hilbench.errors import ScenarioError

COARSE = {"physics_step_s": 0.02, "control_period_s": 0.02}
MEMORY = {"delay_s": (1.0, 5.0), "reward_delay_s": (0.0, 0.0), "cue_stays": False}
SWAPPED = {"swapped": {"kind": "goal_turn", "at_episode": 1}}


def trial(plant, seed, action=0.0, episode=0):
    """Observations, rewards and infos of a trial, from its first instant to its end."""
    obs, info = plant.reset(seed=seed, options={"episode": episode})
    rows = [(obs, 0.0, info)]
    while True:
        obs, reward, ended, _, info = plant.step([action])
        rows.append((obs, reward, info))
        if ended:
            return (np.array([row[0] for row in rows]), [row[1] for row in rows], [row[2] for row in rows])


@pytest.mark.parametrize("seed", range(6))
def test_a_cue_that_stays_the_choice_and_a_late_reward(seed):
    with TMaze(**COARSE) as plant:
        seen, rewards, infos = trial(plant, seed, 0.2)
    assert seen[:50, 2:4].sum(axis=1).tolist() == [1.0] * 50  # a cue of 0.5 s, and as long a choice
    assert not seen[50:, 2:4].any()
    assert seen[:, 4].tolist() == [0.0] * 25 + [1.0] * 25 + [0.0] * (len(seen) - 50)
    late_s = (len(seen) - 1) * 0.02 - 1.0
    assert 0.99 <= late_s <= 5.01
    assert infos[-1]["cue"] == (1.0 if seen[0, 3] else -1.0)
    assert rewards[:-1] == [0.0] * (len(rewards) - 1)
    assert rewards[-1] == (1.0 if seen[0, 3] else -1.0)  # it went to the right


@pytest.mark.parametrize("seed", range(6))
def test_a_cue_that_is_gone_before_the_choice(seed):
    with TMaze(**MEMORY, **COARSE) as plant:
        seen, rewards, _ = trial(plant, seed, -0.2)
    assert seen[:, 2:4].sum(axis=1).tolist() == [1.0] * 25 + [0.0] * (len(seen) - 25)
    chooses = np.flatnonzero(seen[:, 4])
    assert np.diff(chooses).tolist() == [1] * 24
    assert 1.49 <= chooses[0] * 0.02 <= 5.51
    assert len(seen) - 1 == chooses[-1] + 1  # the reward comes at once
    assert rewards[-1] == (1.0 if seen[0, 2] else -1.0)


def test_cues_and_delays_are_drawn_evenly():
    cues, lates_s = [], []
    with TMaze(**COARSE) as plant:
        for seed in range(300):
            info = plant.reset(seed=seed)[1]
            cues.append(info["cue"])
            lates_s.append((plant._ends[3] - plant._ends[2]) * 0.02)
    assert abs(np.mean(cues)) < 0.17  # three standard errors
    np.testing.assert_allclose(np.percentile(lates_s, [0, 25, 50, 75, 100]), [1, 2, 3, 4, 5], atol=0.35)


@pytest.mark.parametrize("enter_m", [0.0, 0.03, 0.05])
def test_the_arm_in_which_it_is_at_the_end_of_the_choice_counts(enter_m):
    with TMaze(enter_m=enter_m, **COARSE) as plant:
        plant.reset(seed=0)
        plant.advance(25, [0.2])  # in the stem an action moves nothing
        assert plant.state()[0] == 0
        plant.advance(10, [0.1])
        assert plant.state()[0] == pytest.approx(0.02)
        plant.advance(14, [-0.2])
        assert plant.observe()[4]["chosen"] == 0
        plant.advance(1, [-1.0])  # limited
        assert plant.state()[0] == pytest.approx(0.02 - 0.06)
        assert plant.observe()[4]["chosen"] == (-1 if enter_m < 0.04 else 0)
        plant.advance(40, [0.2])  # it is carried to the end of its arm, if it is in one
        assert plant.state()[0] == pytest.approx(-0.04 - (0.16 if enter_m < 0.04 else 0.0))


def test_who_stands_in_the_middle_has_chosen_nothing_and_is_punished():
    with TMaze(**COARSE) as plant:
        for action in (0.0, 0.09, -0.09):  # 4.5 cm in 0.5 s
            _, rewards, infos = trial(plant, 3, action)
            assert (rewards[-1], infos[-1]["chosen"], infos[-1]["correct"]) == (-1.0, 0.0, 0.0)


def test_swapped_arms_reward_the_arm_opposite_to_the_cue():
    with TMaze(disturbances=SWAPPED, **COARSE) as plant:
        for episode, sign in ((0, 1), (1, -1)):
            for seed in range(4):
                _, rewards, infos = trial(plant, seed, 0.2, episode)
                assert infos[-1]["rewarded"] == sign * infos[-1]["cue"]
                assert rewards[-1] == infos[-1]["rewarded"]
                assert infos[-1]["correct"] == (rewards[-1] > 0)


def test_it_walks_up_the_stem_while_it_waits():
    with TMaze(**MEMORY, **COARSE) as plant:
        seen, _, _ = trial(plant, 2)
    chooses = np.flatnonzero(seen[:, 4])[0]
    assert -0.6 <= seen[0, 1] <= -0.55
    np.testing.assert_allclose(np.diff(seen[: chooses + 1, 1]), -seen[0, 1] / chooses, rtol=1e-3)
    assert not seen[chooses:, 1].any()


def test_times_in_the_wrong_order_are_refused_in_a_line():
    with pytest.raises(ScenarioError, match=r"plant.delay_s: found 2 and 1; allowed: the shorter time first"):
        TMaze(delay_s=(2.0, 1.0))


def test_the_picture_shows_cue_walker_and_reward():
    with TMaze(render_mode="rgb_array", **COARSE) as plant:
        plant.reset(seed=0)
        info, first = plant.observe()[4], plant.render().astype(int)
        trial(plant, 0, 0.2 * info["cue"])
        last = plant.render().astype(int)
    lit = first[110 + round(420 * 0.3), 240 + round(420 * 0.09 * info["cue"])]
    assert lit.tolist() == [233, 84, 32]
    assert last[110 - 11, 240 + round(info["cue"] * 420 * 0.4)].tolist() == [250, 200, 60]
    assert last[110 - 11, 240 - round(info["cue"] * 420 * 0.4)].tolist() == [246, 246, 242]  # the other is empty


@pytest.mark.parametrize("field", ["cue_s", "choose_s"])
def test_times_below_a_physics_step_are_refused(field):
    with pytest.raises(ScenarioError, match=rf"plant\.{field}: found 0\.001; allowed: a physics step"):
        TMaze(physics_step_s=0.02, control_period_s=0.02, **{field: 0.001})


def test_the_walker_stays_in_its_arm():
    with TMaze(physics_step_s=0.02, control_period_s=0.02, choose_s=5.0) as maze:
        maze.reset(seed=0)
        places = [maze.step([0.2])[0][0] for _ in range(260)]
    assert max(places) == pytest.approx(0.4)
