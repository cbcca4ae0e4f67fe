"""A ring attractor of LIF cells: a bump of activity that stays, and that a turn rate moves round.

Two rings of cells, each cell with a preferred direction. A cell excites those near a direction that is 45 degrees to
the left of its own (ring `left`) or to the right (ring `right`), and inhibits the rest. With both rings alike the two
shifts cancel, and the bump stands. A current that lifts one ring and lowers the other moves it, at a rate that is
proportional to the current: Xie, Hahnloser & Seung (2002), "Double-ring network model of the head-direction system",
Physical Review E 66: 041902, after Zhang (1996), Journal of Neuroscience 16: 2112. Flies have such rings (Seelig &
Jayaraman 2015, Nature 521: 186; Turner-Evans et al. 2017, eLife 6: e23496).

Weights are cosines, so the input of a cell is b + a cos(preferred - bump), and a and b can be computed from the cells'
rates alone: `bump` does it, and weights are set so that the bump which it finds is the one that stays. With r1(b) the
first harmonic of the rates and tau the time constant of synapses, a current +-u turns the bump at

    d/dt bump = (tan 45 deg / tau) (r1(b + u) - r1(b - u)) / (r1(b + u) + r1(b - u)).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench.nal import Network

N_RING = 64
"""Cells of each of both rings. A bump of fewer cells gets stuck at slow turns."""
TAU_S, REFRACTORY_S = 0.02, 0.002
SYNAPSE_S = 0.1
"""Time constant of a ring's synapses: it averages spikes, and so does what reads the ring."""
SHIFT_RAD = np.pi / 4
STEEP, REST = 1.5, 0.6
"""a and b of a bump that stays: two fifths of the cells are above their threshold of 1."""
INHIBITION = 0.8
"""The part of b that the whole ring's activity takes away. It keeps the bump's size."""
NOISE = 0.02
"""Of thresholds: without it, spikes fall into step, and slow turns move the bump by jerks."""
PREFERRED_RAD = 2 * np.pi * np.arange(N_RING) / N_RING


class Bump(NamedTuple):
    """Rates of cells whose input is b + a cos(angle), over all angles."""

    mean_hz: float
    first_hz: float
    """The mean of rate x cos(angle): half of the first harmonic's amplitude."""


def bump(steep: float, rest: float) -> Bump:
    """The rates of LIF cells with inputs of rest + steep cos(angle).

    Parameters
    ----------
    steep, rest : float
        a and b; the threshold is 1.
    """
    angles = 2 * np.pi * np.arange(720) / 720
    current = np.maximum(rest + steep * np.cos(angles), 1 + 1e-12)
    rates_hz = 1 / (REFRACTORY_S + TAU_S * np.log(current / (current - 1)))
    rates_hz[current <= 1 + 1e-12] = 0.0
    return Bump(float(rates_hz.mean()), float((rates_hz * np.cos(angles)).mean()))


def turn_rate(current: float) -> float:
    """How fast a current turns the bump, in rad/s: the equation above."""
    lifted, lowered = bump(STEEP, REST + current).first_hz, bump(STEEP, REST - current).first_hz
    return float(np.tan(SHIFT_RAD) / SYNAPSE_S * (lifted - lowered) / (lifted + lowered))


def towards(angles_rad: NDArray) -> NDArray:
    """Cosines and sines of directions, (n, 2)."""
    return np.stack([np.cos(angles_rad), np.sin(angles_rad)], axis=1)


def add_ring(net: Network) -> None:
    """Add the rings `left` and `right`. In a network whose spikes are unit impulses (`spike_amplitude` = 1 / dt)."""
    stays = bump(STEEP, REST)
    for name in ("left", "right"):
        net.cuba_lif(
            name, N_RING, tau_s=TAU_S, tau_syn_s=SYNAPSE_S, v_leak=REST + INHIBITION, refractory_s=REFRACTORY_S,
            threshold_noise=NOISE,
        )  # fmt: skip
    excite = STEEP / (2 * np.cos(SHIFT_RAD) * stays.first_hz)
    inhibit = INHIBITION / (2 * stays.mean_hz)
    for source, shift_rad in (("left", SHIFT_RAD), ("right", -SHIFT_RAD)):
        apart = PREFERRED_RAD[:, None] - PREFERRED_RAD - shift_rad
        for target in ("left", "right"):
            net.connect(source, target, (excite * np.cos(apart) - inhibit) / N_RING, delay_steps=1)


def from_ring(net: Network, target: str, directions_rad: NDArray, steep: float = STEEP) -> None:
    """Give cells with preferred directions the input steep x cos(preferred - bump), and no more.

    Parameters
    ----------
    net : Network
        With a ring.
    target : str
        The population that gets it.
    directions_rad : (n,) array
        The directions that its cells prefer.
    steep : float
        The input at the bump, where the ring is as `bump` says.
    """
    apart = directions_rad[:, None] - PREFERRED_RAD
    weights = steep / (2 * bump(STEEP, REST).first_hz) * np.cos(apart) / N_RING
    for source in ("left", "right"):
        net.connect(source, target, weights)
