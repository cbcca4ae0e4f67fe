"""Plants that break a promise, one at a time: `hilbench check` and a run name each in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coder_fakes import Direct, Whole, built
from msgspec import structs

import hilbench
from hilbench import plugins
from hilbench.cli import main
from hilbench.coders.values import whole
from hilbench.envs.cartpole_ladder import CartpoleLadder
from hilbench.errors import HilbenchError, PluginFault, ScenarioError
from hilbench.runs.build import check_whole, make_agent, make_plant
from hilbench.studies.evaluation import run_job
from hilbench.studies.plan import Planner
from hilbench.studies.suite import cells, load_suite
from hilbench.types import (
    EVENT,
    NO_EVENTS,
    BuiltController,
    Controller,
    Decoder,
    Empty,
    Encoder,
    EventSensor,
    Law,
    LawProgram,
    Port,
)


class Broken(CartpoleLadder):
    """A sound cart-pole, but for what a test puts in place of its own."""

    faults: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, **settings: Any) -> None:
        if "init" in self.faults:
            raise self.faults["init"]
        super().__init__(**settings)
        self._made = True

    @property
    def plant_spec(self) -> Any:
        made = getattr(self, "_made", False)
        return structs.replace(super().plant_spec, **(self.faults.get("plant_spec", {}) if made else {}))

    def reset(self, **seed: Any) -> Any:
        self._asked = 0
        obs, info = super().reset(**seed)
        return obs, info

    def observe(self) -> Any:
        obs, reward, terminated, truncated, info = super().observe()
        self._asked = getattr(self, "_asked", 0) + 1
        change = self.faults.get("observe", lambda plant, *found: found)
        return change(self, obs, reward, terminated, truncated, info)

    def __getattr__(self, name: str) -> Any:
        """`events` is there only where a test has put it in place."""
        if name != "events" or "events" not in self.faults:
            raise AttributeError(name)
        return lambda: self.faults["events"]

    def state(self) -> Any:
        return self.faults.get("state", lambda plant, state: state)(self, super().state())

    def close(self) -> None:
        super().close()
        if "close" in self.faults:
            raise self.faults["close"]


class Unstepped(Broken):
    """Its Config says no physics step."""

    Config = Empty


class Threes(Controller):
    """A program with three inputs, whatever the plant."""

    Config = Empty
    backend = "law"

    @staticmethod
    def build(config: Any, plant: Any, period_us: int, seed: int) -> BuiltController:
        law = {"low": (-1.0,), "high": (1.0,)}
        program = LawProgram("random", law, (Port("obs", 3),), (Port("force", 1),))
        return BuiltController(program, whole(plant, period_us), Direct())


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    own = {
        "hilbench.envs": ("Broken", "Unstepped"),
        "hilbench.controllers": ("Threes", "Own"),
        "hilbench.laws": ("Made",),
    }

    def entry_points(group: str) -> list[EntryPoint]:
        points = [EntryPoint(name.lower(), f"{__name__}:{name}", group) for name in own.get(group, ())]
        return points + [EntryPoint("law", f"{__name__}:Made", group)] * (group == "hilbench.controllers")

    plugins.all_of.cache_clear()
    monkeypatch.setattr(plugins, "entry_points", entry_points)
    monkeypatch.setattr(Broken, "faults", {})
    yield
    plugins.all_of.cache_clear()


def seen(**parts: Any) -> dict[str, Any]:
    """An `observe` of which some parts are another function's."""
    names = ("obs", "reward", "terminated", "truncated", "info")

    def change(plant: Broken, *found: Any) -> tuple:
        return tuple(parts[name](plant, own) if name in parts else own for name, own in zip(names, found, strict=True))

    return {"observe": change}


def spec(**fields: Any) -> dict[str, Any]:
    return {"plant_spec": fields}


def set_first(value: float) -> Any:
    def change(plant: Broken, obs: np.ndarray) -> np.ndarray:
        obs[0] = value
        return obs

    return change


