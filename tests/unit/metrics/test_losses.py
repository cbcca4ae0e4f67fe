"""What `[score.loss]` computes, on made-up runs whose answers are worked out by hand, and windows of episodes."""

from __future__ import annotations

import made_up
import numpy as np
import pytest

from hilbench.metrics import measure
from hilbench.metrics._losses import Refused, of
from hilbench.metrics._windows import Span, after_learning, before, horizon, last_half, losses
from hilbench.scenario.score import Change

LOAD = {"load": {"kind": "payload", "at_s": 0.02}}


def trials(*ends, n=10, loss, width=1, reward=0.0, change=2, **more):
    """Episodes of 10 ms that end with these infos, and a change between two of them."""
    episodes = [made_up.episode(n, reward=np.full(n, reward)) for _ in ends]
    score = {"change": "load", "loss": loss, "window_episodes": width, "before_episodes": 2, "horizon_episodes": 2}
    found = [
        {"episode": k, "obs": (), "reward": reward, "terminated": False, "truncated": False, "info": end}
        for k, end in enumerate(ends)
    ]
    return made_up.run(
        *episodes,
        score=score | more,
        disturbances={"load": {"kind": "payload", "at_episode": change}},
        more={"episode_ends": found},
        episodes=len(ends),
        duration_s=0.02,
    )


def of_windows(run, n, first=0):
    return losses(run, Span(0.0, first, n)).tolist()


def test_success_counts_by_how_short_the_way_was():
    ends = [{"found": 1.0, "short_s": 0.005}, {"found": 0.0, "short_s": 0.005}, {"found": 1.0, "short_s": 0.02}]
    loss = {"kind": "success", "key": "found", "shortest_s": "short_s"}
    assert of_windows(trials(*ends, loss=loss), 3) == [[-0.5, 0.0, -1.0]]  # 5 of 10 ms; failed; never above 1
    assert of_windows(trials(*ends, loss={"kind": "success", "key": "found"}), 3) == [[-1.0, 0.0, -1.0]]


def test_time_of_a_failure_is_the_longest_there_is():
    run = trials({"found": 1.0}, {"found": 0.0}, loss={"kind": "time", "key": "found"}, width=2, change=2)
    assert of_windows(run, 1) == [[pytest.approx((0.010 + 0.020) / 2)]]


def test_detection_takes_misses_and_false_alarms_alike():
    ends = [(1, 1), (1, 0), (1, 1), (1, 1), (0, 1), (0, 0)]  # H 3/4, F 1/2
    run = trials(
        *({"ball": float(target), "dodged": float(alarm)} for target, alarm in ends),
        loss={"kind": "detection", "target": "ball", "alarm": "dodged"}, width=6,
    )  # fmt: skip
    assert of_windows(run, 1) == [[pytest.approx((1 - 0.75) / 2 + 0.5 / 2)]]


@pytest.mark.parametrize("alarm", [0.0, 1.0])
def test_who_never_alarms_or_always_does_has_one_half(alarm):
    ends = [{"ball": float(k % 2), "dodged": alarm} for k in range(4)]
    loss = {"kind": "detection", "target": "ball", "alarm": "dodged"}
    assert of_windows(trials(*ends, loss=loss, width=4), 1) == [[0.5]]


def test_f1_is_that_of_decisions_within_an_episode():
    n = 40
    decided, target, alarm = np.zeros((3, n))
    decided[[3, 8, 13, 18, 23]] = 1
    target[[3, 8, 13]], alarm[[3, 8, 18]] = 1, 1  # two hits, a miss, a false alarm
    alarm[30] = 1  # not a decision
    columns = {"info.decided": decided, "info.beat": target, "info.called": alarm}
    loss = {"kind": "f1", "target": "beat", "alarm": "called", "decided": "decided"}
    run = made_up.run(
        made_up.episode(n, **columns), score={"change": "load", "loss": loss, "window_s": 0.04}, disturbances=LOAD
    )
    assert losses(run, Span(0.0, 0, 1)).tolist() == [[pytest.approx(-2 * 2 / (2 * 2 + 1 + 1))]]


def test_a_window_without_a_target_refuses_what_needs_one():
    loss = {"kind": "detection", "target": "ball", "alarm": "dodged"}
    run = trials({"ball": 1.0, "dodged": 1.0}, {"ball": 1.0, "dodged": 0.0}, loss=loss, width=2)
    with pytest.raises(Refused, match="hits and false alarms need both; widen the windows"):
        of_windows(run, 1)


def test_a_return_is_the_sum_of_the_rewards_of_the_actions():
    """Row 0's reward belongs to no action; the last action's is in the episode's end."""
    run = trials({}, {}, loss={"kind": "return"}, reward=0.5, width=2)
    assert of_windows(run, 1) == [[pytest.approx(-10 * 0.5)]]
    timed = made_up.run(
        made_up.episode(20, reward=np.arange(20.0)),
        score={"change": "load", "loss": {"kind": "return"}, "window_s": 0.005}, disturbances=LOAD,
    )  # fmt: skip
    assert losses(timed, Span(0.005, 0, 2)).tolist() == [[-(6 + 7 + 8 + 9 + 10), -(11 + 12 + 13 + 14 + 15)]]


