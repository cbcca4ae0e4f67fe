"""Writing without waiting, on pipes that fill up."""

from __future__ import annotations

import os
import socket
from collections import deque

import pytest

from hilbench.lines.writing import begin, push


@pytest.fixture
def ends():
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    os.set_blocking(read_fd, False)
    yield read_fd, write_fd
    os.close(read_fd)
    os.close(write_fd)


def test_what_has_begun_to_leave_is_left_whole_in_order(ends):
    read_fd, write_fd = ends
    pieces = [bytes([k]) * 50_000 for k in range(1, 5)]
    rest = deque(begin(write_fd, pieces))
    assert rest
    assert begin(write_fd, [b"another"]) is None
    found = b""
    while rest:
        found += os.read(read_fd, 1_000_000)
        push(write_fd, rest)
    assert found + os.read(read_fd, 1_000_000) == b"".join(pieces)


def test_datagrams_that_have_room_leave_nothing_and_nothing_empty():
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        here.setblocking(False)
        there.setblocking(False)
        assert not begin(here.fileno(), [b"one", b"two"])
        assert not begin(here.fileno(), [b"three"])
        assert [there.recv(100) for _ in range(3)] == [b"one", b"two", b"three"]
        with pytest.raises(BlockingIOError):
            there.recv(100)
