"""Random NIR graphs of every primitive: layers of images and of vectors, with forks, joins and loops."""

from __future__ import annotations

import nir
import numpy as np
from hypothesis import strategies as st

DT_S = 0.001


class Maker:
    """Adds nodes, and knows the shape of what each gives."""

    def __init__(self, draw) -> None:
        self.draw = draw
        self.random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.nodes: dict[str, nir.NIRNode] = {}
        self.edges: list[tuple[str, str]] = []
        self.shapes: dict[str, tuple[int, ...]] = {}

    def numbers(self, *shape: int, low: float = -1, high: float = 1) -> np.ndarray:
        return self.random.uniform(low, high, shape).astype(np.float32)

    def add(self, node: nir.NIRNode, shape: tuple[int, ...], *sources: str) -> str:
        name = f"{type(node).__name__.lower()}{len(self.nodes)}"
        self.nodes[name], self.shapes[name] = node, shape
        self.edges += [(source, name) for source in sources]
        return name

    def alike(self, source: str) -> list[str]:
        """Another node of the same shape beside it, now and then."""
        fit = [name for name, shape in self.shapes.items() if shape == self.shapes[source] and name != source]
        return [source, *fit[:1]] if fit and self.draw(st.booleans()) else [source]

    def neurons(self, *sources: str) -> str:
        shape = self.shapes[sources[0]]
        kind = self.draw(st.sampled_from(["LIF", "LI", "IF", "I", "CubaLIF", "CubaLI", "Threshold"]))
        tau, v = self.numbers(*shape, low=0.01, high=0.1), self.numbers(*shape)
        spike = {"v_threshold": self.numbers(*shape, low=1, high=2), "v_reset": v}
        cuba = {"tau_syn": tau * 2, "tau_mem": tau, "r": v, "v_leak": v, "w_in": v}
        fields = {
            "LIF": {"tau": tau, "r": v, "v_leak": v} | spike,
            "LI": {"tau": tau, "r": v, "v_leak": v},
            "IF": {"r": v} | spike,
            "I": {"r": v},
            "CubaLIF": cuba | spike,
            "CubaLI": cuba,
            "Threshold": {"threshold": np.abs(v)},
        }
        return self.add(getattr(nir, kind)(**fields[kind]), shape, *sources)

    def same_shape(self, *sources: str) -> str:
        """A node that gives the shape that it takes."""
        shape = self.shapes[sources[0]]
        kind = self.draw(st.sampled_from(["Scale", "Delay", "neurons"]))
        if kind == "neurons":
            return self.neurons(*sources)
        if kind == "Delay":
            steps = self.random.integers(0, 4, shape)
            return self.add(nir.Delay((steps * DT_S).astype(np.float32)), shape, *sources)
        return self.add(nir.Scale(self.numbers(*shape)), shape, *sources)

    def image_layer(self, source: str) -> str:
        c, h, w = self.shapes[source]
        kind = self.draw(st.sampled_from(["Conv2d", "SumPool2d", "AvgPool2d", "same"])) if min(h, w) > 2 else "same"
        sources = self.alike(source)
        if kind == "same":
            return self.same_shape(*sources)
        stride, padding = self.draw(st.sampled_from([(1, 1), (2, 1)])), self.draw(st.sampled_from([(0, 0), (1, 1)]))
        out = tuple((side + 2 * p - 2) // s + 1 for side, p, s in zip((h, w), padding, stride, strict=True))
        if kind == "Conv2d":
            channels = self.draw(st.integers(1, 3))
            weight, bias = self.numbers(channels, c, 2, 2), self.numbers(channels)
            node = nir.Conv2d((h, w), weight, stride, padding, (1, 1), 1, bias)
            return self.add(node, (channels, *out), *sources)
        fields = {"kernel_size": np.array([2, 2]), "stride": np.array(stride), "padding": np.array(padding)}
        return self.add(getattr(nir, kind)(**fields), (c, *out), *sources)

    def vector_layer(self, source: str) -> str:
        (n,) = self.shapes[source]
        sources = self.alike(source)
        if self.draw(st.booleans()):
            return self.same_shape(*sources)
        size = self.draw(st.integers(1, 4))
        weight = self.numbers(size, n)
        node = nir.Linear(weight) if self.draw(st.booleans()) else nir.Affine(weight, self.numbers(size))
        return self.add(node, (size,), *sources)

    def loop(self) -> None:
        """An edge back, through a matrix of its own."""
        neurons = [
            name for name in self.nodes if name.startswith(("lif", "if", "cubalif")) and len(self.shapes[name]) == 1
        ]
        if neurons and self.draw(st.booleans()):
            target, source = self.draw(st.sampled_from(neurons)), self.draw(st.sampled_from(neurons))
            weight = self.numbers(*self.shapes[target], *self.shapes[source])
            name = self.add(nir.Linear(weight), self.shapes[target], source)
            self.edges.append((name, target))


@st.composite
def graphs(draw) -> nir.NIRGraph:
    """An image that layers turn into a vector, and a vector beside it; every leaf has an Output."""
    make = Maker(draw)
    image = make.add(nir.Input({"input": np.array([2, 5, 6])}), (2, 5, 6))
    for _ in range(draw(st.integers(1, 3))):
        image = make.image_layer(image)
    shape = make.shapes[image]
    vector = make.add(nir.Flatten({"input": np.array(shape)}, 0, -1), (int(np.prod(shape)),), image)
    line = make.add(nir.Input({"input": np.array([2, 7])}), (2, 7))
    conv = nir.Conv1d(7, make.numbers(3, 2, 3), 2, draw(st.sampled_from([0, 1, "valid"])), 1, 1, make.numbers(3))
    length = int(conv.output_type["output"][1])
    make.add(conv, (3, length), line)
    for _ in range(draw(st.integers(1, 4))):
        vector = make.vector_layer(vector)
    make.loop()
    ends = set(make.nodes) - {a for a, _ in make.edges}
    for name in sorted(ends, key=list(make.nodes).index):
        make.add(nir.Output({"output": np.array(make.shapes[name])}), make.shapes[name], name)
    return nir.NIRGraph(make.nodes, make.edges, type_check=False)
