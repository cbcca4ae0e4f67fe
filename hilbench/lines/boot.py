"""The id of this machine since its last start: who shares it shares a monotonic clock."""

from __future__ import annotations

import os
import uuid
from functools import cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot_id() -> bytes:
    """16 bytes that two processes share only if they share a monotonic clock.

    Where the system has no such id, a random one per process: no clock is ever trusted by mistake.
    """
    try:
        return uuid.UUID(_BOOT_ID.read_text("ascii").strip()).bytes
    except (OSError, ValueError):
        return os.urandom(16)
