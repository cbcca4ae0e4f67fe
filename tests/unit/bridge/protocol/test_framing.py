"""Frames cut into bytes and datagrams, and put together again: any frame, any cut, any noise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hilbench.bridge.protocol import wire
from hilbench.bridge.protocol.framing import PIECE_BYTES, Cobs, Datagrams
from hilbench.bridge.protocol.wire import HEADER

frames = st.lists(st.binary(min_size=1, max_size=700), min_size=1, max_size=5)


@given(frames, st.lists(st.integers(1, 50), min_size=1))
def test_cobs_gives_back_every_frame_however_the_bytes_arrive(sent, cuts):
    sender, receiver = Cobs(), Cobs()
    data, got, k = b"".join(piece for frame in sent for piece in sender.pack(frame)), [], 0
    while data:
        n = cuts[k % len(cuts)]
        got, data, k = got + receiver.feed(data[:n]), data[n:], k + 1
    assert got == sent


@given(st.binary(max_size=300), st.binary(min_size=1, max_size=300))
def test_cobs_finds_the_next_frame_after_noise(noise, frame):
    receiver = Cobs()
    receiver.feed(noise + b"\0")
    assert receiver.feed(Cobs().pack(frame)[0]) == [frame]


@given(st.binary(min_size=1, max_size=300), st.data())
def test_cobs_drops_a_frame_with_a_bit_turned(frame, data):
    """CRC-16 finds every single wrong bit; a wrong zero may end the frame early, which loses it too."""
    whole = bytearray(Cobs().pack(frame)[0])
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    receiver = Cobs()
    assert frame not in receiver.feed(bytes(whole) + b"\0")


def test_a_stranger_cannot_fill_the_memory():
    receiver = Cobs()
    for _ in range(100):
        assert receiver.feed(b"x" * PIECE_BYTES) == []
    assert len(receiver._buffer) <= 2 * PIECE_BYTES
    assert receiver.broken > 0


def test_datagrams_carry_long_frames_in_pieces():
    for n_bytes in (HEADER.size, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES):
        frame, receiver, got = bytes(range(256)) * (n_bytes // 256) + bytes(n_bytes % 256), Datagrams(), []
        receiver.admit()
        for piece in Datagrams().pack(frame):
            assert len(piece) <= PIECE_BYTES
            got += receiver.feed(piece)
        assert got == [frame]


def test_a_long_frame_that_may_not_be_reads_as_an_empty_one():
    """Which a device answers with an ERROR."""
    announced = Datagrams().pack(bytes(PIECE_BYTES + 1))[0]
    assert Datagrams().feed(announced) == [b""]
    receiver = Datagrams()
    receiver.admit()
    assert receiver.feed(b"HBXL" + (wire.FRAME_MAX_BYTES + 1).to_bytes(8, "little")) == [b""]
    assert receiver.feed(announced) == []
    assert receiver.feed(bytes(PIECE_BYTES)) == []
    assert receiver.feed(bytes(2)) == [b""]
    assert receiver.feed(b"next") == [b"next"]
