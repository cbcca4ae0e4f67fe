"""A multilayer perceptron as a law: a trained policy as plain numbers. It must not know what trained it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.types import Law

MAX_WIDTH, MAX_LAYERS = 1024, 8

Row = Annotated[tuple[float, ...], Meta(min_length=1, max_length=MAX_WIDTH)]

Activation = Literal["tanh", "relu"]
ACTIVATIONS: dict[Activation, Callable[[NDArray], NDArray]] = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, np.float32(0)),
}


class Layer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An affine map: `weights` (n_out, n_in), `bias` (n_out,)."""

    weights: Annotated[tuple[Row, ...], Meta(min_length=1, max_length=MAX_WIDTH)]
    bias: Row


class Standard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Standardises observations before the first layer: (x - mean) / sd in float64, clipped to +-clip, as float32."""

    mean: Row
    sd: Annotated[tuple[Annotated[float, Meta(gt=0)], ...], Meta(min_length=1, max_length=MAX_WIDTH)]
    clip: Annotated[float, Meta(gt=0)]


class MLPConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Layers in order, and how the last one's output becomes an action within [low, high]."""

    layers: Annotated[tuple[Layer, ...], Meta(min_length=1, max_length=MAX_LAYERS)]
    activation: Activation
    """The function between two layers."""
    output: Literal["clip", "squash", "largest"]
    """`squash` maps the output's tanh from [-1, 1] onto the limits; `largest` chooses by the largest output."""
    low: Row
    high: Row
    choices: tuple[Annotated[int, Meta(ge=1, le=MAX_WIDTH)], ...] = ()
    """With `largest`: how many outputs each action has, one for each choice from `low` on."""
    standard: Standard | None = None
    """How observations are standardised; None leaves them as they are."""

    def __post_init__(self) -> None:
        width = len(self.layers[0].weights[0])
        if (first := self.standard) is not None and not len(first.mean) == len(first.sd) == width:
            raise ValueError(f"standard: found {len(first.mean)} means and {len(first.sd)} sds for {width} inputs")
        for number, layer in enumerate(self.layers):
            if any(len(row) != width for row in layer.weights):
                raise ValueError(f"layers[{number}].weights: a row has not the {width} numbers of the layer's input")
            width = len(layer.weights)
            if len(layer.bias) != width:
                raise ValueError(f"layers[{number}].bias: found {len(layer.bias)} numbers for {width} outputs")
        if (self.output == "largest") != bool(self.choices) or (self.choices and sum(self.choices) != width):
            raise ValueError(f"choices: found {list(self.choices)} for {width} outputs that are {self.output!r}")
        n_actions, what = (len(self.choices), "actions") if self.choices else (width, "outputs")
        if not len(self.low) == len(self.high) == n_actions:
            raise ValueError(f"low, high: found {len(self.low)} and {len(self.high)} limits for {n_actions} {what}")


class MLP(Law):
    """Layers with an activation between them, within limits: float32, as it was trained."""

    Config = MLPConfig

    def __init__(self, config: MLPConfig) -> None:
        super().__init__(config)
        self._layers = [(np.array(x.weights, np.float32), np.array(x.bias, np.float32)) for x in config.layers]
        self._activate = ACTIVATIONS[config.activation]
        self._low, self._high = np.array(config.low, np.float32), np.array(config.high, np.float32)
        ends = np.cumsum((0, *config.choices)).tolist()
        self._groups = [slice(*ends[i : i + 2]) for i in range(len(config.choices))]
        if config.standard is not None:
            self._mean, self._sd = np.array(config.standard.mean), np.array(config.standard.sd)

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        if (standard := self.config.standard) is not None:
            values = np.clip((values - self._mean) / self._sd, -standard.clip, standard.clip).astype(np.float32)
        *hidden, (weights, bias) = self._layers
        for hidden_weights, hidden_bias in hidden:
            values = self._activate(hidden_weights @ values + hidden_bias)
        found = weights @ values + bias
        if self._groups:
            return self._low + np.array([np.argmax(found[group]) for group in self._groups], np.float32)
        if self.config.output == "clip":
            return np.clip(found, self._low, self._high)
        return self._low + np.float32(0.5) * (np.tanh(found) + np.float32(1)) * (self._high - self._low)
