"""TICK and REPLY as bytes: the only frames of a running loop.

It must not know sockets, clocks or backends. Writing joins small byte strings. Reading fills arrays that are made once,
so a step sees the same writable arrays on every link and a compiled backend never meets a new array type. Every number
of a frame is checked in every tick. What is the same in nearly all of a program's frames, as their length and their
counts, is compared as bytes; only where it differs do we look at each number of it.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

import numpy as np

from hilbench.bridge.protocol.arrays import VALUE, Store, check_events, check_order
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
    VERSION,
    Code,
    FrameError,
    Kind,
    Sizes,
    mark,
)
from hilbench.types import COUNTERS, EVENT, NO_EVENTS, NO_VALUES, Events, Reply, Tick, Values

_COUNTER = np.dtype("<u8")
_EVENT_BYTES, _VALUE_BYTES = EVENT.itemsize, VALUE.itemsize
_TICK_START, _REPLY_START = (MAGIC + bytes((VERSION, kind)) for kind in (Kind.TICK, Kind.REPLY))
_TICK_HEAD = Struct("<4sHHQQIHH")
"""A TICK's header, in as few parts as a writer needs."""
_PLAIN_TICK = "<6sHQQ8s{}s"
"""A whole TICK without events, where the mark, the counts and the arrays are known as bytes."""
_TICK_NUMBERS = Struct("<6xHQQ8s")
"""What a reader needs of any TICK's header: flags, seq, t_ns, and the counts as bytes."""
_REPLY_HEAD = Struct("<4sH2xQQIHHQQQII40sd")
"""A REPLY's header and the fixed part of its body, as a writer needs them; its counters are bytes."""
_REPLY_NUMBERS = Struct("<6xHQQ8sQQQ8s40sd")
"""What a reader needs of them; the counts of probes are bytes as well."""
_COUNTS, _PROBE_COUNTS, _COUNTERS = Struct("<IHH"), Struct("<II"), Struct("<5Q")
_NO_PROBES = bytes(_PROBE_COUNTS.size)


def check_tick(tick: Tick, sizes: Sizes) -> None:
    """Raise FrameError when a tick is not what the loaded program takes: every link calls this before it sends.

    Parameters
    ----------
    tick : Tick
        What is to be sent.
    sizes : Sizes
        Of the loaded program.
    """
    if not (0 <= tick.seq < NO_SEQ and 0 <= tick.t_ns < 2**64):
        raise FrameError(Code.RANGE, f"seq is {tick.seq} and t_ns {tick.t_ns}; allowed: 0 to 2**64 - 2")
    if tick.values.shape != (sizes.n_values_in,) or tick.values.dtype != VALUE:
        raise _odd_values("values", tick.values, sizes.n_values_in)
    if tick.modulators.shape != (sizes.n_modulators,) or tick.modulators.dtype != VALUE:
        raise _odd_values("modulators", tick.modulators, sizes.n_modulators)
    if len(tick.events):
        check_events(tick.events, sizes.period_us, sizes.n_addresses_in)
        check_order(tick.events["t_us"])


def _odd_values(name: str, array: Values, size: int) -> FrameError:
    return FrameError(Code.COUNT, f"{name} are {array.shape} {array.dtype}; this program takes ({size},) float32")


def encode_tick(tick: Tick, session: int) -> bytes:
    """The TICK frame of a tick that `check_tick` let pass.

    Parameters
    ----------
    tick : Tick
        What is sent.
    session : int
        The session's number.
    """
    events, values, modulators = tick.events, tick.values, tick.modulators
    n_events, n_modulators = len(events), len(modulators)
    flags = LEARNING if tick.learning else 0
    head = _TICK_HEAD.pack(_TICK_START, session, flags, tick.seq, tick.t_ns, n_events, len(values), n_modulators)
    if n_events or n_modulators:
        return b"".join((head, events.tobytes(), values.tobytes(), modulators.tobytes()))
    return head + values.tobytes()


def encode_reply(reply: Reply, session: int) -> bytes:
    """The REPLY frame; arrays of other number types are cast to the wire's.

    Parameters
    ----------
    reply : Reply
        What the device answers.
    session : int
        The session's number.
    """
    values, counters, prev_seq = reply.values, reply.counters, reply.prev_seq
    events, probe_events, probe_values = reply.events, reply.probe_events, reply.probe_values
    n_events, n_probe_events, n_probe_values = len(events), len(probe_events), len(probe_values)
    if values.dtype is not VALUE:
        values = np.asarray(values, VALUE)
    plain = counters.dtype is _COUNTER and counters.shape == (5,)
    head = _REPLY_HEAD.pack(
        _REPLY_START, session, reply.seq, reply.t_ns, n_events, len(values), 0,
        reply.recv_ns, reply.compute_ns, NO_SEQ if prev_seq < 0 else prev_seq, n_probe_events, n_probe_values,
        counters.tobytes() if plain else _COUNTERS.pack(*counters.tolist()), reply.energy_j,
    )  # fmt: skip
    if not (n_events or n_probe_events or n_probe_values):
        return head + values.tobytes()
    parts = events, values, probe_events, np.asarray(probe_values, VALUE)
    return head + b"".join([part.tobytes() for part in parts])


