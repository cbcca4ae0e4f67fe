"""What every meter promises, whether or not this machine has it."""

from __future__ import annotations

from hilbench import plugins
from hilbench.testing import MeterContract


class TestMeters(MeterContract):
    """Every meter that is found."""

    def cases(self):
        return [(name, {}) for name in plugins.all_of("meters")]
