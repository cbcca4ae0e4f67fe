"""Numbers over seeds: interquartile means, bootstrap intervals, paired differences (Agarwal et al. 2021, NeurIPS).

It takes metrics' answers as plain dicts, and does not know runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
FEWEST = 3
"""Seeds below which there is no interval."""

Answers = Mapping[str, Mapping[str, Any]]
"""One run's metrics by name, as `hilbench.metrics.measure` gives them."""


def iqm(values: NDArray, axis: int = -1) -> Any:
    """The interquartile mean: the mean without the lowest and the highest quarter.

    Parameters
    ----------
    values : array_like
        Any shape and unit.
    axis : int
        Over which the mean is taken.
    """
    import scipy.stats  # slow to import, and the runs' own processes need none of it

    return scipy.stats.trim_mean(values, 0.25, axis=axis)


STATISTICS: dict[str, Callable[..., Any]] = {"iqm": iqm, "mean": np.mean}


def interval(table: NDArray, statistic: Callable[..., Any] = iqm) -> NDArray:
    """95 % percentile-bootstrap intervals of a table's rows, (m, 2); the same table always gives the same intervals.

    Parameters
    ----------
    table : (m, n) float
        A row per metric and a column per seed, with FEWEST seeds or more.
    statistic : callable
        What the intervals are of; takes an array and an axis.
    """
    import scipy.stats

    found = scipy.stats.bootstrap(
        (table,), statistic, n_resamples=RESAMPLES, method="percentile", axis=-1, random_state=np.random.default_rng(0)
    ).confidence_interval
    return np.sort(np.stack([found.low, found.high], axis=-1))  # rounding may swap the bounds of equal values


def over_seeds(runs: Sequence[Answers], statistic_of: Callable[[str], str]) -> dict[str, dict[str, Any]]:
    """Each metric over runs that differ by seed: iqm, ci95, n, unit, better, values, and what its answers say.

    A NaN counts as the worst possible value, so that a seed that went wrong cannot improve its cell.

    Parameters
    ----------
    runs : sequence of Answers
        One run's metrics each.
    statistic_of : callable
        Gives "iqm" or "mean" for a metric's name: which of them represents all seeds.
    """
    names = dict.fromkeys(name for run in runs for name in run)
    found = {name: _one([run[name] for run in runs if name in run], statistic_of(name)) for name in names}
    _add_intervals(found.values())
    return found


def differences(
    own: Sequence[Answers], baseline: Sequence[Answers], name: str, statistic_of: Callable[[str], str]
) -> dict[str, dict[str, Any]]:
    """Each metric's difference to the baseline's, paired run by run, with entries as `over_seeds` gives them.

    Parameters
    ----------
    own : sequence of Answers
        One run's metrics each.
    baseline : sequence of Answers
        The metrics of the baseline's runs, with the same seeds in the same order.
    name : str
        The baseline's, which each entry repeats.
    statistic_of : callable
        As in `over_seeds`.
    """
    found: dict[str, dict[str, Any]] = {}
    for metric in dict.fromkeys(metric for run in own for metric in run):
        pairs = [(a[metric], b[metric]) for a, b in zip(own, baseline, strict=True) if metric in a and metric in b]
        apart = np.array([_worst(a) - _worst(b) for a, b in pairs if None not in (a["value"], b["value"])])
        apart = apart[~np.isnan(apart)]  # where both went wrong there is no difference
        if apart.size:
            found[metric] = {"baseline": name, **_over(apart, statistic_of(metric))}
    _add_intervals(found.values())
    for entry in found.values():
        del entry["values"]
    return found


def _one(answers: Sequence[Mapping[str, Any]], statistic: str) -> dict[str, Any]:
    if any(a["value"] is not None for a in answers):  # a metric that one seed has is available
        answers = [a for a in answers if a.get("origin") != "unavailable"]
    first = answers[0]
    values = np.array([_worst(a) for a in answers if a["value"] is not None])
    entry = {**_over(values, statistic), "unit": first["unit"], "better": first["better"]}
    notes = [a["note"] for a in answers if a.get("note")]
    if bad := int((~np.isfinite(values)).sum()):
        notes.append(f"{bad} of {values.size} seeds gave no finite number")
    extra = {"origin": next((a["origin"] for a in answers if "origin" in a), None), "interval": _spread(answers)}
    extra["note"] = "; ".join(dict.fromkeys(notes))
    return entry | {key: value for key, value in extra.items() if value}


def _worst(answer: Mapping[str, Any]) -> float:
    """A value; for NaN the worst possible one."""
    value = float(answer["value"])
    return value if not np.isnan(value) else -np.inf if answer["better"] == "higher" else np.inf


def _over(values: NDArray, statistic: str) -> dict[str, Any]:
    """What represents all seeds; `ci95` is filled in later, for many metrics at once."""
    found: dict[str, Any] = {"iqm": _number(iqm(values)) if values.size else None}
    if statistic != "iqm":
        found |= {"statistic": statistic, statistic: _number(STATISTICS[statistic](values)) if values.size else None}
    return found | {"ci95": None, "n": int(values.size), "values": [_number(value) for value in values]}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _spread(answers: Sequence[Mapping[str, Any]]) -> list[float] | None:
    """The model's interval over seeds: between the means of its bounds."""
    bounds = [a["interval"] for a in answers if "interval" in a]
    return np.mean(bounds, axis=0).tolist() if bounds else None


def _add_intervals(entries: Iterable[dict[str, Any]]) -> None:
    """Fill in `ci95`, for all entries with equally many finite values at once: resampling one by one is slow."""
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for entry in entries:
        if len(entry["values"]) >= FEWEST and None not in entry["values"]:
            groups.setdefault((len(entry["values"]), entry.get("statistic", "iqm")), []).append(entry)
    for (_, statistic), group in groups.items():
        bounds = interval(np.array([entry["values"] for entry in group]), STATISTICS[statistic])
        for entry, found in zip(group, bounds.tolist(), strict=True):
            entry["ci95"] = found
