"""What a loop leaves behind: a folder with `run.json` and one Arrow stream per episode, a row per tick.

Rows are kept in preallocated chunks of one second and written a chunk at a time, so that a killed run opens up to its
last batch; the bare echo of the link has a stream of its own. It reads no clock and knows no metric.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import MissingExtra, RecordError
from hilbench.rows import Chunk, Layout, Shape
from hilbench.types import EVENT, Reply, RunData, Tick

try:
    import pyarrow as pa
except ImportError as error:
    raise MissingExtra("pyarrow", "sim") from error

FORMAT = 2
READABLE = (1, 2)
"""Formats that can be read: 1 has no `encoded_ns` and `decoded_ns`, so its latencies are not split."""
ENERGY = "energy.json"
AGREEMENT = "agreement.json"
BESIDE = (
    (ENERGY, "energy", {"meter", "accuracy", "ticks", "total_j", "idle_j", "dynamic_j"}),
    (AGREEMENT, "agreement", {"backend", "spikes", "reference", "agreed"}),
)
"""Files of a run's folder that are written after its end, where RunData has them, and what they must hold."""
"""What a meter said of the run's program afterwards, beside `run.json`."""
ECHO_NAME = "link_echo.arrow"


class Recorder:
    """Writes one run. Close it, or leave its `with` block, to keep the last rows.

    `compress` makes streams less than half as large, at a millisecond or two per batch: not for real time.
    """

    def __init__(self, folder: str | Path, meta: Mapping[str, Any], compress: bool = False) -> None:
        self.folder = Path(folder)
        self._options = pa.ipc.IpcWriteOptions(compression="zstd" if compress else None)
        refuse(self.folder)
        self.meta: dict[str, Any] = {"format": FORMAT, **meta, "status": "running", "episodes": 0, "faults": []}
        self._episode: _Episode | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.write_meta()
        except OSError as error:
            raise RecordError(f"{self.folder}: cannot hold a run: {error.strerror}") from None

    def episode(self, shape: Shape, rows_per_batch: int) -> _Episode:
        """Open the next episode's stream, ending the one before."""
        self._end_episode()
        path = self.folder / _episode_name(self.meta["episodes"])
        self.meta["episodes"] += 1
        self.write_meta()
        self._episode = _Episode(path, shape, rows_per_batch, self._options)
        return self._episode

    def echo(self, echo_ns: NDArray) -> None:
        """Keep the link's bare echo beside the run, instead of what was kept before; nothing when there is none."""
        if echo_ns.size:
            batch = pa.record_batch({"echo_ns": echo_ns})
            with open(self.folder / ECHO_NAME, "wb") as file, pa.ipc.new_stream(file, batch.schema) as writer:
                writer.write_batch(batch)

    def fault(self, **what: Any) -> None:
        """Put a fault on record at once."""
        self.add(faults=[*self.meta["faults"], what])

    def add(self, **more: Any) -> None:
        """Put more into `run.json`."""
        self.meta |= more
        self.write_meta()

    def recovered(self, how: str) -> None:
        """Say of the last fault how the device came back."""
        self.meta["faults"][-1]["recovered"] = how
        self.write_meta()

    def close(self, status: str) -> None:
        """Write what is left and the run's last word; a second call changes nothing."""
        self._end_episode()
        if self.meta["status"] == "running":
            self.meta["status"] = status
            self.meta["bytes"] = stream_bytes(self.folder, self.meta["episodes"])
            self.write_meta()

    def write_meta(self) -> None:
        """Replace `run.json` whole."""
        draft = self.folder / ".run.json"
        draft.write_text(json.dumps(self.meta, indent=2), "utf-8")
        os.replace(draft, self.folder / "run.json")

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type | None, *exc: object) -> None:
        self.close("done" if kind is None else "interrupted" if kind is KeyboardInterrupt else "failed")

    def _end_episode(self) -> None:
        if self._episode is not None:
            self._episode.close()
            self._episode = None


