"""Recorded latencies of a link, one way at a time: from a run, or from a text file that something else has measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ScenarioError
from hilbench.files import FOLDER, is_file, kind_of, regular
from hilbench.record.data import RunData
from hilbench.record.reader import read_run

COLUMNS = ("answered", "encoded_ns", "received_ns", "compute_ns", "arrived_ns")


def link_latencies_s(path: str | Path, way: str) -> NDArray[np.float64]:
    """How long frames took `to_device` or `to_plant`, in s, in the order of the run in a folder or of a file's lines.

    Raises ScenarioError or RecordError.

    Parameters
    ----------
    path : str or Path
        A run's folder, or a text file.
    way : {"to_device", "to_plant"}
        Which of a run's two ways; a file has one.
    """
    in_file = is_file(path) or kind_of(path) not in (None, FOLDER)
    found = _from_file(Path(path)) if in_file else _from_run(read_run(path, COLUMNS), path, way)
    if not found.size:
        raise ScenarioError(f"{path}: a trace needs a latency, in s, on every line, or a run with answered ticks")
    return found


def _from_run(run: RunData, path: str | Path, way: str) -> NDArray[np.float64]:
    """Half of both ways together where the run's two clocks cannot be subtracted."""
    if not run.compute_is_time:
        raise ScenarioError(f"{path}: its device counts instructions, so nobody knows how long its link took")
    parts = [np.empty(0)]
    for episode in run.episodes:
        sent, received, computed, arrived = (episode[name][episode["answered"]] for name in COLUMNS[1:])
        if not run.meta.device_shares_clock:
            parts.append((arrived - sent - computed) / 2)
        else:
            parts.append(received - sent if way == "to_device" else arrived - received - computed)
    return np.concatenate(parts) * 1e-9


def _from_file(path: Path) -> NDArray[np.float64]:
    try:
        found = np.array(regular(path).read_text("utf-8").split(), np.float64)
    except (ValueError, OSError) as error:
        raise ScenarioError(f"{path}: not readable as a trace, a latency in s on every line: {error}") from None
    if not ((found >= 0) & (found <= 1e6)).all():
        raise ScenarioError(f"{path}: a trace has one latency from 0 to 1e6 s on every line")
    return found
