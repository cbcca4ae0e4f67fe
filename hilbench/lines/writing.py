"""Writing to a descriptor without waiting."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence


def begin(fd: int, pieces: list[bytes]) -> Sequence[bytes | memoryview] | None:
    """Write what there is room for, without waiting; what is left of the pieces, or None when none has begun to leave.

    Raises OSError when the connection has ended.

    Parameters
    ----------
    fd : int
        The connection, non-blocking.
    pieces : list of bytes
        What is to leave, in this order; one at least.
    """
    try:
        n_bytes = os.write(fd, pieces[0])
    except BlockingIOError:
        return None
    if n_bytes == len(pieces[0]) and len(pieces) == 1:
        return ()
    rest: deque[bytes | memoryview] = deque(pieces)
    rest[0] = memoryview(pieces[0])[n_bytes:]
    if not rest[0]:
        rest.popleft()
    push(fd, rest)
    return rest


def push(fd: int, pieces: deque[bytes | memoryview]) -> bool:
    """Write what there is room for, without waiting, and take it off the pieces; whether anything has left.

    Raises OSError when the connection has ended.

    Parameters
    ----------
    fd : int
        The connection, non-blocking.
    pieces : deque of bytes
        What is to leave, in this order.
    """
    begun = False
    try:
        while pieces:
            piece = pieces[0]
            n_bytes = os.write(fd, piece)
            begun = True
            if n_bytes == len(piece):
                pieces.popleft()
            else:
                pieces[0] = memoryview(piece)[n_bytes:]
    except BlockingIOError:
        pass
    return begun
