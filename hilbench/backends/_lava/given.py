"""The reference with some populations computed elsewhere: it takes their spikes and membranes and computes the rest.

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
    """The reference for all that a chip does not compute.

    Parameters
    ----------
    network : Network
        The whole network.
    period_us : int
        The control period, in microseconds.
    probes : Probes
        What the run records.
    given : dict of slice
        Where each population of the chip is among the neurons whose spikes and v come in.
    elsewhere : dict of csc_array
        The weights of the chip's projections, (n_target, n_source).
    counted : iterable of str
        Those projections whose transmissions count as synaptic operations.
    """

    def __init__(
        self, network: Network, period_us: int, probes: Probes, given: dict[str, slice],
        elsewhere: dict[str, scipy.sparse.csc_array],
        counted: Iterable[str],
    ) -> None:  # fmt: skip
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
        """Run a tick.

        Parameters
        ----------
        tick : Tick
            The tick.
        spikes : (n_steps, n) float64
            Spikes of the chip's neurons in each network step.
        v : (n_steps, n) float64
            Their membranes after each step, in the network's unit.
        """
        self._rows = zip(spikes, v, strict=True)
        return self.step(tick)

    def pass_by(self, n_periods: int, spikes: NDArray, v: NDArray) -> None:
        """Run periods without a tick.

        Parameters
        ----------
        n_periods : int
            How many.
        spikes : (n_steps, n) float64
            Spikes of the chip's neurons in each network step of all periods.
        v : (n_steps, n) float64
            Their membranes after each step, in the network's unit.
        """
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
