"""Recordings of event sensors: taken from a run, and to and from files of hilbench, of tonic and of iniVation.

A file's suffix says what it is: `.npz` is hilbench's own, `.npy` an array in tonic's order, `.aedat4` iniVation's.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import RecordError, allowed_hint
from hilbench.files import regular, write_whole
from hilbench.record.aedat4 import read_aedat4, write_aedat4
from hilbench.record.data import RunData
from hilbench.types import EVENT, EventSensor

PIXELS = ({"y", "x"}, {"y", "x", "polarity"})
"""The axes of a camera, in any order."""
XYTP = np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])
XTP = np.dtype([("x", "<i4"), ("t", "<i8"), ("p", "?")])
"""tonic's order, for sensors of pixels and of channels. Times are in microseconds."""
FORMAT = 1


class Recording(NamedTuple):
    """What one event sensor told."""

    sensor: EventSensor
    t_us: NDArray[np.int64]
    """(n,) In microseconds; they never fall. In a run's episode 0 is its start, in a file it is the file's own."""
    address: NDArray[np.uint32]
    """(n,) From 0, in an array of the sensor's shape in C order."""

    def places(self) -> dict[str, NDArray[np.intp]]:
        """Where in the sensor each event happened: an array for each of its axes."""
        return dict(zip(self.sensor.axes, np.unravel_index(self.address, self.sensor.shape), strict=True))


def of_run(run: RunData, name: str | None = None, episode: int = 0) -> Recording:
    """What a sensor told in a run's episode, on the plant's time. Raises RecordError where there is none.

    Parameters
    ----------
    run : RunData
        With the columns `t_us` and `sensor_events`.
    name : str, optional
        The sensor's; needed where there are several.
    episode : int
        Which one, from 0.
    """
    sensors = {sensor.name: (sensor, first) for sensor, first in run.event_sensors.items()}
    if not sensors:
        raise RecordError("the run's plant has no event sensor")
    if (chosen := name or (next(iter(sensors)) if len(sensors) == 1 else "")) not in sensors:
        raise RecordError(f"sensor: found {repr(chosen) if chosen else 'none'}; {allowed_hint(chosen, sensors)}")
    if not 0 <= episode < len(run.episodes):
        raise RecordError(f"episode: found {episode}; allowed: 0 to {len(run.episodes) - 1}")
    sensor, first = sensors[chosen]
    rows = run.episodes[episode]
    told = np.concatenate([np.empty(0, EVENT), *rows["sensor_events"]])
    period_us = int(rows["t_us"][1]) if len(rows["t_us"]) > 1 else 0
    # A window (t - T, t] begins behind its start, so the first of its instants, t_us = 0, is t - T + 1.
    t_us = np.repeat(rows["t_us"] - period_us + 1, [len(row) for row in rows["sensor_events"]]) + told["t_us"]
    mine = (told["address"] >= first) & (told["address"] < first + sensor.size)
    return Recording(sensor, t_us[mine], told["address"][mine] - np.uint32(first))


def to_order(recording: Recording) -> NDArray[np.void]:
    """The events as tonic has them: fields x, y, t, p, or x, t, p for channels. Raises RecordError for other axes.

    A sensor without polarity has p = 1. What tonic calls `sensor_size` is (x, y, p).
    """
    places, axes = recording.places(), recording.sensor.axes
    pixels = set(axes) in PIXELS
    if not pixels and len(axes) != 1:
        raise RecordError(f"sensor {recording.sensor.name!r}: found axes {', '.join(axes)}; {_ALLOWED_AXES}")
    found = np.ones(recording.t_us.size, XYTP if pixels else XTP)
    found["t"], found["x"] = recording.t_us, places["x" if pixels else axes[0]]
    if pixels:
        found["y"] = places["y"]
        found["p"] = places.get("polarity", 1)
    return found


def from_order(events: NDArray[np.void], name: str = "camera", shape: Sequence[int] = ()) -> Recording:
    """A recording from an array with tonic's fields. Raises RecordError for one without them.

    Parameters
    ----------
    events : (n,) structured array
        With `x`, `t` in microseconds, and for a camera `y`, and `p` where it has polarity.
    name : str
        The sensor's.
    shape : sequence of int, optional
        (y, x, polarity) or (channel,); as large as the events need when absent.
    """
    fields = set(events.dtype.names or ())
    if not {"x", "t"} <= fields or events.ndim != 1:
        raise RecordError(f"found fields {', '.join(sorted(fields)) or 'none'}; allowed: x, y, t, p, or x, t, p")
    camera = {"y": "y", "x": "x", "polarity": "p"}
    places = {axis: field for axis, field in camera.items() if field in fields} if "y" in fields else {"channel": "x"}
    return _recording(name, tuple(places), shape, events["t"], [events[field] for field in places.values()])


