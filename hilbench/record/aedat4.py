"""AEDAT4, iniVation's files of event cameras, by their own library, which is imported where such a file is met."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import MissingExtra, RecordError

FIELDS = {"x": "x", "y": "y", "t": "timestamp", "p": "polarity"}
"""tonic's fields, and theirs."""


def read_aedat4(path: Path) -> tuple[str, tuple[int, int], NDArray[np.void]]:
    """The camera's name, its (x, y) resolution, and its events in tonic's fields. Raises RecordError or OSError."""
    with open(path, "rb"):  # the system's own words for a file that is missing
        pass
    library = _library()
    try:
        recording = library.io.MonoCameraRecording(str(path))
        if not recording.isEventStreamAvailable():
            raise RecordError("found no stream of events")
        batches = []
        while (batch := recording.getNextEventBatch()) is not None:
            batches.append(batch.numpy())
        name, resolution = recording.getCameraName(), recording.getEventResolution()
    except RuntimeError as error:
        raise RecordError(_told(error)) from None
    found = np.empty(sum(map(len, batches)), [("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])
    for mine, theirs in FIELDS.items():
        found[mine] = np.concatenate([batch[theirs] for batch in batches]) if batches else []
    return name, resolution, found


def write_aedat4(path: Path, name: str, resolution: tuple[int, int], events: NDArray[np.void]) -> None:
    """Write events as a camera's recording, whole or not at all. Raises RecordError or OSError.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        The camera's.
    resolution : (int, int)
        Its pixels in x and in y.
    events : (n,) structured array
        In tonic's fields, in order of time.
    """
    library, partial = _library(), path.with_suffix(".partial.aedat4")
    store = library.EventStore()
    for event in zip(*(events[field].tolist() for field in ("t", "x", "y", "p")), strict=True):
        store.push_back(*event)
    config = library.io.MonoCameraWriter.Config(name)
    config.addEventStream(resolution)
    try:
        writer = library.io.MonoCameraWriter(str(partial), config)
        writer.writeEvents(store)
        del writer  # closes the file
        os.replace(partial, path)
    except RuntimeError as error:
        raise RecordError(_told(error)) from None
    finally:
        partial.unlink(missing_ok=True)


def _library() -> Any:
    try:
        import dv_processing
    except ImportError as error:
        raise MissingExtra("dv-processing", "aedat4") from error
    return dv_processing


def _told(error: RuntimeError) -> str:
    """What the library says, without the place in its source and the calls that led there."""
    lines = [line for line in str(error).partition("Stacktrace:")[0].splitlines() if line]
    return lines[-1].replace(" - Error info:", ";")
