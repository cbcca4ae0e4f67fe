"""Readouts that learn in firmware: the spikes of `loihi`, and what the reference makes of those; what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from host_device import Host, compiled
from pes_networks import PERIOD_US, Expected, network, ticks

from hilbench import firmware
from hilbench.backends.cortexm import Cortexm, CortexmConfig
from hilbench.cli import main
from hilbench.errors import NetworkError
from hilbench.metrics import measure
from hilbench.nal import Network, save
from hilbench.nal.compile.fold import Folded
from hilbench.nal.rules.pes import PES
from hilbench.nal.rules.stdp import STDP
from hilbench.record.reader import read_run
from hilbench.runs.run import run
from hilbench.scenario.files import load
from hilbench.types import EVENT, Probes, Tick

BOUND = 1e-5
"""Of a readout's largest value, after a thousand ticks."""
CARRIES = ("none", "weights", "all")
needs_compiler = pytest.mark.usefixtures("cortexm")


def host(net: Network, folder: Path) -> Host:
    made = firmware.parts(Folded(net, ()), 8, 1.0)
    return Host(compiled(made.integers, PERIOD_US, folder, learnt=made.learnt))


def told(device: Host, tick: Tick) -> tuple[bytes, np.ndarray, list[int]]:
    """Events, values and counters of a tick."""
    events, values, counters, *_ = device.tick(tick)
    return events, np.frombuffer(values, np.float32), counters


def compare(found: list[tuple], expected: list[tuple], beside: np.ndarray) -> None:
    """Everything to the bit but the values of readouts that learn."""
    for (events, values, counters), (events_, values_, counters_) in zip(found, expected, strict=True):
        assert events == events_
        np.testing.assert_array_equal(values[~beside], values_[~beside])
        assert counters == counters_
    mine, theirs = (np.array([row[1][beside] for row in rows]) for rows in (found, expected))
    assert np.abs(theirs).max() > 0.1
    assert (np.abs(mine - theirs) <= BOUND * np.abs(theirs).max(axis=0)).all()


def expected(engine: Expected, tick: Tick) -> tuple:
    r = engine.step(tick)
    return r.events.tobytes(), r.values, r.counters.tolist()


@needs_compiler
@pytest.mark.parametrize(("seed", "n"), [(0, 1000), *((seed, 150) for seed in range(1, 9))])
def test_spikes_are_the_engines_and_readouts_the_references(seed, n, tmp_path):
    net, sent = network(seed), ticks(network(seed), n, seed)
    engine = Expected(net)
    engine.reset("none")
    with host(net, tmp_path) as device:
        device.hello()
        device.reset()
        found = [told(device, tick) for tick in sent]
    compare(found, [expected(engine, tick) for tick in sent], engine.beside)
    assert sum(row[2][3] for row in found) > 1000
    assert np.abs(engine.weights()).max() > 0.1


