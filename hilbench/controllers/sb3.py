"""A policy trained with stable-baselines3, as a controller: its deterministic actor as plain numbers.

Loading such a file runs the pickled code in it: load only files of people you trust. Only the process that builds the
controller loads it; a device gets the numbers of the law `mlp` and never sees the file. The statistics of VecNormalize
are read without running any code of their file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.controllers._law import around, law_program
from hilbench.controllers._vecnormalize import beside, read_statistics
from hilbench.controllers.mlp import MAX_LAYERS, MAX_WIDTH, Activation, Layer, MLPConfig, Standard
from hilbench.errors import MissingExtra, ScenarioError
from hilbench.files import kind_of
from hilbench.settings import File
from hilbench.types import BuiltController, Controller, PlantSpec

ACTIVATIONS: dict[str, Activation] = {"Tanh": "tanh", "ReLU": "relu"}
"""The law's name for each module that may be between two layers."""


class SB3Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which policy to load, and how it was trained."""

    path: File
    """The file that `model.save` wrote, as seen from the working directory. Loading it runs the code in it."""
    algorithm: Literal["PPO", "A2C", "SAC", "TD3", "DDPG", "DQN"] = "PPO"
    """The algorithm that trained it."""
    rescale: bool = False
    """Whether it was trained behind Gymnasium's RescaleAction: its action bounds are stretched to the plant's."""
    statistics: File | None = None
    """What `VecNormalize.save` wrote, for a policy that was trained behind one. No code in it is run."""


class SB3(Controller):
    """A saved stable-baselines3 policy (MlpPolicy of PPO, A2C, SAC, TD3, DDPG or DQN), deterministic."""

    Config = SB3Config
    backend = "law"

    @staticmethod
    def build(config: SB3Config, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        policy = _load(config)
        _check_sizes(policy, plant)
        standard, notes = _standard(config, plant)
        if any(plant.choices):
            law = _choosing(policy, plant, standard)
        else:
            law = _law(policy, *_limits(policy, plant, config.rescale), standard)
        return around(law_program("mlp", law, plant), plant, period_us, notes=notes)


def _load(config: SB3Config) -> Any:
    """The policy in the file. Raises ScenarioError for one that is no MlpPolicy of that algorithm."""
    try:
        import stable_baselines3
    except ImportError as error:
        raise MissingExtra("stable-baselines3", "rl") from error
    file = Path(config.path)
    if not file.is_file():
        hint = f"; did you mean {config.path + '.zip'!r}?" if Path(f"{config.path}.zip").is_file() else ""
        raise _refusal("a saved policy at path", f"{_no_file(file)}{hint}")
    try:
        policy = getattr(stable_baselines3, config.algorithm).load(file, device="cpu").policy
    except Exception as error:  # unpickling, and building what a foreign file says, may raise anything
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise _refusal(f"a policy that {config.algorithm} saved", f"{file} ({reason})") from None
    # The exact class: those for pictures, for several inputs and with a memory derive from it.
    if type(policy) is not getattr(stable_baselines3, config.algorithm.lower()).MlpPolicy:
        name = type(policy).__name__
        memory = ": it has a memory between steps, and the law has none" * bool(re.search("Recurrent|Lstm", name))
        raise _refusal(f"{config.algorithm}'s MlpPolicy", name + memory)
    return policy


def _no_file(path: Path) -> str:
    return f"{kind} at {str(path)!r}" if (kind := kind_of(path)) else f"no file {str(path)!r}"


def _standard(config: SB3Config, plant: PlantSpec) -> tuple[Standard | None, tuple[str, ...]]:
    """How VecNormalize standardised observations. A note where no file is stated but one is near the policy.

    Raises ScenarioError for a file that is not of this plant.
    """
    if config.statistics is None:
        if not (files := beside(Path(config.path))):
            return None, ()
        named = " or ".join(map(str, files))
        note = (
            f"controller 'sb3': {named} lies beside the policy: trained behind VecNormalize, it acts rightly only with"
        )
        return None, (f"{note} statistics = {named!r}",)
    needs, file = "what VecNormalize saved at statistics", Path(config.statistics)
    if not file.is_file():
        raise _refusal(needs, _no_file(file))
    try:
        found = read_statistics(file)
    except ValueError as error:
        raise _refusal(needs, f"{file} ({error})") from None
    if found is None:
        return None, (f"controller 'sb3': {file} says that observations were not normalised",)
    if found.mean.size != (n := len(plant.obs_names)):
        raise _refusal(f"statistics of {n} observations, as the plant has", f"{found.mean.size} in {file}")
    sd = np.sqrt(found.var + found.epsilon)
    return Standard(mean=tuple(found.mean.tolist()), sd=tuple(sd.tolist()), clip=found.clip), ()


def _check_sizes(policy: Any, plant: PlantSpec) -> None:
    """Raise ScenarioError for a policy that was trained on another kind of plant."""
    for what, space, names in (
        ("observations", policy.observation_space, plant.obs_names),
        ("actions", policy.action_space, plant.action_names),
    ):
        if what == "actions" and any(plant.choices):
            if (found := _sizes(space)) != list(plant.choices):
                raise _refusal(f"a policy with choices of {list(plant.choices)}, as the plant has", found or space)
            continue
        kind = type(space).__name__
        if kind != "Box" or space.shape != (len(names),):
            raise _refusal(f"a policy with a Box of {len(names)} {what}, as the plant has", f"{kind} {space.shape}")


def _sizes(space: Any) -> list[int]:
    """How many choices each action of a space has; empty for one of numbers."""
    if type(space).__name__ == "MultiBinary":
        return [2] * int(np.prod(space.shape))
    return np.ravel(getattr(space, "nvec", getattr(space, "n", ()))).tolist()


def _limits(policy: Any, plant: PlantSpec, rescale: bool) -> tuple[NDArray, NDArray]:
    """The plant's limits (2, n_actions), and a policy's own. Raises ScenarioError where they differ unexplained."""
    own = np.stack([policy.action_space.low, policy.action_space.high])
    wanted = np.array([plant.action_low, plant.action_high], np.float32)
    if not rescale and not np.array_equal(own, wanted):
        raise _refusal(
            f"a policy trained within the plant's limits, {wanted.tolist()}, or rescale = true for one behind"
            " RescaleAction",
            own.tolist(),
        )
    return own, wanted


def _law(policy: Any, own: NDArray, limits: NDArray, standard: Standard | None) -> MLPConfig:
    """The deterministic actor as a law behind `standard`, its own limits stretched to `limits`."""
    affine, activation = _layers(policy)
    layers = [(module.weight.detach().numpy(), module.bias.detach().numpy()) for module in affine]
    if not policy.squash_output:  # stretching the last layer stretches what is clipped after it, too
        weights, bias = layers[-1]
        gain = (limits[1] - limits[0]) / (own[1] - own[0])
        layers[-1] = (weights * gain[:, None], limits[0] + (bias - own[0]) * gain)
    return MLPConfig(
        layers=tuple(Layer(weights=weights.tolist(), bias=bias.tolist()) for weights, bias in layers),
        activation=activation,
        output="squash" if policy.squash_output else "clip",
        low=limits[0].tolist(),
        high=limits[1].tolist(),
        standard=standard,
    )


def _choosing(policy: Any, plant: PlantSpec, standard: Standard | None) -> MLPConfig:
    """The deterministic actor of choices: the largest output of an action's, as its most likely choice."""
    affine, activation = _layers(policy)
    layers = [(module.weight.detach().numpy(), module.bias.detach().numpy()) for module in affine]
    if type(policy.action_space).__name__ == "MultiBinary":  # one output says how much likelier 1 is than 0
        weights, bias = layers[-1]
        layers[-1] = (
            np.stack([0 * weights, weights], 1).reshape(-1, weights.shape[1]),
            np.stack([0 * bias, bias], 1).ravel(),
        )
    return MLPConfig(
        layers=tuple(Layer(weights=weights.tolist(), bias=bias.tolist()) for weights, bias in layers),
        activation=activation,
        output="largest",
        low=plant.action_low,
        high=plant.action_high,
        choices=plant.action_choices,
        standard=standard,
    )


