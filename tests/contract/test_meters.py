"""What every meter promises, whether or not this machine has it."""

from __future__ import annotations

import pytest

from hilbench import plugins

METERS = sorted(plugins.all_of("meters"))


@pytest.mark.parametrize("name", METERS)
def test_a_meter_reads_or_says_why_not(name):
    kind = plugins.get("meters", name)
    meter = kind(kind.Config())
    assert kind.accuracy
    reason = meter.unavailable()
    if reason is None:
        assert meter.domains()
        first = meter.read_j()
        assert 0 <= first <= meter.read_j()
    else:
        assert reason
        assert "\n" not in reason