def write(recording: Recording, path: Path) -> None:
    """Write a recording to a file, whole or not at all. Raises RecordError.

    Parameters
    ----------
    recording : Recording
    path : Path
        Its suffix says what it will be; its folder is made where it is missing.
    """
    _, put = _format(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        put(recording, path)
    except OSError as error:
        raise RecordError(f"{path}: cannot hold the events: {error.strerror}") from None
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from None


def read(path: Path, shape: Sequence[int] = ()) -> Recording:
    """Read a recording from a file. Raises RecordError for one that is none.

    Parameters
    ----------
    path : Path
        Its suffix says what it is.
    shape : sequence of int, optional
        The sensor's, where the file does not say it: (y, x, polarity) or (channel,).
    """
    get, _ = _format(path)
    try:
        return get(regular(path), shape)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (RecordError, KeyError) as error:
        raise RecordError(f"{path}: not a recording: {error}") from None


_ALLOWED_AXES = "allowed: y, x and polarity; y and x; or one axis"


def _recording(
    name: str, axes: tuple[str, ...], shape: Sequence[int], t_us: NDArray[Any], columns: Sequence[NDArray[Any]]
) -> Recording:
    """A recording from where its events happened, checked and in the order of time."""
    columns = [column.astype(np.intp) for column in columns]
    if not shape:
        shape = [2 if axis == "polarity" else int(c.max(initial=0)) + 1 for axis, c in zip(axes, columns, strict=True)]
    sensor = EventSensor(name, tuple(int(n) for n in shape), axes)
    if len(sensor.shape) != len(axes) or min(sensor.shape) < 1:
        raise RecordError(f"found shape {list(sensor.shape)}; allowed: a size for each of {', '.join(axes)}")
    for axis, column, n in zip(axes, columns, sensor.shape, strict=True):
        if column.shape != t_us.shape or column.min(initial=0) < 0 or column.max(initial=0) >= n:
            raise RecordError(f"found {axis} {column.min(initial=0)} to {column.max(initial=0)}; allowed: 0 to {n - 1}")
    address = np.ravel_multi_index(columns, sensor.shape).astype(np.uint32)
    order = np.argsort(t_us, kind="stable")
    return Recording(sensor, t_us[order].astype(np.int64), address[order])


def _load(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile):
        raise RecordError("found no arrays of NumPy's") from None


def _read_npz(path: Path, shape: Sequence[int]) -> Recording:
    """A file of hilbench has addresses; one made by hand may have x, y and polarity in their place."""
    with _load(path) as found:
        name = str(found["name"]) if "name" in found else "camera"
        shape = found["shape"].tolist() if "shape" in found else shape
        if "address" not in found:
            axes = tuple(axis for axis in ("y", "x", "polarity") if axis in found)
            return _recording(name, axes, shape, found["t_us"], [found[axis] for axis in axes])
        axes, address = tuple(found["axes"].tolist()), found["address"]
        if (top := int(address.max(initial=0))) >= (size := EventSensor(name, tuple(shape), axes).size):
            raise RecordError(f"found address {top}; allowed: 0 to {size - 1}")
        return _recording(name, axes, shape, found["t_us"], np.unravel_index(address, shape))


def _write_npz(recording: Recording, path: Path) -> None:
    sensor, buffer = recording.sensor, BytesIO()
    np.savez_compressed(
        buffer, format=FORMAT, t_us=recording.t_us, address=recording.address, name=sensor.name, shape=sensor.shape,
        axes=sensor.axes,
    )  # fmt: skip
    write_whole(path, buffer.getvalue())


def _read_npy(path: Path, shape: Sequence[int]) -> Recording:
    return from_order(_load(path), shape=shape)


def _write_npy(recording: Recording, path: Path) -> None:
    buffer = BytesIO()
    np.save(buffer, to_order(recording))
    write_whole(path, buffer.getvalue())


def _read_aedat4(path: Path, shape: Sequence[int]) -> Recording:
    name, resolution, events = read_aedat4(path)
    return from_order(events, name, shape or (resolution[1], resolution[0], 2))


def _write_aedat4(recording: Recording, path: Path) -> None:
    if set(recording.sensor.axes) not in PIXELS:
        raise RecordError(f"sensor {recording.sensor.name!r}: found axes {', '.join(recording.sensor.axes)};"
                          " allowed: y, x and polarity; or y and x")  # fmt: skip
    sizes = dict(zip(recording.sensor.axes, recording.sensor.shape, strict=True))
    write_aedat4(path, recording.sensor.name, (sizes["x"], sizes["y"]), to_order(recording))


_FORMATS: dict[str, tuple[Callable[[Path, Sequence[int]], Recording], Callable[[Recording, Path], None]]] = {
    ".npz": (_read_npz, _write_npz),
    ".npy": (_read_npy, _write_npy),
    ".aedat4": (_read_aedat4, _write_aedat4),
}


def _format(path: Path) -> tuple[Callable[[Path, Sequence[int]], Recording], Callable[[Recording, Path], None]]:
    if path.suffix not in _FORMATS:
        raise RecordError(f"{path}: found suffix {path.suffix or 'none'!r}; {allowed_hint(path.suffix, _FORMATS)}")
    return _FORMATS[path.suffix]
