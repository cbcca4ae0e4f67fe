"""What `[score.loss]` computes of a window: one function a kind, from the parts of episodes that lie in the window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench.record.data import RunData
from hilbench.scenario.losses import F1, Detection, Loss, Mean, Return, Rms, Success, Time


class Refused(Exception):
    """A score that would mean nothing; the message says why."""


class Part(NamedTuple):
    """The control periods of an episode that lie in a window."""

    columns: Mapping[str, NDArray[Any]]
    """`t_us`, `info.KEY`, and `reward`, which is that of the period's own action."""
    end: Mapping[str, float] | None
    """The info with which the episode ended; None where the part is not its end."""
    duration_s: float
    """How long the episode was, in seconds."""

    def cut(self, first: int, end: int) -> Part:
        """The control periods from `first` on, up to `end`."""
        return Part({name: values[first:end] for name, values in self.columns.items()}, None, self.duration_s)

    def info(self, key: str) -> NDArray[np.float64]:
        """An info key in each control period."""
        return self.columns[f"info.{key}"]


Parts = Sequence[Part]
Compute = Callable[[Parts], float]


def of(loss: Loss, run: RunData) -> Compute:
    """What computes a loss of a window. Raises Refused where the plant has not what it needs.

    Parameters
    ----------
    loss : Loss
    run : RunData
        One of the runs that it is computed of.
    """
    meta = run.meta
    key = getattr(loss, "key", None) or meta.plant_spec.error
    if isinstance(loss, Rms | Mean) and not key:
        raise Refused("the plant has no error, so nothing says how well it follows")
    if isinstance(loss, Rms):
        return lambda parts: float(np.sqrt(np.mean(_joined(parts, key) ** 2)))
    if isinstance(loss, Mean):
        return lambda parts: float(np.mean(_joined(parts, key)))
    if isinstance(loss, Success):
        return lambda parts: float(np.mean([_success(part, loss) for part in parts]))
    if isinstance(loss, Time):
        longest_s = meta.scenario.loop.duration_s
        return lambda parts: float(np.mean([p.duration_s if _end(p, loss.key) else longest_s for p in parts]))
    if isinstance(loss, Return):
        return lambda parts: float(np.mean([part.columns["reward"].sum() for part in parts]))
    rate = _missed if isinstance(loss, Detection) else _f1
    return lambda parts: rate(*_decisions(parts, loss))


def unit(run: RunData) -> str:
    """The unit of a run's loss."""
    loss, spec = run.meta.scenario.score.loss, run.meta.plant_spec
    if isinstance(loss, Time):
        return "s"
    return spec.info_units.get(loss.key or spec.error, "1") if isinstance(loss, Rms | Mean) else "1"


def _joined(parts: Parts, key: str) -> NDArray[np.float64]:
    return np.concatenate([part.info(key) for part in parts])


def _end(part: Part, key: str) -> float:
    assert part.end is not None, "windows of episodes hold whole ones"
    return part.end[key]


def _success(part: Part, loss: Success) -> float:
    if not _end(part, loss.key):
        return 0.0
    return 1.0 if loss.shortest_s is None else min(1.0, _end(part, loss.shortest_s) / part.duration_s)


def _decisions(parts: Parts, loss: Detection | F1) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of each decision whether there was something, and whether it was reported."""
    if loss.decided is None:
        found = [(_end(part, loss.target) != 0, _end(part, loss.alarm) != 0) for part in parts]
        targets, alarms = np.array(found, bool).reshape(-1, 2).T
        return targets, alarms
    decided = _joined(parts, loss.decided) != 0
    return (_joined(parts, loss.target) != 0)[decided], (_joined(parts, loss.alarm) != 0)[decided]


def _missed(targets: NDArray[np.bool_], alarms: NDArray[np.bool_]) -> float:
    """(1 - H) / 2 + F / 2. Raises Refused where one of the rates has nothing to be taken of."""
    if targets.all() or not targets.any():
        raise Refused("a window holds no target, or nothing else: hits and false alarms need both; widen the windows")
    return float(1 - alarms[targets].mean() + alarms[~targets].mean()) / 2


def _f1(targets: NDArray[np.bool_], alarms: NDArray[np.bool_]) -> float:
    """2 hits / (2 hits + misses + false alarms). Raises Refused where there is no target."""
    if not targets.any():
        raise Refused("a window holds no target, so F1 means nothing there; widen the windows")
    return float(2 * (targets & alarms).sum() / (targets.sum() + alarms.sum()))
