"""A NIR file as a controller, from TOML alone: coders, rules, signals, learnt weights, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from hilbench import load, run
from hilbench.cli import main
from hilbench.controllers._signals import Signal, modulate
from hilbench.controllers.network import NetworkConfig, NIRNetwork
from hilbench.errors import ScenarioError
from hilbench.nal import Network, save
from hilbench.record.reader import read_run
from hilbench.runs.build import check, checked, make_plant, network_seed
from hilbench.runs.replay import replay
from hilbench.settings import to_config
from hilbench.types import EVENT, EventSensor, PlantSpec, Port

PLANT = PlantSpec(
    obs_names=("x", "v"), obs_units=("m", "m/s"), action_names=("force",), action_units=("N",), action_low=(-1.0,),
    action_high=(1.0,), safe_action=(0.0,), physics_step_s=0.001, info_units={"gap_m": "m"}, error="gap_m",
    parameters={}, event_sensors=(EventSensor("ear", (4,), ("channel",)), EventSensor("eye", (2, 3), ("y", "x"))),
)  # fmt: skip
SCENARIO = """
name = "mine"
summary = "A network of my own on the cart."
controller = "mine"
[plant]
kind = "cartpole_ladder"
[loop]
duration_s = 0.05
keep_weights = true
[record]
weights = ["out"]
weights_period_s = 0.01
[controllers.mine]
kind = "network"
path = "net.nir"
[controllers.mine.encoders.state]
kind = "values"
scale = [0.5, 1.0, 0.2, 1.0]
[controllers.mine.rules.out]
kind = "pes"
modulator = "error"
learning_rate = 0.5
[controllers.mine.modulators.error]
source = "obs:theta"
scale = -20.0
"""


def network(dt_s: float = 0.001) -> Network:
    net = Network(dt_s, spike_amplitude=1 / dt_s, seed=1)
    x = net.input("state", 4)
    neurons = net.lif("neurons", 30, tau_s=0.02)
    random = np.random.default_rng(0)
    net.connect(x, neurons, random.normal(size=(30, 4)), bias=1.5)
    force = net.readout("force", 1, tau_s=0.005)
    net.connect(neurons, force, random.normal(size=(1, 30)) * 0.01, name="out")
    return net


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a user's own, with the network beside the scenario."""
    mine = tmp_path / "mine"
    mine.mkdir()
    save(network(), mine / "net.nir")
    (mine / "cart.toml").write_text(SCENARIO)
    return mine


def test_the_file_beside_the_scenario_is_found_from_anywhere(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["run", "mine/cart.toml", "--out", "r"])
    assert end.value.code == 0
    assert load("mine/cart.toml").chosen.config.path == "mine/net.nir"
    meta = read_run(tmp_path / "r").meta
    assert meta.sources.file_sha256.keys() == {"mine/net.nir"}


def test_it_learns_by_the_stated_rule_and_the_next_run_starts_from_there(folder, tmp_path):
    def weights(number: str) -> np.ndarray:
        found = read_run(tmp_path / number).episodes[0]["probe_values"]
        return np.array([values for values in found if len(values)])

    frozen = {"loop.learning": False}
    run(folder / "cart.toml", tmp_path / "0", overrides=frozen)
    assert run(folder / "cart.toml", tmp_path / "1").status == "done"
    with np.load(tmp_path / "1" / "learnt.npz") as kept:
        learnt = kept["weights/out"]
    assert np.abs(learnt - weights("0")[0]).min() > 1e-4
    for number, where in (("2", tmp_path / "1"), ("3", tmp_path / "1" / "learnt.npz")):
        run(folder / "cart.toml", tmp_path / number, overrides={"loop.start_from": str(where), **frozen})
        np.testing.assert_allclose(weights(number)[0], learnt, rtol=1e-6)
        np.testing.assert_array_equal(weights(number)[-1], weights(number)[0])


def test_weights_that_no_rule_would_take_are_refused(folder, tmp_path):
    run(folder / "cart.toml", tmp_path / "1")
    without = {"loop.start_from": str(tmp_path / "1"), "controller.rules": {}, "controller.modulators": {}}
    with pytest.raises(ScenarioError, match=r"start_from: .*: 'weights/out' would not be used, .*learning = false"):
        check(load(folder / "cart.toml", without))


def test_weights_that_are_not_there_are_one_line(folder):
    with pytest.raises(ScenarioError, match=r"loop\.start_from: nowhere: learnt\.npz|nowhere is not readable"):
        check(load(folder / "cart.toml", {"loop.start_from": "nowhere"}))


