"""DVS128 Gesture: the events and labels of its spans, whose they are, and files that are wrong."""

from __future__ import annotations

import shutil

import data_sets
import numpy as np
import pytest
from data_sets import played, since_start

from hilbench.envs.dvs_gesture import DvsGesture
from hilbench.errors import ScenarioError

COARSE = {"control_period_s": 0.02, "physics_step_s": 0.005, "n_samples": 4}
PERIOD_US, TRIAL = 20_000, 65
TRIALS = [f"user{user:02d}_{light}" for user in (1, 2) for light in data_sets.LIGHTS]
"""In the order in which a folder has them: eleven spans each."""
TABLE = "user02_natural_labels.csv"
HEAD = "class,startTime_usec,endTime_usec\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The folder, and the events of each of `TRIALS`."""
    told = data_sets.dvs_gesture(folder := tmp_path_factory.mktemp("DvsGesture"))
    return folder, told


@pytest.fixture
def folder(files, tmp_path):
    """One of its own, to be broken."""
    return shutil.copytree(files[0], tmp_path / "DvsGesture")


def expected(told, number, until_us, address):
    """The events of a span within a time since its start, with addresses by `address(x, y, polarity)`."""
    start_us = 1_000_000 + 700_000 * (number % 11 + 1)
    within = min(until_us, 600_000)
    rows = told[TRIALS[number // 11]]
    return [(t - start_us, address(x, y, p)) for t, x, y, p in rows if 0 <= t - start_us < within]


@pytest.mark.parametrize("sample_s", [0.2, 1.0])
def test_events_of_a_span_come_at_their_own_times_until_it_or_the_sample_is_over(files, sample_s):
    folder, told = files
    eye = {"eye": {"kind": "recorded", "shape": [128, 128, 2]}}
    with DvsGesture(folder=str(folder), sample_s=sample_s, sensors=eye, **COARSE) as plant:
        events, seen, infos = played(plant, 0)
    trial = (len(infos) - 1) // 4
    numbers = [int(infos[trial * k]["sample"]) for k in range(4)]
    found = since_start(events, PERIOD_US)
    for k, number in enumerate(numbers):
        begins_us = k * trial * PERIOD_US
        mine = [(t - begins_us, at) for t, at in found if 0 <= t - begins_us < trial * PERIOD_US]
        rows = expected(told, number, round(sample_s * 1e6), lambda x, y, p: (y * 128 + x) * 2 + p)
        assert len(rows) == 300 * min(sample_s, 0.6) / 0.6
        assert mine == rows
    assert [np.flatnonzero(row).tolist() for row in seen[:, 1:] if row.any()] == [[number % 11] for number in numbers]


def test_the_usual_camera_has_four_by_four_pixels_as_one(files):
    folder, told = files
    with DvsGesture(folder=str(folder), **COARSE) as plant:
        assert plant.plant_spec.event_sensors[0].shape == (32, 32, 2)
        events, seen, infos = played(plant, 1)
    first = [event for event in since_start(events, PERIOD_US) if event[0] < TRIAL * PERIOD_US]
    number = int(infos[0]["sample"])
    assert first == expected(told, number, 10**6, lambda x, y, p: (y // 4 * 32 + x // 4) * 2 + p)
    # An event each 2 ms: in the step of 5 ms at each period's start there are those of 0, 2 and 4 ms.
    assert seen[:31, 0].tolist() == [3.0] * 30 + [0.0]


def test_sources_are_people_and_lightings(files):
    folder, _ = files
    change = {"light": {"kind": "source_changed", "sources": ["natural"], "at_episode": 1}}
    with DvsGesture(folder=str(folder), sources=["fluorescent"], disturbances=change, **COARSE) as plant:
        lights = []
        for _ in range(2):
            _, _, infos = played(plant, 0)
            lights.append({TRIALS[int(info["sample"]) // 11].partition("_")[2] for info in infos[:-1]})
    assert lights == [{"fluorescent"}, {"natural"}]
    with DvsGesture(folder=str(folder), sources=["user02"], **COARSE) as plant:
        _, _, infos = played(plant, 0)
    assert {TRIALS[int(info["sample"]) // 11][:6] for info in infos[:-1]} == {"user02"}


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("", r"_labels.csv: line 1: found nothing; allowed: class,startTime_usec,endTime_usec"),
        ("a,b\n", r"_labels.csv: line 1: found \['a', 'b'\]"),
        (HEAD + "12,1,2\n", r"_labels.csv: line 2: class: found 12; allowed: 1 to 11"),
        (HEAD + "1,1,2\n\n0,1,2\n", r"_labels.csv: line 4: class: found 0; allowed: 1 to 11"),
        (HEAD + "1,5,5\n", r"_labels.csv: line 2: found a span from 5 to 5; allowed: an end after its start"),
        (HEAD + "1,x,5\n", r"_labels.csv: line 2: found '1,x,5'; allowed: three whole numbers"),
        (HEAD + "1,5\n", r"_labels.csv: line 2: found '1,5'; allowed: three whole numbers"),
        ("\udcff", r"_labels.csv: cannot be read"),
    ],
)
def test_a_wrong_table_is_refused_in_a_line(folder, table, line):
    (folder / TABLE).write_bytes(table.encode("utf-8", "surrogateescape"))
    with pytest.raises(ScenarioError, match=line):
        DvsGesture(folder=str(folder))


def test_missing_files_are_named(folder):
    (folder / "user01_natural.aedat").unlink()
    with pytest.raises(ScenarioError, match=r"plant.folder: .*: found no file user01_natural.aedat"):
        DvsGesture(folder=str(folder))
    (folder / "user01_natural.aedat").write_bytes(b"#!AER-DAT2.0\r\n")
    with pytest.raises(ScenarioError, match=r"user01_natural.aedat: found no line #!AER-DAT3.1"):
        DvsGesture(folder=str(folder))
    with pytest.raises(ScenarioError, match=r"found no file userNN_LIGHT_labels.csv"):
        DvsGesture(folder=str(folder.parent))


def test_a_class_that_is_missing_is_named(folder):
    for path in folder.glob("*_labels.csv"):
        path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith("8,")))
    with pytest.raises(ScenarioError, match=r"plant.sources: found no sample of arm_roll; allowed: one of each class"):
        DvsGesture(folder=str(folder))


def test_a_file_that_is_cut_off_and_a_pixel_beyond_the_camera_are_refused_when_they_are_played(folder):
    for path in folder.glob("*.aedat"):
        path.write_bytes(path.read_bytes()[:-3])
    with DvsGesture(folder=str(folder)) as plant, pytest.raises(ScenarioError, match=r"the file is cut off or damaged"):
        plant.reset(seed=0)
    events = [[1_000_000 + 700_000 * label + 5, 128, 0, 1] for label in range(1, 12)]
    for path in folder.glob("*.aedat"):
        path.write_bytes(data_sets.aedat31(data_sets.packet(events)))
    with DvsGesture(folder=str(folder)) as plant, pytest.raises(ScenarioError, match=r"pixel 128; allowed: 0 to 127"):
        plant.reset(seed=0)
