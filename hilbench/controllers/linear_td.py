"""A linear actor-critic by TD(lambda), without spikes: the classical learner beside the spiking one.

Value and preferences are linear in place fields f, which add up to 1. A direction of `n_directions` is drawn by a
softmax of the preferences, and kept for `decide_s`. With gamma = exp(-decide_s / tau_r_s) each decision then does

    delta = r + gamma V(f') - V(f)          without gamma V(f') where the platform is found
    e <- gamma trace e + grad               of V, and of the logarithm of the direction's probability
    w <- w + rate delta e

Sutton & Barto (2018), "Reinforcement Learning: An Introduction", 2nd edition, section 13.5, without the factor gamma^t.
Forgetting takes a share of the preferences with each decision, where the swimmer is: f times `forgetting` of each.

It reads its true place, so its place fields have no noise.
"""

from __future__ import annotations

from math import cos, exp, pi, sin
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.coders import disc_grid
from hilbench.controllers._law import around, law_program
from hilbench.controllers._pool import Swimmer, swimmer_of
from hilbench.seeding import stream
from hilbench.settings import whole_steps
from hilbench.types import BuiltController, Controller, Law, PlantSpec

Positive = Annotated[float, Meta(gt=0, le=1e6)]
NotNegative = Annotated[float, Meta(ge=0, le=1e6)]
Share = Annotated[float, Meta(ge=0, le=1)]
BEYOND = 1.2
"""Place fields are on a disc that is larger than the pool by this factor."""


class LinearTdConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `linear_td`."""

    value_rate: NotNegative = 3.0
    preference_rate: NotNegative = 30.0
    trace: Share = 0.5
    """The lambda of TD(lambda)."""
    forgetting: Share = 0.03
    """What a decision takes from the preferences of the place where it is made; 0 forgets nothing."""
    tau_r_s: Positive = 4.0
    """The time over which reward is discounted."""
    temperature: Positive = 1.0
    n_directions: Annotated[int, Meta(ge=2, le=1000)] = 8
    decide_s: Positive = 0.2
    """Time from decision to decision, a whole number of control periods."""
    spacing_m: Positive = 0.1
    """Between neighbouring place fields."""
    sigma_m: Positive = 0.1
    """The width of one."""


class LinearTdLawConfig(LinearTdConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings, the swimmer, and how many control periods there are from decision to decision."""

    swimmer: Swimmer
    periods: int


class LinearTdLaw(Law):
    """Values and preferences, linear in place fields; both are what it learns."""

    Config = LinearTdLawConfig
    learnt = ("values", "preferences")

    def reset(self, seed: int) -> None:
        c = self.config
        self._random = stream(seed, "controller")
        self._places_m = disc_grid(BEYOND * c.swimmer.pool_m, c.spacing_m)
        self._gamma = exp(-c.decide_s / c.tau_r_s)
        angles = 2 * pi * np.arange(c.n_directions) / c.n_directions
        self._ways = [np.array(c.swimmer.velocity(cos(angle), sin(angle))) for angle in angles]
        n = len(self._places_m)
        self.values, self.preferences = np.zeros(n), np.zeros((c.n_directions, n))
        self._value_trace, self._preference_trace = np.zeros(n), np.zeros((c.n_directions, n))
        self._fields: NDArray | None = None  # where the last decision was made
        self._since = 0

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        x_m, y_m, searching, found = values[:4].tolist()
        if searching <= 0:
            if self._fields is not None:
                self._learn(self.fields(x_m, y_m), float(found), bool(found), learning)
                self._fields = None
            return np.zeros(2)
        if self._fields is None or self._since == self.config.periods:
            here, self._since = self.fields(x_m, y_m), 0
            if self._fields is not None:
                self._learn(here, 0.0, False, learning)
            self._decide(here)
        self._since += 1
        return self._ways[self._way]

    def fields(self, x_m: float, y_m: float) -> NDArray:
        """The place fields at a place, (n,), which add up to 1.

        Parameters
        ----------
        x_m, y_m : float
        """
        away_m = self._places_m - (x_m, y_m)
        found = np.exp(-0.5 * (away_m * away_m).sum(axis=1) / self.config.sigma_m**2)
        return found / found.sum()

    def _decide(self, fields: NDArray) -> None:
        """Draw a direction, and keep its probability's gradient."""
        temperature = self.config.temperature
        wanted = self.preferences @ fields / temperature
        odds = np.exp(wanted - wanted.max())
        self._fields, self._odds = fields, odds / odds.sum()
        way = int(np.searchsorted(np.cumsum(self._odds), self._random.random()))
        self._way = min(way, self._odds.size - 1)  # a sum may be less than 1 by the last bit

    def _learn(self, after: NDArray, reward: float, ended: bool, learning: bool) -> None:
        """Learn from the last decision, now that it is known where it led to."""
        c, fields = self.config, self._fields
        assert fields is not None
        delta = reward - self.values @ fields + (0.0 if ended else self._gamma * (self.values @ after))
        gradient = -self._odds
        gradient[self._way] += 1.0
        keep = self._gamma * c.trace
        self._value_trace = keep * self._value_trace + fields
        self._preference_trace = keep * self._preference_trace + np.outer(gradient / c.temperature, fields)
        if learning:
            self.values = self.values + c.value_rate * delta * self._value_trace
            grown = c.preference_rate * delta * self._preference_trace
            self.preferences = self.preferences + grown - c.forgetting * fields * self.preferences


class LinearTd(Controller):
    """A linear actor-critic by TD(lambda) on place fields: the classical learner of the pool."""

    Config = LinearTdConfig
    backend = "law"

    @staticmethod
    def build(config: LinearTdConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        swimmer = swimmer_of(plant, "linear_td")
        periods = whole_steps(config.decide_s, period_us * 1e-6, "controller 'linear_td' needs decide_s", "periods")
        stated = {name: getattr(config, name) for name in config.__struct_fields__}
        law = LinearTdLawConfig(swimmer=swimmer, periods=periods, **stated)
        return around(law_program("linear_td", law, plant, "velocity"), plant, period_us)
