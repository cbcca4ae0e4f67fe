"""What the kernels of all learning rules share: changes within a rule's bounds, and the names of their functions."""

from __future__ import annotations

from hilbench.backends._numba.pointers import inner
from hilbench.nal import rules

LOW, HIGH, SOFTNESS, GATE_ABOVE = range(4)

_softened = inner(rules.softened)


@inner
def _bounded(w, low, high):
    """What `rules.bounded` gives for one number; numba compiles NumPy's minimum and maximum to five times the time."""
    w = low if w < low else w
    return high if w > high else w


@inner
def kept(w, dw, low, high, softness):
    """A weight or threshold after a change, within hard bounds."""
    return _bounded(w + dw, low, high)


@inner
def kept_softly(w, dw, low, high, softness):
    return _bounded(w + _softened(w, dw, low, high, softness), low, high)


@inner
def kept_in_proportion(w, dw, low, high, softness):
    """As `kept_softly` with softness 1, where a power is its base: so loops over synapses vectorise."""
    up, down = max(high - w, 0.0) / (high - low), max(w - low, 0.0) / (high - low)
    return _bounded(w + (max(dw, 0.0) * up + min(dw, 0.0) * down), low, high)


@inner
def moved(w, dw, bounds):
    """A weight or threshold after a change, within its bounds of either kind.

    Parameters
    ----------
    w : float
        The weight or threshold.
    dw : float
        How much it is to change.
    bounds : (3,) float64
        The lower and the upper bound, and the softness.
    """
    keep_softly = bounds[SOFTNESS] > 0
    low, high = bounds[LOW], bounds[HIGH]
    return kept_softly(w, dw, low, high, bounds[SOFTNESS]) if keep_softly else kept(w, dw, low, high, 0.0)


def named(rule, part):
    """Put the rule's name into the name of a function that is compiled for it.

    numba links functions by their name and a number that starts anew in each process. Without the rule in the name,
    kernels that two processes left in the disk cache would run each other's functions when a third process loads both.
    """

    def name(function):
        function.__qualname__ = f"{rule.__module__}.{rule.__qualname__}.{part}"
        return function

    return name
