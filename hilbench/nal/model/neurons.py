"""Kinds of neurons, their part of the execution profile, and the arithmetic of one step.

The kinds are NIR's: `lif`, `li`, `if`, `i`, `cuba_lif`, `cuba_li` and `threshold`. Two are not. A `passthrough` passes
on the sum of its input; it stands where linear nodes of a graph meet, and is no neuron. A `poisson` neuron fires at
random, at the rate r, in Hz, that its input says: in each step once, with probability r dt, and always where r dt is 1
or more. So it never fires faster than 1 / dt.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Annotated, Any, Literal, NamedTuple, get_args

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.errors import NetworkError, allowed_hint
from hilbench.nal.model.arrays import per_neuron
from hilbench.nal.model.rule import Rule

Kind = Literal["lif", "li", "if", "i", "cuba_lif", "cuba_li", "threshold", "passthrough", "poisson"]
Integrator = Literal["exact", "euler", "discrete"]
Synapse = Literal["current", "delta"]
SynapseUpdate = Literal["before", "after"]
Reset = Literal["value", "zero", "subtract"]
ResetAt = Literal["now", "next"]
ThresholdTest = Literal[">", ">="]
Fires = Literal["always", "on_arrival"]
Spikes = Literal["single", "multiple", "graded"]

_MEMBRANE = ("tau_s", "r", "v_leak", "v_initial")
_RESET = ("v_threshold", "v_reset")
_CURRENT = ("tau_syn_s", "w_in")
PARAMETERS: dict[str, tuple[str, ...]] = {
    "lif": _MEMBRANE + _RESET,
    "li": _MEMBRANE,
    "if": ("r", "v_initial", *_RESET),
    "i": ("r", "v_initial"),
    "cuba_lif": _CURRENT + _MEMBRANE + _RESET,
    "cuba_li": _CURRENT + _MEMBRANE,
    "threshold": ("v_threshold",),
    "passthrough": (),
    "poisson": (),
}
"""Which per-neuron arrays a kind has."""
DEFAULTS = {"r": 1.0, "v_leak": 0.0, "v_initial": 0.0, "w_in": 1.0, "v_threshold": 1.0, "v_reset": 0.0}
KINDS = get_args(Kind)
CHOICES: dict[str, tuple[str, ...]] = {
    "integrator": get_args(Integrator),
    "synapse": get_args(Synapse),
    "synapse_update": get_args(SynapseUpdate),
    "reset": get_args(Reset),
    "reset_at": get_args(ResetAt),
    "threshold_test": get_args(ThresholdTest),
    "fires": get_args(Fires),
    "spikes": get_args(Spikes),
}
MAX_REFRACTORY_STEPS = 2**31 - 1
SPIKING = ("lif", "if", "cuba_lif", "threshold", "poisson")

Seconds = Annotated[float, Meta(ge=0)]
OTHER_UNITS = (
    "does the file count time in other units? state tau_unit (--tau-unit s, dt, 1/dt) or another dt_s (--dt-s)"
)
"""A hint at the end of a message that refuses a time."""


class Behaviour(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What NIR leaves open about a population: its part of the execution profile."""

    integrator: Integrator = "exact"
    """`exact`: the differential equation's solution for an input held over the step. `euler`: forward Euler.
    `discrete`: decay as in euler, and the input is added whole, without dt: v <- (1 - dt/tau) v + r I."""
    synapse: Synapse = "current"
    """`current`: what arrives is a current over the step. `delta`: it is a delta pulse, by which a state jumps, without
    dt, after its decay: the membrane, v <- decay v + r x, or the synaptic current where there is one,
    i <- decay i + w_in x. `discrete` adds its input so in any case."""
    synapse_update: SynapseUpdate = "before"
    """Whether a step updates the synaptic current before the membrane, which then sees the new current, or after it, so
    that the membrane sees the old one. `exact` solves both as one."""
    reset: Reset = "value"
    reset_at: ResetAt = "now"
    """`next`: in the following step, after the decay and before the input."""
    threshold_test: ThresholdTest = ">"
    """What v must do for a spike: pass `v_threshold`, or reach it."""
    fires: Fires = "always"
    """When the threshold is tested. `always`: in every step. `on_arrival`: only in a step in which an event, a spike or
    a value other than 0 comes in over a synapse, whatever the weights add up to; what acts after the threshold
    test counts for the next step. Constant inputs and noise are no arrivals, and what arrives while the membrane is
    held is not kept for later."""
    refractory_s: Seconds = 0.0
    """How long the membrane is held after a spike, whole network steps."""
    spikes: Spikes = "single"
    """`multiple`: as many spikes as thresholds fit into v. `graded`: a spike carries v."""
    v_floor: float | None = None
    """v never falls below it."""
    threshold_noise: Annotated[float, Meta(ge=0)] = 0.0
    """Scale s of escape noise: a spike has the probability 1 / (1 + exp((v_threshold - v) / s)) in each step."""
    adapt_tau_s: Annotated[float, Meta(gt=0)] | None = None
    """Decay time of a threshold that rises by `adapt_step` with each spike."""
    adapt_step: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether spikes are single, resets immediate, and thresholds fixed, sharp and always tested."""
        return (
            self.spikes == "single" and self.reset_at == "now" and self.fires == "always" and self.v_floor is None
            and not self.threshold_noise and self.adapt_tau_s is None
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Neurons of one kind. Arrays are (size,) float32 and read-only, None where the kind has none; times in seconds.

    `lif`: tau dv/dt = (v_leak - v) + r I; a spike when v passes v_threshold, then the reset. `li`: the same without
    spikes. `if` and `i`: dv/dt = r I. `cuba_*`: tau_syn dI/dt = -I + w_in x drives the membrane of a lif or li.
    `threshold`: a spike in each step in which the input passes v_threshold.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    behaviour: Behaviour
    tau_s: NDArray | None = None
    tau_syn_s: NDArray | None = None
    r: NDArray | None = None
    v_leak: NDArray | None = None
    v_initial: NDArray | None = None
    w_in: NDArray | None = None
    v_threshold: NDArray | None = None
    v_reset: NDArray | None = None
    rule: Rule | None = None
    """A rule that moves this population's thresholds."""

    def __post_init__(self) -> None:
        for name in PARAMETERS[self.kind]:
            getattr(self, name).flags.writeable = False

    @property
    def size(self) -> int:
        """How many neurons these are."""
        return prod(self.shape)

    @property
    def spiking(self) -> bool:
        """Whether it sends spikes; the others send their value in every step."""
        return self.kind in SPIKING

    @property
    def draws(self) -> bool:
        """Whether its spikes depend on random numbers."""
        return self.kind == "poisson" or self.behaviour.threshold_noise > 0


