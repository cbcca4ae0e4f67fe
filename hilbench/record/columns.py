"""A record's rows: which columns they have, how a tick fills them, and how some of them become an Arrow batch.

Rows lie packed in one block of memory, and each part of one, known at one instant, is written by one call. It opens no
file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import MissingExtra, RecordError
from hilbench.record.arrays import as_arrow
from hilbench.record.column_list import ARROW, COLUMNS, Column, column_of
from hilbench.record.events import packed
from hilbench.record.meta import RECORD, RunMeta
from hilbench.record.versions import KEY
from hilbench.types import EVENT, Plant, Program, size_of

try:
    import pyarrow as pa
except ImportError as error:
    raise MissingExtra("pyarrow", "sim") from error

Field = tuple[str, str, int]
"""Name, type and width of a column."""
Look = Callable[[Mapping[str, NDArray[Any]]], None]
"""Sees the columns of each batch, as arrays by name, before it is written."""
CODES = {"i8": "q", "u8": "Q", "f8": "d", "f4": "f", "u1": "B", "?": "?"}
"""The same types for `struct`, which fills a part of a row in one call."""
WIDE = {column.name: column.width for column in COLUMNS if column.width}
"""Columns whose rows have as many numbers as a field of the run's Widths says."""
NO_COLUMN = "no such column"
BLOCK_ROWS = 1024
"""Rows that are taken apart at once."""
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
        """How many numbers a row has of a column, or one of a row's physics steps; 0 for none at all."""
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
    """Fields that are known at the same instant, side by side in a row. `pack(memory, at, *numbers, arrays)` writes.

    Parameters
    ----------
    numbers : sequence of (str, str, int)
        Name, type and width of those that `pack` takes number by number.
    arrays : sequence of (str, str, int)
        Of those behind them, of which it takes the bytes, end to end.
    offset : int
        Where in a row they begin, in bytes.
    """

    __slots__ = ("array_bytes", "fields", "offset", "pack", "size")

    def __init__(self, numbers: Sequence[Field], arrays: Sequence[Field] = (), offset: int = 0) -> None:
        self.fields = [field for field in (*numbers, *arrays) if field[2]]  # Arrow has no list of size 0
        self.array_bytes = sum(width * np.dtype(kind).itemsize for _, kind, width in arrays)
        codes = [f"{width}{CODES[kind]}" for _, kind, width in numbers]
        packed = Struct("<" + "".join(codes) + (f"{self.array_bytes}s" if arrays else ""))
        self.offset, self.size, self.pack = offset, packed.size, packed.pack_into

    @property
    def end(self) -> int:
        """Where the next part begins."""
        return self.offset + self.size


