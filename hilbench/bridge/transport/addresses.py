"""Addresses of links: which there are, what to do when the system refuses one, and paths that a dead device left.

It must not know what comes from there.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
from typing import Protocol

from hilbench.errors import LinkError

LINKS = (
    "tcp://HOST:PORT, ipc://PATH (link.kind zmq), unix:///PATH (unix), "
    "stream://HOST:PORT, stream:///PATH, serial:///dev/ttyACM0 (stream)"
)
"""Where a link reaches a device."""
LONGEST_PATH = 107
LONG = f"a socket's path has at most {LONGEST_PATH} bytes"
_NOT_HERE = "expected an address of this machine, in numbers"
_NO_NAME = "no host of that name is known here; its address in numbers needs none"
_REMEDIES = {
    errno.ENAMETOOLONG: LONG,
    errno.EADDRINUSE: "stop what is there, or choose another address",
    errno.EADDRNOTAVAIL: _NOT_HERE,
    errno.ENODEV: _NOT_HERE,
    errno.EPROTOTYPE: "unix:// and stream:// are sockets of two kinds; take the device's own",
    socket.EAI_NONAME: _NO_NAME,
    socket.EAI_AGAIN: _NO_NAME,
}
_HOST_PORT = re.compile(r"tcp://(\[[^\]]+\]|[^:\[\]*]+):0*([1-9][0-9]{0,4})")


class SystemRefusal(Protocol):
    """An OSError, or ZeroMQ's own error."""

    @property
    def errno(self) -> int | None: ...

    @property
    def strerror(self) -> str | None: ...


def refusal(error: SystemRefusal, otherwise: str) -> str:
    """What the system says of an address, and what to do.

    Parameters
    ----------
    error : OSError or ZMQError
        What it raised.
    otherwise : str
        What to do, where the error's number tells nothing better.
    """
    if "path too long" in str(error):  # as Python itself says it, without a number
        return f"{error}; {LONG}"
    number = error.errno or 0
    said = os.strerror(number) if number in errno.errorcode else error.strerror or str(error)
    return f"{said}; {_REMEDIES.get(number, otherwise)}"


def check_target(address: str) -> None:
    """Raise LinkError for a tcp:// address where no device can be: libzmq takes any number for a port, and waits."""
    found = _HOST_PORT.fullmatch(address)
    if address.startswith("tcp://") and not (found and int(found[2]) < 2**16):
        raise LinkError(f"no device can be at {address!r}; allowed: tcp://HOST:PORT, with a PORT from 1 to 65535")


def make_way(path: str, kind: int) -> None:
    """Remove the socket of this kind that a killed device left. Raises OSError when anything else is there.

    Parameters
    ----------
    path : str
        Where it may be.
    kind : int
        SOCK_STREAM or SOCK_SEQPACKET.
    """
    try:
        is_socket = stat.S_ISSOCK(os.lstat(path).st_mode)
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.setblocking(False)  # who listens may be too busy to take another connection
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            if is_socket:
                os.unlink(path)
                return
        except OSError:
            pass
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
