"""What every robot promises that docs/robots.md describes: the examples, over everything that carries their frames.

They are asked by a side that knows the page and no more.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import struct
import subprocess
from contextlib import ExitStack

import pytest
from robots import EXAMPLES, LONG_S, NONE, PYTHON, Side, example, robot_process

ESTOP, WATCHDOG, TERMINATED, CLIPPED = 1, 4, 8, 32
SESSION, BUSY, IN_ESTOP = 4, 9, 13
ROBOTS = {
    "python-udp": (*PYTHON, "udp://127.0.0.1:0"),
    "python-stream": (*PYTHON, "stream://127.0.0.1:0"),
    "python-pty": (*PYTHON, "pty"),
    "c-udp": ("0",),
}
pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def c_robot(tmp_path_factory):
    """The C example, built with the sanitisers where the compiler has them."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler: cc is not installed")
    out = tmp_path_factory.mktemp("c") / "robot"
    flags = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-pedantic", "-o", out, EXAMPLES / "c" / "robot.c"]
    sanitised = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    if subprocess.run(["cc", *flags, *sanitised, "-lm"], capture_output=True, timeout=LONG_S).returncode:
        subprocess.run(["cc", *flags, "-lm"], check=True, timeout=LONG_S)
    return out


@pytest.fixture(params=ROBOTS)
def served(request):
    """A robot's process and its address."""
    command = ROBOTS[request.param]
    if request.param.startswith("c-"):
        command = (request.getfixturevalue("c_robot"), *command)
    with robot_process(*command) as found:
        yield found


@pytest.fixture
def side(served):
    with Side(served[1]) as side:
        yield side


@pytest.fixture
def begun(side):
    """A session in its first episode."""
    side.hello()
    assert side.reset()[:2] == (2, side.session)
    return side


def acting(side, seq=0):
    """Have it act until it says so; the next ACT's number."""
    side.act(seq, 1.0)
    side.until(lambda told: told.act_seq == seq)
    return seq + 1


def code_of(answer):
    kind, _, body = answer
    return struct.unpack_from("<H", body)[0] if kind == 7 else 0


def test_hello_describes_it(side):
    body = side.hello()
    assert side.session > 0
    about = json.loads(body[24:])
    assert about["parameters"].pop("pole_inertia_kg_m2") == pytest.approx(0.1 / 12)
    wanted = json.loads(json.dumps(example.ABOUT))
    del wanted["parameters"]["pole_inertia_kg_m2"]
    assert about == wanted
    told = side.until(lambda told: True)
    assert (told.act_seq, told.acts, told.episode, len(told.obs)) == (NONE, 0, 0, 4)
    assert told.sent_ns >= int.from_bytes(body[16:24], "little")


def test_a_hello_that_is_repeated_opens_no_other_session(side):
    side.hello(seq=77)
    first = side.session
    side.hello(seq=77)
    assert side.session == first
    side.hello(seq=78)
    assert side.session != first
    assert code_of(side.ask(5, session=first)) == SESSION


def test_frames_without_a_session_are_refused(side):
    assert code_of(side.ask(2, bytes(16), session=9)) == SESSION


def test_another_sender_is_told_to_wait(served):
    _, address = served
    if not address.startswith("udp"):
        pytest.skip("a connection has one sender")
    with ExitStack() as stack:
        first, other = (stack.enter_context(Side(address)) for _ in range(2))
        first.hello()
        assert code_of(other.ask(1, bytes(16))) == BUSY
        assert first.ask(8)[0] == 8
        first.session = 0
        other.hello()


def test_a_reset_that_is_repeated_is_done_once(begun):
    assert begun.reset(seq=500)[0] == begun.reset(seq=500)[0] == 2
    begun.act(0, 0.0)
    assert begun.until(lambda told: told.act_seq == 0).episode == 2


