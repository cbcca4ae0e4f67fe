"""What a loop leaves behind: a folder with `run.json` and one Arrow stream per episode, a row per tick.

Rows are kept in preallocated chunks of one second and written a chunk at a time, so that a killed run opens up to its
last batch. It reads no clock and knows no metric.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import MissingExtra, RecordError
from hilbench.types import COUNTERS, EVENT, NO_EVENTS, NO_VALUES, Reply, RunData, Tick

try:
    import pyarrow as pa
except ImportError as error:
    raise MissingExtra("pyarrow", "sim") from error

FORMAT = 1

TICK = np.dtype([
    ("seq", "i8"), ("t_us", "i8"), ("skipped", "?"), ("learning", "?"), ("scheduled_ns", "i8"), ("captured_ns", "i8"),
    ("sent_ns", "i8"), ("reward", "f8"), ("terminated", "?"), ("truncated", "?"), ("events_lost", "i8"),
])  # fmt: skip
"""What is known when a tick is sent or skipped."""
REPLY = np.dtype([
    ("answered", "?"), ("arrived_ns", "i8"), ("prev_seq", "i8"), ("received_ns", "i8"), ("compute_ns", "i8"),
    ("energy_j", "f8"), *((name, "u8") for name in COUNTERS), ("late", "?"), ("processed", "?"), ("slip", "i8"),
    ("clipped", "?"), ("not_finite", "?"),
])  # fmt: skip
"""What a reply brings, and what became of it; `processed` says whether the network saw the tick."""
APPLIED = np.dtype([("applied_step", "i8"), ("applied_ns", "i8")])
"""The physics step from which a reply acted, -1 for never, and when that was."""
HELD, REPLIED, SAFE = range(3)
SOURCES = ("held", "reply", "safe")
"""Where a physics step's action came from."""
LISTS = {"events": NO_EVENTS, "reply_events": NO_EVENTS, "probe_events": NO_EVENTS, "probe_values": NO_VALUES}
"""Columns whose rows have any length, and what an empty row holds."""


@dataclass(frozen=True)
class Shape:
    """The widths of a row's vectors."""

    obs: int
    state: int
    info: tuple[str, ...]
    actions: int
    steps: int
    values_in: int
    modulators: int
    values_out: int


