"""What of a scenario may be tuned, its `[tune]` table, and what tuning found: the file that `tuned` names.

It runs nothing and reads no file: `files` does the latter, and `studies.tuning` tunes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta, Struct

from hilbench.errors import ScenarioError, allowed_hint
from hilbench.settings import to_config
from hilbench.types import to_builtins

SUFFIX = ".tuned.toml"
"""How the names of such files end; they are no scenarios."""
LAST_SEED = 999
"""Seeds up to this one are for tuning, those from 10000 on for reporting."""
GENERATION = 5
"""Candidates that the optimiser asks for at a time."""
JUDGED = ("loss", "change", "horizon_s", "window_s", "window_episodes", "horizon_episodes")
"""What of `[score]` decides the loss that is tuned for."""
Number: TypeAlias = int | float
Values: TypeAlias = dict[str, Number]
"""Parameter -> value."""


class Range(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a parameter is looked for."""

    low: float
    high: float
    log: bool = False
    """Whether factors count alike, and not differences: for rates, gains and time constants."""


Ranges: TypeAlias = dict[str, Range]
"""By parameter: a field of the controller, dotted where it is a field of a table."""


class TuneConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be tuned, and with how many runs: the same number for each controller, however many parameters it has.

    A candidate is a set of values for a controller's parameters; it takes one run on each seed.
    """

    runs: Annotated[int, Meta(ge=1, le=1_000_000)] = 60
    """Runs that each controller gets."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds on which each candidate runs, of 0 to 999; those from 10000 on are for reporting."""
    optimiser_seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    """Of the candidates that the optimiser draws."""
    controllers: dict[str, Annotated[Ranges, Meta(min_length=1)]] = {}
    """By controller, the parameters that are tuned and their ranges; the scenario's own values are tried first."""


