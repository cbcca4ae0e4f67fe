"""PES: a readout's weights follow its error, weighted by the presynaptic rates.

MacNeil & Eliasmith (2011), "Fine-tuning and the stability of recurrent neural networks", PLoS ONE 6(9): e22885,
in the normalised form Nengo uses: dw_ij = -(learning_rate dt / n) e_i a_j, with n presynaptic neurons, error e_i in the
readout's unit and presynaptic rate a_j in Hz, low-passed with `pre_tau_s`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from hilbench.nal.rules import Rate, Rule, Seconds
from hilbench.types import Name

if TYPE_CHECKING:
    from hilbench.nal.model.network import Network
    from hilbench.nal.model.projection import Projection


class Constants(NamedTuple):
    """The numbers that the functions of the rule use, of one projection."""

    decay: float
    dt_s: float
    scale: float


class PES(Rule, frozen=True, kw_only=True):
    """Prescribed error sensitivity: a readout learns its error away."""

    modulator: Name
    learning_rate: Rate = 1e-4
    """Step size in weight units per (error unit x Hz x s), before division by the presynaptic count."""
    pre_tau_s: Seconds = 0.005
    """Time constant of the low-pass that turns presynaptic spikes into rates."""

    targets: ClassVar[tuple[str, ...]] = ("li", "cuba_li")
    pre_traces: ClassVar[tuple[str, ...]] = ("rate_hz",)

    def constants(self, network: Network, part: Projection) -> Constants:
        """Decay of the rates, and the step size that is left after division."""
        scale = self.learning_rate * network.dt_s / part.weights.shape[1]
        return Constants(np.exp(-network.dt_s / self.pre_tau_s), network.dt_s, scale)

    @staticmethod
    def pre(c, x, s):
        """The low-passed rates."""
        return (c.decay * x[0] + (1 - c.decay) * s / c.dt_s,)

    @staticmethod
    def change(c, w, e, s, x, z, y, d):
        """The weight's change in one step."""
        return -c.scale * d * x[0], e
