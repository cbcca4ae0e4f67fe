"""Tells heartbeats apart by a quadratic discriminant of beats that it knows: the classical way, on what learners get.

The features are the square roots of how many events each address gave in each of `n_bins` parts of a sample. What they
are for ventricular beats and for all others follows from what makes beats, which it may ask for as many as it wants:
`n_drawn` are drawn once, and a Gaussian with a covariance of its own is fitted to each of both (Fisher 1936;
quadratic, since they differ in shape).

With `knows_change` it is told by the plant's info what the waves, the intervals and the noise are multiplied by, and
draws anew. It is then the oracle that learners are compared with.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench import plugins
from hilbench.coders import Crossings
from hilbench.coders.values import direct
from hilbench.controllers._law import told
from hilbench.controllers._recent import counting
from hilbench.controllers._streams import stream_of
from hilbench.errors import ScenarioError
from hilbench.seeding import stream
from hilbench.types import BuiltController, Controller, Law, LawProgram, PlantSpec, Port, to_builtins

WAVES = ("p", "q", "r", "s", "t")
TOLD = (*(f"gain_{wave}" for wave in WAVES), "interval_scale", "noise_scale")
"""What the plant's info says of a change; all of it 1 before."""
DRAWN_SHARE = 0.4
"""The share of ventricular beats among those that are drawn, so that both Gaussians are of many."""
RIDGE = 0.05
"""What is added to the variances."""


class EcgDiscriminantConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `ecg_discriminant`."""

    threshold_mv: Annotated[float, Meta(gt=0, le=1e3)] = 0.06
    """The threshold of the sensor `delta`, for how many events a beat gives."""
    n_bins: Annotated[int, Meta(ge=1, le=100)] = 22
    """Parts of a sample that are counted apart."""
    n_drawn: Annotated[int, Meta(ge=10, le=100_000)] = 2000
    """Beats that the Gaussians are fitted to."""
    knows_change: bool = False
    """Whether it is told what waves, intervals and noise are multiplied by, from the plant's info."""


class EcgDiscriminantLawConfig(EcgDiscriminantConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings, and what the plant's spec says of the lead."""

    step_us: int
    """The physics step."""
    constants: dict[str, float]


class Gaussian(NamedTuple):
    """The features of one class."""

    mean: NDArray[np.float64]
    inverse: NDArray[np.float64]
    """Of the covariance."""
    offset: float
    """The log density at the mean, but for what is the same for all, and the log of the class's share."""


class EcgDiscriminantLaw(Law):
    """The log likelihood of each class. It learns nothing."""

    Config = EcgDiscriminantLawConfig

    def reset(self, seed: int) -> None:
        self._held: tuple[float, ...] = (1.0,) * len(TOLD)
        self._fitted: list[Gaussian] | None = None

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        c = self.config
        # All is 0 before it was told for the first time.
        held = tuple(modulators.tolist()) if modulators.any() else self._held
        if self._fitted is None or held != self._held:
            self._held, self._fitted = held, self._fit(held)
        found = np.sqrt(np.maximum(values[: 2 * c.n_bins].astype(float), 0))
        away = [(found - each.mean, each) for each in self._fitted]
        return np.array([each.offset - 0.5 * apart @ each.inverse @ apart for apart, each in away])

    def _fit(self, held: tuple[float, ...]) -> list[Gaussian]:
        features, rare = self._drawn(held)
        share, fitted = self.config.constants["rare_share"], []
        for own, prior in ((features[~rare], 1 - share), (features[rare], share)):
            covariance = np.cov(own.T) + RIDGE * np.eye(own.shape[1])
            offset = float(np.log(max(prior, 1e-9)) - 0.5 * np.linalg.slogdet(covariance)[1])
            fitted.append(Gaussian(own.mean(axis=0), np.linalg.inv(covariance).astype(float), offset))
        return fitted

    def _drawn(self, held: tuple[float, ...]) -> tuple[NDArray, NDArray]:
        """Features of beats that are drawn, (n_drawn, 2 n_bins), and which of them are ventricular, (n_drawn,)."""
        c, known = self.config, self.config.constants
        *gains, interval_scale, noise_scale = held
        step_s, after_s = c.step_us * 1e-6, known["after_s"] + known["decide_s"]
        at_s = step_s * np.arange(round((after_s - known["sample_s"]) / step_s), round(after_s / step_s))
        lead_mv, rare = plugins.get("envs", "ecg").windows(
            stream(0, "ecg_discriminant"), c.n_drawn, DRAWN_SHARE, at_s, np.array(gains), interval_scale,
            noise_scale * known["noise_mv"],
        )  # fmt: skip
        crossings = Crossings(c.n_drawn, c.threshold_mv, None, 0.0, 1000, c.step_us, "")
        counts = np.zeros((c.n_drawn, c.n_bins, 2))
        for step, values_mv in enumerate(lead_mv.T):
            which, falls = np.divmod(crossings(values_mv)["address"], 2)
            np.add.at(counts, (which, step * c.n_bins // at_s.size, 1 - falls), 1)  # a sensor's OFF is 0 and its ON 1
        return np.sqrt(counts.reshape(c.n_drawn, -1)), rare


class EcgDiscriminant(Controller):
    """A quadratic discriminant of heartbeats that it knows; with `knows_change` it is told whose they are."""

    Config = EcgDiscriminantConfig
    backend = "law"

    @staticmethod
    def build(config: EcgDiscriminantConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        played = stream_of(plant, "ecg_discriminant", period_us)
        if "rare_share" not in plant.parameters or played.shape != (1, 2):
            allowed = f"one lead behind a sensor delta, as of plant ecg; found a sensor of {played.shape}"
            raise ScenarioError(f"controller 'ecg_discriminant' needs {allowed}")
        law = EcgDiscriminantLawConfig(
            **to_builtins(config), step_us=round(plant.physics_step_s * 1e6), constants=dict(plant.parameters)
        )
        ports, tell = told(TOLD, plant) if config.knows_change else ((), None)
        n, n_counts = len(played.classes), config.n_bins * played.n_addresses
        program = LawProgram(
            "ecg_discriminant",
            to_builtins(law),
            inputs=(Port("counts", n_counts, units=("1",) * n_counts), Port("label", n, units=("1",) * n)),
            outputs=(Port("scores", n, units=("1",) * n),),
            modulators=ports,
        )
        encoder = counting(played, plant, period_us, config.n_bins)
        return BuiltController(program, encoder, direct(program.outputs, plant, period_us), tell)