def refuse(folder: Path) -> None:
    """Raise RecordError when the folder holds a run already, or can hold none. Nothing is made yet."""
    try:
        if (folder / "run.json").exists():
            raise RecordError(f"{folder}: holds a run already; give another folder or remove it")
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    except OSError as error:
        raise RecordError(f"{folder}: cannot hold a run: {error.strerror}") from None
    if not there.is_dir():
        raise RecordError(f"{folder}: cannot hold a run: {there} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise RecordError(f"{folder}: cannot hold a run: nothing may be written to {there}")


def stream_bytes(folder: Path, episodes: int) -> list[int]:
    """The size of every episode's stream, 0 where there is none: what a whole run's `run.json` says of them."""
    paths = [folder / _episode_name(number) for number in range(episodes)]
    return [path.stat().st_size if path.is_file() else 0 for path in paths]


def _episode_name(number: int) -> str:
    return f"episode_{number:04d}.arrow"


class _Episode:
    """One episode's rows, addressed by tick number."""

    def __init__(self, path: Path, shape: Shape, rows_per_batch: int, options: pa.ipc.IpcWriteOptions) -> None:
        self._info, self._n = shape.info, rows_per_batch
        self._layout = Layout(shape)
        self._size = self._layout.row.itemsize
        self._chunks = {0: Chunk(self._layout, shape.info, rows_per_batch)}
        self._spare = [Chunk(self._layout, shape.info, rows_per_batch)]
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115 - closed in close()
        self._writer = pa.ipc.new_stream(self._file, self._chunks[0].batch(0).schema, options=options)
        self._written = 0  # chunks
        self._rows = 0
        self._newest, self._newest_at = self._chunks[0], 0

    @property
    def opened(self) -> int:
        """How many rows there are."""
        return self._rows

    @property
    def full(self) -> bool:
        """Whether a chunk could be written, once its rows are settled."""
        return (self._written + 1) * self._n <= self._rows

    def tick(self, row: tuple, tick: Tick | None, obs: NDArray, state: NDArray, info: Mapping[str, float]) -> None:
        """Open the next tick's row; `row` holds TICK's fields, and a skipped tick is None."""
        chunk, i = self._at(self._rows)
        self._rows += 1
        values = self._layout.no_values if tick is None else (*tick.values.tolist(), *tick.modulators.tolist())
        part = self._layout.tick
        part.pack(
            chunk.memory, i * self._size + part.offset,
            *row, *obs.tolist(), *state.tolist(), *[info[name] for name in self._info], *values,
        )  # fmt: skip
        if tick is not None and tick.events.size:
            chunk.lists["events"][i] = tick.events.copy()

    def reply(
        self, reply: Reply, arrived_ns: int, decoded_ns: int, slip: int, late: bool, clipped: bool, not_finite: bool
    ) -> None:
        """Fill in what came back for an opened tick; one whose row has been written is too old and is let go."""
        if reply.seq // self._n < self._written:
            return
        chunk, i = self._at(reply.seq)
        part = self._layout.reply
        part.pack(
            chunk.memory, i * self._size + part.offset,
            True, arrived_ns, decoded_ns, reply.prev_seq, reply.recv_ns, reply.compute_ns, reply.energy_j,
            *reply.counters.tolist(), late, True, slip, clipped, not_finite, *reply.values.tolist(),
        )  # fmt: skip
        lists = chunk.lists
        if reply.events.size:
            lists["reply_events"][i] = reply.events.copy()
        if reply.probe_events.size:
            lists["probe_events"][i] = reply.probe_events.copy()
        if reply.probe_values.size:
            lists["probe_values"][i] = reply.probe_values.copy()
        # A tick whose reply was lost still reached the network when a later reply says so.
        if 0 <= reply.prev_seq < reply.seq and reply.prev_seq // self._n >= self._written:
            before, j = self._at(reply.prev_seq)
            before.processed[j] = True

    def answered(self, seq: int) -> bool:
        """Whether an opened tick has its reply; of a written row nothing is known any more."""
        if seq // self._n < self._written:
            return False
        chunk, i = self._at(seq)
        return bool(chunk.answered[i])

    def applied(self, seq: int, step: int, applied_ns: int) -> None:
        """From physics step `step` on, tick `seq`'s reply acts."""
        if seq // self._n >= self._written:
            chunk, i = self._at(seq)
            part = self._layout.applied
            part.pack(chunk.memory, i * self._size + part.offset, step, applied_ns)

    def acted(self, k: int, j: int, action: Sequence[float], source: int) -> None:
        """Physics step `j` of tick `k` ran with this action."""
        chunk, i = self._at(k)
        layout, at = self._layout, i * self._size
        layout.action.pack_into(chunk.memory, at + layout.actions.offset + j * layout.action.size, *action)
        chunk.memory[at + layout.sources.offset + j] = source

    def flush(self, oldest_open: int) -> None:
        """Write every full chunk whose rows are all settled, that is below tick `oldest_open`."""
        while (self._written + 1) * self._n <= min(oldest_open, self._rows):
            chunk = self._chunks[self._written]
            self._writer.write_batch(chunk.batch(self._n))
            del self._chunks[self._written]
            self._written += 1
            chunk.clear()
            self._spare.append(chunk)

    def close(self) -> None:
        """Write every row there is and end the stream."""
        self.flush(self._rows)
        left = self._rows - self._written * self._n
        if left:
            self._writer.write_batch(self._chunks[self._written].batch(left))
        self._writer.close()
        self._file.close()

    def _at(self, k: int) -> tuple[Chunk, int]:
        if 0 <= (i := k - self._newest_at) < self._n:
            return self._newest, i
        number, i = divmod(k, self._n)
        chunk = self._chunks.get(number)
        if chunk is None:
            chunk = self._spare.pop() if self._spare else Chunk(self._layout, self._info, self._n)
            self._chunks[number] = self._newest = chunk
            self._newest_at = k - i
        return chunk, i


def read_run(folder: str | Path, columns: Sequence[str] | None = None) -> RunData:
    """A run as arrays, all `columns` or those named that it has. A run that was killed opens up to its last batch.

    Raises RecordError.
    """
    folder = Path(folder)
    try:
        meta = json.loads((folder / "run.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{folder}: no readable run.json in this folder ({error})") from None
    found = meta.get("format") if isinstance(meta, dict) else None
    if found not in READABLE:
        raise RecordError(f"{folder}: record format {found!r}; allowed: {' and '.join(map(str, READABLE))}")
    if missing := {"episodes", "faults", "status"} - set(meta):
        raise RecordError(f"{folder}: run.json lacks {sorted(missing)[0]!r}; it is no whole run")
    if (whole := meta.get("bytes")) is not None and (found := stream_bytes(folder, meta["episodes"])) != whole:
        raise RecordError(
            f"{folder}: its episodes have {found} bytes, but had {whole} when the run ended; it is damaged"
        )
    for name, key, wanted in BESIDE:
        if (folder / name).exists():
            meta[key] = _read_beside(folder, name, wanted)
    episodes = [_read_stream(folder / _episode_name(i), columns) for i in range(meta["episodes"])]
    echo_ns = _read_stream(folder / ECHO_NAME).get("echo_ns", np.empty(0, np.int64))
    return RunData(meta, [episode for episode in episodes if episode], echo_ns)


def _read_beside(folder: Path, name: str, wanted: set[str]) -> dict[str, Any]:
    """What was measured of a run later."""
    try:
        found = json.loads((folder / name).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{folder}: no readable {name} in this folder ({error})") from None
    if missing := wanted - set(found if isinstance(found, dict) else ()):
        raise RecordError(f"{folder}: {name} lacks {sorted(missing)[0]!r}; remove it and measure the run again")
    return found


def _read_stream(path: Path, columns: Sequence[str] | None = None) -> dict[str, NDArray]:
    batches = []
    try:
        with pa.memory_map(os.fsencode(path)) as source, pa.ipc.open_stream(source) as stream:
            while True:
                batches.append(stream.read_next_batch())
    except (StopIteration, pa.ArrowInvalid, OSError):
        pass  # the end, or the place where a killed run stopped
    if not batches:
        return {}
    table = pa.Table.from_batches(batches)
    wanted = [name for name in table.column_names if columns is None or name in columns]
    return {name: _array(table.column(name).combine_chunks()) for name in wanted}


def _array(column: pa.Array) -> NDArray:
    if isinstance(column, pa.FixedSizeListArray):
        width = column.type.list_size
        return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), width)
    if isinstance(column, pa.ListArray):
        flat, offsets = column.flatten().to_numpy(zero_copy_only=False), column.offsets.to_numpy()
        flat = flat.view(EVENT) if flat.dtype == np.uint64 else flat
        rows = np.empty(len(column), object)
        rows.fill(flat[:0])
        starts = offsets - offsets[0]
        for row in np.flatnonzero(np.diff(offsets)):  # most rows are empty, and to split them all takes long
            rows[row] = flat[starts[row] : starts[row + 1]]
        return rows
    return column.to_numpy(zero_copy_only=False)
