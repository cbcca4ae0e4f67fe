"""Quantising: weights, thresholds and leaks in a target's number formats, with the error that this makes.

A target population has one scale, which its projections and thresholds share: the one at which all of them are whole,
where there is one, or else the finest at which the largest weight and the largest threshold still fit. Membranes are
thought of from their reset on and in units of what a spike of weight 1 adds in a step, so that only whole numbers are
compared. Constant inputs stay as they are.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, log2

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.nal.compile.grid import divisions
from hilbench.nal.compile.target import Decay, Limits, Target, Weights
from hilbench.nal.compile.zeros import Inputs, Zeros
from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import Population, step_constants
from hilbench.nal.model.projection import Projection

GRID_KINDS = ("if", "threshold")
"""What only adds up: a leak divides v."""
GRID_PARTS_MAX = 131_071
"""Parts of a threshold that are looked for."""
SAME = 1e-6
"""Relative; a float32 is no nearer."""


class WeightError(Struct, frozen=True):
    """What became of a projection's weights."""

    projection: str
    exponent: int
    max_abs: float
    """In the weights' own unit."""
    rms_relative: float
    """Root mean square of the error over that of the weights."""
    zeros: int = 0
    """How many weights other than 0 became 0."""
    of: int = 0
    """How many weights are other than 0."""

    @property
    def lost(self) -> Zeros:
        """What became 0."""
        return Zeros(self.projection, self.zeros, self.of)


class NeuronError(Struct, frozen=True):
    """The largest relative changes in a population; None for what it has not, or the target does not limit."""

    population: str
    threshold: float | None = None
    tau: float | None = None
    tau_syn: float | None = None
    on_grid: bool = False
    """Whether all that v adds up is a whole part of the threshold, and is written exactly: then > and >= can stand for
    each other."""
    inputless: tuple[int, ...] = ()
    """Neurons that lose all their input."""
    zeros: int = 0
    """How many thresholds other than the reset fell to it."""
    of: int = 0
    """How many thresholds are other than the reset, and finite."""

    @property
    def lost(self) -> Zeros:
        """The thresholds that became 0, counted from the reset."""
        return Zeros(self.population, self.zeros, self.of, "thresholds")


def quantise(network: Network, target: Target) -> tuple[Network, list[WeightError], list[NeuronError]]:
    """The network that the target would run, and how far it is from this one.

    Parameters
    ----------
    network : Network
        The network, without relays.
    target : Target
        The hardware.
    """
    limits = target.limits
    populations, projections = dict(network.populations), dict(network.projections)
    weight_errors, neuron_errors = [], []
    for p in network.populations.values():
        leaky, tau, tau_syn = _leaks(p, network.dt_s, limits.decay)
        onto = [q for q in network.onto(p.name) if _sent(q, network) is not None]
        height, unit = _height(p), _unit(p, network.dt_s)
        quantum = _quantum(network, p, height, unit)
        scale = _scale(onto, network, p.size, None if height is None else height / unit, limits, quantum)
        threshold, zeros, errors, inputs = None, (0, 0), [], _hosted(network, p)
        if limits.threshold_bits is not None and height is not None:
            leaky, threshold, zeros = _threshold(leaky, height, unit * scale)
        populations[p.name] = leaky
        for q in onto if limits.weights is not None else ():
            projections[q.name], error = _weights(q, _sent(q, network), scale, limits.weights)
            inputs.add(q.weights.indices, q.weights.data, projections[q.name].weights.data)
            errors.append(error)
        exact = max([threshold or 0, *(error.rms_relative for error in errors)]) < SAME
        on_grid = quantum is not None and exact
        neuron_errors.append(NeuronError(p.name, threshold, tau, tau_syn, on_grid, inputs.lost(), *zeros))
        weight_errors += errors
    found = replace(network, populations=populations, projections=projections)
    return found, weight_errors, neuron_errors


