"""TICK and REPLY as bytes: the only frames of a running loop.

It must not know sockets, clocks or backends. Writing joins small byte strings. Reading fills arrays that are made once,
so a step sees the same writable arrays on every link and a compiled backend never meets a new array type.
"""

from __future__ import annotations

from struct import Struct

import numpy as np
from numpy.typing import NDArray

from hilbench.bridge.protocol.wire import (
    ADDRESSES_MAX,
    CLOCK_NS_MAX,
    COMPUTE_NS_MAX,
    COUNT_MAX,
    ENERGY_J_MAX,
    HEADER,
    LEARNING,
    MAGIC,
    NO_SEQ,
    REPLY,
    VERSION,
    Code,
    FrameError,
    Kind,
    Sizes,
)
from hilbench.types import COUNTERS, EVENT, NO_EVENTS, NO_VALUES, Reply, Tick

VALUE = np.dtype("<f4")
_COUNTER = np.dtype("<u8")
_EVENT_BYTES, _VALUE_BYTES = EVENT.itemsize, VALUE.itemsize
_REPLY_HEAD = Struct(HEADER.format + REPLY.format[1:])
"""A REPLY's header and the fixed part of its body, in one."""
_COUNTERS_AT = HEADER.size + 32
_TICK, _REPLY = int(Kind.TICK), int(Kind.REPLY)


def check_tick(tick: Tick, sizes: Sizes) -> None:
    """Raise FrameError when a tick is not what the loaded program takes: every link calls this before it sends."""
    if not (0 <= tick.seq < NO_SEQ and 0 <= tick.t_ns < 2**64):
        raise FrameError(Code.RANGE, f"seq is {tick.seq} and t_ns {tick.t_ns}; allowed: 0 to 2**64 - 2")
    _check_values("values", tick.values, sizes.n_values_in)
    _check_values("modulators", tick.modulators, sizes.n_modulators)
    if len(tick.events):
        _check_events(tick.events, sizes.period_us, sizes.n_addresses_in)
        _check_order(tick.events["t_us"])


def _check_values(name: str, array: NDArray, size: int) -> None:
    if array.shape != (size,) or array.dtype != VALUE:
        raise FrameError(Code.COUNT, f"{name} are {array.shape} {array.dtype}; this program takes ({size},) float32")


def _check_events(events: NDArray, period_us: int, n_addresses: int) -> None:
    if events.dtype != EVENT or events.ndim != 1:
        raise FrameError(Code.COUNT, f"events are {events.shape} {events.dtype}; allowed: (n,) {EVENT}")
    if (last := events["t_us"].max()) >= period_us:
        raise FrameError(Code.RANGE, f"an event's t_us is {last}; allowed: below the period of {period_us}")
    if (top := events["address"].max()) >= n_addresses:
        raise FrameError(Code.RANGE, f"an event's address is {top}; allowed: below {n_addresses}")


def _check_order(t_us: NDArray) -> None:
    if (t_us[1:] < t_us[:-1]).any():
        raise FrameError(Code.RANGE, "events are not in the order of t_us")


def encode_tick(tick: Tick, session: int) -> bytes:
    """The TICK frame of a tick that `check_tick` let pass."""
    events, values, modulators = tick.events, tick.values, tick.modulators
    flags = LEARNING if tick.learning else 0
    header = HEADER.pack(
        MAGIC, VERSION, _TICK, session, flags, tick.seq, tick.t_ns, len(events), len(values), len(modulators)
    )
    return b"".join((header, events.tobytes(), values.tobytes(), modulators.tobytes()))


def encode_reply(reply: Reply, session: int) -> bytes:
    """The REPLY frame; arrays of other number types are cast to the wire's."""
    events, values = reply.events, reply.values
    probe_events, probe_values = reply.probe_events, reply.probe_values
    n_events, n_values, n_probe_events, n_probe_values = len(events), len(values), len(probe_events), len(probe_values)
    prev_seq = NO_SEQ if reply.prev_seq < 0 else reply.prev_seq
    head = _REPLY_HEAD.pack(
        *(MAGIC, VERSION, _REPLY, session, 0, reply.seq, reply.t_ns, n_events, n_values, 0),
        *(reply.recv_ns, reply.compute_ns, prev_seq, n_probe_events, n_probe_values),
        *reply.counters.tolist(),
        reply.energy_j,
    )
    if not (n_events or n_probe_events or n_probe_values):
        return head + np.asarray(values, VALUE).tobytes()
    parts = events, np.asarray(values, VALUE), probe_events, np.asarray(probe_values, VALUE)
    return head + b"".join([part.tobytes() for part in parts])


