"""A fixed device of docs/protocol.md over ZeroMQ: u = -K x within a limit. It needs pyzmq and nothing else.
Usage: device.py PORT PERIOD_US HASH LIMIT GAIN... (`hilbench program` prints all but the port; 0 is any free one).
"""

import os
import signal
import sys
from struct import Struct, unpack
from time import monotonic_ns
from types import SimpleNamespace

import zmq

HEADER, HELLO, RESET, REPLY, ERROR = map(Struct, ("<2sBBHHQQIHH", "<I16s16s7I", "<QIB3x", "<QQQII5Qdf", "<H"))
IS_HELLO, IS_RESET, IS_TICK, IS_REPLY, IS_ERROR, IS_BYE = 1, 2, 3, 4, 7, 8
NO_SEQ, LEASE_NS, NAN = 2**64 - 1, 10_000_000_000, float("nan")
port, period_us, program_hash, *law = sys.argv[1:] if len(sys.argv) > 5 else sys.exit(__doc__)
limit, *gain = map(float, law)
hello = HELLO.pack(0, os.urandom(16), bytes.fromhex(program_hash), int(period_us), len(gain), 0, 0, 1, 0, 0)
my = SimpleNamespace(plant=None, session=0, heard_ns=0, last_seq=None)  # last_seq: None before RESET, then -1


def need(holds, code, text):
    if not holds:
        raise ValueError(code, text)


def frame(plant, kind, body=b"", t_ns=0, n_values=0):
    session = my.session if plant == my.plant else 0
    return HEADER.pack(b"HB", 1, kind, session, 0, my.seq, t_ns, 0, n_values, 0) + body


def answer(plant, data, now_ns):
    """The answer to a frame from `plant`, None where none is due. Checks first: what fails one changes nothing."""
    my.seq = NO_SEQ  # until the header can be read
    need(len(data) >= HEADER.size and data[:2] == b"HB", 1, "no header of 32 bytes that starts with 'HB'")
    need(data[2] == 1, 2, "another protocol version; allowed: 1")
    _, _, kind, session, flags, my.seq, t_ns, n_events, *counts = HEADER.unpack_from(data)
    body, tick, mine = data[HEADER.size :], kind == IS_TICK, (plant, session) == (my.plant, my.session)
    size = {IS_HELLO: HELLO.size, IS_RESET: RESET.size, IS_TICK: 8 * n_events + 4 * sum(counts)}.get(kind, len(body))
    need(kind in (IS_HELLO, IS_RESET, IS_TICK, IS_BYE), 10 if 1 <= kind <= 13 else 3, "no kind for a device like this")
    need(kind == IS_HELLO or mine, 4, "that session is not open; say HELLO first")
    need(kind != IS_HELLO or my.plant in (None, plant) or now_ns > my.heard_ns + LEASE_NS, 9, "another plant is served")
    need(not tick or counts == [len(gain), 0], 5, "values or modulators are not those of HELLO")
    need(len(body) == size, 1, f"the body has {len(body)} bytes; its kind and counts need {size}")
    need(not tick or (flags <= 1 and my.seq < NO_SEQ and n_events == 0), 6, "flags, seq or an address is out of range")
    need(kind != IS_RESET or (RESET.unpack(body)[1] <= 10_000 and body[12] <= 2), 6, "catch_up or carry out of range")
    need(not tick or my.last_seq is not None, 8, "TICK before an episode has started; RESET first")
    my.plant, my.heard_ns = plant, now_ns
    if tick and my.seq <= my.last_seq:
        return None
    if tick:
        force = -sum(k * x for k, x in zip(gain, unpack(f"<{len(gain)}f", body), strict=True))
        before, my.last_seq = my.last_seq % 2**64, my.seq  # -1, no tick yet, is 2^64 - 1 on the wire
        force, took_ns = min(max(force, -limit), limit), monotonic_ns() - now_ns
        return frame(plant, IS_REPLY, REPLY.pack(now_ns, took_ns, before, *[0] * 7, NAN, force), t_ns, 1)
    my.session = my.session % 0xFFFF + 1 if kind == IS_HELLO else my.session
    my.last_seq, back = -1 if kind == IS_RESET else None, frame(plant, kind, hello if kind == IS_HELLO else b"")
    my.plant = None if kind == IS_BYE else plant
    return back


with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
    socket.linger, socket.maxmsgsize, socket.router_handover = 200, 2**20, 1
    socket.bind(f"tcp://127.0.0.1:{port}")
    print("listening on", socket.last_endpoint.decode().strip("\0"), flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while True:
            if not socket.poll(200):  # a signal that comes just before a wait does not end it
                continue
            sender, *parts = socket.recv_multipart()
            try:
                back = answer(sender, parts[0] if len(parts) == 1 else b"", monotonic_ns())
            except ValueError as refusal:
                back = frame(sender, IS_ERROR, ERROR.pack(refusal.args[0]) + refusal.args[1].encode())
            if back:
                socket.send_multipart((sender, back))
    except KeyboardInterrupt:
        if my.plant:
            socket.send_multipart((my.plant, frame(my.plant, IS_BYE)))