class TunedController(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What tuning found for a controller, and what it cost."""

    runs: int
    """Runs that it got."""
    failed_runs: int
    """Those among them that failed, or whose loss is no number."""
    seeds: tuple[int, ...]
    optimiser: str
    """Its name and version."""
    optimiser_seed: int
    code_version: str
    """16 digits over hilbench's source and the versions of the libraries that make numbers."""
    scenario_sha256: str
    """16 digits over what was tuned: the scenario's tables, without the tuned values."""
    loss_default: float | None = None
    """Mean loss with the scenario's own values; absent where a run failed."""
    loss_tuned: float | None = None
    """Mean loss with the tuned values; absent where no candidate came through."""
    default: Values
    tuned: Values
    candidates_checked: int = 0
    """How many candidates' controls were looked at, the best first, until one passed; 0 for what does not learn."""
    control_undisturbed: float | None = None
    """The tuned values' mean over the seeds; above the control's limit where no candidate passes."""


class Tuned(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of tuned values."""

    format_version: Literal[1] = 1
    scenario: str
    loss: str
    """The kind of loss that was tuned for."""
    better: Literal["lower", "higher"]
    controllers: dict[str, TunedController]


class Budget(NamedTuple):
    """What the tuning of a controller cost, and what it brought."""

    controller: str
    runs: int
    """0 where it may be tuned and was not."""
    seeds: tuple[int, ...] = ()
    loss_default: float | None = None
    loss_tuned: float | None = None
    control_undisturbed: float | None = None


def share_of(span: Range, value: Number) -> float:
    """Where in a range a value lies: 0 at its low end, 1 at its high one, by factors where it is logarithmic.

    Parameters
    ----------
    span : Range
    value : int or float
        In the range, or beyond it by what rounding to a whole number does.
    """
    inside = min(max(value, span.low), span.high)
    low, high, x = (math.log(each) if span.log else each for each in (span.low, span.high, inside))
    return (x - low) / (high - low)


def near_ends(ranges: Ranges, values: Values) -> list[str]:
    """A line for each value in the first or the last tenth of its range, beyond which there may be better ones.

    Parameters
    ----------
    ranges : dict of Range
        By parameter.
    values : dict of float
        What tuning found for some of these parameters or all.
    """
    shares = {field: share_of(ranges[field], value) for field, value in values.items()}
    return [
        f"{field} = {values[field]:g} is near the {'high' if share > 0.5 else 'low'} end of its range, "
        f"{ranges[field].low:g} to {ranges[field].high:g}"
        for field, share in shares.items()
        if abs(share - 0.5) > 0.4
    ]


def check_tune(tune: TuneConfig, configs: Mapping[str, Struct], where: str) -> None:
    """Raise ScenarioError for seeds, a budget or ranges that cannot be.

    Parameters
    ----------
    tune : TuneConfig
        What is checked.
    configs : mapping
        By the name of a controller of the scenario, its settings.
    where : str
        The table's place in the file, for messages.
    """
    check_budget(tune, where)
    for name, ranges in tune.controllers.items():
        place = f"{where}.controllers.{name}"
        if name not in configs:
            raise ScenarioError(f"{place}: no such controller; {allowed_hint(name, configs)}")
        for field, span in ranges.items():
            _check_range(field, span, configs[name], f"{place}.{field}")


def check_budget(tune: TuneConfig, where: str) -> None:
    """Raise ScenarioError for seeds that are not for tuning, and for a number of runs that they do not divide.

    Parameters
    ----------
    tune : TuneConfig
    where : str
        The table's place, for messages.
    """
    if not tune.seeds or len(set(tune.seeds)) < len(tune.seeds):
        raise ScenarioError(f"{where}.seeds: found {list(tune.seeds)}; expected one seed or more, each once")
    for seed in tune.seeds:
        if not 0 <= seed <= LAST_SEED:
            why = "; results are reported on those from 10000 on, and nothing may be tuned on them"
            raise ScenarioError(f"{where}.seeds: found {seed}; allowed: 0 to {LAST_SEED}{why}")
    if tune.runs % (step := GENERATION * len(tune.seeds)):
        each = f"{GENERATION} candidates at a time, on {len(tune.seeds)} seed(s) each"
        raise ScenarioError(f"{where}.runs: found {tune.runs}; allowed: a multiple of {step} ({each})")


def _check_range(field: str, span: Range, config: Struct, where: str) -> None:
    """Raise ScenarioError unless both ends of a range are values that a number in a controller's settings may have."""
    if not span.low < span.high or (span.log and span.low <= 0):
        allowed = "0 < low < high where log = true" if span.log else "low < high"
        raise ScenarioError(f"{where}: found low = {span.low:g}, high = {span.high:g}; allowed: {allowed}")
    settings = to_builtins(config)
    default = value_at(settings, field, where)
    for end in (span.low, span.high):
        ends = deepcopy(settings)
        put(ends, field, like(default, end))
        to_config(type(config), ends, where.removesuffix(f".{field}"))


def value_at(settings: Mapping[str, Any], field: str, where: str) -> Number:
    """The number that a controller's settings have in a field. Raises ScenarioError where it is no number.

    Parameters
    ----------
    settings : mapping
    field : str
        Dotted where it is a field of a table.
    where : str
        The field's place, for messages.
    """
    value: Any = settings
    for name in field.split("."):
        if not isinstance(value, Mapping) or name not in value:
            allowed = allowed_hint(name, map(str, value)) if isinstance(value, Mapping) else "allowed: a field's name"
            raise ScenarioError(f"{where}: no such field; {allowed}")
        value = value[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScenarioError(f"{where}: found {value!r} in the controller's settings; allowed: a field with a number")
    return value


def put(settings: dict[str, Any], field: str, value: Number) -> None:
    """Set a field of a controller's table, in place.

    Parameters
    ----------
    settings : dict
    field : str
        Dotted where it is a field of a table.
    value : int or float
    """
    *tables, last = field.split(".")
    for name in tables:
        settings = settings.setdefault(name, {})
    settings[last] = value


def like(default: Number, value: float) -> Number:
    """A value as a field takes it, to four digits: a whole number where the default is one.

    Parameters
    ----------
    default : int or float
        What the scenario's own value of the field is.
    value : float
    """
    return round(value) if isinstance(default, int) else float(f"{value:.4g}")


def content_digest(raw: Mapping[str, Any], name: str) -> str:
    """16 digits over all that decides what is best for a controller, as the scenario's file states it.

    Parameters
    ----------
    raw : mapping
        The scenario's file, without tuned values and without overrides.
    name : str
        The controller.
    """
    whole = {table: raw.get(table) for table in ("plant", "link", "backend", "sensors", "disturbances")}
    whole["loop"] = {field: value for field, value in raw.get("loop", {}).items() if field != "seed"}
    whole["score"] = {field: raw.get("score", {}).get(field) for field in JUDGED}
    whole["controller"] = raw.get("controllers", {}).get(name)
    whole["ranges"] = raw.get("tune", {}).get("controllers", {}).get(name)
    return hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()[:16]


def with_tuned(raw: Mapping[str, Any], tuned: Tuned, where: str) -> dict[str, Any]:
    """A copy of a scenario's dict with tuned values in it. Raises ScenarioError where they are for another scenario.

    Parameters
    ----------
    raw : dict
        What the scenario's file says.
    tuned : Tuned
        What was found for it.
    where : str
        The tuned values' file, for messages.
    """
    changed: dict[str, Any] = msgspec.to_builtins(raw)
    for name, found in tuned.controllers.items():
        if content_digest(raw, name) != found.scenario_sha256:
            raise ScenarioError(
                f"{where}: controllers.{name}: stale: the scenario has changed since it was tuned;"
                " run `hilbench tune` again, or take `tuned` out of the scenario"
            )
        for field, value in found.tuned.items():
            if field not in raw["tune"]["controllers"][name]:
                raise ScenarioError(
                    f"{where}: controllers.{name}.tuned.{field}: the scenario's [tune] has no such field"
                )
            put(changed["controllers"][name], field, value)
    return changed
