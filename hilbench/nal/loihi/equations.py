"""Loihi's integer arithmetic: plain lines that Python and compiled kernels both run.

One step of a neuron, from what its synapses bring (`arriving`), is

    u <- wrapped(decayed(u, du + 1) + (arriving << 6))
    v <- clipped(decayed(v, dv) + u + bias);  a spike where v > vth << 6, which sets v to 0

as Lava 0.10 has it: `PyLifModelBitAcc` (lava/proc/lif/models.py), `PyDenseModelBitAcc` (lava/proc/dense/models.py)
and lava/utils/weightutils.py. One is added to du, so that 4095 keeps nothing of u.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

DECAY_BITS = 12
UNITY = 1 << DECAY_BITS
"""What a decay of everything is: du and dv count 4096ths."""
ALIGN_BITS = 6
"""Thresholds and synaptic input stand this far above the lowest bit of u and v."""
WRAP = 1 << 23
LIMIT = WRAP - 1
"""u wraps beyond 24 bits, v stops there."""
INT32 = 1 << 31
BIAS_MANTISSAS = 1 << 12
BIAS_EXPONENTS = 8

WEIGHT_BITS = 8
SignMode = Literal["excitatory", "inhibitory", "mixed"]
SIGNS = {"excitatory": (0, 255), "inhibitory": (-255, 0), "mixed": (-256, 255)}
"""The range of weights that a sign mode allows."""


def decayed(x, by):
    """X after a loss of `by` 4096ths, rounded towards 0.

    Parameters
    ----------
    x : int
        A current or a membrane.
    by : int
        4096ths that it loses.
    """
    kept = abs(x) * (UNITY - by) >> DECAY_BITS
    return -kept if x < 0 else kept


def shifted(x, exponent):
    """X times 2 to the exponent; a shift to the right rounds down.

    Parameters
    ----------
    x : int
        What arrives.
    exponent : int
        The weights' exponent.
    """
    return x << exponent if exponent >= 0 else x >> -exponent


def wrapped(u):
    """A current brought back into 24 bits.

    As in Lava: it is held in 32 bits and turned round once at most, which more than 25 bits of input outrun.
    """
    u = ((u + INT32) & (2 * INT32 - 1)) - INT32
    if u > WRAP:
        return u - 2 * WRAP
    if u <= -WRAP:
        return u + 2 * WRAP
    return u


def clipped(v):
    """A membrane that stops at the ends of its 24 bits."""
    return min(max(v, -LIMIT), LIMIT)


def registered(bias):
    """A bias as 13 bits and an exponent hold it: the nearest, or the end of their range."""
    for exponent in range(BIAS_EXPONENTS):
        mantissa = (bias + (1 << exponent >> 1)) >> exponent
        if -BIAS_MANTISSAS <= mantissa < BIAS_MANTISSAS:
            return mantissa << exponent
    top = BIAS_EXPONENTS - 1
    return -BIAS_MANTISSAS << top if bias < 0 else (BIAS_MANTISSAS - 1) << top


def sign_of(weights: NDArray) -> SignMode:
    """The sign mode that weights call for; without any it is excitatory."""
    if np.min(weights, initial=0) >= 0:
        return "excitatory"
    return "inhibitory" if np.max(weights, initial=0) <= 0 else "mixed"


def lost_bits(sign: str, weight_bits: int) -> int:
    """How many of a weight's lowest bits the chip does not keep: a sign costs one.

    Parameters
    ----------
    sign : str
        The sign mode of the weights.
    weight_bits : int
        Bits of a weight, 1 to 8.
    """
    return WEIGHT_BITS - weight_bits + (sign == "mixed")


def truncated(weights: NDArray, sign: str, weight_bits: int) -> NDArray:
    """Weights as the chip keeps them: magnitudes lose their lowest bits, mixed weights round down.

    Parameters
    ----------
    weights : NDArray
        Integers.
    sign : str
        Their sign mode.
    weight_bits : int
        Bits of a weight, 1 to 8.
    """
    n = lost_bits(sign, weight_bits)
    turn = -1 if sign == "inhibitory" else 1
    return turn * ((turn * weights >> n) << n)
