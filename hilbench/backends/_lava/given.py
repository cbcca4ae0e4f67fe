"""The reference with neurons that are computed elsewhere: it takes their spikes and membranes, and does all the rest.

So readouts and their learning, replies, probes and counters are the reference's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from hilbench.backends.reference import Reference
from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import Population
from hilbench.types import Carry, Empty, Probes, Reply, Tick


class Given(Reference):
    """NumPy for what a chip does not compute."""

    def __init__(
        self, network: Network, period_us: int, probes: Probes, given: dict[str, slice],
        elsewhere: dict[str, scipy.sparse.csc_array],
        counted: Iterable[str],
    ) -> None:  # fmt: skip
        """`given`: where each foreign population stands in what comes in. `elsewhere`: weights of their projections.

        `counted`: those of them whose sendings are synaptic operations.
        """
        super().__init__(Empty())
        self._given, self._elsewhere = given, elsewhere
        self._fan_out = {name: np.diff(scipy.sparse.csc_array(elsewhere[name] != 0).indptr) for name in counted}
        self._sources = {name: network.projections[name].source for name in counted}
        mine = {name: q for name, q in network.projections.items() if name not in elsewhere}
        self.load(replace(network, projections=mine), period_us, Probes(spikes=probes.spikes))
        self._probes, self._weight_ticks = probes, max(1, round(probes.weights_period_s * 1e6) // period_us)

    def reset(self, seed: int, carry: Carry) -> None:
        super().reset(seed, carry)
        self._weights |= self._elsewhere

    def run(self, tick: Tick, spikes: NDArray, v: NDArray) -> Reply:
        """A tick in which the foreign neurons did this: spikes and v after each step, (n_steps, n)."""
        self._rows = zip(spikes, v, strict=True)
        return self.step(tick)

    def pass_by(self, n_periods: int, spikes: NDArray, v: NDArray) -> None:
        """Periods without a tick."""
        self._rows = zip(spikes, v, strict=True)
        self.advance(n_periods)

    def _network_step(self, addresses: NDArray, learning: bool) -> dict[str, NDArray]:
        self._row = next(self._rows)
        return super()._network_step(addresses, learning)

    def _send(self, source: str, sent: NDArray, crossings: NDArray) -> None:
        super()._send(source, sent, crossings)
        port = self._network.port(source)
        if port is not None and port.kind == "values":
            crossings = sent != 0
        graded = self._multiplies(source, sent)
        for name, fan_out in self._fan_out.items():
            if self._sources[name] == source:
                self._count((crossings * fan_out).sum(), graded)

    def _neurons(self, p: Population, arrived: NDArray) -> NDArray:
        if p.name not in self._given:
            return super()._neurons(p, arrived)
        at, (spikes, v) = self._given[p.name], self._row
        self._v[p.name][:] = v[at]
        self._free[p.name] = np.ones(p.size, bool)
        return spikes[at]

    def _after_spikes(self, p: Population, spikes: NDArray) -> None:
        if p.name not in self._given:
            super()._after_spikes(p, spikes)