def sensing(*events: tuple[int, int], **fields: Any) -> dict[str, Any]:
    """A plant with an event camera of 2 x 2 pixels, in which something is different."""
    eye = EventSensor(**{"name": "eye", "shape": (2, 2, 2), "axes": ("y", "x", "polarity")} | fields)
    return spec(event_sensors=(eye,)) | {"events": np.array(list(events), EVENT)}


FAULTS = {
    "a pixel that is none": (sensing((0, 8)), "events(): address: found 8; allowed: less than 8, the addresses of its"),
    "an event after the window": (sensing((1000, 0)), "events(): t_us: found 1000; allowed: less than 1000, the contr"),
    "events out of order": (sensing((3, 0), (2, 0)), "events(): t_us: found [3, 2]; allowed: an order that never"),
    "sensors without events": (spec(event_sensors=sensing()["plant_spec"]["event_sensors"]),
                               "plant_spec.event_sensors: found 1, and a plant without events(); allowed"),
    "events without sensors": ({"events": np.zeros(0, EVENT)}, "event_sensors: found 0, and a plant with events()"),
    "three polarities": (sensing(shape=(2, 2, 3)), "'eye': found shape (2, 2, 3), axes ('y', 'x', 'polarity')"),
    "an axis twice": (sensing(axes=("x", "x", "polarity")), "found shape (2, 2, 2), axes ('x', 'x', 'polarity')"),
    "a size without an axis": (sensing(axes=("y", "x")), "allowed: sizes of 1 or more, 2 for a polarity, and a name"),
    "a sensor twice": (sensing() | spec(event_sensors=sensing()["plant_spec"]["event_sensors"] * 2),
                       "plant_spec.event_sensors: found ['eye', 'eye']; allowed: each name once"),
    "observation too short": (seen(obs=lambda p, obs: obs[:3]), "observation: found 3 values; allowed: 4: x, xd"),
    "observation too long": (seen(obs=lambda p, obs: np.append(obs, obs[:1])), "observation: found 5 values"),
    "float64": (seen(obs=lambda p, obs: obs.astype(float)), "observation: found type float64; allowed: float32"),
    "a list": (seen(obs=lambda p, obs: obs.tolist()), "observation: found a list; allowed: a NumPy array"),
    "NaN": (seen(obs=set_first(np.nan)), "observation: 'x': found nan; allowed: finite numbers"),
    "outside its space": (seen(obs=set_first(6)), "observation: 'x': found 6; allowed: -5 to 5, as observation_space"),
    "error key missing": (spec(error="tip"), "plant_spec.error: found 'tip'; allowed: disturbances, force_n"),
    "info lacks a key": (seen(info=lambda p, info: {}), "info: found no 't_s', which plant_spec.info_units names"),
    "info holds no number": (
        seen(info=lambda p, info: info | {"x_m": "far"}), "info: 'x_m': found a str; allowed: a number",
    ),
    "the error is no number": (
        seen(info=lambda p, info: info | {"theta_error_rad": np.nan}),
        "info: 'theta_error_rad', the tracking error: found nan; allowed: a finite number",
    ),
    "units of the wrong length": (spec(obs_units=("m",)), "plant_spec.obs_units: found 1; allowed: 4, one for each"),
    "action units of the wrong length": (spec(action_units=()), "plant_spec.action_units: found 0; allowed: 1, one"),
    "a name twice": (spec(obs_names=("x",) * 4), "plant_spec.obs_names: found ['x', 'x', 'x', 'x']; allowed: one name"),
    "safe action outside": (spec(safe_action=(21.0,)), "safe_action of 'force': found 21.0; allowed: -10.0 to 10.0"),
    "safe action of the wrong length": (spec(safe_action=(0.0, 0.0)), "plant_spec.safe_action: found 2; allowed: 1"),
    "limits of the wrong length": (spec(action_low=(-20.0, -20.0)), "plant_spec.action_low: found 2; allowed: 1, one"),
    "limits in reverse": (
        spec(action_low=(20.0,), action_high=(-20.0,)), "'force': found 20.0, -20.0; allowed: two numbers, the lower",
    ),
    "physics step of zero": (spec(physics_step_s=0.0), "plant_spec.physics_step_s: found 0.0; allowed: 0.001"),
    "physics step None": (spec(physics_step_s=None), "plant_spec.physics_step_s: found None; allowed: 0.001"),
    "state that changes length": (
        {"state": lambda p, state: state[: 4 - (p.time_s > 0)]},
        "state() after a physics step: found 3 numbers; allowed: 4, as many as after the reset",
    ),
    "state of two dimensions": ({"state": lambda p, state: state[None]}, "state(): found a ndarray of shape (1, 4)"),
    "another answer when asked twice": (
        seen(obs=lambda p, obs: obs + np.float32(1e-3 * p._asked)),
        "observe(), asked twice at one instant: observation: found [",
    ),
    "another reward when asked twice": (
        seen(reward=lambda p, reward: reward + p._asked), "asked twice at one instant: reward: found 3.0, then 4.0",
    ),
    "reward that is no number": (seen(reward=lambda p, reward: np.inf), "observe(): reward: found inf; allowed"),
    "ends that are no truth values": (seen(terminated=lambda p, end: None), "truncated: found [None, False]"),
    "no names at all": (spec(obs_names=None), "plant_spec.obs_names: found None; allowed: Expected `array`"),
    "a name that is text": (spec(obs_names="xv"), "plant_spec.obs_names: found 'xv'; allowed: Expected `array`"),
    "no info units": (spec(info_units=None), "plant_spec.info_units: found None; allowed: Expected `object`"),
    "info units without names": (
        spec(info_units=("rad",)), "plant_spec.info_units: found ('rad',); allowed: Expected `object`",
    ),
    "a limit that is text": (spec(action_low=("a",)), "plant_spec.action_low: found ('a',); allowed: Expected `float`"),
    "units that are none": (spec(obs_units=(None,) * 4), "allowed: Expected `str`, got `null`"),
    "no parameters": (spec(parameters=None), "plant_spec.parameters: found None; allowed: Expected `object`"),
    "four answers": ({"observe": lambda p, *found: found[:4]}, "reset(seed=0) raised ValueError: not enough values"),
    "it leaves": ({"init": SystemExit("no licence")}, "cannot be made: SystemExit: no licence"),
    "it raises": (seen(obs=lambda p, obs: 1 / 0), "reset(seed=0) raised ZeroDivisionError: division by zero"),
    "it cannot be made": ({"init": RuntimeError("no\nlicence")}, "cannot be made: RuntimeError: no licence"),
}  # fmt: skip


