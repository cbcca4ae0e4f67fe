"""Write rstdp.nir: boxes of the pole's angle and speed, and two neurons that push the cart, all pushes equally likely.

    python make_network.py

A box fires in every step of a period in which both of its bins are on. Its spikes drive both pushing neurons, which
fire at random, the more so the higher their membranes are. The one that fires inhibits the other.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

from hilbench.nal import Network, save

ANGLES, SPEEDS = 8, 3
"""Bins, as rstdp.toml has them. The outermost angles are those at which an episode has ended."""


def network() -> Network:
    """A step of 1 ms; weights that all are 0.2."""
    boxes = list(product(range(ANGLES), range(SPEEDS)))
    both = np.zeros((len(boxes), ANGLES + SPEEDS))
    for box, (angle, speed) in enumerate(boxes):
        both[box, [angle, ANGLES + speed]] = 1
    net = Network(0.001, seed=1)
    net.input("bins", ANGLES + SPEEDS)
    net.add("boxes", "threshold", len(boxes), v_threshold=1.5)
    net.connect("bins", "boxes", both)
    net.lif("push", 2, tau_s=0.005, synapse="delta", threshold_noise=0.1, output=True)
    net.connect("boxes", "push", np.full((2, len(boxes)), 0.2), name="learnt")
    net.connect("push", "push", [[0, -2], [-2, 0]], delay_steps=1, name="inhibition")
    return net


if __name__ == "__main__":
    save(network(), Path(__file__).with_name("rstdp.nir"))
