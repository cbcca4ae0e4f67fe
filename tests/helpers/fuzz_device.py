"""A device with a real network in it, for frames that mean it harm; and the atheris harness around it.

python fuzz_device.py -runs=100000      (needs the package atheris)
"""

from __future__ import annotations

import logging
import sys

import numpy as np

from hilbench.bridge.device.device import Device
from hilbench.bridge.device.session import build_backend
from hilbench.bridge.protocol import handshakes, states, wire
from hilbench.bridge.protocol.handshakes import Hello
from hilbench.bridge.protocol.ticks import encode_tick
from hilbench.bridge.protocol.wire import Code, Kind
from hilbench.nal import Network
from hilbench.nal.model.codec import pack
from hilbench.nal.rules.pes import PES
from hilbench.types import EVENT, Probes, Tick

ME = b"me"
PERIOD_US = 2000


def network() -> Network:
    net = Network(0.001, seed=1)
    net.input("x", 2)
    net.input("ears", 3, kind="events")
    net.lif("a", 4, tau_s=0.02, output=True)
    net.readout("y", 2, tau_s=0.1)
    net.connect("x", "a", np.ones((4, 2)))
    net.connect("ears", "a", np.ones((4, 3)))
    net.connect("a", "y", np.zeros((2, 4)), rule=PES(modulator="error"), delay_steps=2)
    return net


PACKED = pack(network())


def tick(seq: int) -> Tick:
    events = np.array([(5, 1), (1999, 2)], EVENT)
    return Tick(seq, 7 * seq, True, events, np.full(2, 2.5, np.float32), np.full(2, 0.5, np.float32))


class Target:
    """A device in the middle of an episode, and what of it no refused frame may change."""

    def __init__(self) -> None:
        self.device = Device(build_backend("reference", {}), 10.0, lambda: 0)
        self.start()

    def start(self) -> list[bytes]:
        """Open a session, load, reset and run three ticks; all answers."""
        answers = [self.say(handshakes.encode_hello(0, 1, Hello()))]
        for frame in self.frames()[:2]:
            answers.append(self.say(frame))
        return answers[1:] + [self.say(encode_tick(tick(seq), self.session)) for seq in range(3)]

    @property
    def session(self) -> int:
        return self.device._number

    def frames(self) -> list[bytes]:
        """A whole frame of every kind, for this session; the first two start an episode."""
        number = self.session
        arrays = self.device._session.snapshot() if self.device._session.sizes else {}
        empty = [wire.frame(kind, number, 9) for kind in Kind if kind not in (Kind.LOAD, Kind.RESET, Kind.TICK)]
        return [
            handshakes.encode_load(number, 2, handshakes.Load(PERIOD_US, Probes(spikes=("a",)), PACKED)),
            handshakes.encode_reset(number, 3, 5, "none", 2),
            encode_tick(tick(3), number),
            handshakes.encode_hello(0, 4, Hello()),
            states.encode_states(Kind.RESTORE, number, 5, arrays),
            *empty,
        ]

    def say(self, frame: bytes, plant: bytes = ME) -> bytes | None:
        return self.device.answer(plant, frame, 99)

    def state(self) -> tuple:
        session = self.device._session
        arrays = session.snapshot() if session.sizes else {}
        return session.status(0, 0), session.sizes, {name: array.tobytes() for name, array in arrays.items()}

    def check(self, frame: bytes, plant: bytes = ME) -> None:
        """Say it. Whatever it holds, the answer is a frame or none, and a refused frame has changed nothing."""
        before = self.state()
        answer = self.say(frame, plant)
        if answer is None:
            return
        header = wire.read_header(answer)
        if header.kind != Kind.ERROR:
            assert plant == ME or header.kind == Kind.HELLO
            return
        code, text = handshakes.decode_error(answer)
        assert code != Code.INTERNAL, text
        kind = frame[3] if len(frame) > 3 else 0
        if not (
            kind == Kind.LOAD and code in (Code.RANGE, Code.BODY, Code.REFUSED)
        ):  # that leaves it without a program
            assert self.state() == before, (code, text)

    def lives(self) -> bool:
        """Whether a fresh episode goes as one of a new device does."""
        self.device.left(self.device._plant)  # a stranger may hold it, after a BYE that was damaged but good enough
        return _without_clocks(self.start()) == _without_clocks(Target().start())


def _without_clocks(answers: list[bytes]) -> list[bytes]:
    """The answers without their session and without compute_ns."""
    return [answer[:4] + answer[6:40] + answer[48:] for answer in answers]


def main() -> None:
    import atheris

    logging.disable()
    target = Target()

    def one(data: bytes) -> None:
        provider = atheris.FuzzedDataProvider(data)
        frames = target.frames()
        frame = bytearray(frames[provider.ConsumeIntInRange(0, len(frames) - 1)])
        for _ in range(provider.ConsumeIntInRange(0, 6)):
            frame[provider.ConsumeIntInRange(0, len(frame) - 1)] = provider.ConsumeIntInRange(0, 255)
        target.check(bytes(frame) + provider.ConsumeBytes(64))
        target.check(data)

    atheris.instrument_all()  # or it does not see which branches a frame took
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
