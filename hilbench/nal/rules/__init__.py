"""Learning rules: one file each, with the scalar equations that every engine runs.

What a rule sees in a step, after the neurons: spikes as they arrive over its projection's delay, and the target's
spikes of this step, each as often as it fell. Traces come first, with this step's spikes in them; then weights. Within
a step an arriving spike counts as earlier than a spike of the target, which it may have caused; where it acts only
after the threshold test it counts as later (`after_test`). `docs/rules.md` says how to write one.

The functions are plain arithmetic on floats, so that NumPy arrays and compiled scalars run the same lines: no branches
on values, no calls but NumPy's. `c` holds what `constants` gave; x, y and e are tuples of the named traces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from msgspec import Meta, Struct

from hilbench.nal.model.neurons import step_constants
from hilbench.types import Name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hilbench.nal.model.network import Network
    from hilbench.nal.model.neurons import Population
    from hilbench.nal.model.projection import Projection

Seconds = Annotated[float, Meta(gt=0, le=1e9)]
Amplitude = Annotated[float, Meta(ge=-1e9, le=1e9)]
Rate = Annotated[float, Meta(ge=0, le=1e9)]


class Nothing(NamedTuple):
    """Constants of a rule that has none."""


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a projection's weights, or a population's thresholds, change while the network runs."""

    modulator: Name | None = None
    """The signal that drives it, one value per target neuron unless the rule says otherwise."""
    w_min: float | None = None
    """What it changes never falls below this."""
    w_max: float | None = None
    """What it changes never rises above this."""
    softness: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """0: hard bounds, changes do not depend on the weight. 1: changes shrink in proportion to the distance from the
    bound ahead. Between: that distance to this power."""

    moves: ClassVar[Literal["weights", "thresholds"]] = "weights"
    targets: ClassVar[tuple[str, ...]] = ("lif", "if", "cuba_lif")
    """Kinds of population that it can learn onto."""
    pre_traces: ClassVar[tuple[str, ...]] = ()
    post_traces: ClassVar[tuple[str, ...]] = ()
    synapse_traces: ClassVar[tuple[str, ...]] = ()
    reads_membrane: ClassVar[bool] = False
    """Whether `post` looks at `excess`; engines keep it for such rules alone."""
    by_spikes: ClassVar[bool] = False
    """Whether weights change by `on_pre` where a spike arrives and by `on_post` where one leaves, else in every step:

        on_pre(c, w, s, x, z, y) and on_post(c, w, s, x, z, y) -> the weight's change
        change(c, w, e, s, x, z, y, d) -> the weight's change, and the synapse's traces one step on

    for a weight w, s arriving spikes, z spikes of the target, and the target's `drive` d. Learning off, only traces
    count. A rule on thresholds has change(c, z)."""

    def refuses(self, network: Network, part: Projection | Population) -> str | None:
        """Why it cannot stand here, to follow the rule's name; None when it can."""
        return _misplaced(self, network, part) or _unbounded(self, part.weights.data)

    def modulator_size(self, network: Network, part: Projection | Population) -> int:
        """How many values its modulator has; 1 is for all target neurons alike."""
        return network.populations[part.target].size

    def feedback(self, network: Network, part: Projection | Population) -> NDArray | str | None:
        """(n_target, modulator size) weights from modulator to neurons, or the projection whose transpose they are.

        None where each neuron has its own value, or all have one.
        """
        return None

    def constants(self, network: Network, part: Projection | Population) -> tuple[float, ...]:
        """What the functions take as `c`: a NamedTuple of floats."""
        return Nothing()

    @staticmethod
    def pre(c: Any, x: Any, s: Any) -> Any:
        """Presynaptic traces one step on; `s` is how many spikes arrive."""
        return x

    @staticmethod
    def post(c: Any, y: Any, z: Any, excess: Any, m: Any) -> Any:
        """Postsynaptic traces one step on.

        `z` is how many spikes the target made, `excess` how far its membrane stood above the threshold when it was
        tested (minus infinity while held), `m` its modulator.
        """
        return y

    @staticmethod
    def drive(c: Any, y: Any, m: Any) -> Any:
        """What a target neuron's changes are in proportion to; where it is 0 no weight is updated."""
        return m


def after_test(network: Network, part: Projection) -> float:
    """1 where a spike that arrives reaches the membrane only after the threshold test of its step, else 0.

    So it is where the projection is late, or where the target takes it into a current that its membrane sees in the
    next step (a CUBA kind with arrival "jump" or current "old"). Such a spike has not caused one of the same step.
    """
    return float(part.late or not step_constants(network.populations[part.target], network.dt_s).from_input.any())


def softened(w, dw, low, high, softness):
    """A change that shrinks near the bound it moves towards: Gütig et al. (2003), J. Neurosci. 23: 3697."""
    span = high - low
    up = (np.maximum(high - w, 0.0) / span) ** softness
    down = (np.maximum(w - low, 0.0) / span) ** softness
    return np.maximum(dw, 0.0) * up + np.minimum(dw, 0.0) * down


def bounded(w, low, high):
    """A weight held within its bounds."""
    return np.minimum(np.maximum(w, low), high)


def bounds(rule: Rule) -> tuple[float, float]:
    """Its bounds as numbers."""
    return -np.inf if rule.w_min is None else rule.w_min, np.inf if rule.w_max is None else rule.w_max


def _misplaced(rule: Rule, network: Network, p: Projection) -> str | None:
    port, target = network.port(p.source), network.populations[p.target]
    spiking = port.kind == "events" if port is not None else network.populations[p.source].spiking
    if not spiking:
        return f"learns from spikes; {p.source!r} sends values"
    if target.kind not in rule.targets:
        why = "" if target.spiking else ", which does not spike"
        return f"learns onto {', '.join(rule.targets)}; {p.target!r} is a {target.kind}{why if rule.by_spikes else ''}"
    if not isinstance(p.delay_steps, int):
        return "needs one delay for all synapses of its projection; allowed: a projection for each delay"
    if p.form is not None and p.form.kind != "linear":
        return f"changes weights one by one; those of a {p.form.kind} are shared or fixed"
    return None


def _unbounded(rule: Rule, values: NDArray) -> str | None:
    low, high = bounds(rule)
    if not low < high:
        return f"has w_min {low} and w_max {high}; allowed: the first below the second"
    if rule.softness and not (np.isfinite(low) and np.isfinite(high)):
        return f"has softness {rule.softness}; allowed: 0 without both w_min and w_max"
    outside = values[(values < np.float32(low)) | (values > np.float32(high))]
    if outside.size:
        return f"starts from {outside[0]:g}; allowed: w_min {low:g} to w_max {high:g}"
    return None
