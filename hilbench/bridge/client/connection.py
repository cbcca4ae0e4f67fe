"""Links over one connection of this process's own: a file descriptor that is read and written, and a framing.

It must not know what frames mean. `unix.py` and `stream.py` say how a connection is opened.
"""

from __future__ import annotations

import os
import select
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic_ns
from typing import Any, NoReturn, Protocol

from hilbench.bridge.client.client import FrameLink
from hilbench.bridge.protocol.framing import PIECE_BYTES, Datagrams, Framing
from hilbench.bridge.transport.addresses import refusal
from hilbench.bridge.transport.spin import read_by, spin_ns
from hilbench.errors import LinkError
from hilbench.lines.writing import begin, push

SLICE_S = 0.1
"""How late the end of a device process may be noticed while waiting."""
ENDING_S = 0.2
"""How long a device process whose connection has closed has to end: its exit code says why."""


class Connection(Protocol):
    """A socket or a serial port."""

    def fileno(self) -> int: ...

    def close(self) -> None: ...


class ConnectionLink(FrameLink):
    """A link whose frames go over one connection."""

    @abstractmethod
    def _open(self, address: str) -> Connection:
        """Connect. Raises OSError or LinkError."""

    @abstractmethod
    def _new_framing(self) -> Framing: ...

    def __init__(self, config: Any, backend_kind: str, backend_config: dict[str, Any]) -> None:
        super().__init__(config, backend_kind, backend_config)
        self._frames: deque[bytes] = deque()
        self._rest: deque[bytes | memoryview] = deque()  # of the one frame that has begun to leave
        self._framing: Framing = Datagrams()  # until there is a connection
        self._no_room = False  # for the last request
        self._broken = 0  # before this connection

    def tally(self) -> dict[str, int]:
        return super().tally() | {"broken": self._broken + self._framing.broken}

    def _connect(self) -> None:
        self._broken = self.tally()["broken"]
        self._framing = self._new_framing()
        self._framing.admit()
        self._frames.clear()
        self._rest.clear()
        try:
            self._connection = self._open(self._address)
        except LinkError:
            raise
        except OSError as error:
            what = refusal(error, "is `hilbench serve` running there?")
            raise LinkError(f"cannot connect to {self._address!r}: {what}") from None
        self._fd = self._connection.fileno()
        self._take: Callable[[int], bytes] = partial(os.read, self._fd)
        os.set_blocking(self._fd, False)
        self._spin_ns = spin_ns(self.config.spin_s)

    def _disconnect(self) -> None:
        self._connection.close()

    def _write(self, frame: bytes) -> bool:
        """One that has begun to leave leaves whole: what has no room now goes before any other frame."""
        if self._rest:
            self._flush()
            if self._rest:
                return False
        try:
            rest = begin(self._fd, self._framing.pack(frame))
        except OSError as error:
            self._lost(error)
        if rest is None:
            return False
        if rest:
            self._rest.extend(rest)
        return True

    def _write_by(self, frame: bytes, deadline_ns: int) -> None:
        self._no_room = True
        while not self._write(frame):
            if (left_ns := deadline_ns - monotonic_ns()) <= 0:
                return
            if self._sleep(left_ns, for_room=True):
                self._frames.extend(self._read(0) or ())  # a device that waits for room itself takes nothing
            self._check_device()
        self._no_room = False

    def _flush(self) -> None:
        try:
            push(self._fd, self._rest)
        except OSError as error:
            self._lost(error)

    def _next(self, deadline_ns: int) -> bytes | None:
        if self._rest:
            self._flush()
        while not self._frames:
            spin_ns = 0 if self._rest else self._spin_ns  # who spins does not see that there is room
            found = self._read(min(deadline_ns, monotonic_ns() + spin_ns))
            if found:
                if len(found) > 1:
                    self._frames.extend(found[1:])
                return found[0]
            if found is None:
                if not self._wait(deadline_ns):
                    self._check_device()
                    return None
            elif monotonic_ns() >= deadline_ns:
                return None  # a long frame comes in pieces, and no tick waits for the rest of it
        return self._frames.popleft()

    def _read(self, until_ns: int) -> list[bytes] | None:
        """The frames that end in what comes first, looking without sleep; None when nothing comes by then."""
        try:
            data = read_by(self._take, PIECE_BYTES, until_ns)
        except OSError as error:
            self._lost(error)
        if data:
            return self._framing.feed(data)
        if data is None:
            return None
        self._lost(None)

    def _wait(self, deadline_ns: int) -> bool:
        """Sleep in slices; whether there is something to read by the deadline."""
        while (left_ns := deadline_ns - monotonic_ns()) > 0:
            if self._sleep(left_ns, for_room=bool(self._rest)):
                return True
            if self._rest:
                self._flush()
            self._check_device()
        return False

    def _sleep(self, left_ns: int, for_room: bool) -> bool:
        """Until there is something to read, or room, or the slice is over; whether there is something to read."""
        here = (self._fd,)
        return bool(select.select(here, here if for_room else (), (), min(left_ns * 1e-9, SLICE_S))[0])

    def _silence(self) -> str:
        return "it takes no more bytes" if self._rest or self._no_room else super()._silence()

    def _lost(self, error: OSError | None) -> NoReturn:
        self._check_device(ENDING_S)
        said = f" ({error.strerror})" if error else ""
        said += "" if self._session else f"; {self._silence()}"
        raise LinkError(f"{self._address}: the device closed the connection{said}")
