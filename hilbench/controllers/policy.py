"""Any callable as a controller: a function of the observation, or an object with `predict`, named as MODULE:NAME."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench import plugins
from hilbench.controllers._law import around, law_program
from hilbench.types import BuiltController, Controller, Law, PlantSpec


class PolicyConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `policy`."""

    function: Annotated[str, Meta(pattern=r"^[\w.]+:[\w.]+$", description="MODULE:NAME, as my_policy:act")]
    """What is called with an observation, (n_obs,) float32, and gives the action, (n_actions,) in the plant's units, or
    the number of a choice. A class is made once. An object with `predict` gives the action first, as those of
    stable-baselines3 do.
    Its `reset(seed)`, if it has one, starts each episode. Its module is imported only with --trust."""


class PolicyLaw(Law):
    """Calls the function in every control period."""

    Config = PolicyConfig

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__(config)
        found: Any = plugins.find("laws", config.function).load()
        policy = found() if isinstance(found, type) else found
        self._restart = getattr(policy, "reset", None)
        predict = getattr(policy, "predict", None)
        self._act = policy if predict is None else lambda obs: predict(obs)[0]

    def reset(self, seed: int) -> None:
        if self._restart is not None:
            self._restart(seed)

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        return np.atleast_1d(np.asarray(self._act(values.copy()), float)).ravel()


class Policy(Controller):
    """Any callable of yours, or an object with `predict`, as `function = "my_module:act"`."""

    Config = PolicyConfig
    backend = "law"

    @staticmethod
    def build(config: PolicyConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        return around(law_program("policy", config, plant), plant, period_us)