def _other_length(data: bytes, needed: int) -> FrameError:
    return FrameError(Code.FRAME, f"frame has {len(data)} bytes; its counts need {needed}")


class TickWriter:
    """Writes the TICK frames of one program and session."""

    def __init__(self, sizes: Sizes, session: int) -> None:
        self._sizes, self._session, self._n_modulators = sizes, session, sizes.n_modulators
        self._values: Values | None = None  # the arrays of the last tick, which fit
        self._modulators: Values | None = None
        self._start = mark(Kind.TICK, session)
        self._counts = _COUNTS.pack(0, sizes.n_values_in, sizes.n_modulators)
        self._pack = Struct(_PLAIN_TICK.format((sizes.n_values_in + sizes.n_modulators) * _VALUE_BYTES)).pack

    def write(self, tick: Tick) -> bytes:
        """The frame of a tick. Raises FrameError for one that the program does not take."""
        values, modulators, seq, t_ns = tick.values, tick.modulators, tick.seq, tick.t_ns
        same = values is self._values and modulators is self._modulators
        if not same or len(tick.events) or not (0 <= seq < NO_SEQ and 0 <= t_ns < 2**64):
            check_tick(tick, self._sizes)
            self._values, self._modulators = values, modulators
            return encode_tick(tick, self._session)
        body = values.tobytes()
        if self._n_modulators:
            body += modulators.tobytes()
        return self._pack(self._start, LEARNING if tick.learning else 0, seq, t_ns, self._counts, body)


class TickReader:
    """Reads TICK frames of one program into one Tick, which holds until the next read."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._counts = _COUNTS.pack(0, sizes.n_values_in, sizes.n_modulators)
        self._inputs = Store(VALUE, sizes.n_values_in + sizes.n_modulators)
        self._body_bytes = self._inputs.array.nbytes
        self._n_bytes = HEADER.size + self._body_bytes  # without events
        self._unpack = Struct(_PLAIN_TICK.format(self._body_bytes)).unpack
        self._events = Store(EVENT, 64)
        self._values, self._modulators = np.split(self._inputs.array, [sizes.n_values_in])
        self._tick = Tick()

    def read(self, data: bytes) -> Tick:
        """The Tick in a frame that starts with a TICK's mark. Raises FrameError and keeps nothing of a bad frame."""
        if len(data) == self._n_bytes:
            _, flags, seq, t_ns, counts, body = self._unpack(data)
        elif len(data) < HEADER.size:
            raise FrameError(Code.FRAME, f"frame has {len(data)} bytes; a header has {HEADER.size}")
        else:
            flags, seq, t_ns, counts = _TICK_NUMBERS.unpack_from(data)
            body = data[len(data) - self._body_bytes :]
        n_events = 0 if counts == self._counts else self._check_counts(counts)
        if flags & ~LEARNING:
            raise FrameError(Code.RANGE, f"TICK has flags {flags:#06x}; allowed: {LEARNING} or 0")
        if seq == NO_SEQ:
            raise FrameError(Code.RANGE, "TICK has seq 2**64 - 1; allowed: less")
        if len(data) != self._n_bytes + n_events * _EVENT_BYTES:
            raise _other_length(data, self._n_bytes + n_events * _EVENT_BYTES)
        tick = self._tick
        tick.events = self._read_events(data, n_events) if n_events else NO_EVENTS
        tick.seq, tick.t_ns, tick.learning = seq, t_ns, flags == LEARNING
        self._inputs.bytes[:] = body
        tick.values, tick.modulators = self._values, self._modulators
        return tick

    def _check_counts(self, counts: bytes) -> int:
        """How many events these counts announce."""
        n_events, n_values, n_modulators = _COUNTS.unpack(counts)
        sizes = self._sizes
        if n_values != sizes.n_values_in or n_modulators != sizes.n_modulators:
            raise FrameError(
                Code.COUNT,
                f"TICK has {n_values} values and {n_modulators} modulators; "
                f"this program takes {sizes.n_values_in} and {sizes.n_modulators}",
            )
        return n_events

    def _read_events(self, data: bytes, n_events: int) -> Events:
        events = self._events.fill(data, HEADER.size, n_events)
        check_events(events, self._sizes.period_us, self._sizes.n_addresses_in)
        check_order(events["t_us"])
        return events


