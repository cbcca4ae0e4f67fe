"""SHD: the spikes and labels of its files, whose they are, and files that are wrong."""

from __future__ import annotations

import builtins
import pickle
import shutil

import data_sets
import numpy as np
import pytest
from data_sets import played, since_start, write_shd

from hilbench.envs.shd import CLASSES, SHD
from hilbench.errors import MissingExtra, ScenarioError

COARSE = {"control_period_s": 0.02, "physics_step_s": 0.005, "n_samples": 6}
PERIOD_US, TRIAL = 20_000, 85
FILE = "shd_train.h5"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The folder, and the rows of both files one after the other."""
    told = data_sets.shd(folder := tmp_path_factory.mktemp("SHD"))
    return folder, [row for rows in told.values() for row in rows]


@pytest.fixture
def folder(files, tmp_path):
    """One of its own, to be broken."""
    return shutil.copytree(files[0], tmp_path / "SHD")


def test_spikes_come_at_their_own_times_and_channels_with_their_labels(files):
    folder, rows = files
    with SHD(folder=str(folder), **COARSE) as plant:
        events, seen, infos = played(plant, 0)
    assert len(infos) - 1 == 6 * TRIAL
    order = [int(infos[TRIAL * k]["sample"]) for k in range(6)]
    expected = []
    for k, number in enumerate(order):
        times_s, units, label, _ = rows[number]
        assert infos[TRIAL * k]["label"] == label
        t_us = np.rint(times_s.astype(float) * 1e6).astype(int) + TRIAL * PERIOD_US * k
        expected += zip(t_us.tolist(), units.tolist(), strict=True)
    assert since_start(events, PERIOD_US) == expected
    assert len(set(order)) == 6
    shown = [np.flatnonzero(row).tolist() for row in seen[:, 1:] if row.any()]
    assert shown == [[rows[number][2]] for number in order]


def test_what_is_later_than_a_sample_is_cut_off_and_channels_are_pooled(files):
    folder, rows = files
    ear = {"ear": {"kind": "recorded", "shape": [700], "pool": 10, "period_s": 0.02}}
    with SHD(folder=str(folder), sample_s=0.3, sensors=ear, **COARSE) as plant:
        assert plant.plant_spec.event_sensors[0].shape == (70,)
        events, _, infos = played(plant, 1)
    times_s, units, _, _ = rows[int(infos[0]["sample"])]
    whole = zip(np.rint(times_s.astype(float) * 1e6).astype(int).tolist(), (units // 10).tolist(), strict=True)
    first = [event for event in since_start(events, PERIOD_US) if event[0] < 600_000]
    assert first == [event for event in whole if event[0] < 300_000]


def test_the_seed_decides_the_order_and_an_episode_has_no_sample_twice(files):
    with SHD(folder=str(files[0]), **COARSE | {"n_samples": 80}) as plant:
        found = []
        for seed in (3, 3, 4):
            plant.reset(seed=seed)
            order = [plant.sample]
            for _ in range(79):
                plant.advance(TRIAL * 4, [0.0] * 20)
                order.append(plant.sample)
            found.append(order)
    assert found[0] == found[1] != found[2]
    assert sorted(found[0]) == list(range(80))


def test_other_people_speak_from_the_sample_on_in_which_the_change_comes(files):
    change = {"who": {"kind": "source_changed", "sources": [3], "at_s": 4.0}}
    with SHD(folder=str(files[0]), sources=[0, 1], disturbances=change, **COARSE) as plant:
        _, _, infos = played(plant, 0)
    speakers = [files[1][int(infos[TRIAL * k]["sample"])][3] for k in range(6)]
    assert set(speakers[:3]) <= {0, 1}
    assert speakers[3:] == [3, 3, 3]
    assert infos[TRIAL * 2]["disturbances"] == 0.0


def test_who_says_the_label_is_always_right(files):
    with SHD(folder=str(files[0]), **COARSE) as plant:
        _, _, infos = played(plant, 0, lambda info: np.eye(20)[int(info["label"])])
    assert [info["correct"] for info in infos if info["decided"]] == [1.0] * 6


def test_it_goes_through_gymnasium_and_into_another_process(files):
    import gymnasium

    import hilbench  # noqa: F401

    with gymnasium.make("hilbench/SHD-v0", folder=str(files[0]), **COARSE) as env:
        first = env.reset(seed=2)[1]["sample"]
        again = pickle.loads(pickle.dumps(env.unwrapped))
    assert again.reset(seed=2)[1]["sample"] == first


SPIKES = np.array([0.1, 0.2]), np.array([1, 2])


def words(times_s, units):
    """Every word once, by one speaker."""
    return [(np.array(times_s), np.array(units), label, 0) for label in range(20)]


WORDS = words(*SPIKES)


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([*WORDS, (*SPIKES, 20, 0)], r"shd_train.h5: labels\[20\]: found 20; allowed: 0 to 19"),
        (WORDS[:19], r"plant.sources: found no sample of neun; allowed: one of each class"),
        (words(SPIKES[0], [1, 700]), r"sample \d+: found units 1 to 700; allowed: 0 to 699"),
        (words(SPIKES[0], [1]), r"sample \d+: found 2 times and 1 units; allowed: as many"),
        (words([-1.0, np.nan], SPIKES[1]), r"sample \d+: found times that are none"),
    ],
)  # fmt: skip
def test_a_file_with_wrong_numbers_is_refused_in_a_line(tmp_path, rows, line):
    write_shd(tmp_path / FILE, rows)
    with pytest.raises(ScenarioError, match=line), SHD(folder=str(tmp_path), files=[FILE], n_samples=2) as plant:
        plant.reset(seed=0)


def to(*sources):
    """A change of who speaks."""
    return {"disturbances": {"w": {"kind": "source_changed", "sources": list(sources)}}}


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"folder": "nowhere"}, r"plant.folder: found no folder 'nowhere'"),
        ({"files": ["shd_valid.h5"]}, r"plant.folder: .*: found no file shd_valid.h5"),
        ({"sources": [9]}, r"plant.sources: found '9'; allowed: 0, 1, 2, 3"),
        ({"sources": [1], "n_samples": 21}, r"plant.sources: found 20 samples; allowed: n_samples = 21, or more"),
        (to(7), r"disturbances.w.sources: found '7'; allowed: 0, 1, 2, 3"),
        (to(), r"disturbances.w.sources"),
        (to(1) | {"n_samples": 40}, r"disturbances.w.sources: found 20 samples; allowed: n_samples = 40, or more"),
        ({"speakers": [1]}, r"plant.speakers: no such field"),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused_in_a_line(files, settings, line):
    with pytest.raises(ScenarioError, match=line):
        SHD(**{"folder": str(files[0])} | settings)


def test_a_folder_is_needed():
    with pytest.raises(ScenarioError, match=r"plant: object missing required field `folder`"):
        SHD()


def test_a_damaged_file_is_refused_in_a_line(folder):
    path = folder / FILE
    whole = path.read_bytes()
    for data in (b"", b"no HDF5", whole[: len(whole) // 2]):
        path.write_bytes(data)
        with pytest.raises(ScenarioError, match=r"shd_train.h5: cannot be read as HDF5: [^\n]+$"):
            SHD(folder=str(folder))


def test_a_file_of_something_else_is_refused_in_a_line(folder):
    import h5py

    with h5py.File(folder / FILE, "w") as file:
        file["labels"] = np.zeros(3)
    with pytest.raises(ScenarioError, match=r"not a file of SHD; allowed: one that holds spikes/times, spikes/units"):
        SHD(folder=str(folder))
    with h5py.File(folder / FILE, "a") as file:
        for name in ("spikes/times", "spikes/units", "extra/speaker"):
            file[name] = np.zeros(2)
    with pytest.raises(ScenarioError, match=r"found times, units, labels and speakers of \[2, 2, 3, 2\] samples"):
        SHD(folder=str(folder))


def test_without_the_library_the_line_names_the_extra(files, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "h5py":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r'this needs h5py: pip install "hilbench\[datasets\]"'):
        SHD(folder=str(files[0]))


def test_another_plant_plays_no_recordings():
    from hilbench.envs.words import Words

    with pytest.raises(ScenarioError, match=r"disturbances.w: found a plant that plays no recordings"):
        Words(disturbances={"w": {"kind": "source_changed", "sources": [1]}})
    assert len(CLASSES) == 20
