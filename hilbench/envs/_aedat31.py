"""AEDAT 3.1, files of event cameras as cAER wrote them: a reader of their polarity events.

After header lines that end with `#!END-HEADER` come packets: a header of 28 bytes, and events of one type. All numbers
are little-endian. A polarity event is 32 bits (valid, polarity, 15 bits of y, 15 bits of x, from the lowest on) and a
time in microseconds, 31 bits, of which the packet's header counts the overflows. The pixel (0, 0) is at the upper left.
Source: iniVation, "AEDAT 3.1", and libcaer's `events/common.h` and `events/polarity.h`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ScenarioError
from hilbench.files import regular

VERSION, FORMAT, END = b"#!AER-DAT3.1\r\n", b"#Format: RAW\r\n", b"#!END-HEADER\r\n"
HEADER = Struct("<hhiiiiii")
"""Type and source; then size of an event, offset of its time, overflows, capacity, events, and how many are valid."""
POLARITY = 1
TIME = Struct("<4xi")
"""The time of an event, behind its 32 bits."""
EVENT = np.dtype([("data", "<u4"), ("t_us", "<i4")])
OVERFLOW_BITS = 31


class Pixels(NamedTuple):
    """Polarity events in the file's order, an array (n,) each."""

    t_us: NDArray[np.int64]
    y: NDArray[np.int64]
    x: NDArray[np.int64]
    polarity: NDArray[np.int64]
    """0 for OFF and 1 for ON."""


def check_aedat31(path: Path) -> None:
    """Raise ScenarioError for a file that does not begin as AEDAT 3.1."""
    try:
        with regular(path).open("rb") as file:
            _check_version(path, file.read(len(VERSION)))
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from None


def read_aedat31(path: Path, first_us: int = 0, end_us: int = 2**62) -> Pixels:
    """The valid polarity events of a file. Raises ScenarioError for one that is damaged or cut off.

    Parameters
    ----------
    path : Path
    first_us, end_us : int
        Only those of a span of time. Within a packet events are in the order of time, as the format has them.
    """
    try:
        data = regular(path).read_bytes()
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from None
    _check_version(path, data)
    end = data.find(END)
    if end < 0:
        raise ScenarioError(f"{path}: found no line #!END-HEADER")
    if FORMAT not in data[:end]:
        raise ScenarioError(f"{path}: found no line '#Format: RAW'; allowed: files of that format")
    times_us, words = [np.zeros(0, np.int64)], [np.zeros(0, np.uint32)]
    for from_us, at, n in _packets(path, data, end + len(END)):
        oldest, newest = (from_us + TIME.unpack_from(data, at + EVENT.itemsize * k)[0] for k in (0, n - 1))
        if newest >= first_us and oldest < end_us:
            events = np.frombuffer(data, EVENT, n, at)
            times_us.append(events["t_us"] + np.int64(from_us))
            words.append(events["data"])
    t_us, word = np.concatenate(times_us), np.concatenate(words).astype(np.int64)
    wanted = (word & 1 == 1) & (t_us >= first_us) & (t_us < end_us)
    t_us, word = t_us[wanted], word[wanted]
    return Pixels(t_us, word >> 2 & 0x7FFF, word >> 17 & 0x7FFF, word >> 1 & 1)


def _check_version(path: Path, data: bytes) -> None:
    if not data.startswith(VERSION):
        raise ScenarioError(f"{path}: found no line #!AER-DAT3.1 at its start; allowed: a file of AEDAT 3.1")


def _packets(path: Path, data: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Of each packet with polarity events what its times count from, at which byte these begin, and how many."""
    while at < len(data):
        where, left = f"{path}: packet at byte {at}", len(data) - at - HEADER.size
        if left < 0:
            raise ScenarioError(f"{where}: found {len(data) - at} bytes; a header has {HEADER.size}")
        kind, _, size, _, overflows, _, n, _ = HEADER.unpack_from(data, at)
        if size <= 0 or n < 0 or overflows < 0 or (kind == POLARITY and size != EVENT.itemsize):
            text = f"found {n} events of type {kind} with {size} bytes each, after {overflows} overflows"
            raise ScenarioError(f"{where}: its header is damaged: {text}")
        if n * size > left:
            raise ScenarioError(f"{where}: found {left} bytes of its {n * size}; the file is cut off or damaged")
        if kind == POLARITY and n:
            yield overflows << OVERFLOW_BITS, at + HEADER.size, n
        at += HEADER.size + n * size
