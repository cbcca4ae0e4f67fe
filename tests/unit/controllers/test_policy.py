"""Any callable as a controller, in every way it may be written, with permission only."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench import load, run
from hilbench.errors import HilbenchError, ScenarioError
from hilbench.record.reader import read_run

SCENARIO = """
name = "mine"
summary = "A policy of mine."
controller = "mine"
plant = {{kind = "cartpole_ladder"}}
loop = {{duration_s = 0.02, episodes = 2}}
controllers.mine = {{kind = "policy", function = "policies:{name}"}}
"""


def actions(tmp_path, name, link="inprocess"):
    (tmp_path / "mine.toml").write_text(SCENARIO.format(name=name))
    folder = tmp_path / f"{name}-{link}"
    scenario = load(tmp_path / "mine.toml", {"link": {"kind": link}}, trust=True)
    assert run(scenario, folder).status == "done"
    return [np.unique(episode["actions"], axis=0).ravel().tolist() for episode in read_run(folder).episodes]


def test_a_function_acts(tmp_path):
    (tmp_path / "mine.toml").write_text(SCENARIO.format(name="push"))
    run(load(tmp_path / "mine.toml", trust=True), tmp_path / "r")
    episode = read_run(tmp_path / "r").episodes[0]
    np.testing.assert_allclose(episode["actions"][:, 0], 20.0 * episode["obs"][:, 2], rtol=1e-6)


def test_a_class_is_made_once_and_its_state_ends_with_an_episode(tmp_path):
    first, second = actions(tmp_path, "Counted")
    assert first == second
    np.testing.assert_allclose(first, 0.1 * np.arange(1, 21), rtol=1e-6)


def test_predict_gives_the_action_first(tmp_path):
    assert actions(tmp_path, "Predictor")[0][0] == pytest.approx(1.0, abs=0.1)


def test_a_choice_may_be_a_bare_number(tmp_path):
    text = SCENARIO.format(name="left").replace('"cartpole_ladder"', '"gymnasium", id = "CartPole-v1"')
    (tmp_path / "mine.toml").write_text(text.replace("0.02,", "0.06, period_s = 0.02,"))
    run(load(tmp_path / "mine.toml", trust=True), tmp_path / "r")
    assert set(read_run(tmp_path / "r").episodes[0]["actions"].ravel().tolist()) == {0.0}


@pytest.mark.parametrize(
    ("name", "words"),
    [("wrong", "gives (3,) values"), ("absent", "does not load"), ("NOT_CALLABLE", "'int' object is not callable")],
)
def test_what_is_no_policy_is_one_line(tmp_path, name, words):
    (tmp_path / "mine.toml").write_text(SCENARIO.format(name=name))
    with pytest.raises(HilbenchError) as found:
        run(load(tmp_path / "mine.toml", trust=True), tmp_path / "r")
    assert words in str(found.value)
    assert "\n" not in str(found.value)


def test_without_permission_nothing_is_imported(tmp_path):
    (tmp_path / "mine.toml").write_text(SCENARIO.format(name="push").replace("policies", "unknown_policies"))
    with pytest.raises(ScenarioError, match=r"controllers\.mine\.function: found 'unknown_policies:push', which is no"):
        load(tmp_path / "mine.toml")


def test_a_name_that_is_none_is_refused_with_the_form(tmp_path):
    (tmp_path / "mine.toml").write_text(SCENARIO.format(name="push").replace("policies:push", "push"))
    with pytest.raises(ScenarioError, match=r"function: found 'push'; allowed: MODULE:NAME, as my_policy:act"):
        load(tmp_path / "mine.toml", trust=True)
