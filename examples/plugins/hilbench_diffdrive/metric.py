"""How far the robot stayed from walls and posts."""

from __future__ import annotations

from hilbench.metrics import Measure, Measures, column, metric
from hilbench.record.data import RunData


@metric("m", "higher")
def clearance(run: RunData) -> Measures:
    """Distance between the robot and what is nearest to it: mean and smallest over all ticks."""
    clearance_m = column(run, "info.clearance_m")
    if not clearance_m.size:
        return {}
    n = clearance_m.size
    return {"": Measure(float(clearance_m.mean()), n), "least": Measure(float(clearance_m.min()), n)}
