"""The law `mlp`: known answers, and what a device refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hilbench.backends.law import LawRunner
from hilbench.errors import NetworkError
from hilbench.nal.model.codec import pack, unpack
from hilbench.types import Empty, LawProgram, Port, Probes, Tick

TWO_LAYERS = {
    "layers": [
        {"weights": [[1.0, -2.0], [0.5, 0.0], [0.0, 1.0]], "bias": [0.0, 0.25, -1.0]},
        {"weights": [[1.0, 2.0, 3.0]], "bias": [0.5]},
    ],
    "activation": "relu",
    "output": "clip",
    "low": [-3.0],
    "high": [4.0],
}


def answer(config: dict[str, Any], *values: float) -> list[float]:
    """What a device makes of one tick, with the program sent as bytes."""
    low = config["low"] if isinstance(config["low"], list) else [0.0]
    program = LawProgram("mlp", config, (Port("x", len(values)),), (Port("y", len(low)),))
    backend = LawRunner(Empty())
    backend.load(unpack(pack(program)), 1000, Probes())
    return backend.step(Tick(values=np.array(values, np.float32))).values.tolist()


def test_known_answers() -> None:
    # hidden = relu(1 - 2 * 0.25, 0.5 + 0.25, 0.25 - 1) = (0.5, 0.75, 0)
    assert answer(TWO_LAYERS, 1.0, 0.25) == [0.5 + 1.5 + 0.5]
    assert answer(TWO_LAYERS, 1.0, 3.0) == [4.0]  # hidden (0, 0.75, 2): 8 without the limit
    tanh = answer(TWO_LAYERS | {"activation": "tanh"}, 1.0, 0.25)
    np.testing.assert_allclose(tanh, [np.tanh(0.5) + 2 * np.tanh(0.75) + 3 * np.tanh(-0.75) + 0.5], rtol=1e-6)


def test_squash_maps_the_outputs_tanh_onto_unequal_limits() -> None:
    one = {"layers": [{"weights": [[1.0]], "bias": [0.0]}], "output": "squash", "low": [-1.0], "high": [3.0]}
    config = TWO_LAYERS | one
    assert [answer(config, x) for x in (-50.0, 0.0, 50.0)] == [[-1.0], [1.0], [3.0]]
    np.testing.assert_allclose(answer(config, 0.5), [1.0 + 2.0 * np.tanh(0.5)], rtol=1e-6)


def with_layer(index: int, **changes: Any) -> dict[str, Any]:
    layers = [dict(layer) for layer in TWO_LAYERS["layers"]]
    layers[index] |= changes
    return TWO_LAYERS | {"layers": layers}


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (with_layer(1, weights=[[1.0, 2.0]]), "layers[1].weights: a row has not the 3 numbers"),
        (with_layer(0, weights=[[1.0, 2.0], [1.0], [0.0, 1.0]]), "layers[0].weights: a row has not the 2 numbers"),
        (with_layer(1, bias=[1.0, 2.0]), "layers[1].bias: found 2 numbers for 1 outputs"),
        (with_layer(0, weights=[[0.0] * 1025]), "length <= 1024"),
        (with_layer(0, weights=[]), "length >= 1"),
        (with_layer(0, weights=[["import os", 1.0]]), "Expected `float`"),
        (TWO_LAYERS | {"layers": TWO_LAYERS["layers"][:1] * 9}, "length <= 8"),
        (TWO_LAYERS | {"low": [-3.0, 0.0]}, "low, high: found 2 and 1 limits for 1 outputs"),
        (TWO_LAYERS | {"activation": "os.system"}, "Invalid enum value 'os.system'"),
    ],
)
def test_a_device_refuses_what_does_not_fit_together(config: dict[str, Any], reason: str) -> None:
    with pytest.raises(NetworkError) as found:
        answer(config, 1.0, 2.0)
    assert reason in str(found.value)
    assert str(found.value).startswith("law 'mlp': ")
    assert "\n" not in str(found.value)


def test_a_device_refuses_an_observation_of_another_size() -> None:
    with pytest.raises(NetworkError, match="does not take 3 values"):
        answer(TWO_LAYERS, 1.0, 2.0, 3.0)
