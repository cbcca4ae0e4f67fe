"""e-prop with firing-rate regularisation: the error's gradient, and a pull of each neuron towards a target rate.

Bellec et al. (2020), "A solution to the learning dilemma for recurrent networks of spiking neurons", Nature
Communications 11: 3625, Methods, "Firing rate regularization": to E is added c E_reg, with

    E_reg = 1/2 sum_j (f_j - f*)^2,    and by its local gradient dw_ij = -learning_rate dt c (f_j - f*) e_ij

beside what `eprop` changes, with the e_ij of `eprop` before the readout's low-pass. f_j is the neuron's rate in Hz. The
paper takes its mean over a batch; here it is a running mean over `rate_tau_s`, as its online form needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from hilbench.nal.rules import Rate, Seconds
from hilbench.nal.rules.eprop import EProp

if TYPE_CHECKING:
    from hilbench.nal.model.network import Network
    from hilbench.nal.model.projection import Projection


class Constants(NamedTuple):
    """The numbers that the functions of the rule use, of one projection: those of `eprop`, and the rate's."""

    decay: float
    gain: float
    threshold: float
    dampening: float
    rho: float
    adapt_step: float
    out_decay: float
    out_gain: float
    scale: float
    rate_decay: float
    rate_gain_hz: float
    target_hz: float
    weight: float


class EPropRate(EProp, frozen=True, kw_only=True):
    """e-prop that also keeps each neuron near a target rate."""

    target_rate_hz: Rate
    rate_weight: Rate
    """c, in units of the error x its feedback per Hz."""
    rate_tau_s: Seconds = 1.0
    """Time constant of the running mean of the rate."""

    post_traces: ClassVar[tuple[str, ...]] = ("psi", "rate_hz", "signal")

    def constants(self, network: Network, part: Projection) -> Constants:  # type: ignore[override]  # it has more
        """Those of e-prop, and the running mean of the rate."""
        decay = float(np.exp(-network.dt_s / self.rate_tau_s))
        own = decay, (1 - decay) / network.dt_s, self.target_rate_hz, self.rate_weight
        return Constants(*super().constants(network, part), *own)

    @staticmethod
    def post(c, y, z, excess, m):
        """psi, the rate with this step's spikes in it, and the learning signal."""
        psi = c.dampening / c.threshold * np.maximum(0.0, 1 - np.abs(excess) / c.threshold)
        return psi, c.rate_decay * y[1] + c.rate_gain_hz * z, m

    @staticmethod
    def drive(c, y, m):
        """1: the rate pulls in every step, also where the error is 0."""
        return 1.0 + 0.0 * m

    @staticmethod
    def change(c, w, e, s, x, z, y, d):
        """Eligibilities one step on, and the weight's change by both gradients."""
        now = y[0] * (x[0] - c.adapt_step * e[0])
        eps = y[0] * x[0] + (c.rho - y[0] * c.adapt_step) * e[0]
        ebar = c.out_decay * e[1] + c.out_gain * now
        return -c.scale * d * (y[2] * ebar + c.weight * (y[1] - c.target_hz) * now), (eps, ebar)