def test_a_controller_that_learns_nothing_keeps_nothing_and_says_so(folder, tmp_path):
    outcome = run(folder / "cart.toml", tmp_path / "r", overrides={"controller.rules": {}, "controller.modulators": {}})
    assert "loop.keep_weights: nothing was kept: the controller learns no weights" in outcome.notes
    assert not (tmp_path / "r" / "learnt.npz").exists()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("path", "absent.nir", "path: absent.nir: no such file"),
        ("path", "x" * 300, ": no such file"),
        ("preset", "snntorch", "carries an execution profile already"),
        ("steps_per_period", 0, "steps_per_period: found 0"),
        ("steps_per_period", 1001, "steps_per_period: found 1001, and loop.period_s is 1000 us; allowed: up to 1000"),
        ("encoders", {"stat": {"kind": "values"}}, "encoders.stat: the network has no input 'stat'"),
        ("decoders", {"force": {"kind": "value"}}, "decoders.force.kind: no decoders plug-in 'value'"),
        ("encoders", {"state": []}, "encoders.state: found no encoder; allowed: the 4 values"),
        (
            "decoders",
            {"force": {"kind": "values", "actions": 5}},
            "decoders.force.actions: found 5; allowed: a list of",
        ),
        ("decoders", {"force": {"kind": "values", "actions": ["force"] * 2}}, "allowed: each action once"),
        ("rules", {"out": {"kind": "pez"}}, "rules.out.kind: no rules plug-in 'pez'"),
        ("rules", {"outs": {"kind": "pes", "modulator": "error"}}, "rules.outs: no projection or population of this"),
        ("rules", {"out": {"kind": "pes"}}, "rules.out: "),
        ("rules", {"out": {"kind": "pes", "modulator": "e", "synapses": "some"}}, "rules.out.synapses: found 'some'"),
        ("modulators", {}, "modulators.error: found 0 signals; allowed: 1, each with its source"),
        ("modulators", {"err": {"source": "reward"}}, "modulators.err: no rule of the network asks for it"),
        ("modulators", {"error": {"source": "obs:thata"}}, "modulators: source: found 'obs:thata'"),
    ],
)
def test_what_does_not_fit_is_one_line(folder, field, value, words, capsys):
    with pytest.raises(ScenarioError) as found:
        check(load(folder / "cart.toml", {f"controller.{field}": value}))
    assert words in str(found.value)
    assert "\n" not in str(found.value)


def test_a_period_that_is_no_whole_number_of_steps_needs_a_time_of_its_own(folder):
    save(network(dt_s=0.0003), folder / "net.nir")
    config = load(folder / "cart.toml").chosen.config
    with make_plant(load(folder / "cart.toml")) as plant:
        with pytest.raises(ScenarioError, match=r"step is 300 us and loop.period_s is 1000 us; .* or steps_per_period"):
            NIRNetwork.build(config, plant.plant_spec, 1000, 0)
        own = to_config(NetworkConfig, {"path": config.path, "steps_per_period": 3}, "mine")
        assert NIRNetwork.build(own, plant.plant_spec, 1000, 0).steps_per_period == 3


@pytest.mark.parametrize("mode", ["lockstep", "delayed"])
def test_steps_per_period_runs_and_repeats_over_every_link(folder, tmp_path, mode):
    """3 steps in a period of 1 ms in process and over a Unix socket: the same states bit for bit."""
    states = []
    for number, kind in enumerate(("inprocess", "unix")):
        overrides = {"controller.steps_per_period": 3, "loop.mode": mode, "link": {"kind": kind}}
        overrides |= {"loop.delay": {"s": 0.002}} if mode == "delayed" else {}
        assert run(folder / "cart.toml", tmp_path / str(number), overrides=overrides).status == "done"
        found = read_run(tmp_path / str(number))
        states.append(found.episodes[0]["state"])
        assert found.meta.network.steps_per_tick == 3
    np.testing.assert_array_equal(*states)


def test_a_replay_says_which_file_has_changed(folder, tmp_path, caplog):
    run(folder / "cart.toml", tmp_path / "1")
    replay(tmp_path / "1", tmp_path / "2")
    assert not caplog.messages
    save(network(dt_s=0.0005), folder / "net.nir")
    replay(tmp_path / "1", tmp_path / "3")
    assert caplog.messages == [f"{folder / 'net.nir'}: is not what it was in the run, so the replay may differ"]


def test_another_file_is_another_run(folder, tmp_path):
    run(folder / "cart.toml", tmp_path / "1")
    shutil.copy(folder / "net.nir", folder / "old.nir")
    save(network(dt_s=0.0005), folder / "net.nir")
    run(folder / "cart.toml", tmp_path / "2")
    digests = [read_run(tmp_path / n).meta.sources.file_sha256 for n in "12"]
    assert [d.keys() for d in digests] == [{str(folder / "net.nir")}] * 2
    assert digests[0] != digests[1]


