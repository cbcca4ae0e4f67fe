"""A device with one spiking network built in, for hilbench over ZeroMQ: what docs/protocol.md calls a fixed device.

It stands for a chip of your own: put the chip in the place of `Network`. The network comes from a NIR file: linear
layers and leaky neurons in a chain, computed as snnTorch's Leaky with reset_mechanism="zero" does. It needs nir, numpy
and pyzmq, and nothing of hilbench. `hilbench program` prints the period and the hash. The period is the network's own:
4 steps of 100 us each, because the scenario says `steps_per_period = 4`, however long the plant's is.

    hilbench program examples/besns/emg.toml --controller trained
    python examples/besns/device.py 5555 examples/besns/emg.nir 400 PROGRAM_HASH
    hilbench run examples/besns/emg.toml --link.kind zmq --link.address tcp://127.0.0.1:5555
"""

import argparse
import os
import signal
from pathlib import Path
from struct import Struct
from time import monotonic_ns

import nir
import numpy as np
import zmq

# As the page's tables have them: the header, and the bodies of HELLO, RESET, REPLY (its fixed part) and ERROR.
HEADER, HELLO, RESET, REPLY, ERROR = map(Struct, ("<2sBBHHQQIHH", "<I16s16s7I", "<QIB3x", "<QQQII5Qd", "<H"))
IS_HELLO, IS_RESET, IS_TICK, IS_REPLY, IS_ERROR, IS_BYE, IS_ECHO = 1, 2, 3, 4, 7, 8, 13
CAN_ECHO, LEASE_NS, NO_SEQ, NO_METER = 8, 10_000_000_000, 2**64 - 1, float("nan")
LONGEST_ECHO, LONGEST_FRAME = 65_536, 2**22
WAKE_MS = 200
EVENT = np.dtype([("t_us", "<u4"), ("address", "<u4")])
STEP_US = 100
"""The network step that snnTorch's export writes, whatever the network was trained with."""


