"""One episode's rows, kept in a preallocated ring and written a batch at a time.

It must not know the run's folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilbench.record.columns import LISTS, Look, RowLayout, Widths
from hilbench.record.streams import StreamWriter
from hilbench.types import NO_EVENTS, Events, Reply, Tick, Values

if TYPE_CHECKING:
    import pyarrow as pa

RING_BYTES = 2**26
"""The most memory that rows take while nothing waits to settle."""
HELD_BYTES = 2**26
"""Events and probes of rows that are not written yet: beyond this a batch has fewer rows."""
F4, F8, U8 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.uint64)


class EpisodeRows:
    """One episode's rows, addressed by tick number; `Recorder.episode` makes it."""

    def __init__(
        self, stream: Callable[[pa.Schema], StreamWriter], shape: Widths, rows_per_batch: int, look: Look | None = None
    ) -> None:
        self._layout = layout = RowLayout(shape, look)
        self._tick, self._reply, self._applied, self._step = layout.tick, layout.reply, layout.applied, layout.step
        self._no_values = layout.no_values
        self._size = layout.row.itemsize
        self._n = max(1, min(rows_per_batch, RING_BYTES // 2 // self._size))
        self.info, self._infos = shape.info, _values_of(shape.info)
        self._empty = layout.empty() * self._n
        self._lists: dict[str, dict[int, NDArray[Any]]] = {name: {} for name in LISTS}
        self.opened = 0
        """How many rows there are."""
        self.full_at = self._n
        """How many rows there have to be for a batch to be written, once its rows are settled."""
        self._written = self._held_bytes = 0
        self._allocate(2)
        self._stream = stream(layout.batch(self._rows[:0], self._lists).schema)

    def tick(
        self, row: tuple[Any, ...], tick: Tick | None, obs: Values, state: NDArray[np.float64],
        info: Mapping[str, float], told: Events = NO_EVENTS,
    ) -> None:  # fmt: skip
        """Open the next tick's row.

        Parameters
        ----------
        row : tuple
            The columns of the part `tick` with one number, in their order, but `relayed`.
        tick : Tick or None
            What was sent; None for a tick that was skipped.
        obs : (n_obs,) float32
            What the plant showed.
        state : (n_state,) float64
            The plant's exact state.
        info : dict of float
            The plant's info.
        told : (n,) EVENT, optional
            What its event sensors told.
        """
        k, part, relayed = self.opened, self._tick, False
        if k - self._written == self._capacity:
            self._grow()
        self.opened = k + 1
        values = self._no_values if tick is None else tick.values.tobytes() + tick.modulators.tobytes()
        if tick is not None and tick.events.size:
            self._hold("events", k, _numbers(tick.events))
            relayed = tick.events is told
        if told.size and not relayed:
            self._hold("sensor_events", k, _numbers(told))
        if obs.dtype is not F4 or state.dtype is not F8:
            obs, state = np.asarray(obs, F4), np.asarray(state, F8)
        shown = obs.tobytes() + state.tobytes() + values
        if len(shown) != part.array_bytes:
            raise ValueError(f"tick {k}: found {len(shown)} bytes of arrays, expected {part.array_bytes}")
        part.pack(self._memory, k % self._capacity * self._size, *row, relayed, *self._infos(info), shown)

    def reply(
        self, reply: Reply, arrived_ns: int, decoded_ns: int, slip: int, late: bool, clipped: bool, not_finite: bool
    ) -> None:
        """Fill in what came back for an opened tick; a reply to a tick whose row has been written is dropped.

        Parameters
        ----------
        reply : Reply
            What the device answered.
        arrived_ns, decoded_ns : int
            When it arrived and was decoded, in nanoseconds of the wall's clock.
        slip : int
            Periods of a gap before it that the device did not catch up with.
        late : bool
            Whether it came after its deadline.
        clipped : bool
            Whether its action was outside the plant's limits.
        not_finite : bool
            Whether its action was no finite number.
        """
        seq, before = reply.seq, reply.prev_seq
        if seq < self._written:
            return
        part, counters, values = self._reply, reply.counters, reply.values
        if counters.dtype is not U8 or values.dtype is not F4:
            counters, values = np.asarray(counters, U8), np.asarray(values, F4)
        brought = counters.tobytes() + values.tobytes()
        if len(brought) != part.array_bytes:
            raise ValueError(f"reply {seq}: found {len(brought)} bytes of arrays, expected {part.array_bytes}")
        part.pack(
            self._memory, seq % self._capacity * self._size + part.offset,
            True, arrived_ns, decoded_ns, before, reply.recv_ns, reply.compute_ns, reply.energy_j,
            late, True, slip, clipped, not_finite, brought,
        )  # fmt: skip
        if reply.events.size:
            self._hold("reply_events", seq, _numbers(reply.events))
        if reply.probe_events.size:
            self._hold("probe_events", seq, _numbers(reply.probe_events))
        if reply.probe_values.size:
            self._hold("probe_values", seq, reply.probe_values.copy())
        # A tick whose reply was lost still reached the network when a later reply says so.
        if self._written <= before < seq:
            self._processed[before % self._capacity] = True

    def answered(self, seq: int) -> bool:
        """Whether an opened tick has its reply; of a written row nothing is known any more."""
        return seq >= self._written and self._memory[seq % self._capacity * self._size + self._reply.offset] != 0

    def applied(self, seq: int, step: int, applied_ns: int) -> None:
        """Put on record from when a reply acts.

        Parameters
        ----------
        seq : int
            The reply's tick.
        step : int
            The first physics step with its action.
        applied_ns : int
            When that was, in nanoseconds of the wall's clock.
        """
        if seq >= self._written:
            part = self._applied
            part.pack(self._memory, seq % self._capacity * self._size + part.offset, step, applied_ns)

    def acted(self, k: int, j: int, action: Sequence[float], source: int) -> None:
        """Put a physics step's action on record.

        Parameters
        ----------
        k : int
            The tick.
        j : int
            The physics step within it, from 0.
        action : (n_actions,) float
            What the plant was given.
        source : {HELD, REPLIED, SAFE}
            Where it came from.
        """
        part = self._step
        part.pack(self._memory, k % self._capacity * self._size + part.offset + j * part.size, *action, source)

    def flush(self, oldest_open: int) -> None:
        """Write every full batch whose rows are all settled, that is below tick `oldest_open`; smaller ones of much."""
        end = min(oldest_open, self.opened)
        while self._written + self._n <= end or (self._held_bytes > HELD_BYTES and self._written < end):
            self._write(min(self._n, end - self._written))

    def close(self) -> None:
        """Write every row there is and end the stream; one that found no room before takes no more."""
        if not self._stream.closed:
            while self._written < self.opened:
                self._write(min(self._n, self.opened - self._written))
            self._stream.close()

    def _write(self, n: int) -> None:
        """Write the oldest `n` rows, or fewer where the ring ends, and make their places empty."""
        first, at = self._written, self._written % self._capacity
        n = min(n, self._capacity - at)
        lists = {name: _taken(found, first, n) for name, found in self._lists.items()}
        self._held_bytes -= sum(array.nbytes for found in lists.values() for array in found.values())
        self._stream.write(self._layout.batch(self._rows[at : at + n], lists))
        self._memory[at * self._size : (at + n) * self._size] = self._empty[: n * self._size]
        self._written += n
        self.full_at = self._written + (self._n if self._held_bytes <= HELD_BYTES else 0)

    def _allocate(self, batches: int) -> None:
        self._capacity = batches * self._n
        self._memory = memoryview(bytearray(self._empty * batches))
        self._rows = np.frombuffer(self._memory, self._layout.row)
        self._processed = self._rows["processed"]

    def _grow(self) -> None:
        """Twice as much room: rows that wait for their replies fill all there is."""
        old, n = self._rows, self._capacity
        self._allocate(2 * n // self._n)
        kept = np.arange(self._written, self.opened)
        self._rows[kept % self._capacity] = old[kept % n]

    def _hold(self, column: str, k: int, array: NDArray[Any]) -> None:
        self._lists[column][k] = array
        self._held_bytes += array.nbytes
        if self._held_bytes > HELD_BYTES:
            self.full_at = 0


def _values_of(names: Sequence[str]) -> Callable[[Mapping[str, float]], Sequence[float]]:
    """What gives the values of these keys, in this order."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda info: [info[name] for name in names]


def _numbers(events: Events) -> NDArray[np.uint64]:
    """A copy of events as numbers; one of events as they are takes ten times as long."""
    return events.view(np.uint64).copy()


def _taken(found: dict[int, NDArray[Any]], first: int, n: int) -> dict[int, NDArray[Any]]:
    """Those of the `n` rows from `first` on, by their place among them; they are taken out of `found`."""
    return {k - first: found.pop(k) for k in range(first, first + n) if k in found} if found else {}
