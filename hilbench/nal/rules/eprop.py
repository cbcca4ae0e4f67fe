"""e-prop: the gradient of a readout's error, as far as it can be known at the synapse and at the time.

Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein & Maass (2020), "A solution to the learning dilemma for recurrent
networks of spiking neurons", Nature Communications 11: 3625, eqs. 1, 4 and 25. With zbar_i the arriving spikes
low-passed as the membrane does it, v_j before its reset, threshold A_j = v_threshold + adapt_step a_j, psi_j its
pseudo-derivative, and all of one step:

    psi_j  = (dampening / v_threshold) max(0, 1 - |v_j - A_j| / v_threshold)
    e_ij   = psi_j (zbar_i - adapt_step eps_ij)
    eps_ij <- psi_j zbar_i + (rho - psi_j adapt_step) eps_ij
    dw_ij  = -learning_rate dt L_j ebar_ij,    L_j = sum_k B_jk (y_k - y*_k)

where rho is the decay of a_j, ebar_ij is e_ij low-passed as the readout does it, and the modulator is the readout's
error y - y*. This is the gradient that back-propagation through time finds when no gradient flows from one neuron's
spikes to another or through a reset. A refractory hold has psi_j = 0, and the membrane's standstill in it is ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple

import numpy as np
from msgspec import Meta

from hilbench.errors import allowed_hint
from hilbench.nal.model.neurons import present, step_constants
from hilbench.nal.rules import Rate, Rule
from hilbench.seeding import stream
from hilbench.types import Name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hilbench.nal.model.network import Network
    from hilbench.nal.model.neurons import Population
    from hilbench.nal.model.projection import Projection


class Constants(NamedTuple):
    """The numbers that the functions of the rule use, of one projection."""

    decay: float
    gain: float
    threshold: float
    dampening: float
    rho: float
    adapt_step: float
    out_decay: float
    out_gain: float
    scale: float


class EProp(Rule, frozen=True, kw_only=True):
    """e-prop: gradient descent on a readout's error by local eligibilities."""

    modulator: Name
    readout: Name
    """The projection from the target population to the readout whose error is learnt away; it stands before this
    one."""
    feedback_weights: Literal["symmetric", "random"] = "symmetric"
    """B: `symmetric` takes the readout's weights as they are, transposed; `random` draws them once, from the network's
    seed, with a standard deviation of `random_scale`."""
    random_scale: Rate = 1.0
    learning_rate: Rate = 5e-3
    dampening: Annotated[float, Meta(gt=0, le=1)] = 0.3

    targets: ClassVar[tuple[str, ...]] = ("lif",)
    pre_traces: ClassVar[tuple[str, ...]] = ("zbar",)
    post_traces: ClassVar[tuple[str, ...]] = ("psi",)
    synapse_traces: ClassVar[tuple[str, ...]] = ("eps", "ebar")
    reads_membrane: ClassVar[bool] = True

    def refuses(self, network: Network, part: Projection) -> str | None:
        """Its traces stand for one kind of neuron, and for one kind of readout."""
        return (
            super().refuses(network, part)
            or _graded(network.populations.get(part.source))
            or _neurons(network.populations[part.target], part)
            or _readout(network, part, self.readout)
        )

    def modulator_size(self, network: Network, part: Projection) -> int:
        """One error for each neuron of the readout."""
        return network.projections[self.readout].weights.shape[0]

    def feedback(self, network: Network, part: Projection) -> NDArray | str:
        """B, or the projection whose transpose it is."""
        if self.feedback_weights == "symmetric":
            return self.readout
        n_outputs, n_target = network.projections[self.readout].weights.shape
        drawn = stream(network.seed, f"feedback of {part.name}").normal(size=(n_target, n_outputs))
        return self.random_scale * drawn

    def constants(self, network: Network, part: Projection) -> Constants:
        """What one spike does to a membrane and to the readout, step by step."""
        target, readout = network.populations[part.target], network.projections[self.readout]
        out = step_constants(network.populations[readout.target], network.dt_s)
        step, b = step_constants(target, network.dt_s), target.behaviour
        amplitude = 1.0 if network.port(part.source) else network.spike_amplitude
        return Constants(
            float(step.decay[0]), float(step.from_input[0]) * amplitude, float(present(target.v_threshold)[0]),
            self.dampening,
            0.0 if b.adapt_tau_s is None else float(np.exp(-network.dt_s / b.adapt_tau_s)),
            0.0 if b.adapt_tau_s is None else b.adapt_step,
            float(out.decay[0]), float(out.from_input[0]) * network.spike_amplitude, self.learning_rate * network.dt_s,
        )  # fmt: skip

    @staticmethod
    def pre(c, x, s):
        """zbar: what the arriving spikes have left on a membrane, per unit of weight."""
        return (c.decay * x[0] + c.gain * s,)

    @staticmethod
    def post(c, y, z, excess, m):
        """psi: the pseudo-derivative of the spike by the membrane."""
        return (c.dampening / c.threshold * np.maximum(0.0, 1 - np.abs(excess) / c.threshold),)

    @staticmethod
    def change(c, w, e, s, x, z, y, d):
        """Eligibilities one step on, and the weight's change by them."""
        now = y[0] * (x[0] - c.adapt_step * e[0])
        eps = y[0] * x[0] + (c.rho - y[0] * c.adapt_step) * e[0]
        ebar = c.out_decay * e[1] + c.out_gain * now
        return -c.scale * d * ebar, (eps, ebar)


def _graded(source: Population | None) -> str | None:
    if source is not None and source.behaviour.spikes == "graded":
        return f"has one eligibility for spikes of one size; {source.name!r} sends graded ones"
    return None


def _neurons(target: Population, part: Projection) -> str | None:
    b = target.behaviour
    if b.reset != "subtract" or b.spikes != "single" or b.v_floor is not None or b.threshold_noise:
        return "needs reset 'subtract', single spikes, no v_floor and no threshold_noise in its target"
    if target.rule is not None:
        return "needs thresholds that no rule moves in its target"
    for name in ("tau_s", "r", "v_threshold"):
        values = getattr(target, name)
        if (values != values[0]).any():
            return f"needs one {name} for all neurons of its target; found {values.min():g} to {values.max():g}"
    threshold = present(target.v_threshold)[0]
    if not 0 < threshold < np.inf:
        return f"needs a finite threshold above 0; found {threshold:g}"
    return "needs input that acts before the threshold test; this one acts after it" if part.after_threshold else None


def _readout(network: Network, part: Projection, name: str) -> str | None:
    leaving = network.leaving(part.target)
    readouts = {p.name: p for p in leaving if network.populations[p.target].kind == "li"}
    if name not in readouts:
        return f"has readout {name!r}, no projection from {part.target!r} onto an li; {allowed_hint(name, readouts)}"
    readout = readouts[name]
    if readout.max_delay_steps or readout.after_threshold:
        return f"needs a readout that spikes reach at once; {name!r} has a delay or acts after the threshold test"
    out = network.populations[readout.target]
    same = all((values == values[0]).all() for values in (present(out.tau_s), present(out.r)))
    return None if same else f"needs one tau_s and one r for all neurons of {readout.target!r}"
