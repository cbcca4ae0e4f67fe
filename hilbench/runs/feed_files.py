"""Files that a network is fed with: .npy and .csv hold values, a row for each period; .npz holds events."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import NetworkError, allowed_hint
from hilbench.files import regular
from hilbench.nal.feed import Feed, column_names, feed
from hilbench.nal.model.network import Network
from hilbench.types import Port

VALUES, EVENTS = (".npy", ".csv"), (".npz",)
CAMERA = ("y", "x", "polarity")
"""What stands in a file of events in place of addresses; an address counts them in C order."""


def read_feed(
    network: Network,
    paths: Iterable[Path],
    *,
    period_s: float | None = None,
    duration_s: float | None = None,
    modulators: Path | None = None,
) -> Feed:
    """What these files are to this network. Raises NetworkError or ScenarioError, naming the file.

    Parameters
    ----------
    network : Network
        What is fed.
    paths : iterable of Path
        At most one file of values and one of events.
    period_s, duration_s : float, optional
        As in `hilbench.nal.run`, in s.
    modulators : Path, optional
        A file of values for the learning signals.
    """
    paths = list(paths)
    for path in paths:
        if path.suffix not in VALUES + EVENTS:
            raise NetworkError(f"{path}: found suffix {path.suffix!r}; {allowed_hint(path.suffix, VALUES + EVENTS)}")
    of_values = [path for path in paths if path.suffix in VALUES]
    of_events = [path for path in paths if path.suffix in EVENTS]
    if len(of_values) > 1 or len(of_events) > 1:
        twice = (of_values if len(of_values) > 1 else of_events)[1]
        raise NetworkError(f"{twice}: found a second file of its kind; allowed: one of values and one of events")
    values = read_values(of_values[0], network.inputs) if of_values else None
    events = read_events(of_events[0]) if of_events else None
    signals = None if modulators is None else read_values(modulators, network.modulators)
    try:
        if values is None:
            return feed(network, events, period_s=period_s, duration_s=duration_s, modulators=signals)
        return feed(network, values, events=events, period_s=period_s, duration_s=duration_s, modulators=signals)
    except NetworkError as error:
        named = ", ".join(map(str, [*paths, *([modulators] if modulators else [])]))
        raise NetworkError(f"{named}: {error}" if named else str(error)) from None


def read_values(path: Path, ports: tuple[Port, ...]) -> NDArray[Any]:
    """The numbers of a .npy or .csv file, (n, columns). Raises NetworkError.

    The columns of a CSV file whose header has the ports' own names are brought into the ports' order.

    Parameters
    ----------
    path : Path
        The file.
    ports : tuple of Port
        Whose numbers they are.
    """
    if path.suffix not in VALUES:
        raise NetworkError(f"{path}: found suffix {path.suffix!r}; {allowed_hint(path.suffix, VALUES)}")
    try:
        regular(path)
        found = np.load(path, allow_pickle=False) if path.suffix == ".npy" else _csv(path, column_names(ports))
    except OSError as error:
        raise NetworkError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:
        raise NetworkError(f"{path}: not a file of numbers: {_line(error)}") from None
    if not (isinstance(found, np.ndarray) and np.issubdtype(found.dtype, np.number)):
        raise NetworkError(f"{path}: found {getattr(found, 'dtype', 'several arrays')}; allowed: an array of numbers")
    return found[:, None] if found.ndim == 1 else found


def read_events(path: Path) -> NDArray[np.void]:
    """The events of a .npz file: `t_us`, and `address` or `y`, `x` and `polarity` with `shape`. Raises NetworkError."""
    try:
        with np.load(regular(path), allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except OSError as error:
        raise NetworkError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise NetworkError(f"{path}: not a file of events: {_line(error)}") from None
    axes = [axis for axis in CAMERA if axis in found]
    if "t_us" not in found or not ("address" in found or (axes and "shape" in found)):
        names = ", ".join(sorted(found)) or "none"
        text = "t_us and address; or t_us, shape, and y, x, polarity"
        raise NetworkError(f"{path}: found arrays {names}; allowed: {text}")
    t_us = found["t_us"]
    address = found["address"] if "address" in found else _addresses(path, found, axes)
    for name, array in (("t_us", t_us), ("address", address)):
        if array.shape != t_us.shape or array.ndim != 1 or not np.issubdtype(array.dtype, np.number):
            raise NetworkError(f"{path}: {name}: found {array.shape} {array.dtype}; allowed: (n,) numbers")
        if not np.isfinite(array).all() or (array != np.floor(array)).any():
            raise NetworkError(f"{path}: {name}: found a number that is not whole; allowed: whole ones")
    events = np.zeros(t_us.size, [("t_us", "<i8"), ("address", "<i8")])
    events["t_us"], events["address"] = t_us, address
    return events


def _addresses(path: Path, found: dict[str, NDArray[Any]], axes: list[str]) -> NDArray[np.intp]:
    shape = tuple(np.asarray(found["shape"]).astype(int).ravel().tolist())
    try:
        return np.ravel_multi_index([found[axis].astype(np.intp) for axis in axes], shape)
    except ValueError:
        raise NetworkError(f"{path}: found {', '.join(axes)} outside of shape {shape}; allowed: inside of it") from None


def _csv(path: Path, names: list[str]) -> NDArray[Any]:
    with path.open(encoding="utf-8-sig") as file:
        first = next((line for line in file if line.strip()), "")
    if not first:
        raise ValueError("it is empty")
    comma = next((mark for mark in (",", ";", "\t") if mark in first), None)
    cells = [cell.strip(" \t\r\n\"'") for cell in first.lstrip("# ").strip().split(comma)]
    header = not all(map(_is_number, cells))
    found = np.loadtxt(path, delimiter=comma, skiprows=int(header), ndmin=2, encoding="utf-8-sig")
    if header and set(cells) == set(names) and len(cells) == len(names):
        found = found[:, [cells.index(name) for name in names]]
    return found


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
