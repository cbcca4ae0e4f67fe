"""Opening a serial line by its address."""

from __future__ import annotations

import errno
import os
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from hilbench.errors import LinkError, MissingExtra, allowed_hint

BAUD = 115_200
_REMEDIES = {
    errno.ENOENT: "is the board plugged in, and is this its name?",
    errno.EACCES: "its group may, on Debian dialout: `adduser YOU dialout`, and log in again",
    errno.EAGAIN: "another program has it open",
}


def open_serial(address: str) -> Any:
    """A pyserial Serial, non-blocking, of serial:///dev/ttyACM0?baud=115200. Raises LinkError, or MissingExtra."""
    try:
        import serial
    except ModuleNotFoundError as error:
        raise MissingExtra("pyserial", "serial") from error
    parts = urlsplit(address)
    if parts.netloc or not parts.path:
        raise LinkError(f"no serial line is at {address!r}; allowed: serial:///dev/ttyACM0?baud={BAUD}")
    settings = dict(parse_qsl(parts.query))
    baud = settings.pop("baud", str(BAUD))
    if settings:
        raise LinkError(f"{address!r}: found {next(iter(settings))!r}; {allowed_hint(next(iter(settings)), ['baud'])}")
    if not baud.isdecimal():
        raise LinkError(f"{address!r}: baud: found {baud!r}; allowed: a whole number")
    try:
        return serial.Serial(parts.path, int(baud), timeout=0, exclusive=True)
    except (serial.SerialException, ValueError) as error:
        number = getattr(error, "errno", None)
        said, remedy = os.strerror(number) if number else error, _REMEDIES.get(number or 0, "is it a serial line?")
        raise LinkError(f"cannot open {parts.path!r}: {said}; {remedy}") from None