class Recorder:
    """Writes one run. Close it, or leave its `with` block, to keep the last rows."""

    def __init__(self, folder: str | Path, meta: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        if (self.folder / "run.json").exists():
            raise RecordError(f"{self.folder}: holds a run already; give another folder or remove it")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordError(f"{self.folder}: cannot hold a run: {error.strerror}") from None
        self.meta: dict[str, Any] = {"format": FORMAT, **meta, "status": "running", "episodes": 0, "faults": []}
        self._episode: _Episode | None = None
        self.write_meta()

    def episode(self, shape: Shape, rows_per_batch: int) -> _Episode:
        """Open the next episode's stream, ending the one before."""
        self._end_episode()
        path = self.folder / f"episode_{self.meta['episodes']:04d}.arrow"
        self.meta["episodes"] += 1
        self.write_meta()
        self._episode = _Episode(path, shape, rows_per_batch)
        return self._episode

    def fault(self, **what: Any) -> None:
        """Put a fault on record at once."""
        self.meta["faults"].append(what)
        self.write_meta()

    def close(self, status: str) -> None:
        """Write what is left and the run's last word; a second call changes nothing."""
        self._end_episode()
        if self.meta["status"] == "running":
            self.meta["status"] = status
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


class _Episode:
    """One episode's rows, addressed by tick number."""

    def __init__(self, path: Path, shape: Shape, rows_per_batch: int) -> None:
        self._shape, self._n = shape, rows_per_batch
        self._chunks: dict[int, _Chunk] = {0: _Chunk(shape, rows_per_batch)}
        self._spare = [_Chunk(shape, rows_per_batch)]
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115 - closed in close()
        self._writer = pa.ipc.new_stream(self._file, self._chunks[0].batch(0).schema)
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
        k = self._rows
        self._rows += 1
        chunk, i = self._at(k)
        chunk.ticks[i] = row
        chunk.obs[i] = obs
        chunk.state[i] = state
        chunk.info[i] = [info[name] for name in self._shape.info]
        if tick is None:
            return
        chunk.values_in[i] = tick.values
        chunk.modulators[i] = tick.modulators
        if tick.events.size:
            chunk.lists["events"][i] = tick.events.copy()

    def reply(self, reply: Reply, arrived_ns: int, slip: int, late: bool, clipped: int, not_finite: int) -> None:
        """Fill in what came back for an opened tick; one whose row has been written is too old and is let go."""
        if reply.seq // self._n < self._written:
            return
        chunk, i = self._at(reply.seq)
        chunk.replies[i] = (
            True, arrived_ns, reply.prev_seq, reply.recv_ns, reply.compute_ns, reply.energy_j,
            *reply.counters.tolist(), late, True, slip, clipped, not_finite,
        )  # fmt: skip
        chunk.values_out[i] = reply.values
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
            before.replies["processed"][j] = True

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
            chunk.applied[i] = (step, applied_ns)

    def acted(self, k: int, j: int, action: NDArray, source: int) -> None:
        """Physics step `j` of tick `k` ran with this action."""
        chunk, i = self._at(k)
        chunk.actions[i, j] = action
        chunk.sources[i, j] = source

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

    def _at(self, k: int) -> tuple[_Chunk, int]:
        if 0 <= (i := k - self._newest_at) < self._n:
            return self._newest, i
        number, i = divmod(k, self._n)
        chunk = self._chunks.get(number)
        if chunk is None:
            chunk = self._spare.pop() if self._spare else _Chunk(self._shape, self._n)
            self._chunks[number] = self._newest = chunk
            self._newest_at = k - i
        return chunk, i


class _Chunk:
    """Arrays for some ticks in a row, and their translation to one Arrow batch."""

    def __init__(self, shape: Shape, n: int) -> None:
        self.shape = shape
        self.ticks, self.replies, self.applied = (np.zeros(n, kind) for kind in (TICK, REPLY, APPLIED))
        self.answered = self.replies["answered"]
        self.obs = np.zeros((n, shape.obs), np.float32)
        self.state = np.zeros((n, shape.state))
        self.info = np.zeros((n, len(shape.info)))
        self.values_in = np.zeros((n, shape.values_in), np.float32)
        self.modulators = np.zeros((n, shape.modulators), np.float32)
        self.values_out = np.zeros((n, shape.values_out), np.float32)
        self.actions = np.zeros((n, shape.steps, shape.actions))
        self.sources = np.zeros((n, shape.steps), np.uint8)
        self.lists: dict[str, list[NDArray]] = {}
        self.clear()

    def clear(self) -> None:
        """Make every row empty again."""
        n = len(self.ticks)
        for array in (self.ticks, self.replies, self.values_in, self.modulators, self.actions, self.sources):
            array[...] = np.zeros((), array.dtype)
        self.replies["energy_j"], self.replies["prev_seq"] = np.nan, -1
        self.applied[:] = (-1, 0)
        self.values_out[:] = np.nan
        self.lists = {name: [empty] * n for name, empty in LISTS.items()}

    def batch(self, n: int) -> pa.RecordBatch:
        """The first `n` rows."""
        columns: dict[str, pa.Array] = {}
        for table in (self.ticks, self.replies, self.applied):
            columns |= {name: pa.array(table[name][:n]) for name in table.dtype.names}
        columns |= {f"info.{name}": pa.array(self.info[:n, i]) for i, name in enumerate(self.shape.info)}
        for name in ("obs", "state", "values_in", "modulators", "values_out", "actions", "sources"):
            rows = getattr(self, name)[:n]
            if width := prod(rows.shape[1:]):  # Arrow has no list of size 0
                columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), width)
        columns |= {name: _lists(found[:n], LISTS[name]) for name, found in self.lists.items()}
        return pa.RecordBatch.from_pydict(columns)


def _lists(found: list[NDArray], empty: NDArray) -> pa.Array:
    """A list column; an event is t_us + 2^32 address, so that a list of events is one flat array."""
    offsets = np.zeros(len(found) + 1, np.int32)
    np.cumsum([len(item) for item in found], out=offsets[1:])
    flat_type = np.uint64 if empty.dtype == EVENT else np.float32
    # Most ticks have none; viewed as numbers, because joining structured arrays is slow.
    filled = [item.view(flat_type) for item in found if item.size]
    flat = np.concatenate(filled) if filled else np.empty(0, flat_type)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat))


def read_run(folder: str | Path) -> RunData:
    """A run as arrays. A run that was killed opens up to its last batch. Raises RecordError."""
    folder = Path(folder)
    try:
        meta = json.loads((folder / "run.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{folder}: no readable run.json in this folder ({error})") from None
    found = meta.get("format") if isinstance(meta, dict) else None
    if found != FORMAT:
        raise RecordError(f"{folder}: record format {found!r}; allowed: {FORMAT}")
    episodes = [_read_episode(path) for path in sorted(folder.glob("episode_*.arrow"))]
    return RunData(meta, [episode for episode in episodes if episode])


def _read_episode(path: Path) -> dict[str, NDArray]:
    batches = []
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
            while True:
                batches.append(stream.read_next_batch())
    except (StopIteration, pa.ArrowInvalid, OSError):
        pass  # the end, or the place where a killed run stopped
    if not batches:
        return {}
    table = pa.Table.from_batches(batches)
    return {name: _array(table.column(name).combine_chunks()) for name in table.column_names}


def _array(column: pa.Array) -> NDArray:
    if isinstance(column, pa.FixedSizeListArray):
        width = column.type.list_size
        return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), width)
    if isinstance(column, pa.ListArray):
        flat, offsets = column.flatten().to_numpy(zero_copy_only=False), column.offsets.to_numpy()
        flat = flat.view(EVENT) if flat.dtype == np.uint64 else flat
        rows = np.empty(len(column), object)
        rows[:] = np.split(flat, offsets[1:-1] - offsets[0])
        return rows
    return column.to_numpy(zero_copy_only=False)
