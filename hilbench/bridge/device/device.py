"""A device without its socket: one frame in, at most one frame out, for one plant at a time.

It must not know which link its frames come over. Nothing a frame holds can end it: a bad one gets an ERROR and
changes nothing, and so does a backend that fails.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from time import monotonic_ns

from hilbench.bridge.device.session import Session
from hilbench.bridge.device.watchdog import Overdue
from hilbench.bridge.protocol import handshakes, states, wire
from hilbench.bridge.protocol.handshakes import Hello
from hilbench.bridge.protocol.identity import program_hash
from hilbench.bridge.protocol.ticks import TickReader, encode_reply
from hilbench.bridge.protocol.wire import Can, Code, FrameError, Header, Kind
from hilbench.errors import HilbenchError
from hilbench.lines.boot import boot_id
from hilbench.nal.model.codec import unpack
from hilbench.types import Backend

log = logging.getLogger(__name__)

OVERDUE = (
    "LOAD took longer than this device gives it; load a smaller program, or serve it with more --load-timeout-s "
    "(a link that starts its own device gives it link.start_timeout_s)"
)
CAPABILITIES = Can.LOAD | Can.SNAPSHOT | Can.ECHO | Can.STATUS


class Device:
    """Answers the frames of docs/protocol.md with one backend."""

    def __init__(
        self, backend: Backend, lease_s: float, clock_ns: Callable[[], int] = monotonic_ns,
        broken: Callable[[], int] = lambda: 0, load_limit: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:  # fmt: skip
        self._session = Session(backend)
        self._hello = Hello(CAPABILITIES, boot_id())
        self._reader: TickReader | None = None
        self._lease_ns = int(lease_s * 1e9)
        self._clock_ns = clock_ns
        self._load_limit = load_limit
        self._plant: bytes | None = None
        self._heard_ns = 0
        self._tick_mark = b""
        self._number = int.from_bytes(os.urandom(2), "little")
        self._actions: dict[int, Callable[[bytes, Header], bytes]] = {
            Kind.LOAD: self._load,
            Kind.RESET: self._reset,
            Kind.BYE: self._part,
            Kind.ECHO: self._echo,
            Kind.SNAPSHOT: self._snapshot,
            Kind.RESTORE: self._restore,
            Kind.STATUS: self._status,
        }
        self._refused, self._broken = 0, broken

    def answer(self, plant: bytes, data: bytes, recv_ns: int) -> bytes | None:
        """The answer to a frame from the plant with this address; None where none is due.

        Parameters
        ----------
        plant : bytes
            Who sent it, as its listener names them.
        data : bytes
            The frame.
        recv_ns : int
            When it arrived, in nanoseconds of this process's monotonic clock.
        """
        try:
            if plant != self._plant or not data.startswith(self._tick_mark):
                return self._handle(plant, data)
            self._heard_ns = self._clock_ns()
            if self._reader is None:
                raise FrameError(Code.STATE, "TICK before a program is loaded; LOAD one first")
            reply = self._session.tick(self._reader.read(data), recv_ns)
            return None if reply is None else encode_reply(reply, self._number)
        except FrameError as error:
            code, text = error.code, str(error)
        except HilbenchError as error:
            code, text = Code.REFUSED, str(error)
        except Exception as error:
            log.exception("a step or a load failed; the device goes on")
            code, text = Code.INTERNAL, f"{type(error).__name__}: {error}"
        self._refused += 1
        return handshakes.encode_error(self._number if plant == self._plant else 0, wire.seq_of(data), code, text)

    def farewell(self) -> tuple[bytes, bytes] | None:
        """The plant in session and the BYE for it, when the device ends first."""
        return (self._plant, wire.frame(Kind.BYE, self._number, 0)) if self._plant else None

    def left(self, plant: bytes) -> None:
        """The connection of the plant with this address has ended for good, and its session with it."""
        if plant == self._plant:
            self._plant = None
            self._session.end()

    def _handle(self, plant: bytes, data: bytes) -> bytes:
        header = wire.read_header(data)
        if header.kind == Kind.HELLO:
            return self._meet(plant, data, header)
        if header.kind not in (*self._actions, Kind.TICK):
            raise FrameError(Code.UNSUPPORTED, f"{Kind(header.kind).name} is not supported by this device")
        if plant != self._plant or header.session != self._number:
            raise FrameError(Code.SESSION, f"session {header.session} is not open for this plant; say HELLO first")
        if header.kind != Kind.TICK:
            wire.check_zeros(header)
        self._heard_ns = self._clock_ns()
        return self._actions[header.kind](data, header)

    def _meet(self, plant: bytes, data: bytes, header: Header) -> bytes:
        hello = handshakes.decode_hello(data)
        wire.check_zeros(header)
        if header.session or hello._replace(boot_id=bytes(16)) != Hello():
            raise FrameError(Code.RANGE, "HELLO of a plant's side has more than a boot id; allowed: 0 elsewhere")
        now_ns = self._clock_ns()
        if self._plant not in (None, plant) and now_ns - self._heard_ns <= self._lease_ns:
            raise FrameError(Code.BUSY, "the device serves another plant; try again when that one has gone")
        self._plant, self._heard_ns = plant, now_ns
        self._number = self._number % 0xFFFF + 1
        self._tick_mark = wire.mark(Kind.TICK, self._number)
        self._session.end()
        return handshakes.encode_hello(self._number, header.seq, self._hello)

    def _load(self, data: bytes, header: Header) -> bytes:
        """A LOAD that is refused, for whatever reason, leaves the device without a program."""
        self._hello, self._reader = Hello(CAPABILITIES, boot_id()), None
        self._session.unload()
        try:
            with self._load_limit():
                load = handshakes.decode_load(data)
                report = self._session.load(unpack(load.program), load.period_us, load.probes)
        except Overdue:
            self._session.unload()
            raise FrameError(Code.REFUSED, OVERDUE) from None
        sizes = self._session.sizes
        assert sizes is not None, "a load that returns has set them"
        self._reader = TickReader(sizes)
        self._hello = Hello(CAPABILITIES, boot_id(), program_hash(load.program), sizes)
        return handshakes.encode_report(self._number, header.seq, report)

    def _reset(self, data: bytes, header: Header) -> bytes:
        self._session.reset(*handshakes.decode_reset(data))
        return wire.frame(Kind.RESET, self._number, header.seq)

    def _echo(self, data: bytes, header: Header) -> bytes:
        handshakes.check_echo(data)
        return data

    def _snapshot(self, data: bytes, header: Header) -> bytes:
        handshakes.check_bare(data)
        return states.encode_states(Kind.SNAPSHOT, self._number, header.seq, self._session.snapshot())

    def _restore(self, data: bytes, header: Header) -> bytes:
        self._session.restore(*states.decode_states(data))
        return wire.frame(Kind.RESTORE, self._number, header.seq)

    def _status(self, data: bytes, header: Header) -> bytes:
        handshakes.check_bare(data)
        return states.encode_status(self._number, header.seq, self._session.status(self._refused, self._broken()))

    def _part(self, data: bytes, header: Header) -> bytes:
        handshakes.check_bare(data)
        self._plant = None
        self._session.end()
        return wire.frame(Kind.BYE, self._number, header.seq)
