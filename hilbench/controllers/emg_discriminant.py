"""Tells gestures apart by a quadratic discriminant of an arm that it knows: the classical way, on what learners get.

The features are the logarithms of how many events each electrode gave in a sample, without their mean, so that force
does not count. What they are for each gesture follows from where muscles and electrodes are, how much the muscles'
shares differ, and how many events a signal of a size gives; of that, `n_drawn` samples of each gesture are drawn once,
and Gaussians with a covariance of their own fitted to them (Fisher 1936; quadratic, since they differ in shape).

With `knows_change` it is told by the plant's info how far the sleeve is turned and what electrodes' signals are
multiplied by, and draws anew. It is then the oracle that learners are compared with.
"""

from __future__ import annotations

from functools import cache
from math import pi
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray
from scipy.signal import butter, lfilter

from hilbench.coders import Crossings
from hilbench.coders.values import direct
from hilbench.controllers._law import told
from hilbench.controllers._streams import Counts, stream_of
from hilbench.errors import ScenarioError
from hilbench.seeding import stream
from hilbench.types import BuiltController, Controller, Law, LawProgram, PlantSpec, Port, to_builtins

N_ELECTRODES, N_MUSCLES = 8, 4
ACTIVE = 0.8
"""The share of a sample in which muscles are active."""
LEAST = 5.0
"""What is added to a count before its logarithm is taken."""
RIDGE = 2e-3
"""What is added to the variances."""


class EmgDiscriminantConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `emg_discriminant`."""

    threshold_mv: Annotated[float, Meta(gt=0, le=1e3)] = 0.6
    """The threshold of the sensor `delta`, for how many events a signal gives."""
    count_std: Annotated[float, Meta(ge=0, le=1)] = 0.05
    """How much counts differ by chance, as a share."""
    n_drawn: Annotated[int, Meta(ge=10, le=100_000)] = 600
    """Samples of each gesture that the Gaussians are fitted to."""
    knows_change: bool = False
    """Whether it is told where the sleeve is, and what electrodes are worth, from the plant's info."""


