"""When two programs are the same: for networks every name, setting and array bit."""

from __future__ import annotations

import numpy as np

from hilbench.nal import Network

PARAMETERS = ("tau_s", "r", "v_leak", "v_threshold", "v_reset")


def assert_equal(found, expected) -> None:
    if not isinstance(expected, Network):
        assert found == expected
        return
    for name in ("dt_s", "integrator", "spike_amplitude", "seed", "inputs", "outputs", "modulators"):
        assert getattr(found, name) == getattr(expected, name), name
    assert list(found.populations) == list(expected.populations)
    for a, b in zip(found.populations.values(), expected.populations.values(), strict=True):
        assert (a.name, a.kind, a.size, a.reset, a.threshold) == (b.name, b.kind, b.size, b.reset, b.threshold)
        assert a.refractory_s == b.refractory_s
        for name in PARAMETERS:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), strict=True)
    assert list(found.projections) == list(expected.projections)
    for a, b in zip(found.projections.values(), expected.projections.values(), strict=True):
        assert (a.name, a.source, a.target, a.delay_steps, a.rule) == (
            b.name,
            b.source,
            b.target,
            b.delay_steps,
            b.rule,
        )
        assert a.weights.shape == b.weights.shape
        for name in ("indptr", "indices", "data"):
            np.testing.assert_array_equal(getattr(a.weights, name), getattr(b.weights, name))
        assert a.weights.data.dtype == np.float32
        assert (a.bias is None) == (b.bias is None)
        np.testing.assert_array_equal(a.bias, b.bias)
