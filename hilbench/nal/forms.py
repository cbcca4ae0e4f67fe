"""Linear nodes of a graph as sparse matrices: what a convolution, a pooling or a plain matrix does to its input."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

FormKind = Literal["linear", "scale", "conv1d", "conv2d", "sum_pool2d", "avg_pool2d", "flatten", "delay", "identity"]


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """How a graph writes a projection, so that it is written so again. `identity` is an edge without a node."""

    kind: FormKind
    shape_in: tuple[int, ...]
    shape_out: tuple[int, ...]
    arrays: dict[str, NDArray] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def computes(self) -> bool:
        """Whether it does arithmetic; the others pass numbers on."""
        return self.kind not in ("flatten", "delay", "identity")
