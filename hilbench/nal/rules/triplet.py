"""STDP by triplets: pairs count for more where spikes come often, as they do in cortex.

Pfister & Gerstner (2006), "Triplets of spikes in a model of spike timing-dependent plasticity", J. Neurosci. 26: 9673,
eqs. 1 to 4, all-to-all. Traces r1, r2 of arriving spikes (tau_plus, tau_x) and o1, o2 of the target's spikes
(tau_minus, tau_y) decay exponentially and rise by 1. A weight changes

    with each arriving spike by        -o1 (a2_minus + a3_minus r2)
    with each spike of the target by    r1 (a2_plus + a3_plus o2)

where r2 and o2 are taken before the spike itself. Defaults: their fit to visual cortex, full model, as NEST's
`stdp_triplet_synapse` has them, for weights of about 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from hilbench.nal.rules import Amplitude, Rule, Seconds, after_test

if TYPE_CHECKING:
    from hilbench.nal.model.network import Network
    from hilbench.nal.model.projection import Projection


class Constants(NamedTuple):
    """The numbers that the functions of the rule use, of one projection."""

    r1_decay: float
    r2_decay: float
    o1_decay: float
    o2_decay: float
    a2_plus: float
    a3_plus: float
    a2_minus: float
    a3_minus: float
    after: float


class Triplet(Rule, frozen=True, kw_only=True):
    """Triplet STDP: pair STDP that depends on how often neurons fire."""

    modulator: None = None
    a2_plus: Amplitude = 5e-10
    a3_plus: Amplitude = 6.2e-3
    a2_minus: Amplitude = 7e-3
    a3_minus: Amplitude = 2.3e-4
    tau_plus_s: Seconds = 0.0168
    tau_x_s: Seconds = 0.101
    tau_minus_s: Seconds = 0.0337
    tau_y_s: Seconds = 0.125
    w_min: float | None = 0.0
    w_max: float | None = 1.0

    pre_traces: ClassVar[tuple[str, ...]] = ("r1", "r2")
    post_traces: ClassVar[tuple[str, ...]] = ("o1", "o2")
    by_spikes: ClassVar[bool] = True

    def constants(self, network: Network, part: Projection) -> Constants:
        """Decays of the traces over one step, the amplitudes, and which comes first within a step."""
        taus_s = (self.tau_plus_s, self.tau_x_s, self.tau_minus_s, self.tau_y_s)
        r1, r2, o1, o2 = (float(np.exp(-network.dt_s / tau_s)) for tau_s in taus_s)
        return Constants(
            r1, r2, o1, o2, self.a2_plus, self.a3_plus, self.a2_minus, self.a3_minus, after_test(network, part)
        )

    @staticmethod
    def pre(c, x, s):
        """A short and a long trace of arriving spikes."""
        return c.r1_decay * x[0] + s, c.r2_decay * x[1] + s

    @staticmethod
    def post(c, y, z, excess, m):
        """A short and a long trace of the target's spikes."""
        return c.o1_decay * y[0] + z, c.o2_decay * y[1] + z

    @staticmethod
    def on_pre(c, w, s, x, z, y):
        """The change by an arriving spike, which sees the target's earlier ones."""
        return -s * (y[0] - (1 - c.after) * z) * (c.a2_minus + c.a3_minus * (x[1] - s))

    @staticmethod
    def on_post(c, w, s, x, z, y):
        """The change by a spike of the target, which sees what arrived before it."""
        return z * (x[0] - c.after * s) * (c.a2_plus + c.a3_plus * (y[1] - z))
