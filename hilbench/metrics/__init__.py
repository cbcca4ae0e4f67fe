"""Metrics: numbers computed from a run, each with a unit and a direction. They read RunData and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple, Protocol, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from hilbench import plugins
from hilbench.errors import PluginError, said
from hilbench.record.data import RunData
from hilbench.record.meta import RunMeta

Better = Literal["lower", "higher", "neither"]
Origin = Literal["measured", "modelled", "unavailable"]
MODES = ("lockstep", "delayed", "realtime", "replay")
ROLES = {
    "twin": "the same run with learning off from the change on",
    "twin_unchanged": "the twin, where the change does not come",
    "twin_2": "the same run with learning off from the end of the change on",
    "twin_2_unchanged": "that, where the change does not end",
    "unchanged": "the same run without the change",
    "blind": "the same run with its inputs held from the change on",
    "retained": "the same run with learning off after the last horizon",
    "floor": "the controller that does nothing about the change",
    "oracle": "the controller that is told of it",
    "untold": "the classical controller that is not told of it",
}
"""What another run is to one that is judged."""


class Measure(NamedTuple):
    """A metric's value over `n` samples. A value of None is refused or unavailable, and `note` says why."""

    value: float | None
    n: int
    unit: str | None = None
    """Where it depends on the run."""
    interval: tuple[float, float] | None = None
    """Lowest and highest value that the model's constants allow."""
    origin: Origin | None = None
    """Where a cost comes from; numbers of two origins are never compared."""
    note: str = ""
    better: Better | None = None
    """Which values are better, where that depends on the run."""


Measures = dict[str, Measure]
"""What a metric answers: Measures by label, "" where there is one alone; empty when the run cannot have it."""


class Metric(Protocol):
    """A function from a run to Measures, with what `metric` declares of it."""

    unit: str
    better: Better
    modes: tuple[str, ...]
    needs: tuple[str, ...]
    uses: tuple[str, ...]
    wall: bool
    over_seeds: Literal["iqm", "mean"]

    def __call__(self, run: RunData, **references: RunData) -> Measures:
        """The run's Measures. `references` are the runs that it `needs`, by role, and those that it `uses`."""


def metric(
    unit: str,
    better: Better,
    *,
    modes: tuple[str, ...] = MODES,
    needs: tuple[str, ...] = (),
    uses: tuple[str, ...] = (),
    wall: bool = False,
    over_seeds: Literal["iqm", "mean"] = "iqm",
) -> Callable[[Callable[..., Measures]], Metric]:
    """Declare a metric: a function from a run to Measures.

    Parameters
    ----------
    unit : str
        The unit of its values; "" where it depends on the run.
    better : str
        Which values are better: "lower", "higher" or "neither".
    modes : tuple of str
        Modes of the loop in which it means something.
    needs : tuple of str
        Other runs to compare with, of `ROLES`. The function gets them as keyword arguments; where one is missing, the
        metric is left out.
    uses : tuple of str
        Others that it gets where they are there.
    wall : bool
        Whether it reads the wall clock, so that no second run repeats its value.
    over_seeds : str
        What is reported for all seeds of a cell: "iqm", the interquartile mean, or "mean" where trimming would hide
        the cases that count.
    """

    def declare(function: Callable[..., Measures]) -> Metric:
        declared = cast(Metric, function)  # with these attributes a function is one
        declared.unit, declared.better, declared.modes = unit, better, modes
        declared.needs, declared.uses, declared.wall, declared.over_seeds = needs, uses, wall, over_seeds
        return declared

    return declare


def measure(
    run: RunData,
    references: Mapping[str, RunData] | None = None,
    wall: bool = True,
    asked: Sequence[str] = (),
    only: str | None = None,
) -> dict[str, dict[str, Any]]:
    """Every metric that this run has: NAME or NAME[LABEL] -> value, unit, better, n, and what else a Measure says.

    A metric that raises, cannot be loaded, or answers what no Measure can hold has no value, and its note says so.
    Each gets a RunData of its own whose arrays are read-only, so none changes what another one sees.

    Parameters
    ----------
    run : RunData
        The run, as `read_run` gives it.
    references : dict of RunData, optional
        The runs to compare with, by role, of `ROLES`.
    wall : bool
        Whether to compute metrics that read the wall clock.
    asked : sequence of str
        Names of further metrics, MODULE:NAME, of modules that this process may import. What a record names is never
        imported for that alone.
    only : str, optional
        The one metric that is wanted; all when absent.
    """
    found: dict[str, dict[str, Any]] = {}
    others = references or {}
    further = {name.partition("[")[0] for name in asked} - plugins.all_of("metrics").keys()
    for name in sorted({*plugins.all_of("metrics"), *further}) if only is None else [only]:
        try:
            found |= _answers(name, run, others, wall)
        except (Exception, SystemExit) as error:  # each stands alone, whoever wrote it
            found[name] = {"value": None, "unit": "", "better": "neither", "n": 0, "note": _cause(error)}
    return found