class TickReader:
    """Reads TICK frames of one program into one Tick, which holds until the next read."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._values = _Store(VALUE, sizes.n_values_in)
        self._modulators = _Store(VALUE, sizes.n_modulators)
        self._events = _Store(EVENT, 64)
        self._tick = Tick()

    def read(self, data: bytes) -> Tick:
        """The Tick in a frame that starts with a TICK's mark. Raises FrameError and keeps nothing of a bad frame."""
        if len(data) < HEADER.size:
            raise FrameError(Code.FRAME, f"frame has {len(data)} bytes; a header has {HEADER.size}")
        _, _, _, _, flags, seq, t_ns, n_events, n_values, n_modulators = HEADER.unpack_from(data)
        self._check(flags, seq, n_values, n_modulators)
        values_at = HEADER.size + n_events * _EVENT_BYTES
        modulators_at = values_at + n_values * _VALUE_BYTES
        _check_length(data, modulators_at + n_modulators * _VALUE_BYTES)
        tick = self._tick
        tick.events = self._read_events(data, n_events) if n_events else NO_EVENTS
        tick.seq, tick.t_ns, tick.learning = seq, t_ns, flags == LEARNING
        tick.values = self._values.fill(data, values_at, n_values)
        tick.modulators = self._modulators.fill(data, modulators_at, n_modulators) if n_modulators else NO_VALUES
        return tick

    def _check(self, flags: int, seq: int, n_values: int, n_modulators: int) -> None:
        sizes = self._sizes
        if n_values != sizes.n_values_in or n_modulators != sizes.n_modulators:
            raise FrameError(
                Code.COUNT,
                f"TICK has {n_values} values and {n_modulators} modulators; "
                f"this program takes {sizes.n_values_in} and {sizes.n_modulators}",
            )
        if flags & ~LEARNING:
            raise FrameError(Code.RANGE, f"TICK has flags {flags:#06x}; allowed: {LEARNING} or 0")
        if seq == NO_SEQ:
            raise FrameError(Code.RANGE, "TICK has seq 2**64 - 1; allowed: less")

    def _read_events(self, data: bytes, n_events: int) -> NDArray:
        events = self._events.fill(data, HEADER.size, n_events)
        _check_events(events, self._sizes.period_us, self._sizes.n_addresses_in)
        _check_order(events["t_us"])
        return events


class ReplyReader:
    """Reads REPLY frames of one program into one Reply, which holds until the next read.

    `n_probe_addresses` and `n_probe_values` are what the run watches, where that is known; a record of values comes
    whole or not at all.
    """

    def __init__(self, sizes: Sizes, n_probe_addresses: int = ADDRESSES_MAX, n_probe_values: int | None = None) -> None:
        self._sizes = sizes
        self._n_probe_addresses, self._n_probe_values = n_probe_addresses, n_probe_values
        self._values, self._probe_values = _Store(VALUE, sizes.n_values_out), _Store(VALUE, 0)
        self._events, self._probe_events = _Store(EVENT, 64), _Store(EVENT, 64)
        self._counters = _Store(_COUNTER, len(COUNTERS))
        self._reply = Reply()

    def read(self, data: bytes) -> Reply:
        """The Reply in a frame that starts with a REPLY's mark. Raises FrameError."""
        if len(data) < _REPLY_HEAD.size:
            raise FrameError(Code.FRAME, f"REPLY has {len(data)} bytes; allowed: {_REPLY_HEAD.size} or more")
        head = _REPLY_HEAD.unpack_from(data)
        _, _, _, _, flags, seq, t_ns, n_events, n_values, n_modulators, recv_ns, compute_ns, prev_seq = head[:13]
        n_probe_events, n_probe_values = head[13:15]
        if n_values != self._sizes.n_values_out or n_modulators:
            raise FrameError(
                Code.COUNT,
                f"REPLY has {n_values} values and {n_modulators} modulators; "
                f"this program gives {self._sizes.n_values_out} and 0",
            )
        if flags or (n_probe_values and n_probe_values != self._n_probe_values is not None):
            raise self._odd(flags, n_probe_values)
        # One comparison after the other: this stands in every tick.
        if not (
            compute_ns <= COMPUTE_NS_MAX
            and recv_ns <= CLOCK_NS_MAX
            and (prev_seq < seq < NO_SEQ or prev_seq == NO_SEQ > seq)
            and max(head[15:-1]) <= COUNT_MAX
            and (0 <= (energy_j := head[-1]) <= ENERGY_J_MAX or energy_j != energy_j)
        ):
            raise _out_of_range(head)
        reply = self._reply
        reply.seq, reply.t_ns, reply.recv_ns, reply.compute_ns = seq, t_ns, recv_ns, compute_ns
        reply.prev_seq = -1 if prev_seq == NO_SEQ else prev_seq
        reply.energy_j = head[-1]
        reply.counters = self._counters.fill(data, _COUNTERS_AT, len(COUNTERS))
        values_at = _REPLY_HEAD.size + n_events * _EVENT_BYTES
        probes_at = values_at + n_values * _VALUE_BYTES
        _check_length(data, probes_at + n_probe_events * _EVENT_BYTES + n_probe_values * _VALUE_BYTES)
        reply.values = self._values.fill(data, values_at, n_values)
        if n_events or n_probe_events or n_probe_values:
            self._read_rest(data, n_events, probes_at, n_probe_events, n_probe_values)
        else:
            reply.events, reply.probe_events, reply.probe_values = NO_EVENTS, NO_EVENTS, NO_VALUES
        return reply

    def _read_rest(self, data: bytes, n_events: int, probes_at: int, n_probe_events: int, n_probe_values: int) -> None:
        reply, period_us = self._reply, self._sizes.period_us
        reply.events = self._events.fill(data, _REPLY_HEAD.size, n_events)
        reply.probe_events = self._probe_events.fill(data, probes_at, n_probe_events)
        reply.probe_values = self._probe_values.fill(data, probes_at + n_probe_events * _EVENT_BYTES, n_probe_values)
        if n_events:
            _check_events(reply.events, period_us, self._sizes.n_addresses_out)
            _check_order(reply.events["t_us"])
        if n_probe_events:
            _check_events(reply.probe_events, period_us, self._n_probe_addresses)
            _check_order(reply.probe_events["t_us"])

    def _odd(self, flags: int, n_probe_values: int) -> FrameError:
        if flags:
            return FrameError(Code.RANGE, f"REPLY has flags {flags:#06x}; allowed: 0")
        allowed = f"0 or the {self._n_probe_values} of REPORT"
        return FrameError(Code.COUNT, f"REPLY has {n_probe_values} probe values; allowed: {allowed}")


