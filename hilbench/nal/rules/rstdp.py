"""R-STDP: what STDP would have done is kept as an eligibility, and a reward turns it into weight.

`dopamine`: Izhikevich (2007), "Solving the distal reward problem through linkage of STDP and dopamine signaling",
Cerebral Cortex 17: 2443, eqs. 1 to 3, the baseline after Potjans, Morrison & Diesmann (2010), Front. Comput. Neurosci.
4: 141:

    c' = -c / tau_c + zeta,    n' = -n / tau_n + r,    w' = learning_rate c (n - baseline)

`mstdpet`: Florian (2007), "Reinforcement learning through modulation of spike-timing-dependent synaptic plasticity",
Neural Computation 19: 1468:

    tau_c c' = -c + zeta,    w' = learning_rate c r

With `baseline_tau_s` the reward counts from its running mean b: tau_b b' = r - b, w' = learning_rate c (r - b). So
Frémaux, Sprekeler & Gerstner (2010), "Functional requirements for reward-modulated spike-timing-dependent plasticity",
J. Neurosci. 30: 13326, show it to be needed wherever the eligibility has a mean other than 0. The b of a step is that
of the rewards before it, and starts from 0.

In both, zeta is an impulse of a_plus x with each spike of the target and of -a_minus y with each arriving one, with the
traces x and y of `stdp`, and r is the modulator, a reward per second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np

from hilbench.nal.rules import Amplitude, Rate, Rule, Seconds, after_test
from hilbench.types import Name

if TYPE_CHECKING:
    from hilbench.nal.model.network import Network
    from hilbench.nal.model.projection import Projection


class Constants(NamedTuple):
    """The numbers that the functions of the rule use, of one projection."""

    x_decay: float
    y_decay: float
    c_decay: float
    n_decay: float
    n_gain_s: float
    plus: float
    minus: float
    scale: float
    from_n: float
    from_m: float
    baseline: float
    after: float


class RSTDP(Rule, frozen=True, kw_only=True):
    """Reward-modulated STDP: eligibility, then weight when the reward comes."""

    modulator: Name
    form: Literal["dopamine", "mstdpet"] = "dopamine"
    learning_rate: Rate = 1.0
    a_plus: Amplitude = 1.0
    a_minus: Amplitude = 1.5
    tau_plus_s: Seconds = 0.02
    tau_minus_s: Seconds = 0.02
    tau_c_s: Seconds = 1.0
    """How long a pair of spikes stays eligible; Florian has 0.025 s."""
    tau_n_s: Seconds = 0.2
    """How long dopamine stays; `mstdpet` has none."""
    baseline: Amplitude = 0.0
    """The dopamine at which nothing is learnt."""
    baseline_tau_s: Seconds | None = None
    """Time constant of the running mean that `mstdpet` takes from the reward; None takes nothing from it."""
    w_min: float | None = 0.0
    w_max: float | None = 1.0

    pre_traces: ClassVar[tuple[str, ...]] = ("x",)
    post_traces: ClassVar[tuple[str, ...]] = ("y", "dopamine")
    synapse_traces: ClassVar[tuple[str, ...]] = ("eligibility",)

    @property
    def beyond_basics(self) -> list[str]:
        """The mean, beside what any rule may have."""
        return [*super().beyond_basics, *(["baseline_tau_s"] if self.baseline_tau_s is not None else [])]

    def refuses(self, network: Network, part: Projection) -> str | None:
        """`dopamine` has a baseline of its own."""
        if self.form == "dopamine" and self.baseline_tau_s is not None:
            return "has baseline_tau_s and form 'dopamine'; allowed: with form 'mstdpet', or baseline"
        return super().refuses(network, part)

    def modulator_size(self, network: Network, part: Projection) -> int:
        """One reward for all, unless gains say who gets which."""
        return 1 if self.modulator_gain is None else super().modulator_size(network, part)

    def constants(self, network: Network, part: Projection) -> Constants:
        """Decays over one step, and which of the two forms it is."""
        dt_s, dopamine = network.dt_s, self.form == "dopamine"
        taus_s = (self.tau_plus_s, self.tau_minus_s, self.tau_c_s, self.tau_n_s)
        x, y, c, n = (float(np.exp(-dt_s / tau_s)) for tau_s in taus_s)
        impulse = 1.0 if dopamine else 1 / self.tau_c_s
        gain_s, from_n, from_m, baseline = self.tau_n_s * (1 - n), float(dopamine), float(not dopamine), self.baseline
        if self.baseline_tau_s is not None:  # the second trace is the mean: m - b before = (m - b after) / decay
            n = float(np.exp(-dt_s / self.baseline_tau_s))
            gain_s, from_n, from_m, baseline = 1 - n, -1 / n, 1 / n, 0.0
        return Constants(
            x,
            y,
            c,
            n,
            gain_s,
            impulse * self.a_plus,
            impulse * self.a_minus,
            self.learning_rate * dt_s,
            from_n,
            from_m,
            baseline,
            after_test(network, part),
        )

    @staticmethod
    def pre(c, x, s):
        """One trace of arriving spikes."""
        return (c.x_decay * x[0] + s,)

    @staticmethod
    def post(c, y, z, excess, m):
        """One trace of the target's spikes, and the dopamine at it, or the reward's mean."""
        return c.y_decay * y[0] + z, c.n_decay * y[1] + c.n_gain_s * m

    @staticmethod
    def drive(c, y, m):
        """Dopamine above its baseline, or the reward, above its mean where it has one."""
        return c.from_n * (y[1] - c.baseline) + c.from_m * m

    @staticmethod
    def change(c, w, e, s, x, z, y, d):
        """Eligibility one step on, and the weight's change by it."""
        before, earlier = x[0] - c.after * s, y[0] - (1 - c.after) * z
        eligibility = c.c_decay * e[0] + c.plus * z * before - c.minus * s * earlier
        return c.scale * d * eligibility, (eligibility,)
