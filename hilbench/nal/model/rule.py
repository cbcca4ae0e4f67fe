"""The base class of all learning rules. The rules themselves are in `nal/rules/`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.types import Name

Seconds = Annotated[float, Meta(gt=0, le=1e9)]
"""A time constant, in s."""
Amplitude = Annotated[float, Meta(ge=-1e9, le=1e9)]
"""How much one spike, or a pair, changes a weight; of either sign."""
Rate = Annotated[float, Meta(ge=0, le=1e9)]
"""A learning rate."""


MOST_DELAYS = 64
"""How many different delays the synapses of one rule may have: each takes room for all sources and targets."""


class Nothing(NamedTuple):
    """Constants of a rule that has none."""


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a projection's weights, or a population's thresholds, change while the network runs."""

    modulator: Name | None = None
    """The signal that drives it, one value per target neuron unless the rule says otherwise."""
    modulator_is: Literal["port", "population"] = "port"
    """Where it comes from: outside, through a port of the network, or a population of this name."""
    modulator_gain: tuple[Amplitude | tuple[Amplitude, ...], ...] | None = None
    """For each target neuron, what the modulator is multiplied by: a number where all share one modulator, else a row
    of numbers, one for each of its values, whose products are added up."""
    gate: Name | None = None
    """A population of one neuron: weights or thresholds change only while its value is above `gate_above`."""
    gate_above: Amplitude = 0.0
    w_min: float | None = None
    """Lower bound of what it changes."""
    w_max: float | None = None
    """Upper bound of what it changes."""
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
    """Whether weights change by `on_pre` where a spike arrives and by `on_post` where one leaves, else in every step::

        on_pre(c, w, s, x, z, y) and on_post(c, w, s, x, z, y) -> the weight's change
        change(c, w, e, s, x, z, y, d) -> the weight's change, and the synapse's traces one step on

    for a weight w, s arriving spikes, z spikes of the target, and the target's `drive` d. Learning off, only traces
    count. A rule that moves thresholds has change(c, z) alone, the threshold's change."""

    @property
    def pooled(self) -> str | None:
        """The population whose mean spikes move all thresholds alike; None where each neuron's own move its own."""
        return None

    @property
    def beyond_basics(self) -> list[str]:
        """What of it a target that has this rule may still lack, in words."""
        asked = {
            f"the population {self.modulator!r} as its modulator": self.modulator_is == "population",
            "modulator_gain": self.modulator_gain is not None,
            f"the gate {self.gate!r}": self.gate is not None,
            f"the rate of {self.pooled!r}": self.pooled is not None,
        }
        return [what for what, there in asked.items() if there]

    def refuses(self, network: Any, part: Any) -> str | None:
        """Why the rule cannot stand here, to follow the rule's name; None when it can.

        Parameters
        ----------
        network : Network
            Where it would learn.
        part : Projection or Population
            What it would change.
        """
        if self.moves == "thresholds":
            if part.kind not in self.targets:
                return f"moves thresholds of {', '.join(self.targets)}; {part.name!r} is a {part.kind}"
            return out_of_bounds(self, part.v_threshold)
        return _misplaced(self, network, part) or out_of_bounds(self, part.weights.data)

    def modulator_size(self, network: Any, part: Any) -> int:
        """How many values its modulator has; 1 where all target neurons share one.

        Parameters
        ----------
        network : Network
            Where it learns.
        part : Projection or Population
            What it changes.
        """
        gain = gains(self)
        return network.populations[part.target].size if gain is None else gain.shape[1]

    def feedback(self, network: Any, part: Any) -> NDArray | str | None:
        """(n_target, modulator size) weights from modulator to neurons, or the projection whose transpose they are.

        None where each neuron has its own value, or all share one.

        Parameters
        ----------
        network : Network
            Where it learns.
        part : Projection
            What it changes.
        """
        return gains(self)

    def constants(self, network: Any, part: Any) -> tuple[float, ...]:
        """What the functions below take as `c`: a NamedTuple of floats.

        Parameters
        ----------
        network : Network
            Where it learns.
        part : Projection or Population
            What it changes.
        """
        return Nothing()

    @staticmethod
    def pre(c: Any, x: Any, s: Any) -> Any:
        """Presynaptic traces one step on.

        Parameters
        ----------
        c : NamedTuple
            What `constants` gave.
        x : tuple of float
            The traces that `pre_traces` names.
        s : float
            How many spikes arrive in this step.
        """
        return x

    @staticmethod
    def post(c: Any, y: Any, z: Any, excess: Any, m: Any) -> Any:
        """Postsynaptic traces one step on.

        Parameters
        ----------
        c : NamedTuple
            What `constants` gave.
        y : tuple of float
            The traces that `post_traces` names.
        z : float
            How many spikes the target made in this step.
        excess : float
            How far its membrane stood above the threshold when that was tested; minus infinity while it is held.
        m : float
            Its modulator.
        """
        return y

    @staticmethod
    def drive(c: Any, y: Any, m: Any) -> Any:
        """What a target neuron's changes are in proportion to; where it is 0 no weight is updated.

        Parameters
        ----------
        c : NamedTuple
            What `constants` gave.
        y : tuple of float
            Postsynaptic traces.
        m : float
            The modulator.
        """
        return m

    @staticmethod
    def change(c: Any, w: Any, e: Any, s: Any, x: Any, z: Any, y: Any, d: Any) -> Any:
        """The weight's change in one step, and the synapse's traces one step on; for rules that are not `by_spikes`.

        Parameters
        ----------
        c : NamedTuple
            What `constants` gave.
        w : float
            The weight.
        e : tuple of float
            The traces that `synapse_traces` names.
        s, z : float
            How many spikes arrive, and how many the target made.
        x, y : tuple of float
            Presynaptic and postsynaptic traces, with this step's spikes in them.
        d : float
            What `drive` gave.
        """
        raise NotImplementedError  # a rule of weights states it, unless it is `by_spikes`

    @staticmethod
    def on_pre(c: Any, w: Any, s: Any, x: Any, z: Any, y: Any) -> Any:
        """The weight's change by an arriving spike, for rules that are `by_spikes`.

        Parameters
        ----------
        c, w, s, x, z, y
            As in `change`.
        """
        raise NotImplementedError  # a rule that is `by_spikes` states it

    @staticmethod
    def on_post(c: Any, w: Any, s: Any, x: Any, z: Any, y: Any) -> Any:
        """The weight's change by a spike of the target, for rules that are `by_spikes`.

        Parameters
        ----------
        c, w, s, x, z, y
            As in `change`.
        """
        raise NotImplementedError  # a rule that is `by_spikes` states it


