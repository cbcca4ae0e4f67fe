"""Energy: counted events times a target's constants, part by part, each with the interval that the constants allow.

A part with events and without a public constant is unknown, and so is a sum that needs it. SANA-FE adds up events times
energies in the same way. Beside it stand baselines in one technology, 45 nm, which count arithmetic alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from hilbench.nal.compile.target import Constant, Energy

ARITHMETIC = Path(__file__).with_name("arithmetic.toml")
NEEDED = ("synapses", "neuron updates", "weight updates")
"""Parts that a sum needs; some sources publish these alone."""
STATIC = "static"


class Range(NamedTuple):
    """A number between its bounds."""

    value: float
    low: float
    high: float


class Events(NamedTuple):
    """What was counted; None where a count is not available."""

    synaptic_operations: float
    neuron_updates: float
    active_updates: Range
    """Those of neurons to which something came."""
    weight_updates: float
    chip_s: float
    """Seconds times the chips, or parts of one, whose cores are in use."""
    spikes: float | None = None
    messages: float | None = None
    hops: float | None = None


class EnergyPart(Struct, frozen=True):
    """One part of an account. `joules` is None where it is unknown, and `reason` says why."""

    events: float
    joules: Range | None
    reason: str = ""


class Arithmetic(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Operations in one technology."""

    add_float32_j: Constant
    multiply_float32_j: Constant
    add_int8_j: Constant
    multiply_int8_j: Constant
    read_32_bits_j: Constant


def account(events: Events, energy: Energy) -> dict[str, EnergyPart]:
    """The energy of these events, part by part. What was not counted is absent.

    Parameters
    ----------
    events : Events
        What was counted.
    energy : Energy
        What the target's operations cost.
    """
    parts = {
        "synapses": _part(events.synaptic_operations, energy, "synaptic_operation_j"),
        "neuron updates": _updates(events, energy),
        "spikes": _part(events.spikes, energy, "spike_j"),
        "messages": _part(events.messages, energy, "message_j"),
        "hops": _part(events.hops, energy, "hop_j"),
        "weight updates": _part(events.weight_updates, energy, "weight_update_j"),
        STATIC: _part(events.chip_s, energy, "static_power_w"),
    }
    return {name: part for name, part in parts.items() if part is not None}


def dynamic(parts: Mapping[str, EnergyPart]) -> EnergyPart:
    """The sum of all but static power: what is known, unless a needed part is not."""
    moving = {name: part for name, part in parts.items() if name != STATIC}
    unknown = [part.reason for name, part in moving.items() if name in NEEDED and part.joules is None]
    if unknown:
        return EnergyPart(0.0, None, "; ".join(unknown))
    known = [part.joules for part in moving.values() if part.joules is not None]
    return EnergyPart(0.0, Range(*map(sum, zip(*known, strict=True))))


def baselines(synapses: float, accumulates: float, multiplications: float = 0.0) -> dict[str, Range]:
    """Joules of one decision in 45 nm: a network without spikes over the same synapses, and this one as it is.

    `ann float32` and `ann int8` multiply and add once per synapse; `snn float32` adds once per operation, and also
    multiplies in the `multiplications`. Value and low are arithmetic alone; high also reads each weight from an 8 kB
    cache, the same for all of them.

    Parameters
    ----------
    synapses : float
        Weights of the network.
    accumulates : float
        Synaptic operations that add alone.
    multiplications : float
        Synaptic operations that multiply too, because their input is no spike.
    """
    a = msgspec.toml.decode(ARITHMETIC.read_bytes(), type=Arithmetic)
    read = a.read_32_bits_j.value
    multiply_add = a.multiply_float32_j.value + a.add_float32_j.value
    short = a.multiply_int8_j.value + a.add_int8_j.value
    return {
        "ann float32": _arithmetic(synapses, multiply_add, read),
        "ann int8": _arithmetic(synapses, short, read / 4),
        "snn float32": Range(
            *map(
                sum,
                zip(
                    _arithmetic(accumulates, a.add_float32_j.value, read),
                    _arithmetic(multiplications, multiply_add, read),
                    strict=True,
                ),
            )
        ),
    }


def _arithmetic(n: float, operation_j: float, read_j: float) -> Range:
    return Range(n * operation_j, n * operation_j, n * (operation_j + read_j))


def _part(amount: float | None, energy: Energy, name: str) -> EnergyPart | None:
    if amount is None:
        return None
    constant: Constant | None = getattr(energy, name)
    if constant is None and amount:
        return EnergyPart(amount, None, f"no public constant for {name}")
    if constant is None:
        return EnergyPart(amount, Range(0.0, 0.0, 0.0))
    return EnergyPart(amount, Range(amount * constant.value, amount * constant.low, amount * constant.high))


def _updates(events: Events, energy: Energy) -> EnergyPart | None:
    """Active and idle ones; all cost the same where the sources make no difference."""
    active, idle = energy.neuron_update_active_j, energy.neuron_update_idle_j
    total = events.neuron_updates
    if active is None or idle is None:
        return _part(total, energy, "neuron_update_active_j")
    joules = (
        n * getattr(active, bound) + (total - n) * getattr(idle, bound)
        for n, bound in zip(events.active_updates, ("value", "low", "high"), strict=True)
    )
    return EnergyPart(total, Range(*joules))
