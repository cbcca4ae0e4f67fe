"""Whether a device computes what its network says: its spikes against the reference's, on the same ticks."""

from __future__ import annotations

from hilbench.metrics import Measure, Measures, metric
from hilbench.record.data import RunData


@metric("1", "higher")
def spike_agreement(run: RunData) -> Measures:
    """Spikes in the same neuron at the same network step here and in the reference: twice their number, by all spikes.

    The Dice coefficient (Dice 1945, Ecology 26: 297) of both sets. Two equal networks have 1, also two silent ones.
    """
    if (found := run.agreement) is None:
        return {}
    n = found.run_spikes + found.reference_spikes
    return {"": Measure(2 * found.agreed_spikes / n if n else 1.0, n)}