def test_a_mean_may_be_better_higher_and_a_run_that_stopped_is_the_worst():
    speed = np.repeat([1.0, 3.0], 10)
    loss = {"kind": "mean", "key": "error", "better": "higher"}
    run = made_up.run(
        made_up.episode(20, **{"info.error": speed}),
        score={"change": "load", "loss": loss, "window_s": 0.01}, disturbances=LOAD,
    )  # fmt: skip
    assert losses(run, Span(0.0, 0, 3)).tolist() == [[-1.0, -3.0, np.inf]]


def test_windows_of_episodes_lie_around_a_change_between_two_of_them():
    run = trials(*[{"found": 1.0}] * 8, loss={"kind": "time", "key": "found"}, change=4)
    [change] = run.meta.scenario.changes
    assert change == Change(0.0, 4)
    assert (before(run, change), horizon(run, change)) == (Span(0.0, 2, 2), Span(0.0, 4, 2))
    assert after_learning(run) == Span(0.0, 6, 2)
    early = trials(*[{"found": 1.0}] * 5, loss={"kind": "time", "key": "found"}, change=4)
    with pytest.raises(Refused, match="the run has 5 episodes; the horizon ends with 6"):
        horizon(early, change)


def test_the_last_half_of_windows_is_the_larger_one_of_an_odd_number():
    by_episode = trials(*[{"found": 1.0}] * 8, loss={"kind": "time", "key": "found"}, width=3)
    assert last_half(by_episode, Span(0.0, 2, 3)) == Span(0.0, 5, 2)
    by_time = made_up.run(
        made_up.episode(20), score={"change": "load", "loss": {"kind": "rms"}, "window_s": 0.25}, disturbances=LOAD
    )
    assert last_half(by_time, Span(1.0, 0, 4)) == Span(1.5, 0, 2)


def test_a_change_that_ends_within_the_run_is_two_changes():
    run = trials(*[{"found": 1.0}] * 8, loss={"kind": "time", "key": "found"}, change=2)
    run.meta.scenario.disturbances["load"]["until_episode"] = 4
    assert run.meta.scenario.changes == (Change(0.0, 2), Change(0.0, 4, True))


def test_scores_of_episodes_are_what_their_formulas_give():
    """A-B-A with two windows each: time to find, 10 ms at best, 20 ms where it was not found."""
    loss = {"kind": "time", "key": "found"}

    def run(found):
        made = trials(*({"found": float(each)} for each in found), loss=loss, change=2)
        made.meta.scenario.disturbances["load"]["until_episode"] = 4
        return made

    references = {"floor": run([1, 1, 0, 0, 0, 0]), "oracle": run([1] * 6), "twin": run([1, 1, 0, 0, 0, 0]),
                  "twin_unchanged": run([1] * 6), "twin_2": run([1, 1, 0, 1, 0, 0]),
                  "twin_2_unchanged": run([1, 1, 0, 1, 1, 1])}  # fmt: skip
    found = measure(run([1, 1, 0, 1, 0, 1]), references)
    said = {name: found[name]["value"] for name in found if name.partition("[")[0] in ("adaptivity", "retention")}
    assert said == pytest.approx({"adaptivity": 0.5, "adaptivity[return]": 0.5, "retention": 0.5 - 1})
    assert found["regret"]["value"] == pytest.approx(0.01)
    assert found["regret"]["unit"] == "s episodes"
    assert found["loss[before]"]["value"] == pytest.approx(0.01)
    assert found["loss[after]"]["value"] == pytest.approx(0.015)
    assert found["loss[late]"]["value"] == pytest.approx(0.01), "the last of two windows: found again"


def test_j_over_the_horizon_is_the_mean_of_its_windows_whatever_the_loss_is():
    errors = np.repeat([1.0, 1.0, 6.0, 4.0, 2.0], 10)
    score = {"change": "load", "window_s": 0.01, "before_s": 0.02, "horizon_s": 0.03}
    rms = made_up.run(made_up.episode(50, **{"info.error": errors}), score=score, disturbances=LOAD, duration_s=0.05)
    found = measure(rms)
    assert (found["horizon_loss"]["value"], found["horizon_loss"]["better"]) == (pytest.approx(4.0), "lower")
    assert found["horizon_loss"]["unit"] == "m"
    assert "loss[after]" not in found
    found = measure(
        trials(*({"found": float(each)} for each in (1, 1, 0, 1)), loss={"kind": "success", "key": "found"})
    )
    assert (found["horizon_loss"]["value"], found["horizon_loss"]["better"]) == (0.5, "higher")
    assert found["horizon_loss"]["value"] == found["loss[after]"]["value"]


def test_a_run_that_ends_within_the_horizon_has_the_worst_j():
    score = {"change": "load", "window_s": 0.01, "before_s": 0.02, "horizon_s": 0.03}
    fallen = made_up.run(
        made_up.episode(30, **{"info.error": np.ones(30)}), score=score, disturbances=LOAD, duration_s=0.05
    )
    assert measure(fallen)["horizon_loss"]["value"] == np.inf


def test_a_plant_without_the_key_is_refused():
    run = made_up.run(made_up.episode(3), score={"loss": {"kind": "rms"}}, more={"plant_spec": {"error": ""}})
    with pytest.raises(Refused, match="has no error"):
        of(run.meta.scenario.score.loss, run)