def _layers(policy: Any) -> tuple[list[Any], Activation]:
    """The actor's affine layers in order, and the activation between them. Raises ScenarioError for other layers."""
    if hasattr(policy, "mlp_extractor"):
        extractor, modules = policy.pi_features_extractor, [*policy.mlp_extractor.policy_net, policy.action_net]
    elif hasattr(policy, "q_net"):
        extractor, modules = policy.q_net.features_extractor, [*policy.q_net.q_net]
    elif hasattr(policy.actor, "latent_pi"):
        extractor, modules = policy.actor.features_extractor, [*policy.actor.latent_pi, policy.actor.mu]
    else:  # the last module is the tanh that `squash_output` tells of
        extractor, modules = policy.actor.features_extractor, [*policy.actor.mu][:-1]
    affine, between = modules[::2], {type(module).__name__ for module in modules[1::2]}
    found = {type(extractor).__name__, *(type(module).__name__ for module in affine), *between}
    if (foreign := found - {"FlattenExtractor", "Linear", *ACTIVATIONS}) or len(between) > 1:
        raise _refusal("Linear layers with Tanh, or ReLU, between them", ", ".join(sorted(foreign or between)))
    widths = [max(module.weight.shape) for module in affine]
    if max(widths) > MAX_WIDTH or len(widths) > MAX_LAYERS:
        raise _refusal(f"at most {MAX_LAYERS} layers of at most {MAX_WIDTH}", f"{len(widths)} of up to {max(widths)}")
    return affine, ACTIVATIONS[between.pop()] if between else "tanh"


def _refusal(needs: str, found: Any) -> ScenarioError:
    return ScenarioError(f"controller 'sb3' needs {needs}; found {found}")