def _out_of_range(head: tuple) -> FrameError:
    """What is wrong with the numbers of a REPLY's header and fixed part."""
    seq, recv_ns, compute_ns, prev_seq, energy_j = head[5], head[10], head[11], head[12], head[-1]
    counters = dict(zip(COUNTERS, head[15:-1], strict=True))
    most = max(counters, key=counters.__getitem__)
    for name, found, fits, allowed in (
        ("seq", seq, seq < NO_SEQ, "less"),
        ("compute_ns", compute_ns, compute_ns <= COMPUTE_NS_MAX, f"0 to {COMPUTE_NS_MAX}"),
        ("recv_ns", recv_ns, recv_ns <= CLOCK_NS_MAX, f"0 to {CLOCK_NS_MAX}"),
        ("prev_seq", prev_seq, prev_seq in (NO_SEQ, min(prev_seq, seq - 1)), f"below seq {seq}, or {NO_SEQ}"),
        (most, counters[most], counters[most] <= COUNT_MAX, f"0 to {COUNT_MAX}"),
    ):
        if not fits:
            return FrameError(Code.RANGE, f"{name} of REPLY is {found}; allowed: {allowed}")
    return FrameError(Code.RANGE, f"energy_j of REPLY is {energy_j:g}; allowed: 0 to {ENERGY_J_MAX:g}, or NaN")


class _Store:
    """An array made once and filled again and again; it grows when a frame needs more."""

    def __init__(self, dtype: np.dtype, capacity: int) -> None:
        self._dtype = dtype
        self._make(capacity)

    def _make(self, capacity: int) -> None:
        self._array, self._capacity = np.zeros(capacity, self._dtype), capacity
        self._bytes = memoryview(self._array.view(np.uint8))
        self._view, self._n_bytes = self._array[:], self._array.nbytes  # a view: nobody resizes what it is filled by

    def fill(self, data: bytes, at: int, count: int) -> NDArray:
        """The `count` elements at byte `at` of a frame whose length has been checked."""
        if count > self._capacity:
            self._make(max(count, 2 * self._capacity))
        n_bytes = count * self._dtype.itemsize
        if n_bytes != self._n_bytes:
            self._view, self._n_bytes = self._array[:count], n_bytes
        self._bytes[:n_bytes] = data[at : at + n_bytes]
        return self._view


def _check_length(data: bytes, expected: int) -> None:
    if len(data) != expected:
        raise FrameError(Code.FRAME, f"frame has {len(data)} bytes; its counts need {expected}")
