"""The link over a Unix socket: frames as datagrams to a device on this machine, or to one it starts itself. Linux."""

from __future__ import annotations

import socket
from typing import Annotated

from msgspec import Meta

from hilbench.bridge.client.client import Limits
from hilbench.bridge.client.connection import ConnectionLink
from hilbench.bridge.protocol.framing import PIECE_BYTES, Datagrams
from hilbench.bridge.transport.addresses import LINKS
from hilbench.errors import LinkError

SCHEME = "unix://"


class Config(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the link over a Unix socket."""

    address: Annotated[str, Meta(pattern=r"^unix:///.+", description=LINKS)] | None = None
    """Where the device listens, as unix:///PATH; without one the link starts a device itself."""


class UnixLink(ConnectionLink):
    """Reaches a device process on this machine over a SEQPACKET socket, with less delay than over ZeroMQ."""

    Config = Config
    name = "a Unix socket"
    own_bind = SCHEME + "*"

    def _open(self, address: str) -> socket.socket:
        connection = new_socket()
        try:
            connection.connect(address.removeprefix(SCHEME))
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> None:
        super()._connect()
        assert isinstance(self._connection, socket.socket), "it opens no other"
        # After a sleep, with cold caches, a socket's own calls take a microsecond less than those for any file.
        self._take, self._send = self._connection.recv, self._connection.send

    def _new_framing(self) -> Datagrams:
        return Datagrams()

    def _write(self, frame: bytes) -> bool:
        if self._rest or len(frame) > PIECE_BYTES:
            return super()._write(frame)
        try:
            self._send(frame)  # a datagram leaves whole or not at all
        except BlockingIOError:
            return False
        except OSError as error:
            self._lost(error)
        return True


def new_socket() -> socket.socket:
    """A Unix SEQPACKET socket. Raises LinkError where the system has none."""
    try:
        return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    except (AttributeError, OSError) as error:
        raise LinkError(f"this system has no Unix SEQPACKET sockets ({error}); allowed here: link.kind zmq") from None