class EmgDiscriminantLawConfig(EmgDiscriminantConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings, and what the plant's spec says of the arm."""

    step_us: int
    """The physics step."""
    constants: dict[str, float]
    classes: tuple[str, ...]


class EmgDiscriminantLaw(Law):
    """The log likelihood of each gesture. It learns nothing."""

    Config = EmgDiscriminantLawConfig

    def reset(self, seed: int) -> None:
        self._held: tuple[float, ...] = (0.0, *(1.0,) * N_ELECTRODES)
        self._fitted: list[tuple[NDArray, NDArray, float]] | None = None

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        c = self.config
        held = tuple(modulators.tolist()) if c.knows_change else self._held
        if self._fitted is None or held != self._held:
            self._held, self._fitted = held, self._fit(held[0], np.array(held[1:]))
        counts = values[: 2 * N_ELECTRODES].reshape(N_ELECTRODES, 2).sum(axis=1)
        found = np.log(counts + LEAST)
        found -= found.mean()
        away = [(found - mean, inverse, offset) for mean, inverse, offset in self._fitted]
        return np.array([offset - 0.5 * each @ inverse @ each for each, inverse, offset in away])

    def _fit(self, turned_rad: float, gains: NDArray) -> list[tuple[NDArray, NDArray, float]]:
        """By gesture, mean, inverse covariance and log density at the mean, of features."""
        fitted, random = [], stream(0, "emg_discriminant")
        for name in self.config.classes:
            features = np.log(self._counts(name, turned_rad, gains, random) + LEAST)
            features -= features.mean(axis=1, keepdims=True)
            covariance = np.cov(features.T) + RIDGE * np.eye(N_ELECTRODES)
            density = -0.5 * float(np.linalg.slogdet(covariance)[1])
            fitted.append((features.mean(axis=0), np.linalg.inv(covariance), density))
        return fitted

    def _counts(self, name: str, turned_rad: float, gains: NDArray, random: np.random.Generator) -> NDArray:
        """How many events each electrode gives in samples of a gesture, (n_drawn, 8)."""
        c, known = self.config, self.config.constants
        n = c.n_drawn
        profile = np.array([known[f"{name}_{k}"] for k in range(N_MUSCLES)])
        shares = profile * np.exp(known["variation"] * random.standard_normal((n, N_MUSCLES)))
        shares /= shares.sum(axis=1, keepdims=True)
        muscles_rad = np.array([known[f"muscle_{k}_rad"] for k in range(N_MUSCLES)])
        places_rad = 2 * pi * np.arange(N_ELECTRODES) / N_ELECTRODES + turned_rad
        slips_rad = known["slip_rad"] * random.standard_normal(n)
        apart = places_rad[None, :, None] + slips_rad[:, None, None] - muscles_rad
        reach = np.exp(-0.5 * (np.angle(np.exp(1j * apart)) / known["reach_rad"]) ** 2)
        force = np.exp(known["force_std"] * random.standard_normal(n))
        power = np.einsum("nem,nm->ne", reach**2, shares**2) * known["level_mv"] ** 2
        power *= (known["own"] ** 2 + (known["shared"] * force) ** 2)[:, None]
        sizes_mv, rates_hz = events_of(c.threshold_mv, known["low_hz"], known["high_hz"], c.step_us)
        found = ACTIVE * known["sample_s"] * np.interp(np.sqrt(power) * gains, sizes_mv, rates_hz)
        return found * (1 + c.count_std * random.standard_normal(found.shape))


@cache
def events_of(threshold_mv: float, low_hz: float, high_hz: float, step_us: int) -> tuple[NDArray, NDArray]:
    """How many events in a second noise of a band gives at a threshold: sizes in mV, (n,), and rates in Hz, (n,).

    Parameters
    ----------
    threshold_mv, low_hz, high_hz : float
    step_us : int
        From sample to sample of the signal.
    """
    half_hz = 0.5e6 / step_us
    above, below = butter(2, (low_hz / half_hz, min(high_hz / half_hz, 0.99)), "band")
    noise = lfilter(above, below, stream(0, "emg_discriminant").standard_normal(2000))
    sizes_mv = threshold_mv * np.geomspace(0.1, 20, 24)
    crossings = Crossings(sizes_mv.size, threshold_mv, None, 0.0, 1000, step_us, "")
    counts = np.zeros(sizes_mv.size)
    for value in noise:
        np.add.at(counts, crossings(sizes_mv * value)["address"] // 2, 1)
    return sizes_mv, counts * 1e6 / step_us / noise.size


class EmgDiscriminant(Controller):
    """A quadratic discriminant of an arm that it knows; with `knows_change` it is told how the sleeve sits."""

    Config = EmgDiscriminantConfig
    backend = "law"

    @staticmethod
    def build(config: EmgDiscriminantConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        played = stream_of(plant, "emg_discriminant", period_us)
        if "muscle_0_rad" not in plant.parameters or played.shape != (N_ELECTRODES, 2):
            allowed = f"eight electrodes behind a sensor delta, as of plant emg; found a sensor of {played.shape}"
            raise ScenarioError(f"controller 'emg_discriminant' needs {allowed}")
        law = EmgDiscriminantLawConfig(
            **to_builtins(config),
            step_us=round(plant.physics_step_s * 1e6),
            constants=dict(plant.parameters),
            classes=played.classes,
        )
        keys = ("turned_rad", *(f"gain_{k}" for k in range(N_ELECTRODES)))
        ports, tell = told(keys, plant) if config.knows_change else ((), None)
        n, n_counts = len(played.classes), played.n_addresses
        program = LawProgram(
            "emg_discriminant",
            to_builtins(law),
            inputs=(Port("counts", n_counts, units=("1",) * n_counts), Port("label", n, units=("1",) * n)),
            outputs=(Port("scores", n, units=("1",) * n),),
            modulators=ports,
        )
        encoder = Counts(played, plant, period_us, 1)
        return BuiltController(program, encoder, direct(program.outputs, plant, period_us), tell)