def _sent(p: Projection, network: Network) -> float | None:
    """What one spike or event counts; None where values cross, which the host does."""
    if p.source in network.populations:
        return network.spike_amplitude if network.populations[p.source].spiking else 1.0
    port = network.port(p.source)
    return None if port is None or port.kind == "values" else 1.0


def _hosted(network: Network, p: Population) -> Inputs:
    """What a population receives beside spikes and events: constants, and values that the host sends."""
    found, everyone = Inputs(p.size), np.arange(p.size)
    for q in network.onto(p.name):
        if q.bias is not None:
            found.add(everyone, q.bias, q.bias)
        if _sent(q, network) is None:
            found.add(q.weights.indices, q.weights.data, q.weights.data)
    return found


def _quantum(network: Network, p: Population, height: NDArray | None, unit: NDArray) -> float | None:
    """What weights, thresholds and all else that v adds up are whole multiples of, in the weights' unit; or None."""
    onto = network.onto(p.name)
    if height is None or p.kind not in GRID_KINDS or any(_sent(q, network) is None for q in onto):
        return None
    most = float((np.abs(height) / unit).max())
    if not 0 < most < np.inf:
        return None
    v = [] if p.v_initial is None else [(p.v_initial - (p.v_threshold - height)) / unit]
    biases = [q.bias for q in onto if q.bias is not None]
    weights = [q.weights.data.astype(np.float64) * _sent(q, network) for q in onto]
    n = divisions(np.concatenate([height / unit, *v, *biases, *weights]) / most, GRID_PARTS_MAX)
    return None if n is None else most / n


def _unit(p: Population, dt_s: float) -> NDArray:
    """(size,) what an input of 1 adds to the membrane in the step in which it acts most."""
    c = step_constants(p, dt_s)
    return np.maximum(np.maximum(c.from_input, c.from_current * c.syn_gain), np.finfo(np.float32).tiny)


def _height(p: Population) -> NDArray | None:
    """(size,) from the reset to the threshold; None without one."""
    if p.v_threshold is None:
        return None
    above = p.v_reset if p.v_reset is not None and p.behaviour.reset == "value" else 0.0
    return p.v_threshold.astype(np.float64) - above


def _scale(
    onto: list[Projection], network: Network, size: int, height: NDArray | None, limits: Limits, quantum: float | None
) -> NDArray:
    """(size,) the value of the last place of weights with exponent 0; where all can be whole, one that makes it so."""
    least, weights = np.zeros(size), limits.weights
    if quantum is not None and height is not None and weights is not None and weights.scale == "free":
        for scale in (quantum, quantum / weights.step):
            if _fits(onto, network, height, limits, scale):
                return np.full(size, scale)
    if weights is not None:
        for p in onto:
            most = p.weights.copy()
            most.data = np.abs(most.data)
            largest = most.max(axis=1).toarray().ravel().astype(np.float64) * _sent(p, network) if most.nnz else 0.0
            least = np.maximum(least, largest / (_format(p, weights)[1] * 2.0**weights.exponent_high))
    if limits.threshold_bits is not None and height is not None:
        finite = np.where(np.isfinite(height), np.abs(height), 0)
        least = np.maximum(least, finite / (2**limits.threshold_bits.value - 1))
    if weights is None or not weights.per_neuron:
        least = np.full(size, least.max())
    least[least == 0] = 1.0
    return 2.0 ** np.ceil(np.log2(least)) if weights is not None and weights.scale == "power of two" else least


def _fits(onto: list[Projection], network: Network, height: NDArray, limits: Limits, scale: float) -> bool:
    """Whether all weights and thresholds are written without an error at this scale."""
    if limits.threshold_bits is not None and np.abs(height).max() / scale > 2**limits.threshold_bits.value - 1:
        return False
    places = np.full(height.size, scale)
    return all(_weights(q, _sent(q, network), places, limits.weights)[1].rms_relative < SAME for q in onto)


