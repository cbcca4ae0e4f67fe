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
from hilbench.record.column_list import COLUMNS, Column, column_of
from hilbench.record.events import packed
from hilbench.record.meta import RECORD
from hilbench.record.versions import KEY
from hilbench.types import EVENT, Plant, Program, size_of

try:
    import pyarrow as pa
except ImportError as error:
    raise MissingExtra("pyarrow", "sim") from error

CODES = {"i8": "q", "u8": "Q", "f8": "d", "f4": "f", "u1": "B", "?": "?"}
"""The same types for `struct`, which fills a part of a row in one call."""
WIDE = {column.name: column.width for column in COLUMNS if column.width}
"""Columns whose rows have as many numbers as a field of the run's Widths says."""
LISTS: dict[str, np.dtype[Any]] = {
    column.name: EVENT if column.kind == "u8" else np.dtype(column.kind) for column in COLUMNS if column.part == "lists"
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

    def width(self, column: Column) -> int:
        """How many numbers a row has of a column; 0 for none at all."""
        if column.width == "actions":
            return self.steps * self.actions
        found: Any = getattr(self, column.width) if column.width else 1
        return len(found) if isinstance(found, tuple) else int(found)

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
        self.parts, offset = [], 0
        for part in ("tick", "reply", "applied", "actions", "sources"):
            fields = [(c.name, c.kind, shape.width(c)) for c in COLUMNS if c.part == part]
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
                columns |= {f"info.{key}": pa.array(found[:, i]) for i, key in enumerate(self._info)}
            elif name in WIDE:
                columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(found.reshape(-1)), found.shape[1])
            else:
                columns[name] = pa.array(found)
        columns |= {name: _lists(found, n, LISTS[name]) for name, found in self.lists.items()}
        return pa.RecordBatch.from_pydict(columns)


def described(schema: pa.Schema) -> pa.Schema:
    """An episode's schema with the version of the record, and with each column's unit where it has one."""
    units = [column_of(field.name).unit for field in schema]
    fields = [field.with_metadata({"unit": unit}) if unit else field for field, unit in zip(schema, units, strict=True)]
    return pa.schema(fields, {KEY: str(RECORD.version)})


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
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat))
