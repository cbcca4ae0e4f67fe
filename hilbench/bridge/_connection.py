"""Links over one connection of this process's own: a file descriptor that is read and written, and a framing.

It must not know what frames mean. `unix.py` and `stream.py` say how a connection is opened.
"""

from __future__ import annotations

import os
import select
from abc import abstractmethod
from collections import deque
from time import monotonic_ns
from typing import Any, Protocol

from hilbench.bridge._client import FrameLink
from hilbench.bridge.framing import PIECE_BYTES, Framing
from hilbench.errors import LinkError

SLICE_S = 0.1
"""How late the end of a device process may be noticed while waiting."""


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

    def _connect(self) -> None:
        self._framing = self._new_framing()
        self._framing.admit()
        self._frames.clear()
        try:
            self._connection = self._open(self._address)
        except OSError as error:
            raise LinkError(
                f"cannot connect to {self._address!r}: {error.strerror or error}; is `hilbench serve` running there?"
            ) from None
        self._fd = self._connection.fileno()
        os.set_blocking(self._fd, False)

    def _disconnect(self) -> None:
        self._connection.close()

    def _write(self, frame: bytes) -> bool:
        begun = False
        for piece in self._framing.pack(frame):
            left = memoryview(piece)
            while left:
                try:
                    left = left[os.write(self._fd, left) :]
                    begun = True
                except BlockingIOError:
                    if not begun:
                        return False
                    self._wait_for_room()
                except OSError as error:
                    self._lost(error)
        return True

    def _wait_for_room(self) -> None:
        """A frame that is partly out must go out whole."""
        if not select.select((), (self._fd,), (), self.config.timeout_s)[1]:
            raise LinkError(f"{self._address}: the device took no more bytes for {self.config.timeout_s:g} s")

    def _next(self, deadline_ns: int) -> bytes | None:
        while not self._frames:
            try:
                data = os.read(self._fd, PIECE_BYTES)
            except BlockingIOError:
                left_ns = deadline_ns - monotonic_ns()
                if left_ns <= 0:
                    self._check_device()
                    return None
                if not select.select((self._fd,), (), (), min(left_ns * 1e-9, SLICE_S))[0]:
                    self._check_device()
                continue
            except OSError as error:
                self._lost(error)
            if not data:
                self._lost(None)
            self._frames.extend(self._framing.feed(data))
        return self._frames.popleft()

    def _lost(self, error: OSError | None) -> None:
        self._check_device()
        raise LinkError(f"{self._address}: the device closed the connection{f' ({error.strerror})' if error else ''}")