class Network:
    """The chip: its neurons' states outlive a period, and it counts what it did since it was last asked."""

    def __init__(self, path: Path, period_us: int) -> None:
        graph = nir.read(path)
        follows, name, nodes = dict(graph.edges), "input", []
        while (name := follows[name]) != "output":
            nodes.append(graph.nodes[name])
        self.layers = list(zip(nodes[::2], nodes[1::2], strict=True))
        for linear, cells in self.layers:
            if not isinstance(linear, nir.Linear | nir.Affine) or not isinstance(cells, nir.LIF):
                raise SystemExit("this device runs Linear or Affine and LIF in turns, from `input` to `output`")
        self.period_us, self.n_steps = period_us, period_us // STEP_US
        self.n_in, self.n_out = self.layers[0][0].weight.shape[1], self.layers[-1][1].tau.size
        self.weights = [linear.weight.astype(float) for linear, _ in self.layers]
        self.biases = [np.asarray(getattr(linear, "bias", 0), float) for linear, _ in self.layers]
        self.fan_out = [(weights != 0).sum(axis=0) for weights in self.weights]
        self.counts = [0, 0, 0]
        self.reset()

    def reset(self) -> None:
        """All membranes to 0."""
        self.membranes = [np.zeros(cells.tau.size) for _, cells in self.layers]

    def take_counts(self) -> list[int]:
        """Spikes, synaptic operations and neuron updates since the last call."""
        counts, self.counts = self.counts, [0, 0, 0]
        return counts

    def run_period(self, events: np.ndarray) -> np.ndarray:
        """Run one control period on its input events; the output spikes, as events in order."""
        arrived = np.zeros((self.n_steps, self.n_in))
        np.add.at(arrived, (events["t_us"] // STEP_US, events["address"]), 1)
        spikes = []
        for step, x in enumerate(arrived):
            spikes += [(step * STEP_US, neuron) for neuron in np.flatnonzero(self.run_step(x))]
        return np.array(spikes, EVENT)

    def run_step(self, x: np.ndarray) -> np.ndarray:
        """Leak, take in, fire above the threshold, and go to 0 at once; the next layer gets the spikes in this step."""
        for k, (_, cells) in enumerate(self.layers):
            self.counts[1] += int(self.fan_out[k] @ x)  # each event of one address crosses its synapses
            current = self.weights[k] @ x + self.biases[k]
            v = self.membranes[k]
            v += STEP_US * 1e-6 / cells.tau.astype(float) * (cells.v_leak - v + cells.r.astype(float) * current)
            x = (v > cells.v_threshold).astype(float)
            v[x > 0] = 0
            self.counts[0] += int(x.sum())
            self.counts[2] += x.size
        return x


def need(holds: bool, code: int, text: str) -> None:
    """Refuse a frame unless this holds, with the number and the text of an ERROR."""
    if not holds:
        raise ValueError(code, text)


class Device:
    """Answers frames. Checks come first: a frame that fails one changes nothing."""

    def __init__(self, network: Network, program_hash: bytes) -> None:
        self.network, n_in, n_out = network, network.n_in, network.n_out
        self.hello = HELLO.pack(CAN_ECHO, os.urandom(16), program_hash, network.period_us, 0, n_in, 0, 0, n_out, 0)
        self.plant, self.session, self.heard_ns, self.seq = None, 0, 0, NO_SEQ
        self.last_seq, self.catch_up = None, 0  # last_seq is None before RESET, and then -1

    def frame(self, plant: bytes, kind: int, body: bytes = b"", t_ns: int = 0, n_events: int = 0) -> bytes:
        session = self.session if plant == self.plant else 0
        return HEADER.pack(b"HB", 1, kind, session, 0, self.seq, t_ns, n_events, 0, 0) + body

    def answer(self, plant: bytes, data: bytes) -> bytes | None:
        """The answer to a frame; None to a TICK that is not above the last one."""
        try:
            return self.checked(plant, data, monotonic_ns())
        except ValueError as refusal:
            code, text = refusal.args
            return self.frame(plant, IS_ERROR, ERROR.pack(code) + text.encode())

    def checked(self, plant: bytes, data: bytes, now_ns: int) -> bytes | None:
        """The answer to a frame. Raises ValueError, before anything has changed, where it is refused."""
        self.seq = NO_SEQ  # until the header can be read
        need(len(data) >= HEADER.size and data[:2] == b"HB", 1, "no header of 32 bytes that starts with 'HB'")
        need(data[2] == 1, 2, "another protocol version; allowed: 1")
        _, _, kind, session, flags, self.seq, t_ns, n_events, n_values, n_modulators = HEADER.unpack_from(data)
        need(1 <= kind <= 13, 3, "no such kind")
        need(kind in (IS_HELLO, IS_RESET, IS_TICK, IS_BYE, IS_ECHO), 10, "this device has its program built in")
        if kind == IS_HELLO:
            free = self.plant in (None, plant) or now_ns > self.heard_ns + LEASE_NS
            need(free, 9, "another plant holds the session")
        else:
            need((plant, session) == (self.plant, self.session), 4, "that session is not open; say HELLO first")
        body = data[HEADER.size :]
        if kind == IS_ECHO:
            need(len(body) <= LONGEST_ECHO, 1, f"an ECHO's body has at most {LONGEST_ECHO} bytes")
        else:
            need(kind != IS_TICK or n_values == n_modulators == 0, 5, "the program takes no values and no modulators")
            size = {IS_HELLO: HELLO.size, IS_RESET: RESET.size, IS_TICK: EVENT.itemsize * n_events, IS_BYE: 0}[kind]
            need(len(body) == size, 1, f"the body has {len(body)} bytes and should have {size}")
        if kind == IS_TICK:
            events = np.frombuffer(body, EVENT)
            need(flags <= 1 and self.seq < NO_SEQ, 6, "flags or seq is out of range")
            need((events["address"] < self.network.n_in).all(), 6, f"allowed addresses: below {self.network.n_in}")
            need((events["t_us"] < self.network.period_us).all(), 6, "an event is later than the period")
            need((events["t_us"][1:] >= events["t_us"][:-1]).all(), 6, "events are not in the order of their times")
            need(self.last_seq is not None, 8, "TICK before an episode has begun; RESET first")
        else:
            need(flags == t_ns == n_events == n_values == n_modulators == 0, 6, "the header should have zeros there")
        if kind == IS_HELLO:
            need(not any(body[:4] + body[20:]), 6, "a plant's HELLO holds a boot id and zeros")
        if kind == IS_RESET:
            _, catch_up, carry = RESET.unpack(body)
            need(catch_up <= 10_000 and carry <= 2 and not any(body[13:]), 6, "catch_up or carry is out of range")

        self.plant, self.heard_ns = plant, now_ns
        if kind == IS_TICK:
            return self.tick(events, t_ns, now_ns) if self.seq > self.last_seq else None
        if kind == IS_ECHO:
            return data
        if kind == IS_HELLO:
            self.session, self.last_seq = self.session % 0xFFFF + 1, None
            return self.frame(plant, kind, self.hello)
        if kind == IS_RESET:
            self.last_seq, self.catch_up = -1, catch_up
            self.network.take_counts()
            if carry < 2:
                self.network.reset()
            return self.frame(plant, kind)
        bye = self.frame(plant, kind)
        self.plant = None
        return bye

    def tick(self, events: np.ndarray, t_ns: int, now_ns: int) -> bytes:
        """First the periods that were lost, without events and as many as RESET allows; then this one."""
        for _ in range(min(self.seq - self.last_seq - 1, self.catch_up)):
            self.network.run_period(events[:0])
        spikes = self.network.run_period(events)
        before, self.last_seq = self.last_seq % 2**64, self.seq  # -1, no tick yet, is 2^64 - 1 on the wire
        counts = [*self.network.take_counts(), 0, 0]  # it learns nothing, and spikes are added, not multiplied
        fixed = REPLY.pack(now_ns, monotonic_ns() - now_ns, before, 0, 0, *counts, NO_METER)
        return self.frame(self.plant, IS_REPLY, fixed + spikes.tobytes(), t_ns, len(spikes))


def serve(device: Device, port: int) -> None:
    """Answer on loopback until Ctrl-C or SIGTERM, then say BYE."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.linger, socket.maxmsgsize, socket.router_handover = 200, LONGEST_FRAME, 1
        socket.bind(f"tcp://127.0.0.1:{port}")
        print("listening on", socket.last_endpoint.decode().strip("\0"), flush=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        try:
            while True:
                if not socket.poll(WAKE_MS):  # a signal that comes just before a wait does not end it
                    continue
                plant, *parts = socket.recv_multipart()
                back = device.answer(plant, parts[0] if len(parts) == 1 else b"")
                if back is not None:
                    socket.send_multipart((plant, back))
        except KeyboardInterrupt:
            if device.plant is not None:
                socket.send_multipart((device.plant, device.frame(device.plant, IS_BYE)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve one spiking network to hilbench over ZeroMQ, on loopback.")
    parser.add_argument("port", type=int, help="TCP port; 0 is any free one")
    parser.add_argument("file", type=Path, help="NIR file of the network")
    parser.add_argument("period_us", type=int, help="control period of the network, as `hilbench program` prints it")
    parser.add_argument("program_hash", type=bytes.fromhex, help="32 hex digits, as `hilbench program` prints them")
    told = parser.parse_args()
    if len(told.program_hash) != 16 or told.period_us < STEP_US or told.period_us % STEP_US:
        parser.error(f"PROGRAM_HASH has 32 hex digits, and PERIOD_US is a multiple of {STEP_US}")
    serve(Device(Network(told.file, told.period_us), told.program_hash), told.port)
