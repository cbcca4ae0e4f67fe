"""LIF populations in the manner of the Neural Engineering Framework: encoders, gains and biases from chosen rates.

Eliasmith & Anderson (2003), "Neural Engineering", chapter 2: the rate of a LIF with input current J is
1 / (refractory_s - tau_s ln(1 - 1/J)), and J = gain <encoder, x> + bias.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.errors import ScenarioError

Positive = Annotated[float, Meta(gt=0)]


class PopulationConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The population that controllers of this kind share."""

    n_neurons: Annotated[int, Meta(ge=1, le=1_000_000)] = 1000
    """Number of LIF neurons."""
    dt_s: Annotated[float, Meta(gt=0)] = 0.001
    """Network step, a whole number of which make a control period."""
    tau_s: Annotated[float, Meta(gt=0)] = 0.02
    """Membrane time constant."""
    refractory_s: Annotated[float, Meta(ge=0)] = 0.002
    """Time a neuron rests after a spike, a multiple of dt_s."""
    rate_low_hz: Annotated[float, Meta(gt=0)] = 100.0
    """Lowest of the maximum rates, which are spread evenly."""
    rate_high_hz: Annotated[float, Meta(gt=0)] = 200.0
    """Highest of the maximum rates."""


def rates_hz(current: NDArray, tau_s: float, refractory_s: float) -> NDArray:
    """The steady rate of a LIF with threshold 1 for each constant current; 0 where it stays below threshold."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(current > 1, 1 / (refractory_s - tau_s * np.log1p(-1 / current)), 0.0)


def stepped_rates_hz(current: NDArray, config: PopulationConfig) -> NDArray:
    """The same of a network with steps of `dt_s`, where a spike waits for the end of the step that reaches threshold.

    Parameters
    ----------
    current : array of float
        Input currents.
    config : PopulationConfig
        Time constants and the step.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.ceil(-config.tau_s / config.dt_s * np.log1p(-1 / current) - 1e-9)
        return np.where(current > 1, 1 / (config.refractory_s + config.dt_s * steps), 0.0)


def tune(config: PopulationConfig, n_dimensions: int, random: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Weights (n_neurons, n_dimensions) and biases (n_neurons,) of a population over the unit ball.

    Raises ScenarioError for rates that no neuron can have.
    """
    encoders = random.standard_normal((config.n_neurons, n_dimensions))
    encoders /= np.linalg.norm(encoders, axis=1, keepdims=True)
    return tune_along(config, encoders, (-0.9, 0.9), random)


def tune_along(
    config: PopulationConfig, encoders: NDArray, intercepts: tuple[float, float], random: np.random.Generator
) -> tuple[NDArray, NDArray]:
    """Weights (n_neurons, n_dimensions) and biases (n_neurons,) of a population with these encoders.

    Raises ScenarioError for rates that no neuron can have.

    Parameters
    ----------
    config : PopulationConfig
    encoders : (n_neurons, n_dimensions) float
        Unit vectors.
    intercepts : (float, float)
        The range of the intercepts: where along its encoder a neuron begins to fire, -1 to 1.
    random : Generator
        Draws the maximum rates, and then the intercepts.
    """
    if not config.rate_low_hz <= config.rate_high_hz < 1 / max(config.refractory_s, 1e-12):
        raise ScenarioError(
            f"rate_low_hz, rate_high_hz: found {config.rate_low_hz}, {config.rate_high_hz};"
            f" allowed: low <= high < 1 / refractory_s, which is {config.refractory_s} s"
        )
    maximum_hz = random.uniform(config.rate_low_hz, config.rate_high_hz, config.n_neurons)
    intercept = random.uniform(*intercepts, config.n_neurons)
    needed = 1 / (1 - np.exp((config.refractory_s - 1 / maximum_hz) / config.tau_s))
    gain = (needed - 1) / (1 - intercept)
    return gain[:, None] * encoders, 1 - gain * intercept


def solve_readout(activity: NDArray, wanted: NDArray, regularisation: float = 0.01) -> NDArray:
    """Decoders (n_outputs, n_neurons) with activity @ decoders.T near wanted, by regularised least squares.

    `activity` (n_points, n_neurons) in Hz, `wanted` (n_points, n_outputs); the regularisation is a noise of that
    fraction of the largest rate.
    """
    sigma = regularisation * activity.max()
    gram = activity.T @ activity + len(activity) * sigma**2 * np.eye(activity.shape[1])
    return np.linalg.solve(gram, activity.T @ wanted).T
