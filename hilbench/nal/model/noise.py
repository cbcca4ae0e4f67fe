"""Random numbers that depend on a key, a step and a neuron alone, so that every engine draws the same ones.

The mixing function is the finaliser of SplitMix64: Steele, Lea & Flood (2014), "Fast splittable pseudorandom number
generators", OOPSLA. The functions are plain arithmetic on uint64, for NumPy arrays and compiled scalars alike.
"""

from __future__ import annotations

import numpy as np

from hilbench.seeding import stream

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
SHIFT_1, SHIFT_2, SHIFT_3, TO_53_BITS = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
UNIT = 2.0**-53


def mix(x):
    """64 bits that depend on all bits of x."""
    x = (x ^ (x >> SHIFT_1)) * MIX_1
    x = (x ^ (x >> SHIFT_2)) * MIX_2
    return x ^ (x >> SHIFT_3)


def uniform(key, step, neuron, mix=mix):
    """A number between 0 and 1, neither included, from three uint64.

    Parameters
    ----------
    key : uint64
        The key of the population's stream.
    step : uint64
        The network step.
    neuron : uint64
        The neuron's place in its population.
    mix : function
        The mixing function; compiled code gives its own.
    """
    return ((mix(mix(key + step * GOLDEN) + neuron * GOLDEN) >> TO_53_BITS) + 0.5) * UNIT


def key(seed: int, name: str) -> np.uint64:
    """The key of a population's own stream under a RESET's seed.

    Parameters
    ----------
    seed : int
        The seed of a RESET.
    name : str
        The population's name.
    """
    return stream(seed, name).integers(2**64, dtype=np.uint64)