def present(array: NDArray | None) -> NDArray:
    """An array of a population whose kind has it (`PARAMETERS`), so that it is not None."""
    assert array is not None
    return array


class StepConstants(NamedTuple):
    """Constants of one step, (size,) float64 each.

    A membrane v with a synaptic current i goes by::

        v <- rest + (v - rest) decay + from_current i + from_input x
        i <- syn_decay i + syn_gain x

    with the i before the step on the right of both, and x all that arrives in the step.
    """

    rest: NDArray
    decay: NDArray
    from_current: NDArray
    from_input: NDArray
    syn_decay: NDArray
    syn_gain: NDArray


def step_constants(p: Population, dt_s: float) -> StepConstants:
    """The constants of a population's step under its integrator.

    Parameters
    ----------
    p : Population
        The neurons.
    dt_s : float
        The network step, in seconds.
    """
    nothing, one = np.zeros(p.size), np.ones(p.size)
    if p.kind in ("threshold", "passthrough", "poisson"):
        return StepConstants(nothing, nothing, nothing, one, nothing, nothing)
    r, b = present(p.r).astype(np.float64), p.behaviour
    whole = b.integrator == "discrete" or (b.synapse == "delta" and p.tau_syn_s is None)
    if p.kind in ("if", "i"):
        return StepConstants(nothing, one, nothing, r if whole else r * dt_s, nothing, nothing)
    rest, ratio = present(p.v_leak).astype(np.float64), dt_s / present(p.tau_s).astype(np.float64)
    decay = np.exp(-ratio) if b.integrator == "exact" else 1 - ratio
    gain = r if whole else r * (1 - decay)
    if p.tau_syn_s is None:
        return StepConstants(rest, decay, nothing, gain, nothing, nothing)
    return StepConstants(rest, decay, *_with_current(p, ratio, decay, gain, dt_s))


