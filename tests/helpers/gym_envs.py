"""Environments of Gymnasium with any spaces, and one whose answers can be worked out."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete


class Counter(gymnasium.Env):
    """Observes how many steps it has made and the sum of its actions, in an array that it uses again."""

    def __init__(self, ends_at: int | None = None, dt: float | None = None) -> None:
        self.observation_space = Box(-1e6, 1e6, (2,), np.float64)
        self.action_space = Box(-1, 1, (1,), np.float64)
        self.ends_at, self.dt, self.seen = ends_at, dt, np.zeros(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.seen[:] = 0, self.np_random.uniform()
        return self.seen, {"sum": self.seen[1], "words": "none"}

    def step(self, action: Any) -> Any:
        assert self.seen[0] != self.ends_at, "no step behind the end"
        assert self.action_space.contains(action), action
        self.seen += 1, action[0]
        ended = self.seen[0] == self.ends_at
        info = {"sum": np.array([self.seen[1]]), "late": self.seen[0], "words": "some", "many": np.zeros(2)}
        return self.seen, float(self.seen[0]), ended, False, info


class Spaces(gymnasium.Env):
    """Any spaces; it checks that its actions are of its own, keeps them, and observes samples."""

    def __init__(self, observation: Any = None, action: Any = None) -> None:
        self.observation_space = Box(-1, 1, (2,)) if observation is None else observation
        self.action_space = Discrete(2) if action is None else action
        self.taken: list[Any] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.taken = []
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action), repr(action)
        self.taken.append(action)
        return self.observation_space.sample(), 0.0, False, False, {}


gymnasium.register("Counter-v0", Counter, max_episode_steps=30)
gymnasium.register("Spaces-v0", Spaces)
