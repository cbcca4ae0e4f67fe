"""The id that HELLO carries of a program."""

from __future__ import annotations

import hashlib


def program_hash(packed: bytes) -> bytes:
    """16 bytes of BLAKE2b over a packed program; never all zero in practice, which stands for "no program"."""
    return hashlib.blake2b(packed, digest_size=16).digest()