def test_an_act_moves_it_and_is_named(begun):
    start = begun.until(lambda told: told.episode == 1).obs[0]
    begun.act(0, 5.0)
    told = begun.until(lambda told: told.obs[0] > start + 1e-4)
    assert (told.act_seq, told.acts) == (0, 1)
    assert 0 < told.act_ns <= told.sent_ns


def test_an_act_beyond_the_limits_is_clipped(begun):
    begun.act(0, 1e6)
    told = begun.until(lambda told: told.flags & CLIPPED)
    assert told.act_seq == 0
    assert not begun.until(lambda told: True).flags & CLIPPED


@pytest.mark.parametrize("values", [(math.nan,), (math.inf,), (), (1.0, 2.0)])
def test_an_act_that_is_none_is_dropped_and_counted(begun, values):
    seq = acting(begun)
    before = begun.until(lambda told: True).refused
    begun.act(seq, *values)
    told = begun.until(lambda told: told.refused > before)
    assert (told.act_seq, told.acts) == (seq - 1, 1)


def test_an_old_act_is_dropped_and_counted(begun):
    begun.act(5, 1.0)
    begun.until(lambda told: told.act_seq == 5)
    begun.act(5, 1.0)
    begun.act(4, 1.0)
    told = begun.until(lambda told: told.refused == 2)
    assert (told.act_seq, told.acts) == (5, 1)


def test_its_watchdog_acts_until_the_next_act(begun):
    seq = acting(begun)
    begun.until(lambda told: told.flags & WATCHDOG)
    begun.act(seq, 1.0)
    assert not begun.until(lambda told: told.act_seq == seq).flags & WATCHDOG


def test_stop_stays_until_it_is_released(begun):
    seq = acting(begun)
    assert begun.ask(5)[0] == 5
    begun.until(lambda told: told.flags & ESTOP)
    begun.act(seq, 5.0)
    assert begun.until(lambda told: told.act_seq == seq).flags & ESTOP
    assert code_of(begun.reset()) == IN_ESTOP
    assert begun.reset(release=1)[0] == 2
    assert not begun.until(lambda told: told.episode == 2).flags & ESTOP


def test_a_button_stops_it_and_outlives_the_session(served):
    popen, address = served
    with Side(address) as side:
        side.hello()
        side.reset()
        acting(side)
        os.kill(popen.pid, signal.SIGUSR1)
        side.until(lambda told: told.flags & ESTOP)
        side.ask(8)
        side.hello()
        assert side.until(lambda told: True).flags & ESTOP
        assert code_of(side.reset()) == IN_ESTOP


def test_garbage_changes_nothing_but_a_count(begun):
    seq = acting(begun)
    before = begun.until(lambda told: True)
    good = begun.header(3, seq, n_values=1) + struct.pack("<Qf", 0, 1.0)
    garbage = (b"x", b"HR", bytes(40), good[:-1], good + b"x", b"HB" + good[2:], good[:30] + b"\1\0" + good[32:])
    for data in garbage:
        begun.send(data)
    if begun.stream:
        begun.write(b"\x05no cobs\0")
    told = begun.until(lambda told: told.refused >= before.refused + (0 if begun.stream else len(garbage)))
    assert (told.act_seq, told.acts, told.episode) == (before.act_seq, before.acts, 1)
    begun.act(seq, 1.0)
    assert begun.until(lambda told: told.act_seq == seq).acts == before.acts + 1


def test_a_fall_ends_the_episode(begun):
    for seq in range(10_000):
        begun.act(seq, 20.0)
        told = begun.until(lambda told, seq=seq: told.act_seq == seq)
        if told.flags & TERMINATED:
            break
    assert (told.flags & TERMINATED, told.reward) == (TERMINATED, 0.0)


def test_it_says_bye_when_it_ends(served):
    popen, address = served
    if address.startswith("serial"):
        pytest.skip("a pseudo-terminal that is closed drops what was in it")
    with Side(address) as side:
        side.hello()
        popen.terminate()
        while side.frame()[0] != 8:
            pass
        side.session = 0
    assert popen.wait(LONG_S) == 0
