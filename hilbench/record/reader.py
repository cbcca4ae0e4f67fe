"""Reads a run back, every file checked against what was written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import RecordError
from hilbench.record.layout import BESIDE, ECHO_NAME, FORMAT, NOTHING, RUN, episode_name
from hilbench.record.sealed import read_sealed
from hilbench.record.streams import read_stream
from hilbench.types import RunData


def read_run(folder: str | Path, columns: Sequence[str] | None = None) -> RunData:
    """A run as arrays, all `columns` or those named that it has. A run that was killed opens up to its last batch.

    Raises RecordError, also when anything of it is not what was written.

    Parameters
    ----------
    folder : str or Path
        The run's folder.
    columns : sequence of str, optional
        The columns wanted; all when absent.
    """
    folder = Path(folder)
    meta = read_meta(folder)
    for name, key, needed in BESIDE:
        if (folder / name).exists():
            meta[key] = _read_beside(folder, name, needed)
    whole = meta.get("streams")  # None where the run was killed
    wanted = columns if columns is None or "sensor_events" not in columns else [*columns, "events", "relayed"]
    asked = {**dict.fromkeys(map(episode_name, range(meta["episodes"])), wanted), ECHO_NAME: None}
    found = [
        read_stream(folder / name, some, None if whole is None else whole.get(name, NOTHING))
        for name, some in asked.items()
    ]
    echo_ns = found.pop().get("echo_ns", np.empty(0, np.int64))
    for episode in found:
        _fill_in(episode, columns)
    return RunData(meta, [episode for episode in found if episode], echo_ns)


def read_meta(folder: Path) -> dict[str, Any]:
    """A run's `run.json`. Raises RecordError."""
    meta = read_sealed(folder / RUN)
    if (found := meta.get("format")) != FORMAT:
        raise RecordError(f"{folder}: record format {found!r}; allowed: {FORMAT}; run it again")
    if missing := {"episodes", "faults", "status"} - set(meta):
        raise RecordError(f"{folder}: run.json lacks {sorted(missing)[0]!r}; it is no whole run")
    return meta


def _fill_in(episode: dict[str, NDArray[Any]], columns: Sequence[str] | None) -> None:
    """Put what relayed ticks were sent among the sensors' events, and take away columns that nobody asked for."""
    if "sensor_events" in episode:
        relayed = episode["relayed"]
        episode["sensor_events"][relayed] = episode["events"][relayed]
        for name in {"events", "relayed"}.difference(columns or episode):
            del episode[name]


def _read_beside(folder: Path, name: str, wanted: set[str]) -> dict[str, Any]:
    """What was measured of a run later."""
    found = read_sealed(folder / name)
    if missing := wanted - set(found):
        raise RecordError(f"{folder}: {name} lacks {sorted(missing)[0]!r}; remove it and measure the run again")
    return found
