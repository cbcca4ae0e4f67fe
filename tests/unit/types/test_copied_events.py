"""A copy of events is equal to them, and neither sees what becomes of the other."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.types import EVENT
from hilbench.types.ticks import copied


@pytest.mark.parametrize("step", [1, 2, -1])
def test_a_copy_is_equal_and_apart(step: int) -> None:
    """Of events that do not lie side by side too."""
    events = np.zeros(7, EVENT)
    events["t_us"], events["address"] = np.arange(7), 2**32 - 1 - np.arange(7)
    given = events[::step]
    found = copied(given)
    np.testing.assert_array_equal(found, given)
    assert found.dtype == EVENT
    found["t_us"] += 1
    assert events["t_us"].tolist() == list(range(7))
    given["address"] = 0
    assert found["address"].all()
