"""Saved policies: the law acts as the policy predicts, and every other file or policy is refused in one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import msgspec
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete
from gymnasium.wrappers import RescaleAction
from numpy.typing import NDArray

import hilbench
from hilbench.controllers.mlp import MLP
from hilbench.controllers.sb3 import SB3, SB3Config
from hilbench.envs.gymnasium import Gymnasium
from hilbench.errors import ScenarioError
from hilbench.scenario.files import resolve
from hilbench.types import PlantSpec

CART_POLE = "hilbench/CartPoleLadder-v0"
SMALL = {"policy_kwargs": {"net_arch": [16, 16]}}
SIZES = {"PPO": {"n_steps": 64}, "A2C": {}} | {name: {"buffer_size": 10} for name in ("SAC", "TD3", "DDPG")}
OBSERVATIONS = np.random.default_rng(0).normal(0, 2, (200, 4)).astype(np.float32)

Save = Callable[..., tuple[Any, Path]]


@pytest.fixture(scope="module")
def env() -> Any:
    with gymnasium.make(CART_POLE, control_period_s=0.01) as found:
        yield found


@pytest.fixture(scope="module")
def plant_spec(env: Any) -> PlantSpec:
    return env.unwrapped.plant_spec


def actions(config: SB3Config, plant_spec: PlantSpec) -> NDArray:
    """What the law a device would load does with every observation."""
    program = SB3.build(config, plant_spec, 10_000, 0).program
    law = MLP(msgspec.convert(program.config, MLP.Config))
    none = np.empty(0, np.float32)
    return np.array([law.step(obs, none, False) for obs in OBSERVATIONS])


@pytest.mark.parametrize("algorithm", SIZES)
@pytest.mark.parametrize("rescale", [False, True])
def test_it_acts_as_the_policy_predicts(
    algorithm: str, rescale: bool, env: Any, plant_spec: PlantSpec, save_policy: Save
) -> None:
    trained_on = RescaleAction(env, np.float32(-1), np.float32(1)) if rescale else env
    model, file = save_policy(trained_on, algorithm, **SIZES[algorithm])
    wanted = np.array([model.predict(obs, deterministic=True)[0] for obs in OBSERVATIONS])
    assert np.ptp(wanted) > 1e-3
    if rescale:
        wanted = np.array([trained_on.action(action) for action in wanted])
    found = actions(SB3Config(path=str(file), algorithm=algorithm, rescale=rescale), plant_spec)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


def lively(model: Any, file: Path) -> None:
    """Larger last weights, and a bias: an untrained PPO or A2C policy stays near zero and meets no limit."""
    import torch

    typical = np.median(np.abs([model.predict(obs, deterministic=True)[0] for obs in OBSERVATIONS]))
    with torch.no_grad():
        model.policy.action_net.weight *= float(model.action_space.high[0] / typical)
        model.policy.action_net.bias += 0.1
    model.save(file)


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_sde": True, "policy_kwargs": {"squash_output": True}},
        {"policy_kwargs": {"net_arch": [], "share_features_extractor": False}},
        {"policy_kwargs": {"net_arch": {"pi": [8, 4, 8], "vf": [4]}}},
        {"policy_kwargs": {"activation_fn": "ReLU"}},
    ],
)
def test_a_policy_that_meets_its_limits_acts_the_same(
    settings: dict[str, Any], rescale: bool, env: Any, plant_spec: PlantSpec, save_policy: Save
) -> None:
    import torch

    made = dict(settings.get("policy_kwargs", {}))
    if "activation_fn" in made:
        made["activation_fn"] = getattr(torch.nn, made["activation_fn"])
    trained_on = RescaleAction(env, np.float32(-1), np.float32(1)) if rescale else env
    model, file = save_policy(trained_on, n_steps=64, **settings | {"policy_kwargs": made})
    lively(model, file)
    wanted = np.array([model.predict(obs, deterministic=True)[0] for obs in OBSERVATIONS])
    limit = trained_on.action_space.high
    assert 10 < (np.abs(wanted) > 0.9 * limit).sum() < 190, "some at their limit, some not"
    found = actions(SB3Config(path=str(file), rescale=rescale), plant_spec)
    # Weights this large make float32's own rounding larger than 1e-5 N: 1e-5 of the limit.
    np.testing.assert_allclose(found / plant_spec.action_high[0], wanted / limit, rtol=0, atol=1e-5)


class Strange(gymnasium.Env):
    """An env of any spaces, which nothing runs."""

    def __init__(self, observation: gymnasium.Space, action: gymnasium.Space) -> None:
        self.observation_space, self.action_space = observation, action


OBS, FORCE = Box(-1, 1, (4,)), Box(-20, 20, (1,))


CHOICES = {
    "PPO": (Discrete(3), Discrete(3), MultiDiscrete([2, 4]), MultiBinary(3)),
    "A2C": (Discrete(2), MultiDiscrete([3, 2, 2])),
    "DQN": (Discrete(4),),
}


@pytest.mark.parametrize(("algorithm", "space"), [(name, space) for name, some in CHOICES.items() for space in some])
def test_a_policy_of_choices_makes_the_same_ones(algorithm: str, space: gymnasium.Space, save_policy: Save) -> None:
    import torch

    model, file = save_policy(
        Strange(OBS, space), algorithm, **SMALL, **(SIZES | {"DQN": {"buffer_size": 10}})[algorithm]
    )
    last = model.policy.q_net.q_net[-1] if algorithm == "DQN" else model.policy.action_net
    with torch.no_grad():  # an untrained policy hardly tells one choice from another
        last.weight *= 50
    model.save(file)
    spec = Gymnasium(env=Strange(OBS, space)).plant_spec
    wanted = np.array([model.predict(obs, deterministic=True)[0] for obs in OBSERVATIONS]).reshape(
        len(OBSERVATIONS), -1
    )
    found = actions(SB3Config(path=str(file), algorithm=algorithm), spec)
    assert all(len(set(column)) > 1 for column in wanted.T)
    np.testing.assert_array_equal(found, wanted)


def test_a_policy_of_choices_drives_the_stock_cart_pole(save_policy: Save, tmp_path: Path) -> None:
    """The run's actions are those that the model predicts from the recorded observations."""
    with gymnasium.make("CartPole-v1") as env:
        model, file = save_policy(env, **SMALL, n_steps=64)
    raw = {
        "name": "cart", "summary": "The stock cart-pole.", "controller": "ppo",
        "plant": {"kind": "gymnasium", "id": "CartPole-v1"}, "loop": {"period_s": 0.02, "duration_s": 0.4},
        "controllers": {"ppo": {"kind": "sb3", "path": str(file)}},
    }  # fmt: skip
    assert hilbench.run(resolve(raw, "cart"), tmp_path / "run").status == "done"
    rows = hilbench.read_run(tmp_path / "run").episodes[0]
    wanted = [model.predict(obs, deterministic=True)[0] for obs in rows["obs"]]
    live = ~rows["terminated"]
    np.testing.assert_array_equal(rows["actions"][live, 0], np.array(wanted)[live])