def _with_current(
    p: Population, ratio: NDArray, decay: NDArray, gain: NDArray, dt_s: float
) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """(from_current, from_input, syn_decay, syn_gain) of a cuba kind."""
    syn_ratio, w_in = dt_s / present(p.tau_syn_s).astype(np.float64), present(p.w_in).astype(np.float64)
    r = present(p.r)
    if p.behaviour.integrator == "exact":
        # Rotter & Diesmann (1999), Biol. Cybern. 81: exact integration; the off-diagonal element of the propagator.
        syn_decay = np.exp(-syn_ratio)
        apart = np.abs(ratio - syn_ratio) > 1e-9 * ratio
        off = np.where(apart, ratio * (syn_decay - decay) / np.where(apart, ratio - syn_ratio, 1.0), ratio * decay)
        if p.behaviour.synapse == "delta":
            return r * off, np.zeros(p.size), syn_decay, w_in
        return r * off, r * w_in * (1 - decay - off), syn_decay, w_in * (1 - syn_decay)
    syn_decay = 1 - syn_ratio
    whole = p.behaviour.integrator == "discrete" or p.behaviour.synapse == "delta"
    syn_gain = w_in if whole else w_in * syn_ratio
    if p.behaviour.synapse_update == "after":
        return gain, np.zeros(p.size), syn_decay, syn_gain
    return gain * syn_decay, gain * syn_gain, syn_decay, syn_gain


def read_parameters(kind: str, size: int, found: dict[str, Any], where: str) -> dict[str, NDArray]:
    """A kind's arrays from numbers or arrays, its defaults filled in. Raises NetworkError.

    Parameters
    ----------
    kind : str
        The kind of population.
    size : int
        How many neurons.
    found : dict
        By name, numbers or (size,) arrays.
    where : str
        What a refusal names.
    """
    for name in found:
        if name not in PARAMETERS[kind]:
            allowed = (*PARAMETERS[kind], *Behaviour.__struct_fields__)
            raise NetworkError(f"{where}: a {kind} has no {name!r}; {allowed_hint(name, allowed)}")
    arrays = {}
    for name in PARAMETERS[kind]:
        if name not in found and name not in DEFAULTS:
            raise NetworkError(f"{where}: a {kind} needs {name}")
        # A threshold may be infinite: such a neuron never fires.
        value = found[name] if name in found else DEFAULTS[name]
        arrays[name] = per_neuron(value, size, f"{where}: {name}", name != "v_threshold")
        if name in ("tau_s", "tau_syn_s") and not (arrays[name] > 0).all():
            raise NetworkError(f"{where}: {name}: found {arrays[name].min()}; allowed: more than 0 s")
    return arrays


def read_behaviour(found: dict[str, Any], dt_s: float, where: str) -> Behaviour:
    """A Behaviour from its fields. Raises NetworkError.

    Parameters
    ----------
    found : dict
        Fields of `Behaviour` by name.
    dt_s : float
        The network step, in seconds.
    where : str
        What a refusal names.
    """
    for name, choices in CHOICES.items():
        if found.get(name, choices[0]) not in choices:
            raise NetworkError(f"{where}: {name}: found {found[name]!r}; {allowed_hint(str(found[name]), choices)}")
    try:
        behaviour = msgspec.convert(found, Behaviour)
    except msgspec.ValidationError as error:
        raise NetworkError(f"{where}: {error}") from None
    if behaviour.reset_at == "next" and behaviour.refractory_s:
        raise NetworkError(f"{where}: refractory_s: found {behaviour.refractory_s}; allowed with reset_at 'next': 0")
    steps = behaviour.refractory_s / dt_s
    if not (0 <= steps <= MAX_REFRACTORY_STEPS and abs(steps - round(steps)) < 1e-6):
        allowed = f"0 to {MAX_REFRACTORY_STEPS} whole steps of {dt_s} s"
        raise NetworkError(f"{where}: refractory_s: found {behaviour.refractory_s}; allowed: {allowed}")
    return behaviour
