"""What every device promises that docs/protocol.md describes: the examples in other languages, and `hilbench serve`.

All of them run the same law, the cart-pole's LQR, and are asked by a plant's side that knows the page and no more.
"""

from __future__ import annotations

import ast
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from device_plants import Plant, code_of
from host_device import BYE, ECHO, ERROR, HELLO, RESET, TICK, framed, header

from hilbench.bridge.device.process import DeviceProcess
from hilbench.bridge.protocol import handshakes, wire
from hilbench.bridge.protocol.identity import program_hash
from hilbench.cli import main
from hilbench.controllers.lqr import LQRLaw
from hilbench.firmware import SOURCES
from hilbench.nal.model.codec import pack
from hilbench.record.reader import read_run
from hilbench.runs.build import check
from hilbench.scenario import files as scenarios
from hilbench.types import Probes

EXAMPLES = Path(__file__).parents[2] / "examples" / "devices"
BUILD_S, END_S = 60, 10
FRAME, VERSION, KIND, SESSION, COUNT, RANGE, STATE, BUSY, UNSUPPORTED = 1, 2, 3, 4, 5, 6, 8, 9, 10
NO_SEQ = 2**64 - 1
CAN_LOAD, CAN_ECHO = 1, 8
PERIOD_US, N_VALUES = 1000, 4
CLOSE = {"rtol": 2**-23, "atol": 1e-9}
"""One unit in the last place of a float32: sums of float64 products may be rounded in another order."""
pytestmark = pytest.mark.timeout(60)


class Served(NamedTuple):
    address: str
    loadable: bool


@pytest.fixture(scope="module")
def program():
    found = scenarios.load("cartpole_ladder", {"loop.period_s": PERIOD_US * 1e-6}, "lqr")
    return check(found)


@pytest.fixture(scope="module")
def told(program):
    """PERIOD_US HASH LIMIT GAIN..., as the examples take them."""
    law = program.config
    return [str(PERIOD_US), program_hash(pack(program)).hex(), repr(law["limit"]), *map(repr, law["gain"])]


@pytest.fixture(scope="module")
def c_device(tmp_path_factory):
    """The C example, built with the sanitisers where the compiler has them."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler: cc is not installed")
    out = tmp_path_factory.mktemp("c") / "device"
    sources = [EXAMPLES / "c" / "device.c", SOURCES / "wire.c"]
    flags = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-pedantic", "-ffp-contract=off", "-I", SOURCES]
    sanitised = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    built = subprocess.run(["cc", *flags, *sanitised, "-o", out, *sources], capture_output=True, timeout=BUILD_S)
    if built.returncode:
        subprocess.run(["cc", *flags, "-o", out, *sources], check=True, timeout=BUILD_S)
    return out


@contextmanager
def running(command):
    """An example device on a free port; it must end by SIGTERM, with code 0 and nothing on stderr."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert select.select([process.stdout], (), (), END_S)[0], "the device says nothing"
        line = process.stdout.readline().decode()
        address = re.fullmatch(r"listening on (\S+)\n", line)
        assert address, line
        yield Served(address[1], loadable=False)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=END_S)[1]
        assert (process.returncode, said) == (0, b"")
    finally:
        process.kill()
        process.communicate(timeout=END_S)


@contextmanager
def serving(bind):
    device = DeviceProcess("law", {}, BUILD_S, bind)
    try:
        yield Served(device.address, loadable=True)
    finally:
        device.close()


@pytest.fixture(scope="module", params=["python", "c", "serve zmq", "serve unix", "serve stream"])
def start(request, told):
    """A function that makes a context in which the device runs."""
    if request.param == "python":
        command = [sys.executable, EXAMPLES / "python" / "device.py", "0", *told]
        return lambda: running(command)
    if request.param == "c":
        command = [request.getfixturevalue("c_device"), "0", *told]
        return lambda: running(command)
    binds = {"zmq": "tcp://127.0.0.1:*", "unix": "unix://*", "stream": "stream://127.0.0.1:*"}
    return lambda: serving(binds[request.param.split()[1]])


