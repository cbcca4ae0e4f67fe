"""What every metric promises, over each that is found, on a run of each kind of plant."""

from __future__ import annotations

from typing import ClassVar

from hilbench import plugins
from hilbench.testing import MetricContract


class TestMetrics(MetricContract):
    """Every metric that is found."""

    def cases(self):
        return [(name, {}) for name in plugins.all_of("metrics")]


class TestMetricsOfALearner(TestMetrics):
    """On a plant that changes, with a controller that learns."""

    scenario = "arm_payload"
    overrides: ClassVar = {"loop.duration_s": 1.0, "disturbances.load.at_s": 0.5, "phases": {"before": [0.0, 0.5]}}