def line_of(arguments: list[str], capsys: pytest.CaptureFixture) -> str:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    said = capsys.readouterr().err
    assert end.value.code == 2, said
    assert len(said.splitlines()) == 1, said
    return said


@pytest.mark.parametrize("fault", FAULTS)
def test_check_and_a_run_name_what_is_broken_in_one_line(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    broken, words = FAULTS[fault]
    given = ["cartpole_ladder", "--controller", "lqr", "--plant.kind", "broken"]
    with pytest.raises(SystemExit) as end:
        main(["check", *given])
    assert not end.value.code, "sound without the fault"
    monkeypatch.setattr(Broken, "faults", broken)
    capsys.readouterr()
    line = line_of(["check", *given], capsys)
    assert "cartpole_ladder.toml: plant 'broken': " in line
    assert words in line
    assert line_of(["run", *given, "--out", str(tmp_path / "run")], capsys) == line
    assert not (tmp_path / "run").exists()


def test_a_plant_without_a_physics_step_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    scenario = tmp_path / "unstepped.toml"
    text = 'name = "u"\nsummary = "u"\ncontroller = "r"\nplant.kind = "unstepped"\ncontrollers.r.kind = "random"\n'
    scenario.write_text(text)
    line = line_of(["check", str(scenario)], capsys)
    assert "plant 'unstepped': found no field physics_step_s in its Config; allowed: one, in s" in line


def test_an_encoder_that_changes_the_observation_is_named(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def encode(self, obs, events, values):
        obs += 1
        values[...] = obs
        return NO_EVENTS

    monkeypatch.setattr("hilbench.coders.values.Values.encode", encode)
    line = line_of(["check", "cartpole_ladder", "--controller", "lqr"], capsys)
    assert (
        "controllers.lqr: encode: the observation it is given: found other numbers afterwards;"
        " allowed: the same; change a copy"
    ) in line


def test_a_program_with_three_inputs_on_a_plant_of_four_is_named(capsys: pytest.CaptureFixture) -> None:
    given = ["cartpole_ladder", "--controller", "threes", "--controllers.threes.kind", "threes"]
    line = line_of(["check", *given], capsys)
    assert (
        "controllers.threes: the program's inputs: found 3 values; allowed: 4, as many as encoder 'Values' gives"
        in line
    )


class Coded(Encoder):
    """Encodes as it is told."""

    def __init__(self, encode: Any) -> None:
        self._encode = encode

    def encode(self, obs: Any, events: Any, values: Any) -> Any:
        return self._encode(obs, values)


class Decoded(Decoder):
    """Decodes as it is told."""

    def __init__(self, decode: Any) -> None:
        self._decode = decode

    def decode(self, values: Any, events: Any, action: Any) -> None:
        self._decode(values, action)


def fill(value: float) -> Any:
    def encode(obs: np.ndarray, values: np.ndarray) -> np.ndarray:
        values[:] = value
        return np.empty(0, EVENT)

    return encode


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            {"encoder": Coded(lambda obs, values: values.__setitem__(slice(None), obs[:3]))},
            "and inputs of 4 values, raised",
        ),
        ({"encoder": Coded(fill(np.inf))}, "encode: values[0]: found inf; allowed: finite numbers"),
        ({"encoder": Coded(lambda obs, values: None)}, "encode: events: found NoneType; allowed: an array of hilbench"),
        ({"encoder": Coded(lambda obs, values: np.zeros(1, EVENT))}, "address: found 0; allowed: less than 0"),
        ({"modulate": lambda obs, events, reward, info, out: info["tip_m"]}, "the modulators raised KeyError: 'tip_m'"),
        ({"decoder": Decoded(lambda values, action: None)}, "decode of a reply of zeros: action[0]: found nan"),
        ({"decoder": Decoded(lambda values, action: values[9])}, "1 values and 1 actions, raised IndexError"),
    ],
)
def test_a_coder_that_does_not_fit_is_named(
    parts: dict, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def build(config: Any, plant: Any, period_us: int, seed: int) -> BuiltController:
        law = LawProgram("random", {"low": (-1.0,), "high": (1.0,)}, (Port("obs", 4),), (Port("force", 1),))
        return built(law, **parts)

    monkeypatch.setattr(Threes, "build", build)
    given = ["cartpole_ladder", "--controller", "threes", "--controllers.threes.kind", "threes"]
    line = line_of(["check", *given], capsys)
    assert "cartpole_ladder.toml: controllers.threes: " in line
    assert words in line


def test_close_that_raises_hides_no_other_error_and_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    given = ["cartpole_ladder", "--plant.kind", "broken", "--controller", "lqr", "--loop.duration-s", "0.05"]
    monkeypatch.setattr(Broken, "faults", {"close": RuntimeError("stuck")})
    assert "plant 'broken': close() raised RuntimeError: stuck" in line_of(["check", *given], capsys)
    with pytest.raises(SystemExit) as end:
        main(["run", *given, "--out", str(tmp_path / "r")])
    assert end.value.code == 0
    monkeypatch.setattr(Broken, "faults", {"close": RuntimeError("stuck"), **spec(error="tip")})
    with pytest.raises(PluginFault, match=r"plant_spec\.error: found 'tip'"):
        check_whole(hilbench.load("cartpole_ladder", {"plant.kind": "broken"}, "lqr"))


class Made(Law):
    """A law that raises where it is told to."""

    Config = Empty
    raises = ""

    def __init__(self, config: Any) -> None:
        self._at("making")

    def reset(self, seed: int) -> None:
        self._at("reset")

    def step(self, values: np.ndarray, modulators: np.ndarray, learning: bool) -> np.ndarray:
        self._at("step")
        return np.zeros(1)

    def _at(self, where: str) -> None:
        if where == self.raises:
            raise KeyError("gain")


class Own(Controller):
    """A controller around that law, or whatever a test gives."""

    Config = Empty
    backend = "law"
    gives: Any = None

    @classmethod
    def build(cls, config: Any, plant: Any, period_us: int, seed: int) -> Any:
        if isinstance(cls.gives, BaseException):
            raise cls.gives
        program = LawProgram("made", {}, (Port("obs", 4),), (Port("force", 1),))
        return built(program) if cls.gives is None else cls.gives


class Unreset(Whole):
    def reset(self, seed: int) -> None:
        raise KeyError("filter")


PROGRAM = LawProgram("made", {}, (Port("obs", 4),), (Port("force", 1),))
WRONG = {
    "build raises": ({"gives": KeyError("length_1_m")}, "controllers.own: build raised KeyError: 'length_1_m'"),
    "build leaves": ({"gives": SystemExit("no")}, "controllers.own: build raised SystemExit: no"),
    "build gives a tuple": ({"gives": (PROGRAM, Whole())}, "build: found a tuple; allowed: a BuiltController"),
    "no program": (
        {"gives": built(None)},
        "build: program: found a NoneType; allowed: a Network or a LawProgram",
    ),
    "no encoder": (
        {"gives": BuiltController(PROGRAM, None, Direct())},
        "build: encoder: found a NoneType; allowed: a hilbench.types.Encoder",
    ),
    "no decoder": (
        {"gives": BuiltController(PROGRAM, Whole(), print)},
        "build: decoder: found a builtin_function_or_method; allowed: a hilbench.types.Decoder",
    ),
    "an encoder that cannot reset": ({"gives": built(PROGRAM, Unreset())}, "reset() raised KeyError: 'filter'"),
    **{
        f"the law's {where}": ({"raises": where}, f"law 'made': its {where} raised KeyError: 'gain'")
        for where in ("making", "reset", "step")
    },
}


@pytest.mark.parametrize("case", WRONG)
def test_a_controller_that_is_wrong_is_one_line_and_ends_no_other_cell(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    parts, words = WRONG[case]
    monkeypatch.setattr(Own, "gives", parts.get("gives"))
    monkeypatch.setattr(Made, "raises", parts.get("raises", ""))
    given = ["cartpole_ladder", "--controller", "own", "--controllers.own.kind", "own"]
    assert words in line_of(["check", *given], capsys)
    assert words in line_of(["run", *given, "--out", str(tmp_path / "r")], capsys)
    suite = {
        "name": "s", "summary": "s", "scenarios": ["cartpole_ladder"], "controllers": ["own", "lqr"], "seeds": [1],
        "set": {"loop.duration_s": 0.05, "controllers.own.kind": "own"},
    }  # fmt: skip
    planner = Planner(tmp_path / "ev")
    planner.lines(cells(load_suite(suite)))
    wrong, sound = planner.jobs.values()
    with pytest.raises(PluginFault, match=re.escape(words)):
        run_job(wrong)
    assert run_job(sound).status == "done"


def test_a_plugin_of_another_kind_is_named(capsys: pytest.CaptureFixture) -> None:
    line = line_of(["check", "cartpole_ladder", "--controllers.l.kind", "law", "--controller", "l"], capsys)
    assert "controllers.l.kind: plug-in 'law' has no backend; allowed: a class of the kind 'controllers'" in line


def test_a_sensor_that_is_disturbed_from_the_start_may_tell_what_its_space_has_not(tmp_path: Path) -> None:
    bias = {"kind": "sensor_bias", "bias": {"x": 10.0}}
    scenario = hilbench.load("cartpole_ladder", {"disturbances.far": bias, "loop.duration_s": 0.01}, "lqr")
    assert hilbench.run(scenario, tmp_path / "run").status == "done"


@pytest.mark.parametrize(
    ("controller", "loop"), [("lif_lqr", {}), ("random", {}), ("lif_lqr", {"loop.blind_at_episode": 1})]
)
def test_a_run_is_the_same_bit_for_bit_as_one_that_was_not_checked(
    tmp_path: Path, controller: str, loop: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hilbench.runs import run as running
    from hilbench.runs.build import make_control

    scenario = hilbench.load("cartpole_ladder", {"loop.duration_s": 0.1, "loop.episodes": 2} | loop, controller)
    hilbench.run(scenario, tmp_path / "checked")
    monkeypatch.setattr(running, "checked", lambda scenario, plant: make_control(scenario, plant.plant_spec))
    hilbench.run(scenario, tmp_path / "not")
    for one, two in zip(*(hilbench.read_run(tmp_path / name).episodes for name in ("checked", "not")), strict=True):
        for name in ("obs", "state", "values_in", "values_out", "actions", "reward"):
            np.testing.assert_array_equal(one[name], two[name])


@pytest.fixture
def agent() -> Iterator[Any]:
    scenario = hilbench.load("cartpole_ladder", {"loop.period_s": 0.01}, "lqr")
    plant = make_plant(scenario)
    with make_agent(scenario, plant.plant_spec) as made:
        made.reset(1)
        yield made
    plant.close()


ZEROS = np.zeros(4, np.float32)


@pytest.mark.parametrize(
    ("obs", "reward", "words"),
    [
        (ZEROS[:3], 0.0, r"act: found an observation of shape \(3,\); allowed: \(4,\), x, xd, theta, thetad"),
        (ZEROS[None], 0.0, r"shape \(1, 4\); allowed: \(4,\)"),
        (np.float32([0, np.nan, 0, 0]), 0.0, r"act: found \[0.0, nan, 0.0, 0.0\] with reward 0.0; allowed: finite"),
        (np.float32([np.inf, -np.inf, 0, 0]), 0.0, "allowed: finite"),
        (ZEROS, float("nan"), "with reward nan; allowed: finite"),
    ],
)
def test_act_refuses_what_the_plant_would_not_say(agent: Any, obs: np.ndarray, reward: float, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        agent.act(obs, reward)
    assert agent.act(ZEROS).shape == (1,), "nothing was sent"


@pytest.mark.parametrize(
    ("obs", "reward"), [(["a"] * 4, 0.0), ([None] * 4, 0.0), ([0.0] * 4, None), ([0.0] * 4, "much")]
)
def test_act_refuses_what_is_no_number(agent: Any, obs: list, reward: Any) -> None:
    with pytest.raises(ScenarioError, match="allowed: finite numbers"):
        agent.act(obs, reward)


def test_act_takes_numbers_whose_sum_is_too_large(agent: Any) -> None:
    assert np.isfinite(agent.act(np.array([3e38, 3e38, 0, 0], np.float32))).all()


def test_act_refuses_an_env_of_another_period(agent: Any) -> None:
    agent.act(ZEROS, 0.0, {"t_s": 0.0})
    agent.act(ZEROS, 0.0, {"t_s": 0.01})
    with pytest.raises(
        ScenarioError, match=r"went from 0.01 to 0.03 s .*period of 0.01 s: give the env control_period"
    ):
        agent.act(ZEROS, 0.0, {"t_s": 0.03})
    with pytest.raises(ScenarioError, match="before a new episode, call reset"):
        agent.act(ZEROS, 0.0, {"t_s": 0.0})
    agent.reset(2)
    agent.act(ZEROS, 0.0, {"t_s": 0.0})
    agent.act(ZEROS)


def test_act_refuses_an_action_that_is_not_finite(agent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = agent.control.decoder
    monkeypatch.setattr(decoder, "decode", lambda values, events, action: action.fill(np.nan))
    with pytest.raises(HilbenchError, match=r"tick 0: the controller's action is \[nan\], not finite"):
        agent.act(ZEROS)
