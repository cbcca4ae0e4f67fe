"""Policies of somebody's own: a function, a class with a state, an object with `predict`."""

from __future__ import annotations

import numpy as np


def push(obs):
    """Towards where a cart-pole falls, one number; or nothing at both joints of an arm."""
    return np.zeros(2) if obs.size == 8 else 20.0 * obs[-2:-1]


def left(obs):
    """The first choice, as a bare number."""
    return 0


class Counted:
    """How often it has been asked since the last reset."""

    def reset(self, seed):
        self.asked = 0

    def __call__(self, obs):
        self.asked += 1
        return [0.1 * self.asked]


class Predictor:
    """As a library's."""

    def predict(self, obs, state=None):
        return np.array([obs[0] + 1.0]), None


def wrong(obs):
    """Too many."""
    return [1.0, 2.0, 3.0]


NOT_CALLABLE = 3
