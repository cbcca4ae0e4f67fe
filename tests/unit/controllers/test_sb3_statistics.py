"""Policies trained behind VecNormalize: they act as in stable-baselines3, and no code in their statistics is run."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

import hilbench
from hilbench.controllers._vecnormalize import beside, read_statistics
from hilbench.controllers.mlp import MLP
from hilbench.controllers.sb3 import SB3, SB3Config
from hilbench.errors import ScenarioError
from hilbench.types import PlantSpec

CART_POLE = "hilbench:hilbench/CartPoleLadder-v0"
FORCE_N = 10.0
OBSERVATIONS = np.random.default_rng(0).normal(0, [0.5, 2, 0.2, 2], (300, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def trained(sb3: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Path]:
    """A PPO policy with lively weights, the VecNormalize that it acts behind, and the folder with both files.

    The variances differ by orders of magnitude, so that a policy without its statistics acts otherwise.
    """
    import torch
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    folder = tmp_path_factory.mktemp("trained")
    env = VecNormalize(
        DummyVecEnv([lambda: gymnasium.make(CART_POLE, control_period_s=0.01, force_n=FORCE_N)]), clip_obs=3.0
    )
    model = sb3.PPO("MlpPolicy", env, n_steps=64, batch_size=64, seed=3, device="cpu")
    model.learn(128)
    env.obs_rms.mean = np.array([0.05, -0.1, 0.01, 0.2])
    env.obs_rms.var = np.array([0.2, 1.5, 0.003, 2.0])
    with torch.no_grad():
        model.policy.action_net.weight *= 200
    env.training = False
    model.save(folder / "policy.zip")
    env.save(str(folder / "stats.bin"))
    yield model, env, folder
    env.close()


@pytest.fixture(scope="module")
def plant_spec() -> PlantSpec:
    with gymnasium.make(CART_POLE, force_n=FORCE_N) as env:
        return env.unwrapped.plant_spec


def law(config: SB3Config, plant_spec: PlantSpec) -> MLP:
    program = SB3.build(config, plant_spec, 10_000, 0).program
    return MLP(msgspec.convert(program.config, MLP.Config))


def actions(found: MLP) -> NDArray:
    return np.array([found.step(obs, np.empty(0, np.float32), False) for obs in OBSERVATIONS])


def test_it_acts_as_the_policy_behind_its_statistics(trained: tuple, plant_spec: PlantSpec) -> None:
    model, env, folder = trained
    normalised = env.normalize_obs(OBSERVATIONS)
    assert 20 < (np.abs(normalised) == 3).sum() < 600, "some are clipped, some not"
    wanted = np.array([model.predict(obs, deterministic=True)[0] for obs in normalised])
    assert (np.abs(wanted) < FORCE_N).sum() > 20, "some below the limit"
    found = law(SB3Config(path=str(folder / "policy.zip"), statistics=str(folder / "stats.bin")), plant_spec)
    np.testing.assert_allclose(actions(found), wanted, rtol=0, atol=2e-5 * FORCE_N)
    without = actions(law(SB3Config(path=str(folder / "policy.zip")), plant_spec))
    assert np.abs(without - wanted).max() > 1, "they matter"


def test_what_the_first_layer_sees_is_the_same_bit_for_bit(trained: tuple, plant_spec: PlantSpec) -> None:
    _, env, folder = trained
    found = law(SB3Config(path=str(folder / "policy.zip"), statistics=str(folder / "stats.bin")), plant_spec)
    found._layers = [(np.eye(4, dtype=np.float32), np.zeros(4, np.float32))]
    found._low, found._high = np.full(4, -9, np.float32), np.full(4, 9, np.float32)
    np.testing.assert_array_equal(actions(found), env.normalize_obs(OBSERVATIONS))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_run_is_stable_baselines3s_own_evaluation(trained: tuple, seed: int, tmp_path: Path) -> None:
    """The return and the length that `evaluate_policy` counts, from the same start."""
    from stable_baselines3.common.evaluation import evaluate_policy

    model, env, folder = trained
    env.training, env.norm_reward = False, False
    env.seed(seed)
    (total,), (ticks,) = evaluate_policy(model, env, n_eval_episodes=1, return_episode_rewards=True, warn=False)
    overrides = {
        "controllers.ppo.kind": "sb3",
        "controllers.ppo.path": str(folder / "policy.zip"),
        "controllers.ppo.statistics": str(folder / "stats.bin"),
        "plant.force_n": FORCE_N,
        "loop.period_s": 0.01,
        "loop.duration_s": 20.0,
        "loop.seed": seed,
    }
    run = hilbench.run("cartpole_ladder", tmp_path / "run", overrides=overrides, controller="ppo")
    assert (run.status, run.notes) == ("done", ())
    episode = hilbench.read_run(tmp_path / "run").episodes[0]
    assert episode["terminated"][-1]
    assert episode["seq"][-1] == ticks  # the terminal row is no tick
    assert ticks - 1 == pytest.approx(total), "1 for each period but that in which it fell"


def test_statistics_near_the_policy_that_are_not_named_are_a_note(
    trained: tuple, plant_spec: PlantSpec, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    _, _, folder = trained
    policy = tmp_path / "policy.zip"
    policy.write_bytes((folder / "policy.zip").read_bytes())
    config = SB3Config(path=str(policy))
    assert SB3.build(config, plant_spec, 10_000, 0).notes == ()
    other = tmp_path / "notes.pkl"
    other.write_bytes(pickle.dumps("nothing of that kind"))
    assert beside(policy) == ()
    for near in (tmp_path / "vecnormalize.pkl", tmp_path / "policy" / "vec_normalize.pkl", tmp_path / "env_stats.pkl"):
        near.parent.mkdir(exist_ok=True)
        near.write_bytes((folder / "stats.bin").read_bytes())
        (note,) = SB3.build(config, plant_spec, 10_000, 0).notes
        assert note.endswith(f"acts rightly only with statistics = {str(near)!r}")
        assert SB3.build(SB3Config(path=str(policy), statistics=str(near)), plant_spec, 10_000, 0).notes == ()
        near.unlink()
    near.write_bytes((folder / "stats.bin").read_bytes())
    given = {"controllers.ppo.kind": "sb3", "controllers.ppo.path": str(policy), "plant.force_n": FORCE_N}
    given |= {"loop.period_s": 0.01, "loop.duration_s": 0.05}
    run = hilbench.run("cartpole_ladder", tmp_path / "run", overrides=given, controller="ppo")
    assert run.notes == (note.replace("policy/vec_normalize.pkl", near.name),) or near.name in run.notes[0]
    assert hilbench.read_run(tmp_path / "run").meta.controller_notes == run.notes
    from hilbench.cli import main

    with pytest.raises(SystemExit) as end:
        main(["check", "cartpole_ladder", "--controller", "ppo", *(f"--{key}={value}" for key, value in given.items())])
    assert not end.value.code
    assert "acts rightly only with statistics" in capsys.readouterr().err


def refused(config: SB3Config, plant_spec: PlantSpec) -> str:
    with pytest.raises(ScenarioError) as found:
        SB3.build(config, plant_spec, 10_000, 0)
    assert "\n" not in str(found.value)
    return str(found.value)


class Runs:
    """Runs code when it is unpickled."""

    def __init__(self, call: Callable, *arguments: Any) -> None:
        self.made = call, arguments

    def __reduce__(self) -> tuple:
        return self.made


def test_code_in_a_file_of_statistics_is_not_run(trained: tuple, plant_spec: PlantSpec, tmp_path: Path) -> None:
    policy, witness, file = str(trained[2] / "policy.zip"), tmp_path / "witness", tmp_path / "vecnormalize.pkl"
    for attack in (
        Runs(os.mkdir, str(witness)),
        Runs(exec, f"import os; os.mkdir({str(witness)!r})"),
        {"obs_rms": [np.zeros(3), Runs(eval, f"__import__('os').mkdir({str(witness)!r})")]},
        np.array([Runs(os.mkdir, str(witness))], object),
    ):
        file.write_bytes(pickle.dumps(attack))
        text = refused(SB3Config(path=policy, statistics=str(file)), plant_spec)
        assert "which is no part of such a file" in text
        assert "VecNormalize saved at statistics" in text
        SB3.build(SB3Config(path=policy), plant_spec, 10_000, 0)  # the note: it looks at the name alone
        assert not witness.exists()
    pickle.loads(pickle.dumps(attack))
    assert witness.exists(), "it would have run"


def test_other_files_and_statistics_of_another_plant_are_refused(
    trained: tuple, plant_spec: PlantSpec, tmp_path: Path
) -> None:
    _, env, folder = trained

    def with_(**changes: Any) -> SB3Config:
        file = tmp_path / "stats.pkl"
        rms = {name: changes.pop(name) for name in ("mean", "var") if name in changes}
        kept = {name: getattr(env.obs_rms, name) for name in rms} | {name: getattr(env, name) for name in changes}
        try:
            for name, value in rms.items():
                setattr(env.obs_rms, name, value)
            for name, value in changes.items():
                setattr(env, name, value)
            env.save(str(file))
        finally:
            for name, value in kept.items():
                setattr(env.obs_rms if name in rms else env, name, value)
        return SB3Config(path=str(folder / "policy.zip"), statistics=str(file))

    gone = SB3Config(path=str(folder / "policy.zip"), statistics=str(tmp_path / "gone.pkl"))
    assert "found no file" in refused(gone, plant_spec)
    (tmp_path / "text.pkl").write_text("not a pickle")
    (tmp_path / "array.pkl").write_bytes(pickle.dumps(np.zeros(4)))
    for name, reason in (("text.pkl", "Error"), ("array.pkl", "it holds a ndarray")):
        assert reason in refused(msgspec.structs.replace(gone, statistics=str(tmp_path / name)), plant_spec)
    three = {"mean": np.zeros(3), "var": np.ones(3)}
    assert "statistics of 4 observations, as the plant has; found 3 in" in refused(with_(**three), plant_spec)
    for changes, reason in (
        ({"mean": np.array([0, np.nan, 0, 0])}, "not finite"),
        ({"var": np.zeros(4), "epsilon": 0.0}, "not above 0"),
        ({"clip_obs": 0.0}, "not above 0"),
        ({"var": np.ones(3)}, "its mean has the shape (4,), its var (3,)"),
        ({"obs_rms": {"x": env.obs_rms}}, "of one Box of observations"),
    ):
        assert reason in refused(with_(**changes), plant_spec)
    control = SB3.build(with_(norm_obs=False), plant_spec, 10_000, 0)
    assert control.program.config["standard"] is None
    assert "says that observations were not normalised" in control.notes[0]
    assert read_statistics(Path(with_(clip_obs=np.inf).statistics)).clip == np.finfo(np.float32).max


def test_statistics_are_those_of_the_policys_own_step_else_all_there_are(tmp_path: Path) -> None:
    head = b"cstable_baselines3.common.vec_env.vec_normalize\n"
    policy = tmp_path / "rl_model_2000_steps.zip"
    one, two = (tmp_path / f"rl_model_vecnormalize_{step}_steps.pkl" for step in (1000, 2000))
    for file in (policy, one, two):
        file.write_bytes(head)
    (tmp_path / "a_vecnormalize.pkl").mkdir()
    (tmp_path / "b_vecnormalize.pkl").symlink_to(tmp_path / "nowhere")
    assert beside(policy) == (two,)
    assert beside(tmp_path / "final.zip") == (one, two)
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "statistics").write_bytes(head)
    assert beside(tmp_path / "bare" / "policy.zip") == (tmp_path / "bare" / "statistics",)