def bounds(rule: Rule) -> tuple[float, float]:
    """Its bounds as numbers."""
    return -np.inf if rule.w_min is None else rule.w_min, np.inf if rule.w_max is None else rule.w_max


def gains(rule: Rule) -> NDArray | None:
    """`modulator_gain` as (n_target, modulator size) float64; None where the rule has none."""
    if rule.modulator_gain is None:
        return None
    rows = [row if isinstance(row, tuple) else (row,) for row in rule.modulator_gain]
    longest = max(map(len, rows), default=0)
    return np.array([(*row, *[np.nan] * (longest - len(row))) for row in rows]).reshape(len(rows), longest)


def _misplaced(rule: Rule, network: Any, p: Any) -> str | None:
    port, target = network.port(p.source), network.populations[p.target]
    spiking = port.kind == "events" if port is not None else network.populations[p.source].spiking
    if not spiking:
        return f"learns from spikes; {p.source!r} sends values"
    if target.kind not in rule.targets:
        why = "" if target.spiking else ", which does not spike"
        return f"learns onto {', '.join(rule.targets)}; {p.target!r} is a {target.kind}{why if rule.by_spikes else ''}"
    if (n_delays := 1 if isinstance(p.delay_steps, int) else np.unique(p.delay_steps).size) > MOST_DELAYS:
        return f"has synapses with {n_delays} different delays; allowed: {MOST_DELAYS}, or several projections"
    if p.form is not None and p.form.kind != "linear":
        return f"changes weights one by one; those of a {p.form.kind} are shared or fixed"
    return None


def out_of_bounds(rule: Rule, values: NDArray) -> str | None:
    """Why the rule cannot start from these values, to follow the rule's name; None when it can.

    Parameters
    ----------
    rule : Rule
        It has the bounds.
    values : NDArray
        Weights or thresholds.
    """
    low, high = bounds(rule)
    if not low < high:
        return f"has w_min {low} and w_max {high}; allowed: the first below the second"
    if rule.softness and not (np.isfinite(low) and np.isfinite(high)):
        return f"has softness {rule.softness}; allowed: 0 without both w_min and w_max"
    outside = values[(values < np.float32(low)) | (values > np.float32(high))]
    if outside.size:
        return f"starts from {outside[0]:g}; allowed: w_min {low:g} to w_max {high:g}"
    return None
