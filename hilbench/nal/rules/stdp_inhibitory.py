"""Inhibitory STDP: inhibition grows until its target fires at a wanted rate, whatever excites the target.

Vogels, Sprekeler, Zenke, Clopath & Gerstner (2011), "Inhibitory plasticity balances excitation and inhibition in
sensory pathways and memory networks", Science 334: 1569, eq. 1 and its Methods. For the strength |w| of a synapse

    d|w| = learning_rate (y - alpha)    with each arriving spike
    d|w| = learning_rate x              with each spike of the target,    alpha = 2 target_rate_hz tau

through the traces x' = -x / tau (+1 with each arriving spike) and y' = -y / tau (+1 with each spike of the target), so
that pairs strengthen in either order. Weights are 0 or less: w = -|w|.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from hilbench.nal.rules import Rate, Rule, Seconds, after_test

if TYPE_CHECKING:
    from hilbench.nal.model.network import Network
    from hilbench.nal.model.projection import Projection


class Constants(NamedTuple):
    """The numbers that the functions of the rule use, of one projection."""

    decay: float
    rate: float
    alpha: float
    after: float


class STDPInhibitory(Rule, frozen=True, kw_only=True):
    """Symmetric STDP of inhibitory synapses, which finds the balance with excitation."""

    modulator: None = None
    learning_rate: Rate = 1e-3
    """Change of weight by a pair at dt = 0."""
    target_rate_hz: Rate = 5.0
    """The rate at which the target's inhibition rests."""
    tau_s: Seconds = 0.02
    w_min: float | None = -1.0
    w_max: float | None = 0.0

    pre_traces: ClassVar[tuple[str, ...]] = ("x",)
    post_traces: ClassVar[tuple[str, ...]] = ("y",)
    by_spikes: ClassVar[bool] = True

    def refuses(self, network: Network, part: Projection) -> str | None:
        """Inhibition does not become excitation."""
        if self.w_max is None or self.w_max > 0:
            return f"has w_max {self.w_max}; allowed: 0 or less, for its weights inhibit"
        return super().refuses(network, part)

    def constants(self, network: Network, part: Projection) -> Constants:
        """Decay of the traces over one step, the change by a pair, and the depression of each arriving spike."""
        decay, alpha = float(np.exp(-network.dt_s / self.tau_s)), 2 * self.target_rate_hz * self.tau_s
        return Constants(decay, self.learning_rate, alpha, after_test(network, part))

    @staticmethod
    def pre(c, x, s):
        """One trace of arriving spikes."""
        return (c.decay * x[0] + s,)

    @staticmethod
    def post(c, y, z, excess, m):
        """One trace of the target's spikes."""
        return (c.decay * y[0] + z,)

    @staticmethod
    def on_pre(c, w, s, x, z, y):
        """The change by an arriving spike, which sees the target's earlier ones."""
        return -c.rate * s * (y[0] - (1 - c.after) * z - c.alpha)

    @staticmethod
    def on_post(c, w, s, x, z, y):
        """The change by a spike of the target, which sees what arrived before it."""
        return -c.rate * z * (x[0] - c.after * s)