def _format(p: Projection, weights: Weights) -> tuple[int, int, int]:
    """(lowest, highest, step) of this projection's whole numbers."""
    data = p.weights.data
    if weights.one_sign_high is not None and (not data.size or data.min() >= 0 or data.max() <= 0):
        return -weights.one_sign_high, weights.one_sign_high, 1
    return weights.low, weights.high, weights.step


def _weights(
    p: Projection, sent: float | None, scale: NDArray, weights: Weights | None
) -> tuple[Projection, WeightError]:
    assert sent is not None  # asked where spikes cross
    assert weights is not None  # on a target that limits weights
    low, high, step = _format(p, weights)
    stated = p.weights.data.astype(np.float64)
    last_place = scale[p.weights.indices] / sent
    largest = float(np.abs(stated / last_place).max(initial=0))
    needed = ceil(log2(largest / high) - 1e-9) if largest else 0
    exponent = min(max(needed, weights.exponent_low), weights.exponent_high)
    last_place = last_place * 2.0**exponent
    rounded = np.clip(np.rint(stated / last_place / step) * step, low, high) * last_place
    matrix = p.weights.copy()
    matrix.data = rounded.astype(np.float32)
    error = rounded - stated
    rms = np.sqrt(np.mean(stated**2)) if stated.size else 0.0
    relative = float(np.sqrt(np.mean(error**2)) / rms) if rms else 0.0
    lost = int(((rounded == 0) & (stated != 0)).sum())
    largest_error = float(np.abs(error).max(initial=0))
    found = WeightError(p.name, exponent, largest_error, relative, lost, int(np.count_nonzero(stated)))
    return replace(p, weights=matrix), found


def _threshold(p: Population, height: NDArray, last_place: NDArray) -> tuple[Population, float, tuple[int, int]]:
    """The threshold as a whole number of places, the largest relative change of a height, and how many became 0 of how
    many.
    """
    finite = np.where(np.isfinite(height), height, 0)
    there, places = finite != 0, np.rint(finite / last_place)
    change = places * last_place - finite
    error = np.abs(change[there] / finite[there]).max(initial=0)
    changed = replace(p, v_threshold=(p.v_threshold + change).astype(np.float32))
    return changed, float(error), (int((there & (places == 0)).sum()), int(there.sum()))


def _leaks(p: Population, dt_s: float, decay: Decay | None) -> tuple[Population, float | None, float | None]:
    """The population with leaks that the target can write, the effect of an input kept."""
    if decay is None or p.tau_s is None:
        return p, None, None
    tau_s, gain, error = _leak(p.tau_s, p.behaviour.integrator, dt_s, decay)
    leaky = replace(p, tau_s=tau_s, r=(p.r * gain).astype(np.float32))
    if p.tau_syn_s is None:
        return leaky, error, None
    tau_syn_s, gain, error_syn = _leak(p.tau_syn_s, p.behaviour.integrator, dt_s, decay)
    return replace(leaky, tau_syn_s=tau_syn_s, w_in=(p.w_in * gain).astype(np.float32)), error, error_syn


def _leak(stated: NDArray, integrator: str, dt_s: float, decay: Decay) -> tuple[NDArray, NDArray, float]:
    """(time constants, factor that keeps an input's effect, largest relative change of a time constant)."""
    ratio = dt_s / stated.astype(np.float64)
    lost = -np.expm1(-ratio) if integrator == "exact" else ratio
    if decay.form == "shift":
        written = 2.0 ** -np.clip(np.rint(-np.log2(lost)), 1, decay.bits)
    else:
        places = 2.0**decay.bits
        written = np.clip(np.rint(lost * places), 1, places - 1) / places
    tau_s = dt_s / (-np.log1p(-written) if integrator == "exact" else written)
    factor = np.ones_like(lost) if integrator == "discrete" else lost / written
    return tau_s.astype(np.float32), factor, float(np.abs(tau_s / stated - 1).max())