@needs_compiler
def test_under_qemu_through_resets_and_gaps():
    net, sent = network(11), ticks(network(11), 200, 11)
    engine, board = Expected(net), Cortexm(CortexmConfig())
    report = board.load(net, PERIOD_US, Probes())
    assert {"y", "z"} <= set(report.exact)
    assert (
        "slope: weights in single precision, learnt on the board; changes below 6e-8 of a weight are lost"
        in report.approximated
    )
    found, wanted = [], []
    for k, tick in enumerate(sent):
        if k % 50 == 0:
            carry = ("none", "all", "weights", "none")[k // 50]
            board.reset(0, carry)
            engine.reset(carry)
        if k % 9 == 4:
            board.advance(2)
            engine.advance(2)
        reply = board.step(tick)
        found.append((reply.events.tobytes(), reply.values.copy(), reply.counters.tolist()))
        wanted.append(expected(engine, tick))
    compare(found, wanted, engine.beside)


@needs_compiler
def test_weights_freeze_without_the_learning_flag_and_are_carried_as_a_reset_says(tmp_path):
    net = network(2)
    frozen, learns = (ticks(net, 60, 2) for _ in range(2))
    for one, two in zip(frozen, learns, strict=True):
        one.learning, two.learning = False, True

    def episode(device: Host, carry: str, sent: list[Tick]) -> list[bytes]:
        device.reset(CARRIES.index(carry))
        return [device.tick(tick)[1] for tick in sent]

    with host(net, tmp_path) as device:
        device.hello()
        fresh = episode(device, "none", learns)
        assert episode(device, "none", frozen) != fresh
        assert episode(device, "none", learns) == fresh
        learnt = episode(device, "weights", frozen)
        assert learnt != episode(device, "none", frozen)
        episode(device, "none", learns)
        for _ in range(2):
            assert episode(device, "weights", frozen) == learnt
        assert episode(device, "none", learns[:30]) + episode(device, "all", learns[30:]) == fresh


@needs_compiler
@pytest.mark.parametrize(("share", "learns"), [(0.9, False), (1.2, True)])
def test_a_change_below_half_the_last_place_is_lost_as_the_report_says(share, learns, tmp_path):
    """One event in each tick moves a weight of 1.5 by `learning_rate`; float32 rounds by up to 2**-24 there."""
    net = Network(0.001)
    net.input("e", 1, kind="events")
    net.lif("a", 1, tau_s=0.02)
    net.readout("y", 1, tau_s=0.02)
    net.connect("e", "a", [[1]])
    net.connect("e", "y", [[1.5]], rule=PES(modulator="error", learning_rate=share * 2.0**-24, pre_tau_s=1e-7))
    event, error = np.array([(0, 0)], EVENT), np.array([-1], np.float32)
    last = []
    with host(net, tmp_path) as device:
        device.hello()
        for learning in (False, True):
            device.reset()
            ticks_ = [Tick(k, events=event, learning=learning, modulators=error) for k in range(300)]
            last.append([told(device, tick)[1] for tick in ticks_][-1])
    assert (last[1] > last[0]) == learns


@needs_compiler
@pytest.mark.parametrize(("weights", "updates"), [(np.zeros((2, 3)), 9), (scipy.sparse.coo_array((2, 3)), 0)])
def test_a_readout_may_be_without_an_output_or_a_synapse(weights, updates, tmp_path):
    with host(learner(weights=weights, output=False), tmp_path) as device:
        device.hello()
        device.reset()
        events = np.array([(0, 0), (1000, 1)], EVENT)
        found = told(device, Tick(events=events, modulators=np.array([1, 0], np.float32)))
    assert found[1].size == 0
    assert found[2][2:] == [3 * 5, updates, 0]


@needs_compiler
def test_a_network_without_pes_pays_nothing(tmp_path):
    """The same bits as from sources in which pes.c is never called."""
    net = Network(0.001)
    net.input("x", 2)
    net.lif("a", 5, tau_s=0.02, output=True)
    net.connect("x", "a", np.ones((5, 2)))
    built, bare = tmp_path / "built", tmp_path / "bare"
    firmware.build(net, 1000, built)
    assert not (built / "pes.c").exists()
    shutil.copytree(built, bare)
    for name in ("main.c", "network.c"):
        lines = (bare / name).read_text().splitlines(keepends=True)
        kept = [line for line in lines if "pes_" not in line and "pes.h" not in line]
        assert len(kept) < len(lines)
        (bare / name).write_text("".join(kept))
    firmware._compile(bare, learns=False)
    assert (bare / firmware.ELF).read_bytes() == (built / firmware.ELF).read_bytes()


def learner(change=lambda net: None, rule: PES | None = None, weights=((0,) * 3,) * 2, **more) -> Network:
    net = Network(0.001)
    net.input("e", 2, kind="events")
    net.lif("a", 3, tau_s=0.02)
    net.add("y", "li", 2, tau_s=0.02, **{"output": True} | more)
    net.connect("e", "a", np.ones((3, 2)), name="drive")
    net.connect("a", "y", weights, rule=rule or PES(modulator="error"), name="learnt")
    change(net)
    return net


def another(net: Network) -> None:
    net.readout("again", 1, tau_s=0.01)
    net.connect("y", "again", np.ones((1, 2)))
    net.connect("a", "again", np.zeros((1, 3)), rule=PES(modulator="more"))


@pytest.mark.parametrize(
    ("net", "says"),
    [
        (learner(lambda net: net.connect("e", "a", np.ones((3, 2)), rule=STDP(), name="s")), "'s': rule: found STDP"),
        (learner(lambda net: net.connect("y", "a", np.ones((3, 2)), delay_steps=1)), "source: found 'y'"),
        (learner(another), "source: found 'y', which does not spike"),
        (
            learner(lambda net: net.connect("e", "y", np.ones((2, 2)), after_threshold=True)),
            "after_threshold: found True",
        ),
        (learner(v_floor=-1.0), "population 'y': v_floor: found -1"),
        (learner(rule=PES(modulator="error", w_min=-1, w_max=1, softness=0.5)), "softness: found 0.5"),
        (learner(rule=PES(modulator="error", pre_tau_s=1.5)), "pre_tau_s: found 1.5"),
    ],
)  # fmt: skip
def test_what_the_firmware_does_not_learn_is_refused_by_name(net, says):
    with pytest.raises(NetworkError, match=rf"{says}.*; allowed on backend 'cortexm'"):
        Cortexm(CortexmConfig()).load(net, 1000, Probes())


@pytest.mark.parametrize("probes", [Probes(weights=("learnt",)), Probes(weight_norms=("learnt",))])
def test_weights_that_change_cannot_be_watched(probes):
    with pytest.raises(NetworkError, match=r"record\.weight\w+: found 'learnt', .* allowed: drive"):
        Cortexm(CortexmConfig()).load(learner(), 1000, probes)


@needs_compiler
def test_the_command_counts_what_learning_takes(tmp_path, capsys):
    save(learner(), tmp_path / "net.nir")
    with pytest.raises(SystemExit) as end:
        main(["build", "cortexm", str(tmp_path / "net.nir"), "-o", str(tmp_path / "firmware"), "--json"])
    assert not end.value.code
    found = json.loads(capsys.readouterr().out)
    assert (found["neurons"], found["synapses"], found["learning"]) == (5, 12, 6)
    counts = found["instructions_per_tick"]
    assert counts["at_rest"] < counts["all_inputs"] < counts["learning"]
    assert (tmp_path / "firmware" / "pes.c").is_file()


@needs_compiler
def test_an_arm_learns_its_load_on_the_board_as_well_as_on_numba(tmp_path):
    settings = {
        "loop.duration_s": 4.0,
        "loop.seed": 10_000,
        "disturbances.load.at_s": 1.0,
        "phases": {"settled": [3.0, 4.0]},
        "controllers.pes.n_neurons": 50,
        "record.weight_norms": [],
    }
    errors_m = {}
    for kind, more in {"numba": {}, "cortexm": {}, "untaught": {"loop.learning": False}}.items():
        name = "numba" if kind == "untaught" else kind
        run(load("arm_payload", settings | more | {"backend.kind": name}, "pes"), tmp_path / kind)
        errors_m[kind] = measure(read_run(tmp_path / kind))["error_rms[settled]"]["value"]
    assert errors_m["untaught"] > 0.1
    assert errors_m["cortexm"] == pytest.approx(errors_m["numba"], rel=0.2)
    assert errors_m["cortexm"] < 0.02
