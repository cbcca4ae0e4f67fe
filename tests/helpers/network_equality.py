"""When two programs are the same: for networks every name, setting and array bit."""

from __future__ import annotations

import numpy as np

from hilbench.nal import Network
from hilbench.nal.model.neurons import PARAMETERS


def assert_equal(found, expected) -> None:
    if not isinstance(expected, Network):
        assert found == expected
        return
    for name in (
        "dt_s", "integrator", "spike_amplitude", "seed", "inputs", "outputs", "modulators", "output_sources", "shapes",
    ):  # fmt: skip
        assert getattr(found, name) == getattr(expected, name), name
    assert list(found.populations) == list(expected.populations)
    for a, b in zip(found.populations.values(), expected.populations.values(), strict=True):
        assert (a.name, a.kind, a.shape, a.behaviour, a.rule) == (b.name, b.kind, b.shape, b.behaviour, b.rule)
        for name in PARAMETERS[b.kind]:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), strict=True)
    assert list(found.projections) == list(expected.projections)
    for a, b in zip(found.projections.values(), expected.projections.values(), strict=True):
        assert (a.name, a.source, a.target, a.after_threshold, a.rule) == (
            b.name,
            b.source,
            b.target,
            b.after_threshold,
            b.rule,
        )
        np.testing.assert_array_equal(a.delay_steps, b.delay_steps, strict=True)
        same_form(a.form, b.form)
        assert a.short_term == b.short_term
        assert a.weights.shape == b.weights.shape
        for name in ("indptr", "indices", "data"):
            np.testing.assert_array_equal(getattr(a.weights, name), getattr(b.weights, name))
        assert a.weights.data.dtype == np.float32
        assert (a.bias is None) == (b.bias is None)
        np.testing.assert_array_equal(a.bias, b.bias)


def same_form(found, expected) -> None:
    assert (found is None) == (expected is None)
    if expected is not None:
        for name in ("kind", "shape_in", "shape_out", "settings"):
            assert getattr(found, name) == getattr(expected, name)
        assert list(found.arrays) == list(expected.arrays)
        for name in expected.arrays:
            np.testing.assert_array_equal(found.arrays[name], expected.arrays[name])