class ReplyReader:
    """Reads REPLY frames of one program into one Reply, which holds until the next read.

    `n_probe_addresses` and `n_probe_values` are what the run watches, where that is known; a record of values comes
    whole or not at all.
    """

    def __init__(self, sizes: Sizes, n_probe_addresses: int = ADDRESSES_MAX, n_probe_values: int | None = None) -> None:
        self._sizes = sizes
        self._n_probe_addresses, self._n_probe_values = n_probe_addresses, n_probe_values
        self._counts = _COUNTS.pack(0, sizes.n_values_out, 0)
        n_value_bytes = sizes.n_values_out * _VALUE_BYTES
        self._n_bytes = _REPLY_NUMBERS.size + n_value_bytes  # without events and probes
        self._unpack = Struct(f"{_REPLY_NUMBERS.format}{n_value_bytes}s").unpack
        self._values, self._probe_values = Store(VALUE, sizes.n_values_out), Store(VALUE, 0)
        self._events, self._probe_events = Store(EVENT, 64), Store(EVENT, 64)
        self._counters = Store(_COUNTER, len(COUNTERS))
        self._counted = bytes(_COUNTERS.size)
        self._reply = Reply()

    def read(self, data: bytes) -> Reply:
        """The Reply in a frame that starts with a REPLY's mark. Raises FrameError."""
        if len(data) == self._n_bytes:
            numbers = self._unpack(data)
        elif len(data) < _REPLY_NUMBERS.size:
            raise FrameError(Code.FRAME, f"REPLY has {len(data)} bytes; allowed: {_REPLY_NUMBERS.size} or more")
        else:
            numbers = *_REPLY_NUMBERS.unpack_from(data), b""
        flags, seq, t_ns, counts, recv_ns, compute_ns, prev_seq, probe_counts, counted, energy_j, values = numbers
        n_events = 0 if counts == self._counts else self._check_counts(counts)
        if flags:
            raise FrameError(Code.RANGE, f"REPLY has flags {flags:#06x}; allowed: 0")
        plain = probe_counts == _NO_PROBES and not n_events
        n_probe_events, n_probe_values = (0, 0) if plain else self._check_probe_counts(probe_counts)
        # One comparison after the other: this stands in every tick.
        if not (
            compute_ns <= COMPUTE_NS_MAX
            and recv_ns <= CLOCK_NS_MAX
            and (prev_seq < seq < NO_SEQ or prev_seq == NO_SEQ > seq)
            and (counted == self._counted or max(_COUNTERS.unpack(counted)) <= COUNT_MAX)
            and (0 <= energy_j <= ENERGY_J_MAX or energy_j != energy_j)
        ):
            raise _out_of_range(numbers)
        reply, self._counted = self._reply, counted
        reply.seq, reply.t_ns, reply.recv_ns, reply.compute_ns = seq, t_ns, recv_ns, compute_ns
        reply.prev_seq = -1 if prev_seq == NO_SEQ else prev_seq
        reply.energy_j = energy_j
        self._counters.bytes[:] = counted
        reply.counters, reply.values = self._counters.array, self._values.array
        if not plain:
            self._read_arrays(data, n_events, n_probe_events, n_probe_values)
            return reply
        if len(data) != self._n_bytes:
            raise _other_length(data, self._n_bytes)
        self._values.bytes[:] = values
        reply.events, reply.probe_events, reply.probe_values = NO_EVENTS, NO_EVENTS, NO_VALUES
        return reply

    def _check_counts(self, counts: bytes) -> int:
        """How many events these counts announce."""
        n_events, n_values, n_modulators = _COUNTS.unpack(counts)
        if n_values != self._sizes.n_values_out or n_modulators:
            raise FrameError(
                Code.COUNT,
                f"REPLY has {n_values} values and {n_modulators} modulators; "
                f"this program gives {self._sizes.n_values_out} and 0",
            )
        return n_events

    def _check_probe_counts(self, counts: bytes) -> tuple[int, int]:
        n_events, n_values = _PROBE_COUNTS.unpack(counts)
        if n_values and n_values != self._n_probe_values is not None:
            allowed = f"0 or the {self._n_probe_values} of REPORT"
            raise FrameError(Code.COUNT, f"REPLY has {n_values} probe values; allowed: {allowed}")
        return n_events, n_values

    def _read_arrays(self, data: bytes, n_events: int, n_probe_events: int, n_probe_values: int) -> None:
        reply, period_us = self._reply, self._sizes.period_us
        values_at = _REPLY_NUMBERS.size + n_events * _EVENT_BYTES
        probes_at = self._n_bytes + n_events * _EVENT_BYTES
        n_bytes = probes_at + n_probe_events * _EVENT_BYTES + n_probe_values * _VALUE_BYTES
        if len(data) != n_bytes:
            raise _other_length(data, n_bytes)
        self._values.bytes[:] = data[values_at:probes_at]
        reply.events = self._events.fill(data, _REPLY_NUMBERS.size, n_events)
        reply.probe_events = self._probe_events.fill(data, probes_at, n_probe_events)
        reply.probe_values = self._probe_values.fill(data, probes_at + n_probe_events * _EVENT_BYTES, n_probe_values)
        if n_events:
            check_events(reply.events, period_us, self._sizes.n_addresses_out)
            check_order(reply.events["t_us"])
        if n_probe_events:
            check_events(reply.probe_events, period_us, self._n_probe_addresses)
            check_order(reply.probe_events["t_us"])


def _out_of_range(numbers: tuple[Any, ...]) -> FrameError:
    """What is wrong with these `_REPLY_NUMBERS`."""
    _, seq, _, _, recv_ns, compute_ns, prev_seq, _, counted, energy_j, _ = numbers
    counters = dict(zip(COUNTERS, _COUNTERS.unpack(counted), strict=True))
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