def test_choices_other_than_the_plants_are_refused(save_policy: Save, plant_spec: PlantSpec) -> None:
    spec = Gymnasium(env=Strange(OBS, Discrete(3))).plant_spec
    for space, found in ((Discrete(2), "[2]"), (MultiDiscrete([3, 3]), "[3, 3]"), (FORCE, "Box")):
        file = save_policy(Strange(OBS, space), n_steps=8, batch_size=8)[1]
        assert f"a policy with choices of [3], as the plant has; found {found}" in refused(
            SB3Config(path=str(file)), spec
        )


def refused(config: SB3Config, plant_spec: PlantSpec) -> str:
    with pytest.raises(ScenarioError) as found:
        SB3.build(config, plant_spec, 10_000, 0)
    text = str(found.value)
    assert text.startswith("controller 'sb3' needs ")
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("observation", "action", "policy", "reason"),
    [
        (OBS, Discrete(2), "MlpPolicy", "Box of 1 actions, as the plant has; found Discrete ()"),
        (OBS, Box(-20, 20, (2,)), "MlpPolicy", "Box of 1 actions, as the plant has; found Box (2,)"),
        (Box(-1, 1, (3,)), FORCE, "MlpPolicy", "Box of 4 observations, as the plant has; found Box (3,)"),
        (Box(0, 255, (36, 36, 3), np.uint8), FORCE, "CnnPolicy", "PPO's MlpPolicy; found ActorCriticCnnPolicy"),
        (Dict({"x": OBS}), FORCE, "MultiInputPolicy", "PPO's MlpPolicy; found MultiInputActorCriticPolicy"),
        (OBS, Box(-1, 1, (1,)), "MlpPolicy", "[[-20.0], [20.0]], or rescale = true"),
    ],
)
def test_a_policy_that_does_not_fit_is_refused(
    observation: gymnasium.Space,
    action: gymnasium.Space,
    policy: str,
    reason: str,
    plant_spec: PlantSpec,
    save_policy: Save,
) -> None:
    file = save_policy(Strange(observation, action), policy=policy, n_steps=8, batch_size=8)[1]
    assert reason in refused(SB3Config(path=str(file)), plant_spec)


