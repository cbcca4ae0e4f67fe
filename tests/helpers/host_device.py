"""The firmware's C on this machine, with a sanitiser, and a plant's side of its own that shares no code with it."""

from __future__ import annotations

import os
import select
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np

from hilbench.firmware import LEARNING_C, SOURCES
from hilbench.firmware._program import program_c
from hilbench.types import EVENT, Probes, Tick

TIMEOUT_S = 20
FILES = ("main.c", "wire.c", "network.c")
FLAGS = ("-std=c99", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off")
# Shifts of negative numbers are what the firmware relies on; all else that is undefined ends the process.
SANITISED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
HEADER, REPLY = struct.Struct("<2sBBHHQQIHH"), struct.Struct("<QQQII5Qd")
HELLO, RESET, TICK, REPLIED, ERROR, BYE, ECHO = 1, 2, 3, 4, 7, 8, 13
HASH = bytes(range(16))


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE, as long division."""
    value = int.from_bytes(data, "big") << 16
    value ^= 0xFFFF << (8 * len(data))
    for bit in range(8 * len(data) + 15, 15, -1):
        if value >> bit & 1:
            value ^= 0x11021 << (bit - 16)
    return value


def stuffed(data: bytes) -> bytes:
    """COBS of the data, without the zero that ends a frame."""
    out = b""
    for part in data.split(b"\0"):
        while len(part) >= 254:
            out, part = out + b"\xff" + part[:254], part[254:]
        out += bytes([len(part) + 1]) + part
    return out


def unstuffed(data: bytes) -> bytes:
    out, at = b"", 0
    while at < len(data):
        code = data[at]
        out += data[at + 1 : at + code] + (b"\0" if code < 255 else b"")
        at += code
    assert at == len(data), "a block goes beyond the frame"
    return out[:-1] if code < 255 else out


def framed(frame: bytes) -> bytes:
    return stuffed(frame + struct.pack("<H", crc16(frame))) + b"\0"


def header(kind: int, session: int = 0, seq: int = 0, flags: int = 0, t_ns: int = 0, counts=(0, 0, 0)) -> bytes:
    return HEADER.pack(b"HB", 1, kind, session, flags, seq, t_ns, *counts)


def compiled(net, period_us: int, folder: Path, probes: Probes | None = None, learnt=None) -> Path:
    """The firmware of an integer network, and what learns beside it, as a program of this machine."""
    (folder / "program.c").write_text(program_c(net, period_us, probes or Probes(), HASH, learnt))
    files, flags = ((*FILES, LEARNING_C), ("-DLEARNS",)) if learnt else (FILES, ())
    sources = [SOURCES / name for name in files] + [Path(__file__).parent / "board_host.c", folder / "program.c"]
    program = folder / "device"
    command = [shutil.which("gcc"), *FLAGS, *flags, *SANITISED, "-I", SOURCES, "-o", program, *sources]
    subprocess.run(command, check=True, timeout=TIMEOUT_S)
    return program


class Host:
    """A running device and what a plant's side does with it. Every wait is bounded."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )
        self._said = b""
        self.session = 0

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.stdin.close()
        try:
            code = self._process.wait(TIMEOUT_S)
        finally:
            self._process.kill()
            said = self._process.stderr.read().decode()
            for pipe in (self._process.stdout, self._process.stderr):
                pipe.close()
        assert code == 0, said

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        self._process.stdin.write(data)

    def frame(self) -> bytes:
        """The next frame."""
        while b"\0" not in self._said:
            assert select.select([self._process.stdout], (), (), TIMEOUT_S)[0], "no answer"
            data = os.read(self._process.stdout.fileno(), 65536)
            assert data, self._process.stderr.read().decode()
            self._said += data
        part, _, self._said = self._said.partition(b"\0")
        whole = unstuffed(part)
        assert crc16(whole[:-2]) == struct.unpack("<H", whole[-2:])[0]
        return whole[:-2]

    def ask(self, frame: bytes) -> bytes:
        self.send(framed(frame))
        return self.frame()

    def code(self, frame: bytes) -> int:
        """The number of the ERROR that a frame gets; 0 when it gets another answer."""
        answer = self.ask(frame)
        return struct.unpack_from("<H", answer, 32)[0] if HEADER.unpack_from(answer)[2] == ERROR else 0

    def hello(self) -> bytes:
        answer = self.ask(header(HELLO) + bytes(64))
        self.session = HEADER.unpack_from(answer)[3]
        return answer[32:]

    def reset(self, carry: int = 0, catch_up: int = 0) -> bytes:
        return self.ask(header(RESET, self.session, 77) + struct.pack("<QIB3x", 5, catch_up, carry))

    def tick_frame(self, tick: Tick, **more) -> bytes:
        counts = (len(tick.events), len(tick.values), len(tick.modulators))
        start = header(TICK, self.session, tick.seq, int(tick.learning), tick.t_ns, counts)
        return start + tick.events.tobytes() + tick.values.tobytes() + tick.modulators.tobytes()

    def tick(self, tick: Tick) -> tuple:
        """Events, values, counters, probe events: as bytes. And prev_seq."""
        answer = self.ask(self.tick_frame(tick))
        head = HEADER.unpack_from(answer)
        assert (head[2], head[5], head[6]) == (REPLIED, tick.seq, tick.t_ns), answer[32:]
        n_events, n_values = head[7], head[8]
        recv_ns, compute_ns, prev_seq, n_probe_events, n_probe_values, *counters, energy = REPLY.unpack_from(answer, 32)
        assert recv_ns > 0 < compute_ns
        assert n_probe_values == 0
        assert np.isnan(energy)
        body, parts = answer[32 + REPLY.size :], []
        for n_bytes in (EVENT.itemsize * n_events, 4 * n_values, EVENT.itemsize * n_probe_events):
            parts.append(body[:n_bytes])
            body = body[n_bytes:]
        assert not body
        return parts[0], parts[1], counters, parts[2], prev_seq
