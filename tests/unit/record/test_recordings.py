"""Recordings of event sensors: from a run, and to files and back."""

from __future__ import annotations

import sys

import event_camera
import numpy as np
import pytest
from blank import run_meta
from event_camera import CAMERA, EAR, ROWS

from hilbench.cli import main
from hilbench.errors import MissingExtra, RecordError
from hilbench.record.data import RunData
from hilbench.record.reader import read_run
from hilbench.record.recordings import Recording, from_order, of_run, read, to_order, write
from hilbench.runs.run import run
from hilbench.types import EventSensor


@pytest.fixture
def folder(tmp_path, monkeypatch):
    event_camera.register(monkeypatch)
    run(event_camera.scenario(tmp_path, loop__duration_s=0.2), tmp_path / "run")
    return tmp_path


def command(*arguments):
    with pytest.raises(SystemExit) as end:
        main([*map(str, arguments)])
    return end.value.code


def recording(*events, sensor=CAMERA):
    """From (t_us, address) pairs."""
    t_us, address = zip(*events, strict=True)
    return Recording(sensor, np.array(t_us, np.int64), np.array(address, np.uint32))


def same(one, two):
    return one.sensor == two.sensor and all(np.array_equal(*pair) for pair in zip(one[1:], two[1:], strict=True))


def test_a_run_has_its_events_on_the_plants_time(folder):
    """Column c is due at 20 ms times c; of its rows the last one is at that instant, the others before it."""
    found = of_run(read_run(folder / "run"), "camera")
    places = found.places()
    columns = np.repeat(np.arange(1, 10), 32)
    np.testing.assert_array_equal(found.t_us, 20_000 * columns + places["y"] - ROWS[-1])
    on = places["polarity"] == 1
    assert on.sum() * 2 == on.size == 288
    np.testing.assert_array_equal(places["x"][on], columns[on])
    np.testing.assert_array_equal(places["x"][~on], (columns[~on] - 6) % 32)
    ear = of_run(read_run(folder / "run", ("t_us", "sensor_events")), "ear")
    assert ear.t_us.tolist() == [20_000 * c for c in range(1, 10)]
    assert ear.address.tolist() == [c // 4 for c in range(1, 10)]


def test_tonics_order_is_that_of_its_own_datasets():
    """A pixel of a camera is x, y; OFF is False, ON True. An ear has no y."""
    found = to_order(recording((3, (5 * 32 + 7) * 2 + 1), (9, (0 * 32 + 31) * 2)))
    assert found.dtype == np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", bool)])
    assert found.tolist() == [(7, 5, 3, True), (31, 0, 9, False)]
    ear = to_order(recording((3, 4), sensor=EAR))
    assert ear.dtype.names == ("x", "t", "p")
    assert ear.tolist() == [(4, 3, True)]
    grey = EventSensor("grey", (4, 3), ("x", "y"))
    assert to_order(recording((3, 3 * 3 + 2), sensor=grey)).tolist() == [(3, 2, 3, True)]


def test_an_array_of_tonics_is_as_large_as_told_or_as_its_events_need():
    events = np.array([(9, 1, 2, 0), (3, 0, 1, 1)], [("t", int), ("x", int), ("y", int), ("p", int)])
    found = from_order(events, "dvs", (34, 34, 2))
    assert found.sensor == EventSensor("dvs", (34, 34, 2), ("y", "x", "polarity"))
    assert found.t_us.tolist() == [3, 9], "in the order of time"
    assert found.address.tolist() == [(1 * 34 + 0) * 2 + 1, (2 * 34 + 1) * 2]
    assert from_order(events).sensor.shape == (3, 2, 2)
    assert from_order(events[["t", "x"]]).sensor == EventSensor("camera", (2,), ("channel",))


@pytest.mark.parametrize("name", ["x.npz", "x.npy", "x.aedat4"])
def test_a_file_gives_back_what_was_written(tmp_path, name):
    if name.endswith("aedat4"):
        pytest.importorskip("dv_processing")
    random = np.random.default_rng(0)
    t_us = np.sort(random.integers(0, 10**7, 5000)) + 2**40  # as microseconds since 1970 are
    told = Recording(CAMERA, t_us, np.append(random.integers(0, CAMERA.size, 4999), CAMERA.size - 1).astype(np.uint32))
    write(told, tmp_path / "new" / name)
    assert same(read(tmp_path / "new" / name), told)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]
    nothing = told._replace(t_us=told.t_us[:0], address=told.address[:0])
    write(nothing, tmp_path / name)
    assert same(read(tmp_path / name, CAMERA.shape), nothing)


