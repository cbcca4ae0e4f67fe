"""Plant's sides that know frames and nothing of the package: over ZeroMQ, a Unix socket and a byte stream.

Every wait is bounded, and `close` says BYE, so that the next plant finds the device free.
"""

from __future__ import annotations

import socket
import struct

import zmq
from host_device import BYE, ERROR, HEADER, HELLO, REPLIED, REPLY, RESET, TICK, framed, header, unstuffed

TIMEOUT_S = 10
LONG_BYTES = 65_536


class ZmqWire:
    def __init__(self, address: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger, self._socket.rcvtimeo, self._socket.sndtimeo = 0, TIMEOUT_S * 1000, TIMEOUT_S * 1000
        self._socket.connect(address)

    def send(self, *parts: bytes) -> None:
        self._socket.send_multipart(parts)

    def frame(self) -> bytes:
        return self._socket.recv()

    def close(self) -> None:
        self._socket.close()
        self._context.term()


class UnixWire:
    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(TIMEOUT_S)
        self._socket.connect(address.removeprefix("unix://"))

    def send(self, frame: bytes) -> None:
        if len(frame) > LONG_BYTES:
            self._socket.send(b"HBXL" + len(frame).to_bytes(8, "little"))
        for at in range(0, len(frame), LONG_BYTES):
            self._socket.send(frame[at : at + LONG_BYTES])

    def frame(self) -> bytes:
        return self._socket.recv(LONG_BYTES)

    def close(self) -> None:
        self._socket.close()


class StreamWire:
    def __init__(self, address: str) -> None:
        host, port = address.removeprefix("stream://").split(":")
        self._socket = socket.create_connection((host, int(port)), TIMEOUT_S)
        self._said = b""

    def send(self, frame: bytes) -> None:
        self.send_bytes(framed(frame))

    def send_bytes(self, data: bytes) -> None:
        self._socket.sendall(data)

    def frame(self) -> bytes:
        while b"\0" not in self._said:
            data = self._socket.recv(LONG_BYTES)
            assert data, "the device has closed the connection"
            self._said += data
        part, _, self._said = self._said.partition(b"\0")
        whole = unstuffed(part)
        assert framed(whole[:-2]) == part + b"\0"
        return whole[:-2]

    def close(self) -> None:
        self._socket.close()


WIRES = {"tcp": ZmqWire, "unix": UnixWire, "stream": StreamWire}


class Plant:
    """One plant's side and its session."""

    def __init__(self, address: str) -> None:
        self.wire = WIRES[address.partition(":")[0]](address)
        self.session = 0

    def __enter__(self) -> Plant:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.session and exc[0] is None:
            self.bye()
        self.wire.close()

    def ask(self, frame: bytes) -> bytes:
        self.wire.send(frame)
        return self.wire.frame()

    def code(self, frame: bytes) -> int:
        """The number of the ERROR that a frame gets; 0 when it gets another answer."""
        return code_of(self.ask(frame))

    def hello(self) -> tuple:
        """The body of HELLO's answer, field by field."""
        answer = self.ask(header(HELLO, seq=2**63) + bytes(64))
        head = HEADER.unpack_from(answer)
        assert (head[2], head[5]) == (HELLO, 2**63), answer
        self.session = head[3]
        return struct.unpack("<I16s16s7I", answer[32:])

    def reset(self, seed: int = 5, catch_up: int = 0, carry: int = 0) -> None:
        answer = self.ask(header(RESET, self.session, 77) + struct.pack("<QIB3x", seed, catch_up, carry))
        assert answer == header(RESET, self.session, 77)

    def bye(self) -> None:
        assert self.ask(header(BYE, self.session, 88)) == header(BYE, self.session, 88)
        self.session = 0

    def tick_frame(self, seq: int, values: bytes, **more) -> bytes:
        more.setdefault("counts", (0, len(values) // 4, 0))
        return header(TICK, self.session, seq, **more) + values

    def tick(self, seq: int, values: bytes) -> tuple[bytes, int]:
        """The reply's values, and prev_seq."""
        return read_reply(self.ask(self.tick_frame(seq, values, t_ns=seq + 1)), self.session, seq)


def code_of(answer: bytes) -> int:
    return struct.unpack_from("<H", answer, 32)[0] if HEADER.unpack_from(answer)[2] == ERROR else 0


def read_reply(answer: bytes, session: int, seq: int) -> tuple[bytes, int]:
    magic, version, kind, number, flags, found, t_ns, n_events, n_values, n_modulators = HEADER.unpack_from(answer)
    assert (magic, version, kind, number, flags) == (b"HB", 1, REPLIED, session, 0), answer
    assert (found, t_ns, n_events, n_modulators) == (seq, seq + 1, 0, 0)
    recv_ns, _, prev_seq, n_probe_events, n_probe_values, *counters, energy_j = REPLY.unpack_from(answer, 32)
    assert recv_ns > 0
    assert (n_probe_events, n_probe_values, counters) == (0, 0, [0, 0, 0, 0, 0])
    assert energy_j != energy_j, "no meter says NaN"
    values = answer[32 + REPLY.size :]
    assert len(values) == 4 * n_values
    return values, prev_seq
