"""The command line: exit codes, one line for a mistake, and what `--json` prints."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from inspect import signature
from pathlib import Path

import pytest

from hilbench import plugins
from hilbench.bridge.transport.spin import DEVICE_SPIN_S
from hilbench.cli import COMMANDS, function_of, main
from hilbench.cli._shared import print_json
from hilbench.cli.impair import _settled

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code or 0


def test_list_names_every_plugin_and_scenario(capsys: pytest.CaptureFixture) -> None:
    assert call("list") == 0
    out = capsys.readouterr().out
    for kind in plugins.KINDS:
        assert kind in out
        for name in plugins.all_of(kind):
            assert name in out
    assert "arm_payload" in out


def test_check_prints_a_scenario_that_checks(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert call("check", "arm_payload", "--loop.seed", "7") == 0
    first = capsys.readouterr().out
    assert tomllib.loads(first)["loop"]["seed"] == 7
    (tmp_path / "again.toml").write_text(first)
    assert call("check", str(tmp_path / "again.toml")) == 0
    assert capsys.readouterr().out == first


def test_help_is_no_mistake(capsys: pytest.CaptureFixture) -> None:
    for arguments in (["--help"], ["evaluate", "--help"]):
        assert call(*arguments) == 0
        found = capsys.readouterr()
        assert "usage: hilbench" in found.out
        assert found.err == ""


def test_the_version_is_told(capsys: pytest.CaptureFixture) -> None:
    assert call("--version") == 0
    assert re.fullmatch(r"hilbench \d+\.\d+.*\n", capsys.readouterr().out)


def test_run_prints_its_metrics_as_json(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = tmp_path / "run"
    code = call(
        "run", "cartpole_ladder", "--controller", "lqr", "--loop.duration-s", "0.1", "--seed", "1",
        "--out", str(folder), "--json",
    )  # fmt: skip
    assert code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["status"] == "done"
    assert found["metrics"]["round_trip[p50]"]["n"] == 100
    wanted = {"error_rms", "spikes", "synaptic_operations", "misses", "longest_miss_run", "skipped", "faults"}
    assert wanted <= set(found["metrics"])
    assert json.loads((folder / "run.json").read_text())["scenario"]["loop"]["seed"] == 1


def test_evaluate_prints_its_summary_and_says_what_failed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    suite = tmp_path / "poles.toml"
    suite.write_text(
        'name = "poles"\nsummary = "two poles"\nscenarios = ["cartpole_ladder"]\ncontrollers = ["lqr"]\nseeds = [1]\n'
        '[set]\n"loop.duration_s" = 0.05\n[axes]\n"plant.pole_m" = [1.0, 0.5]\n'
    )
    arguments = ["evaluate", str(suite), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert call(*arguments) == 0
    out = capsys.readouterr().out
    assert "2/2 lqr__lockstep__s1" in out
    assert "pole 500 mm" in out
    assert re.search(r"took, in s, side by side where they could: cartpole-ladder \d+; \d+ in all", out)
    assert call(*arguments) == 0
    assert "took" not in capsys.readouterr().out  # nothing was left to run
    assert call(*arguments, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [cell["seeds"] for cell in found["cells"]] == [[1], [1]]
    broken = ["--link.kind", "zmq", "--link.address", f"ipc://{tmp_path}/nobody", "--link.timeout_s", "0.1"]
    assert call(*arguments, "--json", *broken) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["cells"][0]["metrics"] == {}
    assert captured.err.count("no answer to HELLO") == 2


def test_cells_of_several_scenarios_are_printed_with_their_scenarios(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    suite = tmp_path / "two.toml"
    suite.write_text(
        'name = "two"\nsummary = "two plants"\nscenarios = ["cartpole_ladder", "beam"]\ncontrollers = ["random"]\n'
        'seeds = [1]\nscored = false\n[set]\n"loop.duration_s" = 0.05\n'
    )
    assert call("evaluate", str(suite), "--out", str(tmp_path / "out"), "--workers", "1") == 0
    rows = [line.split("│")[1].strip() for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert [row for row in rows if "random" in row] == ["cartpole-ladder: random", "beam: random"]


def test_a_backend_that_is_not_used_is_said(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    asked = ("run", "cartpole_ladder", "--controller", "lqr", "--loop.duration-s", "0.01", "--backend.kind")
    for backend, n_lines in (("numba", 1), ("law", 0)):
        assert call(*asked, backend, "--out", str(tmp_path / backend)) == 0
        assert capsys.readouterr().err.count("controller 'lqr' runs on backend 'law'") == n_lines


def test_doctor_misses_lava_before_it_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("HILBENCH_ENVIRONMENTS", str(tmp_path))
    monkeypatch.setattr("hilbench.machine.doctor.examine", lambda each_s: pytest.fail("it measures"))
    assert call("doctor", "--lava") == 2
    assert "run `hilbench device install lava`" in capsys.readouterr().err


def test_program_prints_what_a_fixed_device_must_know(capsys: pytest.CaptureFixture) -> None:
    asked = ("program", "cartpole_ladder", "--controller")
    assert call(*asked, "lqr") == 0
    law = json.loads(capsys.readouterr().out)
    assert len(bytes.fromhex(law["program_hash"])) == 16
    assert (law["period_us"], law["n_values_in"], law["n_values_out"], law["law"]) == (1000, 4, 1, "lqr")
    assert (len(law["config"]["gain"]), law["config"]["limit"]) == (4, 10.0)
    assert call(*asked, "lif_lqr", "--loop.period_s", "0.002") == 0
    network = json.loads(capsys.readouterr().out)
    assert network["period_us"] == 2000
    assert network["program_hash"] != law["program_hash"]
    assert "law" not in network


def test_json_has_null_for_what_is_no_number(capsys: pytest.CaptureFixture) -> None:
    print_json({"value": float("nan"), "interval": [1.0, float("inf")]})
    assert json.loads(capsys.readouterr().out) == {"value": None, "interval": [1.0, None]}


def test_keys_are_made_once_and_told_where_to_go(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = tmp_path / "robot"
    assert call("keys", "new", str(folder)) == 0
    assert "copy robot.pub to the other machine" in capsys.readouterr().out
    assert call("keys", "new", str(folder)) == 2
    assert "ever overwritten" in capsys.readouterr().err


MISTAKES = [
    (["rn"], "did you mean 'run'"),
    (["run", "arm_payload", "--sed", "3"], "did you mean '--seed'"),
    (["run", "arm_paylod"], "did you mean 'arm_payload'"),
    (["program", "cartpole_ladder", "--controller", "lq"], "did you mean 'lqr'"),
    (["run", "arm_payload", "--loop.mod", "x"], "loop.mod: no such field"),
    (["run", "arm_payload", "--controller", "pess"], "did you mean 'pes'"),
    (["run", "arm_payload", "--loop.mode"], "--loop.mode: a value must follow"),
    (["check", "cartpole_ladder", "--disturbances.x.kind", "payload", "--disturbances.x.mass_kg", "1"], "payload"),
    (["replay", "nowhere"], "no readable run.json"),
    (["meter", "nowhere"], "no readable run.json"),
    (["serve", "--backend", "nunba"], "did you mean 'numba'"),
    (["serve", "--config", "{"], "expected a JSON object"),
    (["serve", "--bind", "tcp://0.0.0.0:*"], "0.0.0.0"),
    (["serve", "--spin-s", "2"], "--spin-s: found 2.0, expected a time from 0 s to 1 s"),
    (["impair"], "impair: found no --device; expected where the device listens, as tcp://127.0.0.1:5555; see --help"),
    (["impair", "--device", "tcp://127.0.0.1:1", "--los", "1"], "did you mean '--loss'"),
    (["impair", "--device", "tcp://127.0.0.1:1", "--loss", "2"], "impairment.to_device.loss: found 2.0"),
    (["impair", "--device", "tcp://127.0.0.1:1", "--reorder", "0.1"], "without a delay"),
    (["impair", "--device", "127.0.0.1:1"], "a relay cannot reach a device at '127.0.0.1:1'"),
    (["impair", "--device", "tcp://127.0.0.1:1", "--listen", "tcp://0.0.0.0:*"], "--insecure"),
    (["impair", "--device", "tcp://127.0.0.1:1", "--listen", "unix:///x"], "a relay cannot listen on 'unix:///x'"),
    (["impair", "--device", "tcp://127.0.0.1:1", "--impairment", "nowhere.toml"], "nowhere.toml: not readable as TOML"),
    (["serve", "--keys", "nowhere"], "--keys and --clients belong together"),
    (["serve", "--keys", "nowhere", "--clients", "nowhere"], "no plant could connect"),
    (["keys", "nwe", "nowhere"], "did you mean 'new'"),
    (["doctor", "--each-s", "0"], "--each-s: found 0.0, expected a time from 0.01 s"),
    (["doctor", "--jsn"], "did you mean '--json'"),
    (["list", "env"], "did you mean 'envs'"),
    (["evaluate", "demmo"], "no such file, nor one of the shipped suites; allowed: arm"),
    (["evaluate"], "evaluate: found no SUITE; expected a suite's file or name; see --help"),
    (["schema"], "schema: found nothing; allowed: run, summary, simulation, scenario; see --help"),
    (["new", "plant"], "new: found no NAME; expected what to call it: the files are NAME.toml and NAME.py; see --help"),
    (
        ["keys"],
        "keys: found nothing; allowed: new; found no FOLDER; expected where it goes, as keys/device; see --help",
    ),
    (["run", "arm_payload", "--seed", "x"], "run: Error parsing --seed: "),
    (["doctor", "--each-s", "soon"], "could not convert string to float: 'soon'"),
    (["evaluate", "demo", "--worker", "3"], "did you mean '--workers'"),
    (["evaluate", "demo", "--workers", "0"], "expected 1 or more"),
    (["evaluate", "demo", "--loop.mod", "x"], "did you mean 'mode'"),
    (["evaluate", "demo", "--loop.mode", "lockstep"], "the suite varies this itself"),
]


@pytest.mark.parametrize(("arguments", "wanted"), MISTAKES, ids=[" ".join(a) for a, _ in MISTAKES])
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(*arguments) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.startswith("hilbench: ")
    assert found.err.count("\n") == 1
    assert wanted in found.err
    assert not list(tmp_path.iterdir()), "a mistake leaves nothing behind"


NEEDED = {
    "new": ("scenario, plant, controller", "NAME"), "check": ("SCENARIO|NETWORK.nir",), "run": ("SCENARIO",),
    "replay": ("RUN",), "render": ("SCENARIO|RUN",), "enjoy": ("SCENARIO",), "tune": ("SCENARIO",),
    "evaluate": ("SUITE",), "events": ("RUN",),
    "schema": ("run, summary, simulation, scenario",), "program": ("SCENARIO",), "import": ("NETWORK",),
    "simulate": ("NETWORK",), "device": ("install", "NAME"), "impair": ("--device",), "keys": ("new", "FOLDER"),
    "compile": ("NETWORK", "--target"), "build": ("DEVICE", "NETWORK", "-o"), "meter": ("RUN",),
}  # fmt: skip
"""What a command cannot do without: the names of arguments, or the words that may be given."""


@pytest.mark.parametrize("columns", ["24", "200"])
@pytest.mark.parametrize("command", NEEDED)
def test_whatever_is_missing_is_named_in_one_line_however_wide_the_terminal_is(
    command: str, columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert call(command) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"hilbench: {command}: found no")
    assert said.endswith("; see --help\n")
    assert said.count("\n") == 1
    assert said.count("found no") == len(NEEDED[command])
    for need in NEEDED[command]:
        assert (
            f"found nothing; allowed: {need}; " if need.islower() and need[0] != "-" else f"found no {need}; "
        ) in said


def test_no_other_command_needs_anything() -> None:
    for name in COMMANDS:
        bare = [p for p in signature(function_of(name)).parameters.values() if p.default is p.empty]
        assert len(bare) == len(NEEDED.get(name, ())) or name == "report", name  # it says itself what it lacks


def test_serve_hands_its_spin_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}
    monkeypatch.setattr("hilbench.bridge.device.server.serve", lambda backend, bind, **more: asked.update(more))
    for words, spin_s in ((["--spin-s", "0"], 0.0), ([], DEVICE_SPIN_S)):
        assert call("serve", "--backend", "null", *words) == 0
        assert asked["spin_s"] == spin_s


def test_impair_says_where_it_is_and_ends_with_its_counts(tmp_path: Path) -> None:
    (tmp_path / "wifi.toml").write_text("[impairment]\nloss = 0.5\n[impairment.to_plant]\ndelay = { s = 0.001 }\n")
    command = [sys.executable, "-m", "hilbench", "impair", "--device", "ipc://nobody", "--listen", "tcp://127.0.0.1:*"]
    for more, channel in ((["--loss", "0.1"], "stdout"), (["--json"], "stderr")):
        with subprocess.Popen(
            [*command, "--impairment", "wifi.toml", *more],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as relay:  # fmt: skip
            ready = getattr(relay, channel).readline()
            relay.terminate()
            out, err = relay.communicate(timeout=60)
        assert relay.returncode == 0, err
        assert ready.startswith("hilbench: impairing ipc://nobody on tcp://127.0.0.1:")
        if "--json" in more:
            assert json.loads(out)["to_plant"] == dict.fromkeys(
                ("forwarded", "lost", "duplicated", "reordered", "dropped"), 0
            )
        else:
            assert out.startswith("hilbench: to device: 0 forwarded, 0 lost, ")
            assert out.endswith("; cuts: 0\n")


IMPAIRMENTS = [
    ("[impairment]\nlos = 1\n", "impairment.los: no such field; allowed: .*did you mean 'loss'"),
    ("loss = 1\n", "expected one table \\[impairment\\] and no other; found: loss"),
    ("", "expected one table \\[impairment\\] and no other; found: nothing"),
    ('[impairment]\ndelay = { kind = "trace", run = "nowhere" }\n', "nowhere: no readable run.json"),
    ('[impairment]\ndelay = { kind = "trace", run = "wifi.toml" }\n', "wifi.toml: not readable as a trace"),
]


@pytest.mark.parametrize(("text", "wanted"), IMPAIRMENTS)
def test_a_mistake_in_an_impairment_file_is_one_line(
    text: str, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wifi.toml").write_text(text)
    assert call("impair", "--device", "tcp://127.0.0.1:1", "--impairment", "wifi.toml") == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert re.fullmatch(f"hilbench: .*{wanted}.*\n", found.err)


def test_an_option_stands_above_the_file_for_both_ways(tmp_path: Path) -> None:
    file = tmp_path / "wifi.toml"
    file.write_text("[impairment]\nloss = 0.5\nseed = 1\n[impairment.to_plant]\nloss = 0.2\njitter_s = 0.1\n")
    found = _settled(file, {"loss": 0.1}, 7)
    assert (found.to_device.loss, found.to_plant.loss, found.to_plant.jitter_s, found.seed) == (0.1, 0.1, 0.1, 7)


@pytest.mark.parametrize("package", ["gymnasium", "pybullet", "pyarrow", "altair"])
def test_an_absent_package_is_one_line_that_names_the_extra(package: str, tmp_path: Path) -> None:
    """A device's host has the core alone; what needs more says so."""
    code = f"""
import sys
sys.modules[{package!r}] = None  # as if it were not installed
if {package!r} == "altair":
    from hilbench.cli import guard
    guard(lambda: __import__("hilbench.report.charts"))
from hilbench.cli import main
from hilbench.cli._shared import print_json
from hilbench.cli.impair import _settled
main(["run", "cartpole_ladder", "--loop.duration-s", "0.01"])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert 'pip install "hilbench[sim]"' in done.stderr
    assert done.stderr.count("\n") == 1


def plain_nir(path: Path) -> Path:
    import nir
    import numpy as np

    one = np.ones(2, np.float32)
    cells = nir.LIF(tau=one / 10, r=one, v_leak=0 * one, v_threshold=one)
    nodes = {"in": nir.Input({"input": np.array([2])}), "w": nir.Linear(np.eye(2)), "cells": cells}
    nodes |= {"back": nir.Linear(np.eye(2)), "out": nir.Output({"output": np.array([2])})}
    edges = [("in", "w"), ("w", "cells"), ("cells", "back"), ("back", "cells"), ("cells", "out")]
    nir.write(path, nir.NIRGraph(nodes, edges, type_check=False))
    return path


STATED = ("--dt-s", "1e-4", "--integrator", "euler", "--reset", "zero")


def test_import_attaches_a_profile_and_says_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    from hilbench.nal import load

    path = plain_nir(tmp_path / "net.nir")
    assert call("import", str(path), *STATED, "--recurrent-delay", "1", "--spike-amplitude", "impulse") == 0
    said = " ".join(capsys.readouterr().out.split())  # tables break lines
    projection = "linear cells -> cells, 2 synapses, 1 step (0.0001 s)"
    for word in ("cells", "lif 2, tau 0.1 s", projection, "impulse", "reset_at", "now", "tau_unit"):
        assert word in said
    net = load(tmp_path / "net.hilbench.nir")
    assert (net.dt_s, net.spike_amplitude, net.projections["back"].delay_steps) == (1e-4, 1e4, 1)
    assert net.populations["cells"].behaviour.reset == "zero"


def test_import_takes_a_profile_file_and_options_over_it(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    from hilbench.nal import load

    path, profile, out = plain_nir(tmp_path / "net.nir"), tmp_path / "p.toml", tmp_path / "o.nir"
    profile.write_text(
        'dt_s = 1e-3\nreset = "zero"\n[nodes.cells]\nreset = "subtract"\n[nodes.back]\ndelay_steps = 4\n'
    )
    options = ("--profile", str(profile), "--out", str(out), "--json", *STATED, "--recurrent-delay", "1")
    assert call("import", str(path), *options) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["stated"]["dt_s"] == 1e-4
    assert said["projections"]["back"]["delay_steps"] == [4, 4]
    assert load(out).populations["cells"].behaviour.reset == "subtract"


def test_import_prints_all_times_with_their_unit(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    import nir
    import numpy as np

    two = np.ones(2, np.float32)
    cells = nir.CubaLIF(tau_mem=two * (20, 40), tau_syn=two * 0.5, r=two, v_leak=0 * two, v_threshold=two)
    nodes = {"in": nir.Input({"input": np.array([2])}), "wait": nir.Delay(two * (3, 5)), "cells": cells}
    nodes["out"] = nir.Output({"output": np.array([2])})
    edges = [("in", "wait"), ("wait", "cells"), ("cells", "out")]
    nir.write(tmp_path / "net.nir", nir.NIRGraph(nodes, edges, type_check=False))
    profile = tmp_path / "p.toml"
    profile.write_text("[nodes.cells]\nadapt_tau_s = 0.25\n")
    options = ("--profile", str(profile), "--dt-s", "1e-3", "--integrator", "exact", "--reset", "zero")
    options += ("--tau-unit", "dt", "--refractory-s", "2e-3")
    assert call("import", str(tmp_path / "net.nir"), *options) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "cuba_lif 2, tau 0.02 to 0.04 s, tau_syn 0.0005 s, refractory 0.002 s, adapt_tau 0.25 s, integrator" in said
    assert "delay in -> cells, 2 synapses, 3 to 5 steps (0.003 to 0.005 s)" in said
    assert "note time constants from 0.0005 s are below the network step of 0.001 s; does the file count" in said
    assert call("import", str(tmp_path / "net.nir"), *options, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["populations"]["cells"]["times_s"]["tau"] == pytest.approx([0.02, 0.04])
    assert found["projections"]["wait"]["delay_s"] == pytest.approx([0.003, 0.005])


def test_import_says_what_a_preset_counts_times_in(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = plain_nir(tmp_path / "net.nir")
    assert call("import", str(path), "--preset", "sinabs", "--dt-s", "1e-3", "--json") == 0
    assert json.loads(capsys.readouterr().out)["usual"] == {"tau_unit": "dt"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "net.nir: no execution profile in this file, and nothing is guessed; state dt_s (seconds, as 1e-4)"),
        (STATED, "state recurrent_delay (0 or 1, for the loop from 'back' to 'cells')"),
        ((*STATED, "--integrator", "eulr"), "invalid choice 'eulr' for argument '--integrator'"),
        (
            (*STATED, "--spike-amplitude", "loud"),
            "--spike-amplitude: found 'loud'; allowed: a number above 0, or impulse",
        ),
        ((*STATED, "--dt", "1"), "--dt: no such option of import; allowed"),
        ((*STATED, "--profile", "none.toml"), "none.toml: [Errno 2]"),
        (("--dt-s", "-1"), "dt_s: Expected `float` > 0"),
        ((*STATED, "--recurrent-delay", "1", "--out", "none/o.nir"), "cannot be written"),
    ],
)
def test_import_refuses_in_one_line(
    options: tuple[str, ...], says: str, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = plain_nir(tmp_path / "net.nir")
    assert call("import", str(path), *options) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["net.nir"]


def test_a_reader_that_stops_early_gets_no_traceback() -> None:
    command = [sys.executable, "-m", "hilbench", "check", "arm_payload"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        child.stdout.close()
        assert child.stderr.read() == ""
        assert child.wait(timeout=60) == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_offers_none_as_a_value(command: str, capsys: pytest.CaptureFixture) -> None:
    assert call(command, "--help") == 0
    assert "None" not in capsys.readouterr().out


def test_an_option_names_the_values_that_it_takes_in_their_order(capsys: pytest.CaptureFixture) -> None:
    """`None` is what an option is that is not there: as a word it is as wrong as any other."""
    for wrong in ("ms", "None"):
        assert call("import", "net.nir", "--tau-unit", wrong) == 2
        assert f"invalid choice '{wrong}'" in (err := capsys.readouterr().err)
        assert "Expected one of ('s', 'dt', '1/dt')" in err
    for option in ("--refractory-s", "--dt-s"):
        assert call("import", "net.nir", option, "None") == 2
        assert option in capsys.readouterr().err