def test_a_file_of_ones_own_may_have_x_y_and_polarity(tmp_path):
    np.savez(tmp_path / "own.npz", t_us=[5, 6], x=[1, 2], y=[3, 0], polarity=[1, 0], shape=[4, 4, 2])
    found = read(tmp_path / "own.npz")
    assert found.address.tolist() == [(3 * 4 + 1) * 2 + 1, (0 * 4 + 2) * 2]
    np.savez(tmp_path / "grey.npz", t_us=[5, 6], x=[1, 2], y=[3, 0])
    assert read(tmp_path / "grey.npz").sensor == EventSensor("camera", (4, 3), ("y", "x"))


def test_aedat4_names_the_extra_that_brings_its_library(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "dv_processing", None)
    (tmp_path / "x.aedat4").write_bytes(b"")
    for act in (lambda: read(tmp_path / "x.aedat4"), lambda: write(recording((1, 2)), tmp_path / "y.aedat4")):
        with pytest.raises(MissingExtra, match=r'this needs dv-processing: pip install "hilbench\[aedat4\]"'):
            act()


def junk(path):
    path.write_bytes(b"junk" * 99)


WRONG = {
    "x.csv": (junk, "found suffix '.csv'; allowed: .aedat4, .npy, .npz"),
    "x.npz": (junk, "not a recording: found no arrays of NumPy's"),
    "empty.npy": (lambda path: path.write_bytes(b""), "not a recording: found no arrays of NumPy's"),
    "none.npz": (lambda path: None, "cannot be read: No such file or directory"),
    "lacks.npz": (lambda path: np.savez(path, x=[1], y=[1]), "not a recording: 't_us is not a file in the archive'"),
    "far.npz": (lambda path: np.savez(path, t_us=[1], address=[9], shape=[2, 2], axes=["y", "x"]),
                "found address 9; allowed: 0 to 3"),
    "wide.npz": (lambda path: np.savez(path, t_us=[1], x=[4], y=[0], shape=[2, 2]), "found x 0 to 4; allowed: 0 to 1"),
    "plain.npy": (lambda path: np.save(path, np.zeros(3)), "found fields none; allowed: x, y, t, p, or x, t, p"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_recording_is_one_line(tmp_path, name):
    make, wanted = WRONG[name]
    make(tmp_path / name)
    with pytest.raises(RecordError) as error:
        read(tmp_path / name)
    assert str(error.value).startswith(f"{tmp_path / name}: ")
    assert wanted in str(error.value)


def test_a_damaged_aedat4_is_one_line(tmp_path):
    pytest.importorskip("dv_processing")
    junk(tmp_path / "x.aedat4")
    with pytest.raises(RecordError, match=r"x\.aedat4: not a recording: [^\n]+$"):
        read(tmp_path / "x.aedat4")


def test_a_sensor_of_other_axes_goes_to_npz_alone(tmp_path):
    hand = EventSensor("hand", (5, 3), ("finger", "contact"))
    told = recording((1, 7), sensor=hand)
    write(told, tmp_path / "hand.npz")
    assert same(read(tmp_path / "hand.npz"), told)
    with pytest.raises(RecordError, match="sensor 'hand': found axes finger, contact; allowed: y, x and polarity"):
        write(told, tmp_path / "hand.npy")


def test_the_command_says_what_sensors_told_and_writes_one(folder, capsys):
    assert command("events", folder / "run") == 0
    assert capsys.readouterr().out.splitlines() == [
        "camera (y 32, x 32, polarity 2): 288 events in episode 0",
        "ear (channel 8): 9 events in episode 0",
    ]
    assert command("events", folder / "run", "--sensor", "camera", "--to", folder / "x.npz") == 0
    assert same(read(folder / "x.npz"), of_run(read_run(folder / "run"), "camera"))


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (("--to", "x.npz"), "sensor: found none; allowed: camera, ear"),
        (("--sensor", "camra"), "sensor: found 'camra'; allowed: camera, ear; did you mean 'camera'?"),
        (("--sensor", "ear", "--episode", "1"), "episode: found 1; allowed: 0 to 0"),
        (("--sensor", "ear", "--to", "x.csv"), "x.csv: found suffix '.csv'; allowed: .aedat4, .npy, .npz"),
    ],
)
def test_a_mistake_in_the_command_is_one_line(folder, capsys, options, wanted):
    assert command("events", folder / "run", *options) == 2
    assert capsys.readouterr().err.strip() == f"hilbench: {wanted}"


def test_a_plant_without_event_sensors_has_no_recording():
    with pytest.raises(RecordError, match="the run's plant has no event sensor"):
        of_run(RunData(run_meta(), []))
