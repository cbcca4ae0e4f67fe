"""What a run is compared with, as scenarios: which fields differ from the run's own."""

from __future__ import annotations

import pytest

from hilbench.errors import ScenarioError
from hilbench.scenario.files import load
from hilbench.studies.plan import Case, Line
from hilbench.studies.roles import learners, others
from hilbench.studies.summary import _controls

EPISODES = {
    "loop.episodes": 60, "loop.carry": "weights", "loop.duration_s": 1.0, "score.window_episodes": 4,
    "score.before_episodes": 8, "score.horizon_episodes": 12, "disturbances.load.at_episode": 20,
    "disturbances.load.at_s": 0.0,
}  # fmt: skip


def test_a_learner_has_twins_and_controls():
    scenario = load("arm_payload", {"loop.duration_s": 40.0})
    found = learners(scenario, "network")
    assert set(found) == {"twin", "twin_unchanged", "unchanged", "blind", "retained"}
    assert found["twin"].loop.freeze_at_s == found["twin_unchanged"].loop.freeze_at_s == 20.0
    assert (found["unchanged"].disturbances, found["unchanged"].score.change) == ({}, None)
    assert found["blind"].loop.blind_at_s == 20.0
    assert found["retained"].loop.freeze_at_s == 30.0
    assert "blind" not in learners(scenario, "law")


def test_a_device_at_an_address_runs_what_its_own_backend_does_and_all_else_runs_here():
    address = {"link.kind": "zmq", "link.address": "tcp://192.0.2.1:5555"}
    found = others(load("arm_payload", address))
    assert {role: each.link.kind for role, each in found.items()} == dict.fromkeys(found, "inprocess")
    started = others(load("arm_payload", {"link.kind": "zmq"}))
    assert {each.link.kind for each in started.values()} == {"zmq"}
    law = others(load("arm_payload", address, "pd"))
    assert {each.link.kind for each in law.values()} == {"zmq"}


def test_without_room_after_the_horizon_nothing_is_retained():
    assert "retained" not in learners(load("arm_payload", {"loop.duration_s": 30.5}), "network")
    assert "retained" in learners(load("arm_payload", {"loop.duration_s": 31.0}), "network")


def test_controls_may_be_left_out_and_the_gate_stays():
    assert set(learners(load("arm_payload", {"score.controls": False}), "network")) == {"twin", "twin_unchanged"}


def test_a_change_that_ends_has_twins_of_its_own():
    scenario = load("arm_payload", EPISODES | {"disturbances.load.until_episode": 40})
    found = learners(scenario, "network")
    assert [found[role].loop.freeze_at_episode for role in ("twin", "twin_2", "retained")] == [20, 40, 52]
    assert "until_episode" not in found["twin_2_unchanged"].disturbances["load"]
    assert found["twin_2_unchanged"].disturbances["load"]["at_episode"] == 20
    assert found["twin_unchanged"].disturbances == {}
    assert found["blind"].loop.blind_at_episode == 20


def test_others_are_the_scenarios_controllers():
    found = others(load("arm_payload", {"score.untold": "pid"}))
    assert {role: scenario.controller for role, scenario in found.items()} == {
        "floor": "pd", "oracle": "told", "untold": "pid",
    }  # fmt: skip


def test_what_a_learner_starts_from_is_of_no_use_to_others():
    scenario = load("beam", {"loop.start_from": "runs/learner"})
    assert {other.loop.start_from for other in others(scenario).values()} == {None}
    assert {other.loop.start_from for other in learners(scenario, "network").values()} == {"runs/learner"}


@pytest.mark.parametrize(("more", "text"), [
    ({"score.before_episodes": 7}, "score.before_episodes: found 7; allowed: a multiple of window_episodes"),
    ({"score.untold": "pd_"}, "score.untold: found 'pd_'; .*did you mean 'pd'"),
    ({"score.window_episodes": 3}, "before_episodes: found 8; allowed: a multiple"),
    ({"score.loss": {"kind": "succes", "key": "x"}}, "score.loss.kind: found 'succes'; .*did you mean 'success'"),
])  # fmt: skip
def test_a_mistake_in_a_score_is_one_line(more, text):
    with pytest.raises(ScenarioError, match=text) as found:
        load("arm_payload", EPISODES | more)
    assert "\n" not in str(found.value)


def test_what_is_known_at_the_end_of_episodes_needs_windows_of_them():
    with pytest.raises(
        ScenarioError, match=r"score.loss: 'time' is known at the end of an episode alone; give window_ep"
    ):
        load("arm_payload", {"score.loss": {"kind": "time", "key": "t_s"}})


def test_a_cell_says_which_control_it_fails():
    line, job = Line(None, "", (Case("run", (("blind", "job"), ("unchanged", "other"))),)), {"job": "", "other": ""}
    passed = {"control_blind": {"iqm": 0.1}, "control_undisturbed": {"iqm": 0.15}}
    assert _controls(line, passed, job) == []
    [said] = _controls(line, passed | {"control_blind": {"iqm": 0.3}}, job)
    assert said == "acts as an integrator: it needs no inputs: control_blind 0.30, above 0.1"
    [said] = _controls(line, passed, job | {"other": "it died"})
    assert said == "its run 'unchanged' failed: it died"
    assert _controls(Line(None, "", (Case("run"),)), passed, job) is None