def _answers(name: str, run: RunData, others: Mapping[str, RunData], wall: bool) -> dict[str, dict[str, Any]]:
    """One metric's answers by NAME or NAME[LABEL]; none where the run cannot have it."""
    function: Metric = plugins.get("metrics", name)
    if run.mode not in function.modes or not set(function.needs) <= set(others) or function.wall > wall:
        return {}
    roles = (*function.needs, *(role for role in function.uses if role in others))
    answers = function(_own(run), **{role: _own(others[role]) for role in roles})
    if not isinstance(answers, Mapping) or not all(isinstance(label, str) for label in answers):
        raise TypeError(f"a metric answers a dict of Measures by label, found {answers!r}")
    return {f"{name}[{label}]" if label else name: _described(answer, function) for label, answer in answers.items()}


def _own(run: RunData) -> RunData:
    """A run for one metric alone: a copy of what is not arrays, and read-only views of what is."""
    episodes = [{name: _read_only(values) for name, values in episode.items()} for episode in run.episodes]
    meta = msgspec.convert(msgspec.to_builtins(run.meta), RunMeta)  # a tenth of a deepcopy
    return replace(run, meta=meta, episodes=episodes, echo_ns=_read_only(run.echo_ns))


def _read_only(values: NDArray) -> NDArray:
    view = values.view()
    view.flags.writeable = False
    return view


def _described(answer: Measure, function: Metric) -> dict[str, Any]:
    """A Measure as plain numbers and text. Raises TypeError, ValueError or OverflowError for one that is none."""
    if not isinstance(answer, Measure):
        raise TypeError(f"a metric answers a dict of Measures by label, found {answer!r}")
    value = answer.value.item() if isinstance(answer.value, np.generic) else answer.value
    if not (value is None or isinstance(value, int | float)):
        raise TypeError(f"a Measure's value is a number or None, found {value!r}")
    float(value or 0)  # a whole number may be too large for one
    interval = None if answer.interval is None else [float(end) for end in answer.interval]
    if interval is not None and len(interval) != 2:
        raise ValueError(f"a Measure's interval is two numbers, found {interval}")
    better = answer.better or function.better
    whole = {"value": value, "unit": answer.unit or function.unit, "better": better, "n": int(answer.n)}
    for key, found, allowed in (
        ("unit", whole["unit"], str),
        ("note", answer.note, str),
        ("better", better, Better),
        ("origin", answer.origin, Origin | None),
    ):
        _check(key, found, allowed)
    more = {"interval": interval, "origin": answer.origin, "note": answer.note}
    return whole | {key: value for key, value in more.items() if value}


def _check(key: str, found: Any, allowed: Any) -> None:
    try:
        msgspec.convert(found, allowed)
    except msgspec.ValidationError as error:
        raise TypeError(f"a Measure's {key}: {error}") from None


def _cause(error: BaseException) -> str:
    return str(error) if isinstance(error, PluginError) else f"this metric raised {said(error)}"


def count(found: float, n: int) -> Measures:
    """A count as a metric's answer. There is no answer where there was nothing to count.

    Parameters
    ----------
    found : float
        How many there are; a whole number.
    n : int
        Of how many.
    """
    return {"": Measure(int(found), int(n))} if n else {}


def column(run: RunData, name: str) -> NDArray:
    """A column over all episodes, end to end; empty when no episode has it.

    Parameters
    ----------
    run : RunData
        The run.
    name : str
        The column's name in the record.
    """
    return np.concatenate([episode[name] for episode in run.episodes if name in episode] or [np.empty(0)])


def live(episode: Mapping[str, NDArray]) -> NDArray:
    """(n,) bool: which rows are control periods. The row of the observation with which the plant ended is none."""
    return ~(episode["terminated"] | episode["truncated"])


def n_periods(run: RunData) -> int:
    """How many control periods the plant lived through, over all episodes."""
    return sum(int(live(episode).sum()) for episode in run.episodes)
