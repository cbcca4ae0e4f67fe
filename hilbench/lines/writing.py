"""Writing to a descriptor without waiting."""

from __future__ import annotations

import os
from collections import deque


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
