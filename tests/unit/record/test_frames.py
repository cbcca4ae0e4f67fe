"""A run as a pandas frame: every number of the record under a name, and nothing else."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas
import pytest
from blank import run_meta

import hilbench
from hilbench.record.data import RunData


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    """Two episodes of the arm with 10 physics steps a tick."""
    folder = tmp_path_factory.mktemp("frames") / "run"
    overrides = {"loop.duration_s": 0.1, "loop.period_s": 0.01, "loop.episodes": 2}
    hilbench.run("arm_payload", folder, overrides=overrides, controller="pes")
    return hilbench.read_run(folder)


def test_a_row_per_tick_of_every_episode(recorded: RunData) -> None:
    found = hilbench.frame(recorded)
    assert isinstance(found, pandas.DataFrame)
    assert found["episode"].tolist() == [0] * 10 + [1] * 10
    assert found["seq"].tolist() == [*range(10), *range(10)]
    assert found.columns[0] == "episode"


def test_vectors_are_spread_under_the_sheets_names(recorded: RunData) -> None:
    found, second = hilbench.frame(recorded), recorded.episodes[1]
    later = found[found["episode"] == 1]
    plant_spec = recorded.meta.plant_spec
    obs = later[[f"obs.{name}" for name in plant_spec.obs_names]]
    np.testing.assert_array_equal(obs, second["obs"])
    np.testing.assert_array_equal(later[[f"state.{i}" for i in range(4)]], second["state"])
    np.testing.assert_array_equal(later["values_out.1"], second["values_out"][:, 1])
    assert later["info.tip_error_m"].tolist() == second["info.tip_error_m"].tolist()


def test_the_last_physics_steps_action_and_its_source_stay(recorded: RunData) -> None:
    found = hilbench.frame(recorded)
    actions = np.concatenate([episode["actions"] for episode in recorded.episodes])
    assert actions.shape == (20, 10 * 2)
    np.testing.assert_array_equal(found[["action.torque_1", "action.torque_2"]], actions[:, -2:])
    assert np.ptp(actions[:, -2:], axis=0).min() > 0
    sources = np.concatenate([episode["sources"] for episode in recorded.episodes])
    np.testing.assert_array_equal(found["source"], sources[:, -1])


def test_lists_become_lengths_and_no_column_holds_objects(recorded: RunData) -> None:
    found = hilbench.frame(recorded)
    lengths = [len(row) for episode in recorded.episodes for row in episode["probe_values"]]
    assert max(lengths) > 0
    assert found["n_probe_values"].tolist() == lengths
    assert found.select_dtypes(object).empty


def test_names_are_numbers_where_the_record_states_none() -> None:
    episode = {"seq": np.arange(3), "obs": np.zeros((3, 2)), "actions": np.zeros((3, 4)), "sources": np.zeros((3, 2))}
    found = hilbench.frame(RunData(run_meta(), [episode]))
    assert list(found.columns) == ["episode", "seq", "obs.0", "obs.1", "action.0", "action.1", "source"]


def test_a_run_without_a_tick_is_an_empty_frame() -> None:
    assert hilbench.frame(RunData(run_meta(), [])).empty


def test_without_pandas_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "import hilbench\nfrom hilbench.record.data import RunData\n"
        "try:\n    hilbench.frame(RunData(None, []))\n"
        "except hilbench.errors.MissingExtra as error:\n    print(error)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.strip() == 'this needs pandas: pip install "hilbench[pandas]"'
