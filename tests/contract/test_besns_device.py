"""The device of examples/besns: a network built in, as a process of its own, against the same network in process."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import nir
import numpy as np
import pytest
from device_plants import Plant, code_of
from host_device import BYE, ECHO, ERROR, HELLO, RESET, TICK, header

from hilbench.cli import main
from hilbench.record.reader import read_run

EXAMPLES = Path(__file__).parents[2] / "examples" / "besns"
N_IN, N_HIDDEN, N_OUT, PERIOD_US = 16, 64, 5, 400
START_S, END_S = 60, 10
FRAME, VERSION, KIND, SESSION, COUNT, RANGE, STATE, BUSY, UNSUPPORTED = 1, 2, 3, 4, 5, 6, 8, 9, 10
NO_SEQ = 2**64 - 1
COUNTERS = ("spikes", "synaptic_operations", "neuron_updates", "weight_updates", "multiplications")
pytestmark = pytest.mark.timeout(180)


def leaky(keeps):
    """Neurons as snnTorch's export writes them: tau / r is the step, so that what arrives is added whole."""
    tau = 1e-4 / (1 - keeps)
    none, one = np.zeros_like(keeps), np.ones_like(keeps)
    return nir.LIF(tau=tau, r=tau / np.float32(1e-4), v_leak=none, v_threshold=one, v_reset=none)


def random_network():
    """The shapes of emg.nir, with random weights: about one neuron in eight fires in a step."""
    rng = np.random.default_rng(0)

    def affine(n_out, n_in):
        weight, bias = rng.normal(0, 2 / n_in**0.5, (n_out, n_in)), rng.normal(0, 0.1, n_out)
        return nir.Affine(weight.astype(np.float32), bias.astype(np.float32))

    nodes = {
        "input": nir.Input({"input": np.array([N_IN])}),
        "0": affine(N_HIDDEN, N_IN),
        "1": leaky(np.exp(-0.005 / np.geomspace(0.01, 0.1, N_HIDDEN)).astype(np.float32)),
        "2": affine(N_OUT, N_HIDDEN),
        "3": leaky(np.full(N_OUT, np.exp(-0.25), np.float32)),
        "output": nir.Output({"output": np.array([N_OUT])}),
    }
    names = ["input", "0", "1", "2", "3", "output"]
    return nir.NIRGraph(nodes, list(pairwise(names)))


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    """emg.toml beside a network of random weights."""
    folder = tmp_path_factory.mktemp("emg")
    nir.write(folder / "emg.nir", random_network())
    text = (EXAMPLES / "emg.toml").read_text("utf-8")
    if "inputs" not in text:
        text = text.replace('preset = "snntorch-zero"\n', 'preset = "snntorch-zero"\nprofile = {inputs = "events"}\n')
    (folder / "emg.toml").write_text(text, "utf-8")
    return folder / "emg.toml"


@contextmanager
def running(scenario, program_hash):
    """The device's address; it ends by Ctrl-C, with code 0, and says nothing on stderr."""
    command = [sys.executable, EXAMPLES / "device.py", "0", scenario.with_name("emg.nir"), str(PERIOD_US), program_hash]
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=alone)
    try:
        assert select.select([process.stdout], (), (), START_S)[0], "the device says nothing"
        line = process.stdout.readline().decode()
        address = re.fullmatch(r"listening on (\S+)\n", line)
        assert address, line + process.communicate(timeout=END_S)[1].decode()
        yield address[1]
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=END_S)[1]
        assert (process.returncode, said) == (0, b"")
    finally:
        process.kill()
        process.communicate(timeout=END_S)


@pytest.fixture(scope="module")
def program_hash(scenario):
    command = [sys.executable, "-m", "hilbench", "program", scenario, "--controller", "trained"]
    ended = subprocess.run(command, capture_output=True, check=True, timeout=START_S)
    said = json.loads(ended.stdout)
    assert said["period_us"] == PERIOD_US, "the network's own period, not the plant's"
    return said["program_hash"]


@pytest.fixture(scope="module")
def address(scenario, program_hash):
    with running(scenario, program_hash) as address:
        yield address


@pytest.fixture
def plant(address):
    with Plant(address) as plant:
        plant.hello()
        plant.reset()
        yield plant


def run(scenario, folder, *more):
    shorter = ["--loop.episodes", "1", "--plant.n_samples", "2"]
    with pytest.raises(SystemExit) as end:
        main(["run", str(scenario), *shorter, *more, "--out", str(folder), "--json"])
    return end.value.code


def tick(plant, seq, events=(), flags=1, counts=None):
    """A TICK of (t_us, address) events."""
    counts = (len(events), 0, 0) if counts is None else counts
    return header(TICK, plant.session, seq, flags, 0, counts) + b"".join(struct.pack("<II", *event) for event in events)


