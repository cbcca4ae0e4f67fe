"""What the faults of sensors and motors share: their modes, the settings of each, and how a mode is made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Annotated, Any, Literal

from msgspec import Meta

from hilbench.envs.disturbances._base import Finite, Timing, spread
from hilbench.envs.disturbances._modes import (
    Delayed,
    Garbage,
    Intermittent,
    Miswired,
    Mode,
    Off,
    Outages,
    Slow,
    Stuck,
    Wrong,
)
from hilbench.errors import ScenarioError, allowed_hint
from hilbench.settings import whole_steps

Each = Finite | tuple[Finite, ...] | dict[str, Finite]
LongerThan0 = Annotated[float, Meta(gt=0, le=1000)]

USES = {
    "off": ("value",),
    "stuck": (),
    "garbage": ("low", "high", "rate_hz"),
    "wrong": ("gain", "bias", "order", "low", "high", "rate_hz"),
    "slow": ("lag_s", "period_s"),
    "delayed": ("delay_s",),
    "intermittent": ("probability", "outage_s", "value"),
}
"""By mode the settings that it has."""
SETTINGS = tuple(dict.fromkeys(field for fields in USES.values() for field in fields))
"""All of them."""


class FaultConfig(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a fault acts, and what it is."""

    mode: Literal["off", "stuck", "garbage", "wrong", "slow", "delayed", "intermittent"]
    """What is wrong."""
    value: Each | None = None
    """off: what there is instead, 0 when absent. intermittent: what there is in an outage."""
    low: Each | None = None
    """garbage: the least number. wrong: what is not fallen below, if anything."""
    high: Each | None = None
    """garbage: the greatest number. wrong: what is not exceeded, if anything."""
    gain: Each | None = None
    """wrong: what is multiplied by, 1 when absent."""
    bias: Each | None = None
    """wrong: what is then added, 0 when absent."""
    order: Literal["reversed"] | tuple[str, ...] | None = None
    """wrong: the names of what stands in the place of each, before gain and bias: "reversed" swaps or mirrors."""
    lag_s: LongerThan0 | None = None
    """slow: time constant of a lag of first order."""
    period_s: LongerThan0 | None = None
    """slow: or the time from number to number, a whole number of physics steps; in between the last one holds."""
    delay_s: LongerThan0 | None = None
    """delayed: by how much; of numbers a whole number of physics steps."""
    probability: Annotated[float, Meta(gt=0, lt=1)] | None = None
    """intermittent: the share of the time that is outage."""
    outage_s: LongerThan0 | None = None
    """intermittent: mean length of an outage."""


def check_settings(config: FaultConfig, where: str) -> None:
    """Raise ScenarioError for a setting that the mode does not have, or a ramp that it cannot follow.

    Parameters
    ----------
    config : FaultConfig
    where : str
        The place in the scenario, for messages.
    """
    uses = [field for field in USES[config.mode] if field in config.__struct_fields__]
    for field in SETTINGS:
        if field not in uses and getattr(config, field, None) is not None:
            raise ScenarioError(f"{where}.{field}: mode {config.mode!r} has none; allowed: {', '.join(uses) or 'none'}")
    if config.ramp_s and (config.mode != "wrong" or config.order is not None):
        raise ScenarioError(f"{where}.ramp_s: mode {config.mode!r} comes at once; allowed: 0, or gain and bias")


def needed(config: FaultConfig, field: str, where: str) -> Any:
    """A setting that the mode cannot do without. Raises ScenarioError where it is absent.

    Parameters
    ----------
    config : FaultConfig
    field : str
    where : str
        The place in the scenario, for messages.
    """
    found = getattr(config, field)
    if found is None:
        raise ScenarioError(f"{where}.{field}: found none; mode {config.mode!r} needs it")
    return found


def outages(config: FaultConfig, where: str) -> Outages:
    """The outages that `probability` and `outage_s` describe, from the time `at_s` on.

    Parameters
    ----------
    config : FaultConfig
    where : str
        The place in the scenario, for messages.
    """
    mean_us = needed(config, "outage_s", where) * 1e6
    return Outages(needed(config, "probability", where), mean_us, f"outages.{where}")


def value_mode(config: FaultConfig, names: Sequence[str], step_s: float, where: str, rest: float | None) -> Mode:
    """The fault of some numbers.

    Parameters
    ----------
    config : FaultConfig
    names : (n,) sequence of str
        What the numbers are called.
    step_s : float
        The physics step.
    where : str
        The place in the scenario, for messages.
    rest : float, optional
        What there is in an outage where no `value` says so; the last numbers when absent.
    """

    def each(field: str, absent: float) -> tuple[float, ...]:
        found = getattr(config, field)
        return spread(absent if found is None else found, names, absent, f"{where}.{field}")

    if config.mode == "off":
        return Off(each("value", 0.0))
    if config.mode == "stuck":
        return Stuck()
    if config.mode == "garbage":
        return _garbage(config, names, where)
    if config.mode == "wrong":
        return _wrong(config, names, each, where)
    if config.mode == "slow":
        return _slow(config, step_s, where)
    if config.mode == "delayed":
        return Delayed(whole_steps(needed(config, "delay_s", where), step_s, f"{where}.delay_s"))
    holds = config.value is None and rest is None
    value = None if holds else each("value", 0.0 if rest is None else rest)
    return Intermittent(outages(config, where), round(step_s * 1e6), value)


def _garbage(config: FaultConfig, names: Sequence[str], where: str) -> Garbage:
    limits = []
    for field in ("low", "high"):
        found = needed(config, field, where)
        if isinstance(found, dict) and (missing := [name for name in names if name not in found]):
            raise ScenarioError(f"{where}.{field}: found none for {missing[0]!r}; mode 'garbage' needs one for each")
        limits.append(spread(found, names, 0.0, f"{where}.{field}"))
    for low, high in zip(*limits, strict=True):
        if low >= high:
            raise ScenarioError(f"{where}.low, high: found {low:g} and {high:g}; allowed: the lower first")
    return Garbage(limits[0], limits[1], f"garbage.{where}")


def _wrong(
    config: FaultConfig, names: Sequence[str], each: Callable[[str, float], tuple[float, ...]], where: str
) -> Mode:
    if config.gain is None and config.bias is None and config.order is None:
        raise ScenarioError(f"{where}: found no gain, bias or order; mode 'wrong' needs one of them")
    wrong = Wrong(each("gain", 1.0), each("bias", 0.0))
    if config.order is None and config.low is None and config.high is None:
        return wrong
    order = names if config.order is None else names[::-1] if config.order == "reversed" else config.order
    if len(order) != len(names):
        raise ScenarioError(f"{where}.order: found {len(order)} names; allowed: {len(names)}: {', '.join(names)}")
    for name in order:
        if name not in names:
            raise ScenarioError(f"{where}.order: found {name!r}; {allowed_hint(name, names)}")
    return Miswired([list(names).index(name) for name in order], wrong, each("low", -inf), each("high", inf))


def _slow(config: FaultConfig, step_s: float, where: str) -> Mode:
    if (config.lag_s is None) == (config.period_s is None):
        found = "neither" if config.lag_s is None else "both"
        raise ScenarioError(f"{where}: found {found} of lag_s and period_s; mode 'slow' needs one of them")
    if config.period_s is not None:
        return Stuck(whole_steps(config.period_s, step_s, f"{where}.period_s"))
    return Slow(step_s, needed(config, "lag_s", where))
