"""A record's rows: which columns they have, how a tick fills them, and how a chunk of them becomes an Arrow batch.

Rows lie packed in one block of memory, and each part of one, known at one instant, is written by one call. It opens no
file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import MissingExtra
from hilbench.record.arrays import as_arrow
from hilbench.record.events import packed
from hilbench.types import COUNTERS, EVENT, Plant, Program, size_of

try:
    import pyarrow as pa
except ImportError as error:
    raise MissingExtra("pyarrow", "sim") from error

TICK = (
    ("seq", "i8"), ("t_us", "i8"), ("skipped", "?"), ("learning", "?"), ("scheduled_ns", "i8"), ("captured_ns", "i8"),
    ("encoded_ns", "i8"), ("sent_ns", "i8"), ("reward", "f8"), ("terminated", "?"), ("truncated", "?"),
    ("events_lost", "i8"), ("relayed", "?"),
)  # fmt: skip
"""What is known when a tick is sent or skipped; `relayed` says whether it was sent the sensors' events as they were."""
REPLY = (
    ("answered", "?"), ("arrived_ns", "i8"), ("decoded_ns", "i8"), ("prev_seq", "i8"), ("received_ns", "i8"),
    ("compute_ns", "i8"), ("energy_j", "f8"), *((name, "u8") for name in COUNTERS), ("late", "?"), ("processed", "?"),
    ("slip", "i8"), ("clipped", "?"), ("not_finite", "?"),
)  # fmt: skip
"""What a reply brings, and what became of it; `processed` says whether the network saw the tick."""
APPLIED = (("applied_step", "i8"), ("applied_ns", "i8"))
"""The physics step from which a reply acted, -1 for never, and when that was."""
CODES = {"i8": "q", "u8": "Q", "f8": "d", "f4": "f", "u1": "B", "?": "?"}
"""The same types for `struct`, which fills a part of a row in one call."""
WIDE = ("obs", "state", "info", "values_in", "modulators", "values_out", "actions", "sources")
"""Columns whose rows have as many numbers as the run's shape says."""
LISTS: dict[str, np.dtype[Any]] = {
    **dict.fromkeys(("events", "sensor_events", "reply_events", "probe_events"), EVENT),
    "probe_values": np.dtype(np.float32),
}
"""Columns whose rows have any length, and what they hold.

`events` were sent to the program, `sensor_events` came from the plant's sensors. A relayed tick has them in `events`
alone; `read_run` fills them in."""


@dataclass(frozen=True)
class Widths:
    """The widths of a row's vectors."""

    obs: int
    state: int
    info: tuple[str, ...]
    actions: int
    steps: int
    values_in: int
    modulators: int
    values_out: int

    @classmethod
    def of(cls, plant: Plant, program: Program, steps: int) -> Widths:
        """The widths of a run's rows.

        Parameters
        ----------
        plant : Plant
            The run's plant, after a reset.
        program : Program
            What its controller runs.
        steps : int
            Physics steps per tick.
        """
        plant_spec = plant.plant_spec
        return cls(
            obs=len(plant_spec.obs_names),
            state=plant.state().size,
            info=tuple(plant_spec.info_units),
            actions=len(plant_spec.action_names),
            steps=steps,
            values_in=size_of(program.inputs, "values"),
            modulators=size_of(program.modulators, "values"),
            values_out=size_of(program.outputs, "values"),
        )


class _Part:
    """Fields that are known at the same instant, side by side in a row: `pack(memory, at, *numbers)` writes them."""

    def __init__(self, fields: Iterable[tuple[str, str, int]], offset: int) -> None:
        self.fields = [(name, kind, width) for name, kind, width in fields if width]  # Arrow has no list of size 0
        packed = Struct("<" + "".join(f"{width}{CODES[kind]}" for _, kind, width in self.fields))
        self.offset, self.size, self.pack = offset, packed.size, packed.pack_into


class RowLayout:
    """Where in a row each part begins."""

    def __init__(self, shape: Widths) -> None:
        one = [[(name, kind, 1) for name, kind in part] for part in (TICK, REPLY, APPLIED)]
        one[0] += [
            ("obs", "f4", shape.obs), ("state", "f8", shape.state), ("info", "f8", len(shape.info)),
            ("values_in", "f4", shape.values_in), ("modulators", "f4", shape.modulators),
        ]  # fmt: skip
        one[1] += [("values_out", "f4", shape.values_out)]
        one += [[("actions", "f8", shape.steps * shape.actions)], [("sources", "u1", shape.steps)]]
        self.parts, offset = [], 0
        for fields in one:
            self.parts.append(_Part(fields, offset))
            offset += self.parts[-1].size
        self.tick, self.reply, self.applied, self.actions, self.sources = self.parts
        fields_of_a_row = [field for part in self.parts for field in part.fields]
        self.names = tuple(name for name, _, _ in fields_of_a_row)
        self.row = np.dtype(
            [(name, kind, (width,)) if width > 1 or name in WIDE else (name, kind)
             for name, kind, width in fields_of_a_row]
        )  # fmt: skip
        self.no_values = (0.0,) * (shape.values_in + shape.modulators)
        self.action = Struct(f"<{shape.actions}d")

    def empty(self) -> bytes:
        """A row of which nothing is known."""
        row = np.zeros(1, self.row)
        row["energy_j"], row["prev_seq"], row["applied_step"] = np.nan, -1, -1
        if "values_out" in self.names:
            row["values_out"] = np.nan
        return row.tobytes()


class Chunk:
    """Some ticks' rows in one block of memory, and their translation to one Arrow batch."""

    def __init__(self, layout: RowLayout, info: tuple[str, ...], n: int) -> None:
        self._empty, self._info, self._names = layout.empty() * n, info, layout.names
        self.memory = bytearray(self._empty)
        self.rows = np.frombuffer(self.memory, layout.row)
        self.answered, self.processed = self.rows["answered"], self.rows["processed"]
        self.lists: dict[str, dict[int, NDArray[Any]]] = {}
        self.clear()

    def clear(self) -> None:
        """Make every row empty again."""
        self.memory[:] = self._empty
        self.lists = {name: {} for name in LISTS}

    def batch(self, n: int) -> pa.RecordBatch:
        """The first `n` rows."""
        columns: dict[str, pa.Array] = {}
        for name in self._names:
            found = np.ascontiguousarray(self.rows[name][:n])
            if name == "info":
                columns |= {f"info.{key}": as_arrow(found[:, i]) for i, key in enumerate(self._info)}
            elif name in WIDE:
                columns[name] = pa.FixedSizeListArray.from_arrays(as_arrow(found.reshape(-1)), found.shape[1])
            else:
                columns[name] = as_arrow(found)
        columns |= {name: _lists(found, n, LISTS[name]) for name, found in self.lists.items()}
        return pa.RecordBatch.from_pydict(columns)


def _lists(found: dict[int, NDArray[Any]], n: int, kind: np.dtype[Any]) -> pa.Array:
    """A list column of `n` rows; an event is one number, so that a list of events is one flat array."""
    offsets = np.zeros(n + 1, np.int32)
    flat_type = np.uint64 if kind == EVENT else kind
    if found := {row: item for row, item in found.items() if row < n}:
        rows = sorted(found)
        offsets[np.array(rows) + 1] = [found[row].size for row in rows]
        np.cumsum(offsets, out=offsets)
        flat = np.concatenate([found[row] for row in rows])
        if kind == EVENT:
            flat = packed(flat, offsets[rows])
    else:
        flat = np.empty(0, flat_type)
    return pa.ListArray.from_arrays(as_arrow(offsets), as_arrow(flat))
