"""Whether a rule can stand in a network: its fields, its place, its modulator and its gate."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np

from hilbench.errors import NetworkError, allowed_hint
from hilbench.nal.model.rule import Rule, gains


def accepted(rule: Rule, network: Any, part: Any, moves: Literal["weights", "thresholds"], where: str) -> Rule:
    """The rule with plain numbers, where it can stand. Raises NetworkError where it cannot.

    Parameters
    ----------
    rule : Rule
        As its author made it, perhaps with NumPy's numbers.
    network : Network
        Where it would learn.
    part : Projection or Population
        What it would change.
    moves : str
        What of this part a rule can move.
    where : str
        What a refusal names.
    """
    try:
        rule = msgspec.convert(msgspec.to_builtins(rule, enc_hook=_plain), type(rule))
    except (msgspec.ValidationError, TypeError) as error:
        raise NetworkError(f"{where}: rule: {error}") from None
    if rule.moves != moves:
        raise NetworkError(f"{where}: {type(rule).__name__} changes {rule.moves}; allowed: a rule that changes {moves}")
    if (reason := rule.refuses(network, part) or _unheard(rule, network, part)) is not None:
        raise NetworkError(f"{where}: {type(rule).__name__} {reason}")
    return rule


def _unheard(rule: Rule, network: Any, part: Any) -> str | None:
    """Why the rule's modulator or gate cannot be had, to follow the rule's name; None when they can."""
    if rule.moves == "thresholds":
        inside = rule.modulator_is == "population" or rule.modulator_gain is not None
        odd = "moves thresholds, by no modulator of the network" if inside else _odd_gate(rule, network)
        return odd or _odd_pool(rule, network)
    return _odd_gain(rule, network, part) or _odd_modulator(rule, network, part) or _odd_gate(rule, network)


def _odd_gain(rule: Rule, network: Any, part: Any) -> str | None:
    gain = gains(rule)
    if gain is None:
        return None
    if rule.modulator is None:
        return "has modulator_gain and takes no modulator"
    if type(rule).feedback is not Rule.feedback:
        return "has modulator_gain; allowed: none, for it has a feedback of its own"
    n_target = part.weights.shape[0]
    if len(gain) != n_target or not gain.size or not np.isfinite(gain).all():
        found = f"{len(gain)} rows of up to {gain.shape[1]} numbers"
        return f"has modulator_gain of {found}; allowed: {n_target} rows, one for each target neuron, of equal length"
    if (size := rule.modulator_size(network, part)) != gain.shape[1]:
        return f"has modulator_gain for {gain.shape[1]} values; its modulator has {size}"
    return None


def _odd_modulator(rule: Rule, network: Any, part: Any) -> str | None:
    if rule.modulator_is == "port":
        return None
    if rule.modulator is None:
        return "has modulator_is 'population' and no modulator"
    if rule.modulator not in network.populations:
        return f"has modulator {rule.modulator!r}, no population; {allowed_hint(rule.modulator, network.populations)}"
    size, needed = network.populations[rule.modulator].size, rule.modulator_size(network, part)
    return f"needs a modulator of {needed} values; {rule.modulator!r} has {size}" if size != needed else None


def _odd_gate(rule: Rule, network: Any) -> str | None:
    if rule.gate is None:
        return None
    if rule.gate not in network.populations:
        return f"has gate {rule.gate!r}, no population; {allowed_hint(rule.gate, network.populations)}"
    size = network.populations[rule.gate].size
    return f"needs a gate of 1 neuron; {rule.gate!r} has {size}" if size != 1 else None


def _odd_pool(rule: Rule, network: Any) -> str | None:
    if rule.pooled is None:
        return None
    spiking = [p.name for p in network.populations.values() if p.spiking]
    if rule.pooled not in spiking:
        return f"has rate_of {rule.pooled!r}, no population that spikes; {allowed_hint(rule.pooled, spiking)}"
    return None


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's; rules are often given such."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"found {type(value).__name__}; allowed: numbers, names and true or false")