@pytest.mark.parametrize(
    ("signal", "value"),
    [
        ({"source": "reward"}, 3.0),
        ({"source": "reward", "scale": 2.0, "offset": -1.0}, 5.0),
        ({"source": "reward", "scale": 2.0, "high": 4.0}, 4.0),
        ({"source": "reward", "scale": -2.0, "low": -1.0}, -1.0),
        ({"source": "obs:v"}, 7.0),
        ({"source": "info:gap_m"}, 0.25),
        ({"source": "events"}, 5.0),
        ({"source": "events:ear"}, 2.0),
        ({"source": "events:eye", "scale": 10.0}, 30.0),
    ],
)
def test_a_signal_is_its_source_scaled_shifted_and_limited(signal, value):
    """Events at addresses 0, 3 of an ear with 4 channels, and at 4, 9, 9 of an eye with 6 pixels after it."""
    write = modulate({"m": to_config(Signal, signal, "m")}, [Port("m", 1)], PLANT)
    events = np.zeros(5, EVENT)
    events["address"] = [0, 3, 4, 9, 9]
    out = np.zeros(1, np.float32)
    write(np.float32([6, 7]), events, 3.0, {"gap_m": 0.25}, out)
    assert out[0] == value


def test_a_modulator_of_two_values_takes_two_signals():
    signals = [Signal(source="reward"), Signal(source="obs:x", scale=-1.0)]
    out = np.zeros(2, np.float32)
    modulate({"m": signals}, [Port("m", 2)], PLANT)(np.float32([6, 7]), np.zeros(0, EVENT), 1.0, {}, out)
    assert out.tolist() == [1, -6]


def test_limits_that_leave_nothing_are_refused():
    with pytest.raises(ScenarioError, match=r"low, high: found 2, 1; allowed: the lower first"):
        modulate({"m": Signal(source="reward", low=2.0, high=1.0)}, [Port("m", 1)], PLANT)


def test_of_episodes_that_begin_anew_the_last_ones_weights_are_kept_and_it_is_said(tmp_path):
    short = {"loop.duration_s": 0.02, "controllers.pes.n_neurons": 20, "loop.keep_weights": True, "loop.episodes": 2}
    note = 'loop.keep_weights: kept is what the last episode has learnt, for loop.carry is "none"'
    assert note in run(load("arm_payload", short), tmp_path / "1").notes
    assert note not in run(load("arm_payload", short | {"loop.carry": "weights"}), tmp_path / "2").notes


def test_what_was_learnt_goes_to_the_same_neurons_whatever_the_seed(tmp_path):
    """A population of another seed has other neurons, to which the weights would mean nothing."""
    short = {"loop.duration_s": 0.05, "controllers.pes.n_neurons": 20}
    first = load("arm_payload", short | {"loop.seed": 3, "loop.keep_weights": True})
    run(first, tmp_path / "1")
    later = load("arm_payload", short | {"loop.seed": 4, "loop.start_from": str(tmp_path / "1")})
    mine, theirs = (checked(each, make_plant(each)).program for each in (later, first))
    one, other = (each.projections["encoders"] for each in (mine, theirs))
    np.testing.assert_array_equal(one.weights.toarray(), other.weights.toarray())
    np.testing.assert_array_equal(one.bias, other.bias)
    assert np.abs(mine.projections["decoders"].weights.data).max() > 0
    assert network_seed(later) == 3


@pytest.mark.parametrize(
    ("settings", "part"),
    [({"rate_low_hz": 101.0}, "encoders"), ({"tau_s": 0.03}, "encoders"), ({"readout_tau_s": 0.006}, "residual")],
)
def test_what_other_neurons_have_learnt_is_refused(tmp_path, settings, part):
    """Of as many neurons as these, so that the weights would fit."""
    short = {"loop.duration_s": 0.05, "controllers.pes.n_neurons": 20}
    run(load("arm_payload", short | {"loop.keep_weights": True}), tmp_path / "1")
    later = short | {"loop.start_from": str(tmp_path / "1")}
    faster = load("arm_payload", later | {"controllers.pes.learning_rate": 0.5})
    checked(faster, make_plant(faster))
    changed = load("arm_payload", later | {f"controllers.pes.{name}": value for name, value in settings.items()})
    with pytest.raises(
        ScenarioError, match=rf"start_from: .*: '{part}' is not as it was where this was learnt; allowed"
    ):
        check(changed)


def test_weights_for_a_controller_without_a_network_are_refused(folder, tmp_path):
    run(folder / "cart.toml", tmp_path / "1")
    with pytest.raises(ScenarioError, match=r"start_from: .*: controller 'pid' is no network; allowed: one that"):
        check(load("arm_payload", {"loop.start_from": str(tmp_path / "1")}, "pid"))
