"""The firmware under QEMU: the bits of backend `loihi`, the same instructions every time, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hilbench.backends.cortexm import Cortexm, CortexmConfig
from hilbench.backends.loihi import Loihi, LoihiConfig
from hilbench.backends.reference import Reference
from hilbench.cli import main
from hilbench.errors import HilbenchError, LinkError, NetworkError, ScenarioError
from hilbench.firmware import build
from hilbench.nal import Network, save
from hilbench.testing.networks import networks, stream
from hilbench.types import EVENT, Empty, Probes, Tick

PERIOD_US = 4000


def small(n: int = 20, outputs: bool = True) -> Network:
    """Events and values drive some neurons, which a readout sums up."""
    random = np.random.default_rng(3)
    net = Network(0.001)
    net.input("x", 2)
    net.input("e", 4, kind="events")
    net.lif("a", n, tau_s=0.02, refractory_s=0.002, output=outputs)
    net.readout("y", 2, tau_s=0.05)
    net.connect("x", "a", random.uniform(-1, 2, (n, 2)), bias=random.uniform(0, 1.5, n))
    net.connect("e", "a", random.uniform(-1, 3, (n, 4)), delay_steps=2)
    net.connect("a", "y", random.normal(0.2, 0.5, (2, n)))
    return net


def pair(net: Network, period_us: int, probes: Probes) -> tuple[Cortexm, Loihi]:
    found = Cortexm(CortexmConfig()), Loihi(LoihiConfig())
    for backend in found:
        backend.load(net, period_us, probes)
    return found


def told(backend, tick: Tick) -> list[bytes]:
    r = backend.step(tick)
    return [a.tobytes() for a in (r.events, r.values, r.counters, r.probe_events, r.probe_values)]


@pytest.mark.usefixtures("cortexm")
def test_a_network_is_the_engines_bit_for_bit_through_resets_and_gaps():
    net = small()
    probes = Probes(spikes=("a",), weights=("e_to_a",), weight_norms=("x_to_a",), weights_period_s=0.012)
    board, engine = pair(net, PERIOD_US, probes)
    ticks = stream(net, PERIOD_US, 60, seed=1)
    n_bytes = 0
    for carry, part in (("none", ticks[:30]), ("all", ticks[30:45]), ("weights", ticks[45:])):
        for k, tick in enumerate(part):
            if k == 0:
                board.reset(1, carry)
                engine.reset(1, carry)
            if k % 7 == 3:
                board.advance(k)
                engine.advance(k)
            expected = told(engine, tick)
            assert told(board, tick) == expected
            n_bytes += len(expected[0])
    assert n_bytes > 1000


@pytest.mark.usefixtures("cortexm")
@settings(max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), steps=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
def test_random_networks_are_the_engines_bit_for_bit(data, steps, seed):
    net = data.draw(networks().filter(runs_on_loihi))
    probes = Probes(spikes=tuple(p.name for p in net.populations.values() if p.spiking))
    board, engine = pair(net, steps * net.dt_us, probes)
    for tick in stream(net, steps * net.dt_us, 12, seed):
        assert told(board, tick) == told(engine, tick)


@pytest.mark.usefixtures("cortexm")
@pytest.mark.parametrize("threshold", [">", ">="])
def test_whole_numbers_behind_a_chain_of_linear_nodes_are_the_references(threshold):
    """Neurons reach their thresholds exactly, and a relay and a factor stand before them."""
    random = np.random.default_rng(5)
    net = Network(0.001, integrator="discrete")
    net.input("e", 4, kind="events")
    net.add("a", "if", 12, threshold_test=threshold, reset="zero", v_threshold=10.0, output=True)
    net.add("relay", "passthrough", 12)
    net.connect("e", "relay", random.integers(-3, 6, (12, 4)), delay_steps=1, name="first")
    net.connect("relay", "a", 2 * np.eye(12), name="then")
    net.connect("a", "a", random.integers(-4, 4, (12, 12)), delay_steps=2, name="loop")
    board, reference = Cortexm(CortexmConfig()), Reference(Empty())
    report = board.load(net, PERIOD_US, Probes())
    assert report.exact == ("a", "first", "then", "loop")
    assert all(line.startswith("time: ") for line in report.approximated)
    reference.load(net, PERIOD_US, Probes())
    n_spikes = 0
    for tick in stream(net, PERIOD_US, 60, seed=1):
        expected = reference.step(tick).events.tolist()
        assert board.step(tick).events.tolist() == expected
        n_spikes += len(expected)
    assert n_spikes > 100


@pytest.mark.usefixtures("cortexm")
def test_the_command_tells_of_a_network_that_rounding_erases(tmp_path, capsys):
    net = Network(0.001)
    net.input("e", 12, kind="events")
    net.lif("a", 20, tau_s=0.02)
    weights = np.random.default_rng(0).uniform(0.2, 0.6, (20, 12))
    weights[3, 4] = 300
    net.connect("e", "a", weights, delay_steps=1, name="w")
    save(net, tmp_path / "net.nir")
    build_it = ("cortexm", str(tmp_path / "net.nir"), "-o", str(tmp_path / "firmware"))
    assert command(*build_it) == 1
    found = capsys.readouterr()
    assert found.err == "hilbench: projection 'w': 229 of 240 weights become 0; allowed: up to 50% (zeros_max)\n"
    assert "approximated: a: 11 of 20 neurons lose all their input: " in found.out
    assert command(*build_it, "--zeros-max", "0.96") == 0
    assert capsys.readouterr().err.startswith("hilbench: warning: w: 229 of 240 weights become 0; a: 11 of 20 neurons")
    with pytest.raises(NetworkError, match="229 of 240 weights become 0"):
        Cortexm(CortexmConfig()).load(net, 1000, Probes())
    assert len(Cortexm(CortexmConfig(zeros_max=1.0)).load(net, 1000, Probes()).warnings) == 2


def runs_on_loihi(net: Network) -> bool:
    try:
        Loihi(LoihiConfig()).load(net, net.dt_us, Probes())
    except NetworkError:
        return False
    return True


@pytest.mark.usefixtures("cortexm")
def test_instructions_are_counted_and_the_same_every_time():
    net, counts = small(), []
    ticks = stream(net, PERIOD_US, 20, seed=2)
    for _ in range(2):
        board = Cortexm(CortexmConfig())
        report = board.load(net, PERIOD_US, Probes())
        counts.append([])
        for tick in ticks:
            board.step(tick)
            counts[-1].append(board.instructions)
    assert "instructions" in report.approximated[-1]
    assert report.instruction_ns == 256
    assert counts[0] == counts[1]
    assert len(set(counts[0])) > 5
    assert min(counts[0]) > 4 * 22 * 10  # steps x neurons x a few instructions each


@pytest.mark.usefixtures("cortexm")
def test_a_board_runs_what_was_built_for_it_and_nothing_else(tmp_path):
    """QEMU as the board of another process: the backend reaches it by its address alone."""
    from hilbench.firmware.qemu import emulated

    net = small()
    build(net, PERIOD_US, tmp_path / "firmware")
    engine = Loihi(LoihiConfig())
    engine.load(net, PERIOD_US, Probes())
    with emulated(tmp_path / "firmware" / "firmware.elf", tmp_path, "mps2-an386", 8, 20) as address:
        board = Cortexm(CortexmConfig(board=address))
        for wrong, says in ((small(21), "built in"), (small(outputs=False), "built in")):
            with pytest.raises(LinkError, match=says):
                board.load(wrong, PERIOD_US, Probes())
        with pytest.raises(NetworkError, match=r"record\.spikes: .* allowed on a board: none"):
            board.load(net, PERIOD_US, Probes(spikes=("a",)))
        report = board.load(net, PERIOD_US, Probes())
        for tick in stream(net, PERIOD_US, 5, seed=3):
            assert told(board, tick) == told(engine, tick)
        assert board.instructions == -1
        assert not any("instructions" in line for line in report.approximated)
        assert report.instruction_ns is None
        board._close()


@pytest.mark.usefixtures("cortexm")
def test_more_events_than_there_is_room_for_are_refused_and_their_period_passes():
    board, engine = pair(small(), PERIOD_US, Probes())
    first, second = stream(small(), PERIOD_US, 2, seed=4)
    assert told(board, first) == told(engine, first)
    with pytest.raises(LinkError, match="longer than this device has room for"):
        board.step(Tick(events=np.zeros(1000, EVENT), values=np.zeros(2, np.float32)))
    engine.advance(1)
    assert told(board, second) == told(engine, second)


@pytest.mark.usefixtures("cortexm")
def test_a_network_that_does_not_fit_leaves_the_folder_as_it_was(tmp_path):
    folder = tmp_path / "firmware"
    build(small(), PERIOD_US, folder)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    net = Network(0.001)
    net.input("e", 1, kind="events")
    net.lif("a", 60_000, tau_s=0.02)
    net.connect("e", "a", np.ones((60_000, 1)), delay_steps=np.full((60_000, 1), 40))
    with pytest.raises(NetworkError, match=r"RAM of 4M bytes overflows by \d+ bytes"):
        build(net, 1000, folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert [file.name for file in tmp_path.iterdir()] == ["firmware"]


@pytest.mark.parametrize("missing", ["arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm"])
def test_a_missing_tool_is_named_with_its_debian_package(monkeypatch, missing):
    monkeypatch.setattr("hilbench.firmware.shutil.which", lambda name: None if name == missing else f"/usr/bin/{name}")
    with pytest.raises(NetworkError, match=rf"{missing} is not installed; on Debian or Ubuntu: apt install "):
        Cortexm(CortexmConfig()).load(small(), PERIOD_US, Probes())


def test_a_folder_with_something_else_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("hilbench.firmware.shutil.which", lambda name: f"/usr/bin/{name}")
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ScenarioError, match="something other than a firmware"):
        build(small(), PERIOD_US, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["build", *arguments])
    return end.value.code or 0


@pytest.mark.usefixtures("cortexm")
def test_the_command_builds_and_counts(tmp_path, capsys):
    save(small(), tmp_path / "net.nir")
    out = tmp_path / "firmware"
    assert command("cortexm", str(tmp_path / "net.nir"), "-o", str(out), "--period-s", "0.004", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["neurons"], found["period_us"], found["events_max"]) == (22, 4000, 512)
    assert found["flash_bytes"] > 4 * found["synapses"]
    assert found["ram_bytes"] > 8192
    assert 1000 < found["instructions_per_tick"]["at_rest"] < found["instructions_per_tick"]["all_inputs"]
    assert (out / "firmware.elf").read_bytes()[:4] == b"\x7fELF"


def test_mistakes_are_one_line_and_write_nothing(tmp_path, capsys):
    save(small(), tmp_path / "net.nir")
    net, out = str(tmp_path / "net.nir"), str(tmp_path / "firmware")
    for arguments, says in (
        (("cortexn", net, "-o", out), "did you mean 'cortexm'"),
        (("cortexm", net, "-o", out, "--period-s", "nan"), "--period-s"),
        (("cortexm", str(tmp_path / "no.nir"), "-o", out), "no such file"),
        (("cortexm", str(tmp_path), "-o", out), "this is a folder"),
        (("cortexm", net, "-o", out, "--perod-s", "1"), "did you mean '--period-s'"),
    ):
        assert command(*arguments) == 2
        said = capsys.readouterr().err
        assert says in said
        assert said.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["net.nir"]


def test_nothing_listens_at_a_boards_address():
    board = Cortexm(CortexmConfig(board="stream://127.0.0.1:9", timeout_s=1))
    with pytest.raises(HilbenchError, match=r"127\.0\.0\.1:9"):
        board.load(small(), PERIOD_US, Probes())