class RowLayout:
    """Where in a row each part begins."""

    def __init__(self, shape: Widths, look: Look | None = None) -> None:
        self._look = look
        of = {c.part: [(d.name, d.kind, shape.width(d)) for d in COLUMNS if d.part == c.part] for c in COLUMNS}
        self.tick = _Part(of["tick"], of["shown"])
        self.reply = _Part(of["reply"], of["brought"], self.tick.end)
        self.applied = _Part(of["applied"], (), self.reply.end)
        self.step = _Part(of["step"], (), self.applied.end)
        once = [
            (name, kind, (width,)) if width > 1 or name in WIDE else (name, kind)
            for part in (self.tick, self.reply, self.applied)
            for name, kind, width in part.fields
        ]
        steps = [(name, kind, (width,)) for name, kind, width in self.step.fields]
        self.names, self.step_names = (tuple(field[0] for field in fields) for fields in (once, steps))
        self.row = np.dtype([*once, ("steps", steps, (shape.steps,))])
        self.no_values = bytes(4 * (shape.values_in + shape.modulators))
        self.info = shape.info

    def empty(self) -> bytes:
        """A row of which nothing is known."""
        row = np.zeros(1, self.row)
        row["energy_j"], row["prev_seq"], row["applied_step"] = np.nan, -1, -1
        if "values_out" in self.names:
            row["values_out"] = np.nan
        return row.tobytes()

    def _views(self, rows: NDArray[np.void]) -> dict[str, NDArray[Any]]:
        """Each column of some rows, where it lies."""
        steps = rows["steps"]
        return {name: rows[name] for name in self.names} | {name: steps[name] for name in self.step_names}

    def _by_column(self, rows: NDArray[np.void]) -> dict[str, NDArray[Any]]:
        """Each column of some rows as an array of its own.

        Block by block: a block stays in the processor's cache while one column after the other is read from it.
        """
        found = {name: np.empty(view.shape, view.dtype) for name, view in self._views(rows).items()}
        for start in range(0, len(rows), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            for name, view in self._views(rows[block]).items():
                found[name][block] = view
        return found

    def batch(self, rows: NDArray[np.void], lists: Mapping[str, Mapping[int, NDArray[Any]]]) -> pa.RecordBatch:
        """Rows as an Arrow batch.

        Parameters
        ----------
        rows : (n,) of `row`
        lists : dict of dict of (any,) array
            What the columns of `LISTS` hold, by the row's place in `rows`. Events are numbers, as `record.events` says.
        """
        columns: dict[str, pa.Array] = {}
        arrays = self._by_column(rows)
        if self._look is not None:
            self._look(arrays)
        for name, found in arrays.items():
            if name == "info":
                columns |= {f"info.{key}": as_arrow(found[:, i]) for i, key in enumerate(self.info)}
            else:
                columns[name] = _wide(found) if found.ndim > 1 else as_arrow(found)
        columns |= {name: _lists(lists[name], len(rows), kind) for name, kind in LISTS.items()}
        return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def described(schema: pa.Schema) -> pa.Schema:
    """An episode's schema with the version of the record, and with each column's unit where it has one."""
    units = [column_of(field.name).unit for field in schema]
    fields = [field.with_metadata({"unit": unit}) if unit else field for field, unit in zip(schema, units, strict=True)]
    return pa.schema(fields, {KEY: str(RECORD.version)})


def check_schema(schema: pa.Schema, meta: RunMeta, where: str) -> None:
    """Raise RecordError for a stream of another version, or with other columns than the run's episodes have.

    Parameters
    ----------
    schema : Schema
        The stream's.
    meta : RunMeta
        The run's, which says how many numbers a row has of each column.
    where : str
        The stream's place, for messages.
    """
    said = (schema.metadata or {}).get(KEY.encode(), b"none").decode(errors="replace")
    RECORD.checked(int(said) if said.isdecimal() else said, where)
    found = {field.name: _in_words(field.type) for field in schema}
    steps = found.get("sources", "").partition("[")[2].rstrip("]")
    for name, arrow in _columns_of(meta, int(steps or 1)).items():
        if (there := found.get(name, NO_COLUMN)) != arrow:
            raise RecordError(f"{where}: column {name!r}: found {there}; allowed: {arrow}")


def _columns_of(meta: RunMeta, steps: int) -> dict[str, str]:
    """The columns of a run, and what Arrow type each has, with `steps` physics steps in a row.

    It leaves out `state`: how wide that is, a plant's spec does not say.
    """
    spec, ports = meta.plant_spec, meta.ports
    widths = {
        "obs": len(spec.obs_names), "values_in": size_of(ports.inputs, "values"),
        "modulators": size_of(ports.modulators, "values"), "values_out": size_of(ports.outputs, "values"),
        "actions": len(spec.action_names) * steps, "sources": steps,
    }  # fmt: skip
    known = {c.name: c.arrow for c in COLUMNS if c.name not in ("info", "state")}
    found = {name: arrow.replace("[N]", f"[{widths.get(name)}]") for name, arrow in known.items()}
    found |= {name: NO_COLUMN for name, width in widths.items() if not width}
    return found | {f"info.{name}": ARROW["f8"] for name in spec.info_units}


def _in_words(kind: pa.DataType) -> str:
    """An Arrow type as `Column.arrow` says it, with the number of a fixed list's numbers."""
    if pa.types.is_fixed_size_list(kind):
        return f"fixed_size_list<{kind.value_type}>[{kind.list_size}]"
    return f"list<{kind.value_type}>" if pa.types.is_list(kind) else str(kind)


def _wide(found: NDArray[Any]) -> pa.Array:
    """A column of fixed lists, of (n_rows, ...)."""
    return pa.FixedSizeListArray.from_arrays(as_arrow(found.reshape(-1)), math.prod(found.shape[1:]))


def _lists(found: Mapping[int, NDArray[Any]], n: int, kind: np.dtype[Any]) -> pa.Array:
    """A list column of `n` rows; an event is one number, so that a list of events is one flat array."""
    offsets = np.zeros(n + 1, np.int32)
    flat = np.empty(0, np.uint64 if kind == EVENT else kind)
    if found:
        rows = sorted(found)
        offsets[np.array(rows) + 1] = [found[row].size for row in rows]
        np.cumsum(offsets, out=offsets)
        flat = np.concatenate([found[row] for row in rows])
        if kind == EVENT:
            flat = packed(flat, offsets[rows])
    return pa.ListArray.from_arrays(as_arrow(offsets), as_arrow(flat))
