"""The link over a byte stream, TCP or a serial line, in COBS frames with a CRC: for microcontrollers."""

from __future__ import annotations

import socket
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

from hilbench.bridge.client.client import Limits
from hilbench.bridge.client.connection import Connection, ConnectionLink
from hilbench.bridge.protocol.framing import Cobs
from hilbench.bridge.transport.addresses import LINKS
from hilbench.errors import LinkError
from hilbench.lines.serial import open_serial


class Config(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the link over a byte stream."""

    address: Annotated[str, Meta(pattern=r"^(stream|serial)://.+", description=LINKS)] | None = None
    """Where the device is: stream://HOST:PORT (TCP), stream:///PATH (a Unix socket), or
    serial:///dev/ttyACM0?baud=115200; without one the link starts a device itself, on TCP."""


class StreamLink(ConnectionLink):
    """Reaches a device over a TCP connection or a serial line, byte by byte."""

    Config = Config
    name = "a byte stream"
    own_bind = "stream://127.0.0.1:*"

    def _open(self, address: str) -> Connection:
        if address.startswith("serial://"):
            return open_serial(address)
        host, port, path = split(address)
        if not (port or path):
            raise LinkError(f"no device can be at {address!r}; allowed: a PORT from 1 to 65535")
        if path:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        else:
            connection = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            connection.settimeout(self.config.timeout_s)
            connection.connect(path or (host, port))
            if not path:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> None:
        super()._connect()
        self._rest.append(b"\0")  # ends what another plant may have begun on this line

    def _new_framing(self) -> Cobs:
        return Cobs()

    def _silence(self) -> str:
        if self._rest or self._no_room or self._session:
            return super()._silence()
        if self._address.startswith("serial://"):
            return "does that board run its firmware, at this rate?"
        return f"{super()._silence()} And on a stream:// address?"


def split(address: str) -> tuple[str, int, str]:
    """(host, port, "") or ("", 0, path) of a stream:// address; port * is 0. Raises LinkError for another form."""
    try:
        parts = urlsplit(address.replace(":*", ":0"))
        host, port, path = parts.hostname or "", parts.port, parts.path
    except ValueError:
        host, port, path = "", None, ""
    if host and port is not None and not path:
        return host, port, ""
    if not host and port is None and len(path) > 1:
        return "", 0, path
    raise LinkError(f"no byte stream is at {address!r}; allowed: stream://HOST:PORT or stream:///PATH")
