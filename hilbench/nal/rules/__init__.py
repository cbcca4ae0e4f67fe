"""Learning rules: one file each, with the scalar equations that every engine runs.

What a rule sees in a step, after the neurons: spikes as they arrive over its projection's delay, and the target's
spikes of this step, each as often as it fell. Traces come first, with this step's spikes in them; then weights. Within
a step an arriving spike counts as earlier than a spike of the target, which it may have caused; where it acts only
after the threshold test it counts as later (`after_test`). `docs/rules.md` says how to write one.

The functions are plain arithmetic on floats, so that NumPy arrays and compiled scalars run the same lines: no branches
on values, no calls but NumPy's. `c` holds what `constants` gave; x, y and e are tuples of the named traces.
"""

from __future__ import annotations

import numpy as np

from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import step_constants
from hilbench.nal.model.projection import Projection
from hilbench.nal.model.rule import Amplitude, Rate, Rule, Seconds, bounds

__all__ = ["Amplitude", "Rate", "Rule", "Seconds", "after_test", "bounded", "bounds", "softened"]


def after_test(network: Network, part: Projection) -> float:
    """1 where a spike that arrives reaches the membrane only after the threshold test of its step, else 0.

    So it is over an `after_threshold` projection, and where the target's membrane sees what arrives only in the next
    step (a CUBA kind with synapse "delta" or synapse_update "after"). Such a spike has not caused one of the same step.

    Parameters
    ----------
    network : Network
        The network that holds the target population.
    part : Projection
        The synapses that learn.
    """
    return float(
        part.after_threshold or not step_constants(network.populations[part.target], network.dt_s).from_input.any()
    )


def softened(w, dw, low, high, softness):
    """A change that shrinks near the bound it moves towards: Gütig et al. (2003), J. Neurosci. 23: 3697.

    Parameters
    ----------
    w, dw : float
        The weight and its change.
    low, high : float
        The rule's bounds.
    softness : float
        0 to 1, the power of the distance from the bound ahead.
    """
    span = high - low
    up = (np.maximum(high - w, 0.0) / span) ** softness
    down = (np.maximum(w - low, 0.0) / span) ** softness
    return np.maximum(dw, 0.0) * up + np.minimum(dw, 0.0) * down


def bounded(w, low, high):
    """A weight held within its bounds.

    Parameters
    ----------
    w : float
        The weight.
    low, high : float
        The rule's bounds.
    """
    return np.minimum(np.maximum(w, low), high)
