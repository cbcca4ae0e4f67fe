"""One episode's rows, kept in preallocated chunks and written a chunk at a time.

It must not know the run's folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilbench.record.columns import Chunk, RowLayout, Widths
from hilbench.record.streams import StreamWriter
from hilbench.types import NO_EVENTS, Events, Reply, Tick, Values

if TYPE_CHECKING:
    import pyarrow as pa


class EpisodeRows:
    """One episode's rows, addressed by tick number; `Recorder.episode` makes it."""

    def __init__(self, stream: Callable[[pa.Schema], StreamWriter], shape: Widths, rows_per_batch: int) -> None:
        self.info, self._n = shape.info, rows_per_batch
        self._layout = RowLayout(shape)
        self._size = self._layout.row.itemsize
        self._chunks = {0: Chunk(self._layout, shape.info, rows_per_batch)}
        self._spare = [Chunk(self._layout, shape.info, rows_per_batch)]
        self._stream = stream(self._chunks[0].batch(0).schema)
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
        chunk, i = self._at(self._rows)
        self._rows += 1
        values = self._layout.no_values if tick is None else (*tick.values.tolist(), *tick.modulators.tolist())
        relayed = tick is not None and tick.events is told and told.size > 0
        part = self._layout.tick
        part.pack(
            chunk.memory, i * self._size + part.offset,
            *row, relayed, *obs.tolist(), *state.tolist(), *[info[name] for name in self.info], *values,
        )  # fmt: skip
        if tick is not None and tick.events.size:
            chunk.lists["events"][i] = _numbers(tick.events)
        if told.size and not relayed:
            chunk.lists["sensor_events"][i] = _numbers(told)

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
            lists["reply_events"][i] = _numbers(reply.events)
        if reply.probe_events.size:
            lists["probe_events"][i] = _numbers(reply.probe_events)
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
        if seq // self._n >= self._written:
            chunk, i = self._at(seq)
            part = self._layout.applied
            part.pack(chunk.memory, i * self._size + part.offset, step, applied_ns)

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
        chunk, i = self._at(k)
        layout, at = self._layout, i * self._size
        layout.action.pack_into(chunk.memory, at + layout.actions.offset + j * layout.action.size, *action)
        chunk.memory[at + layout.sources.offset + j] = source

    def flush(self, oldest_open: int) -> None:
        """Write every full chunk whose rows are all settled, that is below tick `oldest_open`."""
        while (self._written + 1) * self._n <= min(oldest_open, self._rows):
            chunk = self._chunks[self._written]
            self._stream.write(chunk.batch(self._n))
            del self._chunks[self._written]
            self._written += 1
            chunk.clear()
            self._spare.append(chunk)

    def close(self) -> None:
        """Write every row there is and end the stream; one that found no room before takes no more."""
        if not self._stream.closed:
            self.flush(self._rows)
            if left := self._rows - self._written * self._n:
                self._stream.write(self._chunks[self._written].batch(left))
            self._stream.close()

    def _at(self, k: int) -> tuple[Chunk, int]:
        if 0 <= (i := k - self._newest_at) < self._n:
            return self._newest, i
        number, i = divmod(k, self._n)
        chunk = self._chunks.get(number)
        if chunk is None:
            chunk = self._spare.pop() if self._spare else Chunk(self._layout, self.info, self._n)
            self._chunks[number] = self._newest = chunk
            self._newest_at = k - i
        return chunk, i


def _numbers(events: Events) -> NDArray[np.uint64]:
    """A copy of events as numbers; one of events as they are takes ten times as long."""
    return events.view(np.uint64).copy()