@pytest.fixture(scope="module")
def device(start):
    with start() as served:
        yield served


@pytest.fixture
def meet(device, program):
    """A function that opens a session; the device has the program and its episode has begun."""
    with ExitStack() as stack:

        def opened() -> Plant:
            plant = stack.enter_context(Plant(device.address))
            plant.hello()
            if device.loadable:
                load(plant, program)
            plant.reset()
            return plant

        yield opened


@pytest.fixture
def plant(meet):
    return meet()


def load(plant, program):
    body = handshakes.Load(PERIOD_US, Probes(), pack(program))
    assert plant.ask(handshakes.encode_load(plant.session, 66, body))[3] == wire.Kind.REPORT


def law_of(program):
    law = LQRLaw(msgspec.convert(program.config, LQRLaw.Config))
    law.reset(0)
    return lambda values: law.step(values, np.zeros(0, np.float32), False).astype(np.float32)


def random_values(n, seed=1):
    """(n, 4) float32: most within the law's limit, some beyond it on either side."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, N_VALUES)) * rng.choice([0.01, 0.1, 1, 100], size=(n, 1))).astype(np.float32)


def assert_replies(plant, program, seqs, values, before=NO_SEQ):
    step = law_of(program)
    for seq, row in zip(seqs, values, strict=True):
        found, prev_seq = plant.tick(int(seq), row.tobytes())
        np.testing.assert_allclose(np.frombuffer(found, "<f4"), step(row), **CLOSE)
        assert prev_seq == before
        before = seq


def test_hello_tells_the_program_and_a_new_session_each_time(plant, program, device):
    first = plant.session
    capabilities, boot_id, found, *sizes = plant.hello()
    assert 0 < first != plant.session > 0
    assert found == program_hash(pack(program))
    assert boot_id != bytes(16)
    assert sizes == [PERIOD_US, N_VALUES, 0, 0, 1, 0, 0]
    assert bool(capabilities & CAN_LOAD) == device.loadable


def test_replies_are_the_laws_own(plant, program):
    values = random_values(300)
    limit = program.config["limit"]
    forces = np.array([law_of(program)(row)[0] for row in values])
    assert (forces == limit).any()
    assert (forces == -limit).any()
    assert (abs(forces) < limit).sum() > 100
    assert_replies(plant, program, range(300), values)


def test_gaps_and_a_reset(plant, program):
    values = random_values(6)
    for catch_up in (0, 3):
        plant.reset(catch_up=catch_up)
        assert_replies(plant, program, [0, 1, 3, 40, 41, 2**63], values)
    plant.reset()
    assert_replies(plant, program, [5], values[:1])


def test_repeated_and_old_ticks_get_no_answer(plant, program):
    values = random_values(3)
    assert_replies(plant, program, [4], values[:1])
    for seq in (4, 3, 0):
        plant.wire.send(plant.tick_frame(seq, values[1].tobytes()))
    assert_replies(plant, program, [5], values[2:], before=4)


def bad_frames(session):
    """(the number of its ERROR, a frame) for what every device checks."""
    values, event = bytes(4 * N_VALUES), struct.pack("<II", 0, 0)

    def tick(body=values, seq=50, flags=1, counts=(0, N_VALUES, 0)):
        return header(TICK, session, seq, flags, 0, counts) + body

    def reset(catch_up, carry):
        return header(RESET, session, 9) + struct.pack("<QIB3x", 0, catch_up, carry)

    return [
        (FRAME, b"HB"),
        (FRAME, header(TICK, session)[:31]),
        (FRAME, b"XB" + tick()[2:]),
        (VERSION, b"HB\x02" + tick()[3:]),
        (VERSION, b"HB\x00" + header(HELLO)[3:] + bytes(64)),
        *((KIND, header(kind, session)) for kind in (0, 14, 255)),
        *((UNSUPPORTED, header(kind, session)) for kind in (4, 6, 7, 12)),
        (SESSION, header(BYE, session ^ 0x5555)),
        (SESSION, header(TICK, 0)),
        (FRAME, header(HELLO) + bytes(63)),
        (FRAME, header(RESET, session) + bytes(15)),
        (RANGE, reset(10_001, 0)),
        (RANGE, reset(0, 3)),
        (COUNT, tick(values[:-4], counts=(0, N_VALUES - 1, 0))),
        (COUNT, tick(values + bytes(4), counts=(0, N_VALUES, 1))),
        (FRAME, tick(values + b"\0")),
        (FRAME, tick(values[:-1])),
        (FRAME, tick(counts=(2**32 - 1, N_VALUES, 0))),
        (RANGE, tick(flags=2)),
        (RANGE, tick(seq=NO_SEQ)),
        (RANGE, tick(event + values, counts=(1, N_VALUES, 0))),
    ]


def test_a_bad_frame_gets_its_error_and_changes_nothing(plant, program, device):
    values = random_values(2)
    assert_replies(plant, program, [7], values[:1])
    frames = bad_frames(plant.session)
    if not device.loadable:
        frames += [(UNSUPPORTED, header(kind, plant.session)) for kind in (5, 9, 10, 11)]
    for code, frame in frames:
        answer = plant.ask(frame)
        assert code_of(answer) == code, (code, frame[:40], answer)
        assert answer[3] == ERROR
        assert 0 < len(answer[34:].decode()) <= 1000
    assert_replies(plant, program, [8], values[1:], before=7)


def test_an_error_repeats_the_seq_of_a_header_that_can_be_read(plant):
    for frame, seq in ((plant.tick_frame(31, bytes(4)), 31), (header(4, plant.session, 2**63), 2**63)):
        assert struct.unpack_from("<Q", plant.ask(frame), 8)[0] == seq
    for frame in (
        b"H",
        header(BYE)[:31],
        b"XB" + header(BYE, plant.session, 31)[2:],
        b"HB\x02" + header(BYE, 0, 31)[3:],
    ):
        assert struct.unpack_from("<Q", plant.ask(frame), 8)[0] == NO_SEQ


def test_a_tick_needs_a_reset_in_every_session(plant):
    plant.hello()
    assert plant.code(plant.tick_frame(0, bytes(16))) == STATE
    plant.reset()
    plant.tick(0, bytes(16))


def test_a_second_plant_is_refused_until_bye_and_changes_nothing(plant, program, device):
    values = random_values(2)
    assert_replies(plant, program, [0], values[:1])
    with Plant(device.address) as other:
        assert other.code(header(HELLO) + bytes(64)) == BUSY
        assert other.code(header(TICK, plant.session, 1, 0, 0, (0, N_VALUES, 0)) + bytes(16)) == SESSION
        assert other.code(header(BYE, plant.session)) == SESSION
        assert_replies(plant, program, [1], values[1:], before=0)
        gone, frame = plant.session, plant.tick_frame(2, bytes(16))
        plant.bye()
        assert plant.code(frame) == SESSION
        other.hello()
        assert other.session != gone
        assert plant.code(header(HELLO) + bytes(64)) == BUSY


def test_an_echo_comes_back_where_hello_promises_it(plant, program):
    capabilities = plant.hello()[0]
    frames = [header(ECHO, plant.session, 9) + body for body in (b"", bytes(24), bytes(range(256)) * 4)]
    if not capabilities & CAN_ECHO:
        assert [plant.code(frame) for frame in frames] == [UNSUPPORTED] * 3
        return
    plant.reset()
    assert_replies(plant, program, [0], random_values(1))
    for frame in frames:
        assert plant.ask(frame) == frame
    assert plant.code(header(ECHO, plant.session) + bytes(65_537)) == FRAME
    assert_replies(plant, program, [1], random_values(1), before=0)


def test_a_message_in_parts_is_a_bad_frame(plant, device):
    if not device.address.startswith("tcp"):
        pytest.skip("only ZeroMQ has messages in parts")
    whole = plant.tick_frame(0, bytes(16))
    plant.wire.send(whole[:32], whole[32:])
    assert code_of(plant.wire.frame()) == FRAME
    plant.tick(0, bytes(16))


def test_damaged_bytes_of_a_stream_are_dropped(plant, device):
    if not device.address.startswith("stream"):
        pytest.skip("only a byte stream can be damaged")
    whole = bytearray(framed(plant.tick_frame(0, bytes(16))))
    whole[5] ^= 0x40
    plant.wire.send_bytes(b"\0\0\x05ab\0" + bytes(whole) + b"\xff\xff\0")
    plant.tick(0, bytes(16))


def test_the_end_of_a_connection_ends_the_session(device, program, meet):
    if device.address.startswith("tcp"):
        pytest.skip("ZeroMQ's connections come and go")
    first = meet()
    first.wire.close()
    first.wire = meet().wire  # the next plant is welcome at once
    first.session = 0


def test_a_device_that_ends_says_bye(start):
    with ExitStack() as stack:
        with start() as served:
            plant = stack.enter_context(Plant(served.address))
            plant.hello()
        plant.session = 0
        assert plant.wire.frame()[3] == BYE


def test_a_run_through_the_device_equals_the_run_in_process(device, tmp_path, capsys):
    link = {"tcp": "zmq", "unix": "unix", "stream": "stream"}[device.address.partition(":")[0]]
    through = ["--link.kind", link, "--link.address", device.address]
    states = []
    for folder, more in (("here", ["--link.kind", "inprocess"]), ("there", through)):
        command = ["run", "cartpole_ladder", "--controller", "lqr", "--loop.duration_s", "2", *more]
        with pytest.raises(SystemExit) as end:
            main([*command, "--out", str(tmp_path / folder), "--json"])
        assert end.value.code == 0, capsys.readouterr().err
        (episode,) = read_run(tmp_path / folder).episodes
        assert episode["answered"].all()
        states.append(episode["state"])
    assert len(states[0]) == 2000
    if device.loadable:
        assert np.array_equal(*states)
    np.testing.assert_allclose(states[1], states[0], rtol=1e-5, atol=1e-7)


def test_a_run_of_another_program_is_refused_with_both_hashes(device, program, told, capsys):
    if device.loadable:
        pytest.skip("a loadable device takes any program")
    link = "zmq" if device.address.startswith("tcp") else "stream"
    command = ["run", "cartpole_ladder", "--controller", "lqr", "--controllers.lqr.force_cost", "0.2"]
    with pytest.raises(SystemExit) as end:
        main([*command, "--link.kind", link, "--link.address", device.address])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert said.count("\n") == 1
    other = check(scenarios.load("cartpole_ladder", {"controllers.lqr.force_cost": 0.2}, "lqr"))
    assert told[1] in said
    assert program_hash(pack(other)).hex() in said
    assert told[1] != program_hash(pack(other)).hex()


HASH = "00" * 16
WRONG_WORDS = ("", "0 1000", f"0 x {HASH} 1 1", f"70000 1000 {HASH} 1 1", "0 1000 00 1 1", f"0 1000 {HASH} 1 1 y")


@pytest.mark.parametrize("wrong", WRONG_WORDS)
def test_the_c_device_refuses_wrong_words(c_device, wrong):
    ended = subprocess.run([c_device, *wrong.split()], capture_output=True, text=True, timeout=END_S)
    assert ended.returncode == 2
    assert re.fullmatch(r"device: .+\nusage: device PORT .+\n", ended.stderr)


def test_the_python_device_is_short_and_needs_pyzmq_alone():
    source = (EXAMPLES / "python" / "device.py").read_text("utf-8")
    assert len(source.splitlines()) <= 81
    found = {name for node in ast.walk(ast.parse(source)) for name in imported(node)}
    assert found - sys.stdlib_module_names == {"zmq"}


def imported(node):
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    return [node.module.split(".")[0]] if isinstance(node, ast.ImportFrom) else []
