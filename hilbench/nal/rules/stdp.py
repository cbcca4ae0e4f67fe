"""STDP by pairs: a weight grows with each spike that follows an input, and shrinks with each input that follows one.

Song, Miller & Abbott (2000), "Competitive Hebbian learning through spike-timing-dependent synaptic plasticity", Nature
Neuroscience 3: 919, eq. 1, all spikes paired with all: each pair dt = t_post - t_pre apart changes the weight by

    a_plus exp(-dt / tau_plus)      for dt >= 0
    -a_minus exp(dt / tau_minus)    for dt < 0

through the traces x' = -x / tau_plus (+1 with each arriving spike) and y' = -y / tau_minus (+1 with each spike of the
target). `softness` 0 is the additive form, 1 the multiplicative one: van Rossum, Bi & Turrigiano (2000), J. Neurosci.
20: 8812; Rubin, Lee & Sompolinsky (2001), Phys. Rev. Lett. 86: 364.
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

    x_decay: float
    y_decay: float
    a_plus: float
    a_minus: float
    after: float


class STDP(Rule, frozen=True, kw_only=True):
    """Pair STDP: the order of spikes decides whether a weight grows."""

    modulator: None = None
    a_plus: Amplitude = 0.005
    """Change of weight by a pair at dt = 0."""
    a_minus: Amplitude = 0.00525
    tau_plus_s: Seconds = 0.02
    tau_minus_s: Seconds = 0.02
    w_min: float | None = 0.0
    w_max: float | None = 1.0

    pre_traces: ClassVar[tuple[str, ...]] = ("x",)
    post_traces: ClassVar[tuple[str, ...]] = ("y",)
    by_spikes: ClassVar[bool] = True

    def constants(self, network: Network, part: Projection) -> Constants:
        """Decays of the traces over one step, the amplitudes, and which comes first within a step."""
        x_decay, y_decay = (float(np.exp(-network.dt_s / tau_s)) for tau_s in (self.tau_plus_s, self.tau_minus_s))
        return Constants(x_decay, y_decay, self.a_plus, self.a_minus, after_test(network, part))

    @staticmethod
    def pre(c, x, s):
        """One trace of arriving spikes."""
        return (c.x_decay * x[0] + s,)

    @staticmethod
    def post(c, y, z, excess, m):
        """One trace of the target's spikes."""
        return (c.y_decay * y[0] + z,)

    @staticmethod
    def on_pre(c, w, s, x, z, y):
        """The change by an arriving spike, which sees the target's earlier ones."""
        return -c.a_minus * s * (y[0] - (1 - c.after) * z)

    @staticmethod
    def on_post(c, w, s, x, z, y):
        """The change by a spike of the target, which sees what arrived before it."""
        return c.a_plus * z * (x[0] - c.after * s)
