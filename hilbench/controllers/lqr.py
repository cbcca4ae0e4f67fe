"""LQR for the cart-pole: the optimal linear law on the linearised plant."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import scipy.linalg
from msgspec import Meta, Struct
from numpy.typing import ArrayLike, NDArray

from hilbench.controllers._law import around, law_program
from hilbench.errors import ScenarioError
from hilbench.types import BuiltController, Controller, Law, PlantSpec

NotNegative = Annotated[float, Meta(ge=0)]


class LQRConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Costs of the linear-quadratic regulator."""

    state_cost: tuple[NotNegative, NotNegative, NotNegative, NotNegative] = (1.0, 0.1, 10.0, 0.1)
    """Diagonal of Q, for x, xd, theta, thetad in SI units."""
    force_cost: Annotated[float, Meta(gt=0)] = 0.1
    """R, per N^2."""


class LinearLawConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A gain row and the bound on what it commands."""

    gain: tuple[float, ...]
    limit: float


class LQRLaw(Law):
    """u = -K x within the plant's limit."""

    Config = LinearLawConfig

    def reset(self, seed: int) -> None:
        self._gain = -np.array(self.config.gain)

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        limit = self.config.limit
        return np.array((min(max(float(self._gain @ values[: self._gain.size]), -limit), limit),))


def gain(a: ArrayLike, b: ArrayLike, q: ArrayLike, r: ArrayLike) -> NDArray:
    """K (n_inputs, n_states) of u = -K x that minimises the integral of x'Qx + u'Ru (continuous-time Riccati).

    Parameters
    ----------
    a : (n_states, n_states) float
        The plant's matrix in dx/dt = A x + B u.
    b : (n_states, n_inputs) float
        The input's matrix in the same equation.
    q : (n_states, n_states) float
        The cost of states.
    r : (n_inputs, n_inputs) float
        The cost of inputs.
    """
    cost = scipy.linalg.solve_continuous_are(a, b, q, r)
    return np.linalg.solve(np.atleast_2d(r), np.transpose(b) @ cost)


def linear_cart_pole(plant: PlantSpec, controller: str) -> tuple[NDArray, NDArray]:
    """(A, B) of the cart-pole about upright, for x, xd, theta, thetad. Raises ScenarioError for another plant.

    Parameters
    ----------
    plant : PlantSpec
        The plant, whose nominal parameters are read.
    controller : str
        The controller's name, for the message.
    """
    p = plant.parameters
    if "pole_m" not in p:
        raise ScenarioError(f"controller {controller!r} needs a cart-pole; this plant states no 'pole_m'")
    m, half_m, inertia, g = p["pole_kg"], p["pole_m"] / 2, p["pole_inertia_kg_m2"], p["gravity_m_s2"]
    total = p["cart_kg"] + m
    about_hinge = inertia + m * half_m**2
    d = total * about_hinge - (m * half_m) ** 2
    a = np.zeros((4, 4))
    a[0, 1] = a[2, 3] = 1
    a[1, 2] = -((m * half_m) ** 2) * g / d
    a[3, 2] = total * m * g * half_m / d
    return a, np.array([[0], [about_hinge / d], [0], [-m * half_m / d]])


def holding_gain(a: NDArray, b: NDArray, q: ArrayLike, r: ArrayLike) -> NDArray | None:
    """`gain`, or None where none holds the plant.

    Parameters
    ----------
    a, b, q, r
        As in `gain`.
    """
    try:
        k = gain(a, b, q, r)
    except np.linalg.LinAlgError:
        return None
    return k if np.linalg.eigvals(a - b @ k).real.max() < -1e-6 else None


def cart_pole_gain(config: LQRConfig, plant: PlantSpec, controller: str) -> NDArray:
    """K (4,) for the plant's cart-pole. Raises ScenarioError for costs that no gain minimises.

    Parameters
    ----------
    config : LQRConfig
        The costs.
    plant : PlantSpec
        The plant, whose nominal parameters are read.
    controller : str
        The controller's name, for the message.
    """
    a, b = linear_cart_pole(plant, controller)
    k = holding_gain(a, b, np.diag(config.state_cost), [[config.force_cost]])
    if k is None:
        raise ScenarioError(
            f"controller {controller!r}: state_cost: no gain for {config.state_cost} holds the cart-pole;"
            " allowed: more than 0 for the position, at least"
        )
    return k[0]


class LQR(Controller):
    """The optimal linear law for the cart-pole, gains from the Riccati equation."""

    Config = LQRConfig
    backend = "law"

    @staticmethod
    def build(config: LQRConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        k = cart_pole_gain(config, plant, "lqr")
        law = LinearLawConfig(gain=tuple(k.tolist()), limit=plant.action_high[0])
        return around(law_program("lqr", law, plant, "force"), plant, period_us)
