"""STDP by nearest pairs: each spike pairs with the last one of the other side alone.

Morrison, Diesmann & Gerstner (2008), "Phenomenological models of synaptic plasticity based on spike timing", Biological
Cybernetics 98: 459, section 4.1.2, the symmetric scheme: each presynaptic spike with the last postsynaptic one before
it, each postsynaptic spike with the last presynaptic one. The window is that of `stdp`; the traces x and y rise to 1
with a spike, instead of by 1. Of several spikes of a neuron in one step each pairs with the same last one.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from hilbench.nal.rules.stdp import STDP, Constants

__all__ = ["Constants", "STDPNearest"]


class STDPNearest(STDP, frozen=True, kw_only=True):
    """Pair STDP in which only the nearest spikes pair."""

    pre_traces: ClassVar[tuple[str, ...]] = ("x", "x_before")
    post_traces: ClassVar[tuple[str, ...]] = ("y", "y_before")

    @staticmethod
    def pre(c, x, s):
        """The trace with this step's spikes in it, and without them."""
        before = c.x_decay * x[0]
        return before + np.minimum(s, 1.0) * (1 - before), before

    @staticmethod
    def post(c, y, z, excess, m):
        """The trace with this step's spikes in it, and without them."""
        before = c.y_decay * y[0]
        return before + np.minimum(z, 1.0) * (1 - before), before

    @staticmethod
    def on_pre(c, w, s, x, z, y):
        """The change by an arriving spike, which sees the target's last earlier one."""
        return -c.a_minus * s * (y[1] + c.after * (y[0] - y[1]))

    @staticmethod
    def on_post(c, w, s, x, z, y):
        """The change by a spike of the target, which sees the last one that arrived before it."""
        return c.a_plus * z * (x[0] + c.after * (x[1] - x[0]))
