"""Arrow streams that can be checked: beside each lies a file with a line for each of its batches.

A line is `ROWS BYTES CRC32 LINE_CRC32`: how many rows a batch has, how many bytes of the stream it takes, their CRC-32,
and that of the line before it. Lines are written after their batches, so that a run that was killed opens up to its
last whole one. It must not know what the columns mean.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import MissingExtra, RecordError
from hilbench.files import at, regular
from hilbench.record.arrays import as_numpy
from hilbench.record.events import unpacked

try:
    import pyarrow as pa
except ImportError as error:
    raise MissingExtra("pyarrow", "sim") from error

SUMS = ".crc32"
"""The suffix of the file with the lines, where the stream has `.arrow`."""


class Piece(NamedTuple):
    """A batch of a stream, or its end, which has no rows. The first one has the schema before it."""

    rows: int
    n_bytes: int
    crc32: int

    def line(self) -> bytes:
        """Of the same length for every piece, so that a line that was cut off is told from a damaged one."""
        text = b"%08d %012d %08x" % self
        return b"%s %08x\n" % (text, zlib.crc32(text))


LINE_BYTES = len(Piece(0, 0, 0).line())


class StreamWriter:
    """One stream and its lines. Raises OSError with the stream's path where there is no more room for a batch."""

    def __init__(self, path: Path, schema: pa.Schema, compress: bool) -> None:
        self._path = path
        self._file, self._sums = (os.open(p, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666) for p in _both(path))
        self._sink = BytesIO()  # a batch leaves in one write
        options = pa.ipc.IpcWriteOptions(compression="zstd" if compress else None)
        self._writer = pa.ipc.new_stream(self._sink, schema, options=options)
        self.rows = self.bytes = self.pieces = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Append a batch."""
        self._writer.write_batch(batch)
        self._put(batch.num_rows)

    def close(self) -> None:
        """End the stream; a second call changes nothing."""
        if self.closed:
            return
        self._writer.close()
        self._put(0)
        self._release()

    @property
    def closed(self) -> bool:
        """Whether it takes no more."""
        return self._file < 0

    def totals(self) -> dict[str, int]:
        """What `run.json` says of a whole stream."""
        return {"rows": self.rows, "bytes": self.bytes, "pieces": self.pieces}

    def _put(self, rows: int) -> None:
        with self._sink.getbuffer() as whole, whole[: self._sink.tell()] as data:
            piece = Piece(rows, len(data), zlib.crc32(data))
            try:
                _write_all(self._file, data)
                _write_all(self._sums, piece.line())
            except OSError as error:
                self._undo()
                raise at(self._path, error) from None
        self._sink.seek(0)
        self.rows, self.bytes, self.pieces = self.rows + rows, self.bytes + piece.n_bytes, self.pieces + 1

    def _undo(self) -> None:
        """Take back what is not whole, which also makes room, and let no more come after it."""
        with suppress(OSError):
            os.ftruncate(self._file, self.bytes)
            os.ftruncate(self._sums, self.pieces * LINE_BYTES)
        self._release()

    def _release(self) -> None:
        for descriptor in (self._file, self._sums):
            os.close(descriptor)
        self._file = self._sums = -1


def read_stream(
    path: Path,
    columns: Sequence[str] | None = None,
    totals: dict[str, int] | None = None,
    check: Callable[[pa.Schema], None] | None = None,
) -> dict[str, NDArray[Any]]:
    """The columns of a stream, all or those named that it has; empty where there is none, or no row.

    With the `totals` of a whole one everything has to be there; without, what lies behind the last whole batch is what
    a killed run was writing. Raises RecordError for a stream that is not what was written.

    Parameters
    ----------
    path : Path
        The stream's file.
    columns : sequence of str, optional
        The columns wanted; all when absent.
    totals : dict of int, optional
        `rows`, `bytes` and `pieces` of the whole stream, as `run.json` has them; None for a run that was killed.
    check : function of Schema, optional
        Raises RecordError for a schema that is not read.
    """
    data, lines = (_bytes(p) for p in _both(path))
    found = _checked(path, data, lines, cut_off=totals is None)
    if totals is None and data.size and not lines.size:
        raise _damaged(path, f"{path.with_suffix(SUMS).name}, which has its checksums, is missing or empty")
    if totals is not None and (there := {**found, "bytes": data.size}) != totals:
        raise _damaged(path, f"it has {_said(there)}, and had {_said(totals)} when the run ended")
    if not found["rows"] or columns == ():
        return {}
    table = pa.Table.from_batches(_batches(path, pa.py_buffer(data[: found["bytes"]])))
    if check is not None:
        check(table.schema)
    wanted = [name for name in table.column_names if columns is None or name in columns]
    return {name: _array(table.column(name).combine_chunks()) for name in wanted}


def _checked(path: Path, data: NDArray[np.uint8], lines: NDArray[np.uint8], cut_off: bool) -> dict[str, int]:
    """How much of a stream is as it was written. Raises RecordError for what is not."""
    rows = end = number = 0
    for piece in _pieces(path, lines):
        if cut_off and end + piece.n_bytes > data.size:
            break
        mine = data[end : end + piece.n_bytes]
        if mine.size < piece.n_bytes or zlib.crc32(mine.data) != piece.crc32:
            what = f"rows {rows} to {rows + piece.rows - 1}" if piece.rows else "its end"
            raise _damaged(path, f"{what} (bytes {end} to {end + piece.n_bytes - 1}) are not what was written")
        rows, end, number = rows + piece.rows, end + piece.n_bytes, number + 1
    return {"rows": rows, "bytes": end, "pieces": number}


def _both(path: Path) -> tuple[Path, Path]:
    return path, path.with_suffix(SUMS)


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    """A disk that is nearly full takes a part of what it is given, and says how much, and no error."""
    while data:
        data = data[os.write(descriptor, data) :]


def _bytes(path: Path) -> NDArray[np.uint8]:
    """A file as (n,) uint8, mapped; empty where it is missing. Raises RecordError for one that cannot be read."""
    try:
        return np.memmap(path, np.uint8, "r") if regular(path).stat().st_size else np.empty(0, np.uint8)
    except FileNotFoundError:
        return np.empty(0, np.uint8)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from None


def _pieces(path: Path, lines: NDArray[np.uint8]) -> Iterator[Piece]:
    """What the lines say; the last one may have been cut off."""
    for start in range(0, lines.size - LINE_BYTES + 1, LINE_BYTES):
        line = lines[start : start + LINE_BYTES].tobytes()
        try:
            rows, size, crc32 = line.split()[:3]
            piece = Piece(int(rows), int(size), int(crc32, 16))
        except ValueError:
            piece = None
        if piece is None or piece.line() != line:
            number = start // LINE_BYTES + 1
            raise _damaged(path, f"line {number} of {path.with_suffix(SUMS).name} is not what was written")
        yield piece


def _batches(path: Path, data: pa.Buffer) -> list[pa.RecordBatch]:
    found = []
    try:
        with pa.ipc.open_stream(data) as stream, suppress(StopIteration):
            while True:
                found.append(stream.read_next_batch())
    except (pa.ArrowInvalid, OSError) as error:
        raise _damaged(path, str(error)) from None
    return found


def _damaged(path: Path, what: str) -> RecordError:
    return RecordError(f"{path}: damaged: {what}; take the run from a copy, or run it again")


def _said(totals: dict[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in totals.items())


def _array(column: pa.Array) -> NDArray[Any]:
    if isinstance(column, pa.FixedSizeListArray):
        width = column.type.list_size
        return as_numpy(column.flatten()).reshape(len(column), width)
    if isinstance(column, pa.ListArray):
        flat, offsets = as_numpy(column.flatten()), as_numpy(column.offsets)
        starts = offsets - offsets[0]
        filled = np.flatnonzero(np.diff(offsets))  # most rows are empty, and to split them all takes long
        flat = unpacked(flat, starts[filled]) if flat.dtype == np.uint64 else flat
        rows = np.empty(len(column), object)
        rows.fill(flat[:0])
        for row in filled:
            rows[row] = flat[starts[row] : starts[row + 1]]
        return rows
    return as_numpy(column)