def reply(plant, seq, events=()):
    """(prev_seq, the counters, the spikes as bytes) of a tick's answer."""
    answer = plant.ask(tick(plant, seq, events))
    assert answer[3] == 4, answer
    _, _, prev_seq, _, _, *counters, _ = struct.unpack_from("<QQQII5Qd", answer, 32)
    return prev_seq, counters, answer[112:]


def test_a_run_through_the_device_equals_the_run_in_process(scenario, address, tmp_path, capsys):
    through = ["--link.kind", "zmq", "--link.address", address]
    episodes = []
    for folder, more in (("here", ["--backend.kind", "reference"]), ("there", through)):
        assert run(scenario, tmp_path / folder, *more) == 0, capsys.readouterr().err
        (episode,) = read_run(tmp_path / folder).episodes
        episodes.append(episode)
    here, there = episodes
    n_ticks = here["answered"].sum()
    assert n_ticks == there["answered"].sum() >= 90
    assert sum(map(len, here["reply_events"])) > n_ticks
    for ours, theirs in zip(here["reply_events"], there["reply_events"], strict=True):
        assert np.array_equal(ours, theirs)
    for column in ("actions", "state", *COUNTERS):
        assert np.array_equal(here[column], there[column]), column


def test_another_program_is_refused(scenario, program_hash, tmp_path, capsys):
    with running(scenario, "00" * 16) as address:
        assert run(scenario, tmp_path / "refused", "--link.kind", "zmq", "--link.address", address) == 2
    said = capsys.readouterr().err
    assert program_hash in said
    assert "00" * 16 in said


def test_gaps_are_caught_up_as_far_as_reset_allows(plant):
    events = [(0, 1), (150, 2), (150, 2), (399, 3)]
    plant.reset(catch_up=2)
    several = [reply(plant, seq, some) for seq, some in enumerate((events, (), (), events))]
    plant.reset(catch_up=2)
    assert reply(plant, 0, events) == several[0]
    before, counters, spikes = reply(plant, 9, events)
    assert (before, spikes) == (0, several[3][2])
    assert counters == np.sum([found[1] for found in several[1:]], axis=0).tolist()
    plant.reset(catch_up=0, carry=0)
    assert reply(plant, 7, events) == (NO_SEQ, *several[0][1:])


def test_an_old_tick_gets_no_answer_and_changes_nothing(plant):
    events = [(0, k) for k in range(8)]
    expected = [reply(plant, seq, events) for seq in (4, 5)]
    plant.reset()
    assert reply(plant, 4, events) == expected[0]
    for seq in (4, 0):
        plant.wire.send(tick(plant, seq, events))
    assert reply(plant, 5, events) == expected[1]


def test_bad_frames_get_their_errors_and_change_nothing(plant):
    events = [(0, k) for k in range(8)]
    expected = [reply(plant, seq, events) for seq in (0, 1)]
    plant.reset()
    assert reply(plant, 0, events) == expected[0]
    good = tick(plant, 1, events)
    frames = [
        (FRAME, b"HB"),
        (FRAME, b"XB" + good[2:]),
        (VERSION, b"HB\x02" + good[3:]),
        (KIND, header(14, plant.session)),
        *((UNSUPPORTED, header(kind, plant.session)) for kind in (4, 5, 6, 7, 9, 10, 11, 12)),
        (SESSION, header(BYE, plant.session ^ 0x5555)),
        (FRAME, header(HELLO) + bytes(63)),
        (RANGE, header(HELLO) + b"\1" + bytes(63)),
        (RANGE, header(RESET, plant.session) + struct.pack("<QIB3x", 0, 10_001, 0)),
        (RANGE, header(RESET, plant.session) + struct.pack("<QIB3x", 0, 0, 3)),
        (FRAME, good[:-1]),
        (COUNT, tick(plant, 1, counts=(0, 1, 0)) + bytes(4)),
        (RANGE, tick(plant, 1, [(PERIOD_US, 0)])),
        (RANGE, tick(plant, 1, [(0, N_IN)])),
        (RANGE, tick(plant, 1, [(5, 0), (4, 0)])),
        (RANGE, tick(plant, 1, flags=2)),
        (RANGE, tick(plant, NO_SEQ)),
        (FRAME, header(ECHO, plant.session) + bytes(65_537)),
    ]
    for code, frame in frames:
        answer = plant.ask(frame)
        assert (answer[3], code_of(answer)) == (ERROR, code), (code, frame[:40])
    plant.wire.send(good[:32], good[32:])
    assert code_of(plant.wire.frame()) == FRAME
    echo = header(ECHO, plant.session, 9) + bytes(range(256))
    assert plant.ask(echo) == echo
    assert reply(plant, 1, events) == expected[1]


def test_one_plant_at_a_time_and_a_reset_in_every_session(plant, address):
    plant.hello()
    assert plant.code(tick(plant, 0)) == STATE
    with Plant(address) as other:
        assert other.code(header(HELLO) + bytes(64)) == BUSY
        assert other.code(tick(plant, 0)) == SESSION
        plant.bye()
        other.hello()
    plant.hello()
