"""What every sensor promises, over each that is found."""

from __future__ import annotations

from hilbench import plugins
from hilbench.testing import SensorContract

SETTINGS = {
    "analog": {"noise_std": 0.01, "bias": 0.5, "dropout": 0.2},
    "delta": {"threshold": 0.05},
}
"""Of those that have needed fields, or randomness that is to be tried; any other has its defaults."""


class TestSensors(SensorContract):
    """Every sensor that is found."""

    def cases(self):
        return [(name, SETTINGS.get(name, {})) for name in plugins.all_of("sensors")]
