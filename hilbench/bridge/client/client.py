"""The plant's side of docs/protocol.md: requests, ticks and answers, whatever carries the frames.

It must not know sockets. A link derives from FrameLink and brings frames across; `zmq.py`, `unix.py`, `stream.py` do.
"""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Callable, Mapping
from time import monotonic_ns
from typing import Annotated, Any, ClassVar, TypeVar

from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.bridge.client import refusals
from hilbench.bridge.device.process import DeviceProcess, scheduling
from hilbench.bridge.protocol import handshakes, states, wire
from hilbench.bridge.protocol.handshakes import Hello, encode_load
from hilbench.bridge.protocol.identity import program_hash
from hilbench.bridge.protocol.states import Status
from hilbench.bridge.protocol.ticks import ReplyReader, TickWriter
from hilbench.bridge.protocol.wire import Can, FrameError, Kind, Sizes
from hilbench.bridge.transport.spin import SPIN_S
from hilbench.errors import HilbenchError, LinkError, ProtocolError
from hilbench.lines.boot import boot_id
from hilbench.nal.model.codec import pack
from hilbench.nal.model.network import Network
from hilbench.types import Carry, Link, LoadReport, Probes, Program, Reply, States, Tick

S = TypeVar("S")
T = TypeVar("T")
BYE_TIMEOUT_S = 0.2
CHECK_NS = 10_000_000
"""How late a loop that only sends may notice the end of a device process: asking the system costs every tick."""
ALIVE_TRIES = 3
"""Questions whether a silent device is there, since one may be lost on the way."""
FIRST_REQUEST = 2**63
"""Requests are numbered from here, so that an ERROR about one is never taken for one about a tick."""


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings that every link to a device has."""

    timeout_s: Annotated[float, Meta(gt=0, le=1e6)] = 5.0
    """How long a handshake, or a loop on the virtual clock, waits for an answer."""
    start_timeout_s: Annotated[float, Meta(gt=0, le=1e6)] = 60.0
    """How long a device may take to start, and then to load a program."""
    spin_s: Annotated[float, Meta(ge=0, le=1)] = SPIN_S
    """How long to look for a reply without sleep: it keeps a core busy, and sees one tens of microseconds sooner."""


class FrameLink(Link):
    """Asks, sends and receives in frames. A link says how a connection is made and how a frame crosses it."""

    Config: ClassVar[type[Limits]]
    name: ClassVar[str]
    """What messages call it."""
    own_bind: ClassVar[str]
    """Where a device that the link starts itself listens."""

    def __init__(self, config: Any, backend_kind: str, backend_config: dict[str, Any]) -> None:
        self.config = config
        self.same_clock = False
        """Whether `recv_ns` of a Reply and this process's monotonic clock may be subtracted."""
        self.unsent = 0
        """Ticks that found the queue to the device full, and were lost."""
        self._backend = backend_kind, backend_config
        self._address = config.address or ""
        self._device: DeviceProcess | None = None
        self._schedule = scheduling()
        self._connected = self._closed = False
        self._can = 0
        self._request = FIRST_REQUEST
        self._checkpoints: dict[int, Callable[[States], None]] = {}
        """Requests of `request_checkpoint` without an answer, by number: whom each is to be given to."""
        self._session = 0
        self._check_ns = 0
        """When a tick looks next whether the device process has ended."""
        self._sizes: Sizes | None = None

    def __str__(self) -> str:
        return self._address

    @abstractmethod
    def _connect(self) -> None:
        """Make the connection to `_address`. Raises LinkError when that fails at once."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Release the connection."""

    @abstractmethod
    def _write(self, frame: bytes) -> bool:
        """Hand a frame over without waiting; False when there is no room for it."""

    def _write_by(self, frame: bytes, deadline_ns: int) -> None:
        """Hand a request over, waiting for room until the deadline where a link can: no tick is under way then."""
        self._write(frame)  # a full queue ends as no answer

    @abstractmethod
    def _next(self, deadline_ns: int) -> bytes | None:
        """The next frame, or None at the deadline. Raises LinkError when the device is known to be gone."""

    def load(self, program: Program, period_us: int, probes: Probes) -> LoadReport:
        """Connect, if that has not happened yet, and have the device load the program.

        Raises LinkError when no device answers, when it refuses, or when it runs another backend.
        """
        sizes, packed = Sizes.of(program, period_us), pack(program)
        self._sizes = None
        if not self._connected:
            self._reach()
        hello = self._meet()
        if hello.capabilities & Can.LOAD:
            report = self._load(handshakes.Load(period_us, probes, packed))
            n_probe_values = report.n_probe_values
        else:
            n_probe_values = None  # a fixed device sends no REPORT
            report = self._accept_fixed(hello, sizes, program_hash(packed))
        self._sizes = sizes
        self._writer = TickWriter(sizes, self._session)
        self._reader = ReplyReader(sizes, _n_probe_addresses(program, probes), n_probe_values)
        return report

    def reset(self, seed: int, carry: Carry, catch_up: int) -> None:
        """Start an episode; replies of the last one are dropped. Raises LinkError when the device does not answer."""
        self._loaded()
        answer = self._ask(
            Kind.RESET, lambda seq: handshakes.encode_reset(self._session, seq, seed, carry, catch_up), Kind.RESET
        )
        self._decoded(handshakes.check_bare, answer)
        self._checkpoints.clear()

    def send(self, tick: Tick) -> None:
        """Queue the tick. Raises ProtocolError for one the program does not take, LinkError when the device ended."""
        if self._sizes is None:
            self._loaded()
        if not self._write(self._writer.write(tick)):
            self.unsent += 1
        if monotonic_ns() >= self._check_ns:
            self._check_device()

    def receive(self, timeout_ns: int) -> Reply | None:
        """The next reply, or None. Raises LinkError for an ERROR, a BYE, or the end of a device process."""
        if self._sizes is None:
            self._loaded()
        deadline_ns = monotonic_ns() + timeout_ns
        while (data := self._next(deadline_ns)) is not None:
            try:
                if data.startswith(self._reply_mark):
                    return self._reader.read(data)
                header = wire.read_header(data)
                received = self._checkpoints.pop(header.seq, None)
                if header.kind == Kind.SNAPSHOT and received is not None:
                    received(states.decode_states(data)[0])
                    continue
            except FrameError as error:
                raise self._blamed(error) from None
            if header.kind == Kind.BYE or (header.kind == Kind.ERROR and received is None):
                self._refuse(data, header)
        return None

    def request_checkpoint(self, received: Callable[[States], None]) -> None:
        """The snapshot comes among the replies. Nothing happens where a device cannot, or there is no room to ask."""
        self._loaded()
        if self._can & Can.SNAPSHOT:
            self._request += 1
            if self._write(wire.frame(Kind.SNAPSHOT, self._session, self._request)):
                self._checkpoints[self._request] = received

    def abandon(self) -> None:
        """Let go of the connection, and of a device process of this link's own."""
        self._release()
        self._closed, self._device, self._session = False, None, 0

    def send_echo(self, n_bytes: int) -> int | None:
        """A body longer than an ECHO may have is cut. Waits for room as long as a request does."""
        self._loaded()
        if not self._can & Can.ECHO:
            return None
        self._request += 1
        frame = wire.frame(Kind.ECHO, self._session, self._request, bytes(min(n_bytes, handshakes.ECHO_MAX_BYTES)))
        self._write_by(frame, monotonic_ns() + round(self.config.timeout_s * 1e9))
        return self._request

    def receive_echo(self, timeout_ns: int) -> int | None:
        """What else comes belongs to the past and is dropped."""
        self._loaded()
        deadline_ns = monotonic_ns() + timeout_ns
        while (data := self._next(deadline_ns)) is not None:
            header = self._decoded(wire.read_header, data)
            if header.kind == Kind.ECHO:
                return header.seq
            if header.kind == Kind.BYE or (header.kind == Kind.ERROR and header.seq >= FIRST_REQUEST):
                self._refuse(data, header)
        return None

    def alive(self) -> bool:
        self._loaded()
        kind = next((kind for can, kind in ((Can.ECHO, Kind.ECHO), (Can.STATUS, Kind.STATUS)) if self._can & can), None)
        timeout_ns = round(self.config.timeout_s * 1e9) // ALIVE_TRIES
        return kind is not None and any(
            self._exchange(lambda seq: wire.frame(kind, self._session, seq), kind, timeout_ns) is not None
            for _ in range(ALIVE_TRIES)
        )

    def snapshot(self) -> States:
        self._loaded()
        answer = self._ask(Kind.SNAPSHOT, lambda seq: wire.frame(Kind.SNAPSHOT, self._session, seq), Kind.SNAPSHOT)
        return self._decoded(lambda data: states.decode_states(data)[0], answer)

    def restore(self, arrays: Mapping[str, NDArray[Any]], carry: Carry) -> None:
        self._loaded()
        answer = self._ask(
            Kind.RESTORE,
            lambda seq: states.encode_states(Kind.RESTORE, self._session, seq, arrays, carry),
            Kind.RESTORE,
        )
        self._decoded(handshakes.check_bare, answer)

    def status(self) -> Status:
        """What the device counts. Raises LinkError when it does not tell."""
        self._loaded()
        answer = self._ask(Kind.STATUS, lambda seq: wire.frame(Kind.STATUS, self._session, seq), Kind.STATUS)
        return self._decoded(states.decode_status, answer)

    def tally(self) -> dict[str, int]:
        return {"unsent": self.unsent}

    def close(self) -> None:
        """Say BYE, release the socket and end the device process that this link started."""
        if self._closed:
            return
        try:
            if self._session:
                with contextlib.suppress(HilbenchError):
                    self._ask(Kind.BYE, lambda seq: wire.frame(Kind.BYE, self._session, seq), Kind.BYE, BYE_TIMEOUT_S)
        finally:
            self._release()

    def _release(self) -> None:
        self._closed, self._sizes = True, None
        self._checkpoints.clear()
        if self._connected:
            self._connected = False
            self._disconnect()
        if self._device is not None:
            self._device.close()

    def _reach(self) -> None:
        """Start the device, when it is this link's own, and connect."""
        if self._closed:
            raise LinkError(f"the link over {self.name} is closed; build a new one")
        if self.config.address is None and self._device is None:
            self._device = DeviceProcess(*self._backend, self.config.start_timeout_s, self.own_bind, self._schedule)
            self._address = self._device.address
        self._connect()
        self._connected = True

    def _meet(self) -> Hello:
        mine = Hello(boot_id=boot_id())
        try:
            answer = self._ask(Kind.HELLO, lambda seq: handshakes.encode_hello(0, seq, mine), Kind.HELLO)
            hello = handshakes.decode_answered_hello(answer)
        except ProtocolError as error:
            what = "expected a device of this version of hilbench"
            raise LinkError(f"{self._address}: what answers there speaks otherwise ({error}); {what}") from None
        self._session = wire.read_header(answer).session
        self._reply_mark = wire.mark(Kind.REPLY, self._session)
        self.same_clock = hello.boot_id == mine.boot_id
        self._can = hello.capabilities
        return hello

    def _load(self, load: handshakes.Load) -> LoadReport:
        if len(load.program) > wire.FRAME_MAX_BYTES - 2**16:
            raise LinkError(
                f"the program has {len(load.program)} bytes; a frame holds {wire.FRAME_MAX_BYTES} and no more"
            )
        answer = self._ask(
            Kind.LOAD, lambda seq: encode_load(self._session, seq, load), Kind.REPORT, self.config.start_timeout_s
        )
        report = self._decoded(handshakes.decode_report, answer)
        refusals.check_backend(self._address, report.backend, self._backend[0])
        return report

    def _accept_fixed(self, hello: Hello, sizes: Sizes, expected: bytes) -> LoadReport:
        refusals.check_built_in(self._address, hello, sizes, expected)
        return LoadReport(self._backend[0])

    def _ask(self, kind: Kind, encode: Callable[[int], bytes], answer: Kind, timeout_s: float | None = None) -> bytes:
        """Send a request and wait for its answer. Raises LinkError when none comes."""
        timeout_s = timeout_s or self.config.timeout_s
        if (data := self._exchange(encode, answer, int(timeout_s * 1e9))) is not None:
            return data
        raise LinkError(f"{self._address}: no answer to {kind.name} within {timeout_s:g} s; {self._silence()}")

    def _silence(self) -> str:
        """What may be behind it when no answer comes, and what to do."""
        return "is `hilbench serve` running there?"

    def _exchange(self, encode: Callable[[int], bytes], answer: Kind, timeout_ns: int) -> bytes | None:
        """Send a request and wait for its own answer; what else comes belongs to the past and is dropped."""
        self._request += 1
        frame = encode(self._request)
        deadline_ns = monotonic_ns() + timeout_ns
        self._write_by(frame, deadline_ns)
        while (data := self._next(deadline_ns)) is not None:
            header = self._decoded(wire.read_header, data)
            if header.kind == answer and header.seq == self._request:
                self._decoded(wire.check_zeros, header)
                return data
            if header.kind == Kind.BYE or (header.kind == Kind.ERROR and header.seq in (self._request, wire.NO_SEQ)):
                self._refuse(data, header)
        return None

    def _decoded(self, decode: Callable[[S], T], data: S) -> T:
        """What the device sent, decoded. Raises FrameError, which names the device."""
        try:
            return decode(data)
        except FrameError as error:
            raise self._blamed(error) from None

    def _blamed(self, error: FrameError) -> FrameError:
        return FrameError(error.code, f"{self._address}: the device broke the protocol: {error}")

    def _check_device(self, wait_s: float = 0.0) -> None:
        self._check_ns = 0
        if self._device is not None:
            self._device.check(wait_s)
            if self._sizes is None:  # it loads; while ticks are under way nobody reads
                self._device.pass_on()
        self._check_ns = monotonic_ns() + CHECK_NS

    def _refuse(self, data: bytes, header: wire.Header) -> None:
        if header.kind == Kind.BYE:
            raise LinkError(f"{self._address}: the device has ended")
        number, text = self._decoded(handshakes.decode_error, data)
        raise refusals.refused(self._address, number, text)

    def _loaded(self) -> Sizes:
        if self._sizes is None:
            raise LinkError(
                f"the link over {self.name} {'is closed' if self._closed else 'has no program; load one first'}"
            )
        return self._sizes


def _n_probe_addresses(program: Program, probes: Probes) -> int:
    """Event addresses of all that a run watches; those of a law are not known here."""
    if not isinstance(program, Network):
        return wire.ADDRESSES_MAX if probes.spikes else 0
    return sum(program.populations[name].size for name in probes.spikes if name in program.populations)
