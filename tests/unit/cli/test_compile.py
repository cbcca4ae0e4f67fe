"""`hilbench compile`: its table, its JSON, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from blank import run_meta

from hilbench.cli import main
from hilbench.nal import Network, save
from hilbench.nal.compile.facts import network_facts
from hilbench.record.columns import Widths
from hilbench.record.writer import Recorder
from hilbench.types import EVENT, Reply, Tick


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return end.value.code or 0


def made(size: int = 3) -> Network:
    net = Network(0.001, spike_amplitude=1000.0)
    net.input("e", 2, kind="events")
    net.lif("a", size, tau_s=0.02)
    net.readout("y", 1, tau_s=0.02)
    net.connect("e", "a", np.ones((size, 2)))
    net.connect("a", "y", np.ones((1, size)), delay_steps=1)
    return net


@pytest.fixture
def network(tmp_path: Path) -> Path:
    save(made(), tmp_path / "net.nir")
    return tmp_path / "net.nir"


def record(folder: Path, spikes: tuple[str, ...] = ("a",), size: int = 3, lost: bool = False) -> Path:
    """A run of two ticks: neuron 0 spikes twice, neuron 2 once, and event 1 comes three times.

    `lost`: then a third one of two events whose reply is lost, and the row with which the plant ends.
    """
    meta = run_meta(
        scenario={"loop": {"period_s": 0.001}, "record": {"spikes": list(spikes)}},
        network=network_facts(made(size), 1000),
        plant_spec={"obs_names": ["x"], "action_names": ["u"]},
        ports={"inputs": [{"name": "e", "size": 2, "kind": "events"}], "outputs": [{"name": "y", "size": 1}]},
    )
    with Recorder(folder, meta) as recorder:
        episode = recorder.episode(Widths(1, 1, (), 1, 1, 0, 0, 1), 10)
        for seq, (sent, fired) in enumerate((([1, 1], [0, 2]), ([1], [0]))):
            events, probed = (np.array([(0, address) for address in part], EVENT) for part in (sent, fired))
            row = (seq, 1000 * seq, False, True, 0, 0, 0, 0, 0.0, False, False, 0)
            episode.tick(row, Tick(seq, events=events), np.zeros(1), np.zeros(1), {})
            reply = Reply(seq, prev_seq=seq - 1, values=np.zeros(1, np.float32), probe_events=probed)
            episode.reply(reply, 0, 0, 0, False, False, False)
        for seq, ended in ((2, False), (3, True)) if lost else ():
            row = (seq, 1000 * seq, ended, True, 0, 0, 0, 0, 0.0, ended, False, 0)
            tick = None if ended else Tick(seq, events=np.array([(0, 0), (0, 1)], EVENT))
            episode.tick(row, tick, np.zeros(1), np.zeros(1), {})
    return folder


def test_a_network_that_fits_ends_with_0(network: Path, capsys: pytest.CaptureFixture) -> None:
    assert call("compile", network, "--target", "loihi1") == 0
    found = capsys.readouterr()
    assert "4 neurons and 9 synapses on 1 of 128 cores" in found.out
    assert "verdict: the network keeps every limit" in found.out
    assert "approximated: projection 'e_to_a'" not in found.out
    assert found.err == ""


def test_a_broken_limit_is_a_line_and_ends_with_1(network: Path, capsys: pytest.CaptureFixture) -> None:
    assert call("compile", network, "--target", "truenorth") == 1
    found = capsys.readouterr()
    assert found.err == "hilbench: population 'y': kinds: found li; allowed: lif, if\n"
    assert "verdict: the network breaks limits: 1" in found.out


def test_a_record_gives_traffic_and_energy(network: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = record(tmp_path / "run")
    assert call("compile", network, "--target", "loihi1", "--activity", run, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["traffic"]["of"] == "the recorded spikes"
    assert found["traffic"]["messages"] == 3
    parts = found["energy"]["parts"]
    assert parts["synapses"]["events"] == (3 * 3 + 3 * 1) / 2
    assert parts["neuron updates"]["events"] == 4
    assert parts["spikes"]["events"] == 1.5
    assert call("compile", network, "--target", "loihi2", "--activity", run) == 0
    assert "no public constant for synaptic_operation_j" in " ".join(capsys.readouterr().out.split())


def test_what_a_lost_reply_tells_nothing_of_is_not_counted(
    network: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    found = []
    for name, lost in (("whole", False), ("lossy", True)):
        run = record(tmp_path / name, lost=lost)
        assert call("compile", network, "--target", "loihi1", "--activity", run, "--json") == 0
        found.append(json.loads(capsys.readouterr().out)["energy"]["parts"])
    whole, lossy = ({name: part["events"] for name, part in parts.items()} for parts in found)
    # Static power is there in all three periods, for two decisions; the plant's end is no period.
    assert lossy.pop("static") == pytest.approx(1.5 * whole.pop("static"))
    assert lossy == whole


def test_mistakes_are_one_line_each(network: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    unrecorded, other = record(tmp_path / "unrecorded", spikes=()), record(tmp_path / "other", size=5)
    mistakes = [
        ((network, "--target", "lohi1"), "no target 'lohi1'; allowed: cortexm4"),
        ((network, "--target", "lohi1"), "did you mean 'loihi1'?"),
        ((network,), "target"),
        ((tmp_path / "none.nir", "--target", "loihi1"), "no such file"),
        ((network, "--target", "loihi1", "--chips", 0), "--chips: found 0, expected 1 or more"),
        ((network, "--target", "loihi1", "--activity", tmp_path), "no readable run.json"),
        ((network, "--target", "loihi1", "--activity", unrecorded), "it has no spikes of 'a'; set record.spikes"),
        (
            (network, "--target", "loihi1", "--activity", other),
            "of another network: 'a' has another n_neurons there",
        ),
        ((network, "--targets", "loihi1"), "did you mean '--target'?"),
    ]
    for arguments, says in mistakes:
        assert call("compile", *arguments) == 2
        found = capsys.readouterr()
        assert says in found.err
        assert found.err.startswith("hilbench: ")
        assert found.err.count("\n") == 1
        assert found.out == ""


def test_a_network_that_rounding_erases_ends_with_1_and_a_little_of_it_with_a_warning(tmp_path, capsys):
    net = Network(0.001)
    net.input("e", 12, kind="events")
    net.lif("a", 20, tau_s=0.02)
    weights = np.random.default_rng(0).uniform(0.2, 0.6, (20, 12))
    weights[3, 4] = 300
    net.connect("e", "a", weights, delay_steps=1, name="w")
    path = tmp_path / "erased.nir"
    save(net, path)
    assert call("compile", path, "--target", "loihi1") == 1
    found = capsys.readouterr()
    assert found.err == "hilbench: projection 'w': 229 of 240 weights become 0; allowed: up to 50% (zeros_max)\n"
    assert "229 of 240" in found.out
    assert "erased: a: 11 of 20 neurons lose all their input: " in found.out
    assert "verdict: the network keeps every limit, but rounding erases parts of it" in found.out
    assert call("compile", path, "--target", "loihi1", "--zeros-max", 0.96) == 0
    found = capsys.readouterr()
    assert found.err.startswith("hilbench: warning: w: 229 of 240 weights become 0; a: 11 of 20 neurons lose all")
    assert call("compile", path, "--target", "loihi1", "--zeros-max", 1.5) == 2
    assert capsys.readouterr().err == "hilbench: --zeros-max: found 1.5, expected a share from 0 to 1\n"
    assert call("compile", path, "--target", "loihi1", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["weights"][0]["zeros"], len(found["populations"][0]["inputless"])) == (229, 11)


def test_thresholds_that_become_0_fail_beyond_a_share(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    net = Network(0.001)
    net.input("e", 1, kind="events")
    net.lif("a", 20, tau_s=0.02, v_threshold=np.r_[1e6, np.ones(19)])
    net.connect("e", "a", np.ones((20, 1)))
    save(net, tmp_path / "net.nir")
    line = "19 of 20 thresholds become 0, counted from the reset"
    assert call("compile", tmp_path / "net.nir", "--target", "loihi1") == 1
    found = capsys.readouterr()
    assert f"population 'a': {line}; allowed: up to 50% (zeros_max)" in found.err
    assert f"erased: a: {line}" in found.out
    assert "but rounding erases parts of it" in found.out
    assert call("compile", tmp_path / "net.nir", "--target", "loihi1", "--zeros-max", "0.95") == 0
    assert f"warning: a: {line}" in capsys.readouterr().err