def test_a_policy_of_another_class_is_refused(sb3: Any, plant_spec: PlantSpec, save_policy: Save) -> None:
    class RecurrentPolicy(sb3.ppo.MlpPolicy):
        """Stands for policies with a memory, which derive from the plain one."""

    file = save_policy(Strange(OBS, FORCE), policy=RecurrentPolicy)[1]
    assert "PPO's MlpPolicy; found RecurrentPolicy: it has a memory between steps, and the law has none" in refused(
        SB3Config(path=str(file)), plant_spec
    )


def test_layers_that_the_law_has_not_are_refused(plant_spec: PlantSpec, save_policy: Save) -> None:
    import torch

    for settings, reason in (
        ({"policy_kwargs": {"activation_fn": torch.nn.ELU}}, "between them; found ELU"),
        ({"policy_kwargs": {"net_arch": [1025]}}, "at most 8 layers of at most 1024; found 2 of up to 1025"),
        ({"policy_kwargs": {"net_arch": [2] * 8}}, "at most 8 layers of at most 1024; found 9 of up to 4"),
    ):
        file = save_policy(Strange(OBS, FORCE), **settings)[1]
        assert reason in refused(SB3Config(path=str(file)), plant_spec)
    file = save_policy(Strange(OBS, FORCE), "SAC", use_sde=True, buffer_size=10)[1]
    assert "between them; found Sequential" in refused(SB3Config(path=str(file), algorithm="SAC"), plant_spec)


def test_files_that_are_no_policy_of_that_algorithm_are_refused(
    tmp_path: Path, plant_spec: PlantSpec, save_policy: Save
) -> None:
    text = refused(SB3Config(path=str(tmp_path / "gone")), plant_spec)
    assert text == f"controller 'sb3' needs a saved policy at path; found no file {str(tmp_path / 'gone')!r}"
    (tmp_path / "notes.zip").write_text("not a policy")
    assert refused(SB3Config(path=str(tmp_path / "notes")), plant_spec).endswith("notes.zip'?")
    assert "a policy that PPO saved" in refused(SB3Config(path=str(tmp_path / "notes.zip")), plant_spec)
    file = save_policy(Strange(OBS, FORCE), "SAC", buffer_size=10)[1]
    for other in ("PPO", "TD3"):
        assert f"a policy that {other} saved" in refused(SB3Config(path=str(file), algorithm=other), plant_spec)


def test_a_mistake_in_a_scenario_names_the_controller(tmp_path: Path, sb3: Any) -> None:
    kind = {"controllers.ppo.kind": "sb3"}
    with pytest.raises(ScenarioError, match=r"controllers\.ppo: object missing required field `path`"):
        hilbench.load("cartpole_ladder", kind, "ppo")
    scenario = hilbench.load("cartpole_ladder", kind | {"controllers.ppo.path": "gone"}, "ppo")
    with pytest.raises(ScenarioError, match=r"cartpole_ladder.toml: controllers.ppo: .*found no file 'gone'"):
        hilbench.run(scenario, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_device_runs_it_without_the_file(tmp_path: Path, save_policy: Save) -> None:
    """The same run in process and on a device in a process of its own: the same plant states."""
    with gymnasium.make(CART_POLE, control_period_s=0.01, force_n=10.0) as env:
        file = save_policy(env, **SMALL)[1]
    overrides = {
        "controllers.ppo.kind": "sb3",
        "controllers.ppo.path": str(file),
        "loop.period_s": 0.01,
        "loop.duration_s": 0.2,
    }
    states = []
    for kind in ("inprocess", "zmq"):
        folder = tmp_path / kind
        done = hilbench.run("cartpole_ladder", folder, overrides=overrides | {"link.kind": kind}, controller="ppo")
        assert done.status == "done"
        states.append(hilbench.read_run(folder).episodes[0]["state"])
    np.testing.assert_array_equal(*states)


def test_without_stable_baselines3_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['stable_baselines3'] = None\n"
        "import hilbench\nfrom hilbench import errors\n"
        "found = hilbench.load('cartpole_ladder', {'controllers.p.kind': 'sb3', 'controllers.p.path': 'x'}, 'p')\n"
        "try:\n    hilbench.run(found, 'never')\n"
        "except errors.MissingExtra as error:\n    print(error)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.strip() == 'this needs stable-baselines3: pip install "hilbench[rl]"'
