"""Decides which disturbances act at a physics step. It must not know what a disturbance does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hilbench import plugins
from hilbench.envs.disturbances import Disturbance, Loads, Timing, Traits
from hilbench.errors import PluginError, ScenarioError, allowed_hint
from hilbench.modules import is_module_name
from hilbench.settings import to_config

NEVER = 2**62


class Schedule:
    """All disturbances of one plant: which of them act at a physics step, and how strongly.

    Times are rounded to whole physics steps, so that no sum of floats drifts past them.

    Parameters
    ----------
    tables : dict of dict
        By name {"kind": ..., and that kind's fields}.
    traits : Traits
        What of the plant a disturbance can reach.
    step_s : float
        The physics step, in seconds.

    Raises ScenarioError when a table is wrong or a disturbance does not fit the plant.
    """

    def __init__(self, tables: Mapping[str, Any], traits: Traits, step_s: float) -> None:
        if not isinstance(tables, Mapping):
            raise ScenarioError(f"disturbances: found {tables!r}, expected a table of tables")
        self._n_joints = len(traits.joints)
        self._windows = [_window(name, table, traits, step_s) for name, table in tables.items()]
        self.active: list[Disturbance] = []
        self.wake = 0
        """The step at which `at` must be asked again; until then nothing changes."""

    def reset(self, seed: int) -> None:
        """Start an episode at step 0."""
        for window in self._windows:
            window.disturbance.reset(seed)
        self.active = []
        self.wake = 0

    def at(self, step: int) -> Loads:
        """Set who is active from `step` on, and how strongly; return the physical changes that hold then."""
        self.active = []
        self.wake = NEVER
        loads = Loads(0.0, [0.0] * self._n_joints)
        for window in self._windows:
            self.wake = min(self.wake, window.wake(step))
            if window.start <= step < window.stop:
                window.disturbance.level = window.level(step)
                window.disturbance.load(loads)
                self.active.append(window.disturbance)
        return loads


@dataclass(frozen=True, slots=True)
class _Window:
    """One disturbance and its times in physics steps: [start, stop), full size from `full` on."""

    disturbance: Disturbance
    start: int
    full: int
    stop: int

    def level(self, step: int) -> float:
        return (step - self.start) / (self.full - self.start) if step < self.full else 1.0

    def wake(self, step: int) -> int:
        if step < self.start:
            return self.start
        if step >= self.stop:
            return NEVER
        return step + 1 if step < self.full else self.stop


def _window(name: str, table: Any, traits: Traits, step_s: float) -> _Window:
    where = f"disturbances.{name}"
    kinds = plugins.all_of("disturbances")
    kind = table.get("kind") if isinstance(table, Mapping) else None
    if not isinstance(kind, str) or (kind not in kinds and not is_module_name(kind)):
        raise ScenarioError(f"{where}.kind: found {kind!r}; {allowed_hint(str(kind), kinds)}")
    try:
        cls = plugins.get("disturbances", kind)
    except PluginError as error:
        raise ScenarioError(f"{where}.kind: {error}") from None
    config: Timing = to_config(cls.Config, {key: value for key, value in table.items() if key != "kind"}, where)
    start = round(config.at_s / step_s)
    stop = NEVER if config.until_s is None else round(config.until_s / step_s)
    if stop <= start:
        raise ScenarioError(f"{where}.until_s: found {config.until_s} s, expected later than at_s = {config.at_s} s")
    return _Window(cls(config, traits, where), start, start + round(config.ramp_s / step_s), stop)
