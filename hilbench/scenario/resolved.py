"""A resolved scenario: what `files.py` makes of a file. It may take another of its controllers, and can be dumped.

It must not know files.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from msgspec import Struct, structs

from hilbench import modules
from hilbench.errors import ScenarioError, allowed_hint
from hilbench.scenario.loop import LoopConfig
from hilbench.scenario.score import Change, ScoreConfig, changes
from hilbench.scenario.tuning import Budget, TuneConfig, Tuned
from hilbench.types import Probes, to_builtins


@dataclass(frozen=True)
class PluginPart:
    """A plug-in by kind, with its Config."""

    kind: str
    config: Any


@dataclass(frozen=True)
class ControllerPart:
    """A controller as this scenario tunes it, and the backend it runs on."""

    kind: str
    config: Any
    backend: PluginPart


class ReportConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What tables and the report show besides their own columns."""

    metrics: tuple[str, ...] = ()
    """Names of metrics, as `torque_peak`, `latency[max]` or `my_metrics:jerk`."""


@dataclass(frozen=True)
class Scenario:
    """A resolved scenario. `where` is the file it came from, for messages."""

    name: str
    summary: str
    where: str
    plant: PluginPart
    loop: LoopConfig
    link: PluginPart
    record: Probes
    disturbances: dict[str, dict[str, Any]]
    controllers: dict[str, ControllerPart]
    controller: str
    phases: dict[str, tuple[float, float]]
    score: ScoreConfig
    sensors: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What its plant carries besides its own."""
    report: ReportConfig = field(default_factory=ReportConfig)
    tune: TuneConfig = field(default_factory=TuneConfig)
    tuned: Tuned | None = None
    """The tuned values that its controllers have, and what finding them cost; None where its file names none."""
    modules: tuple[str, ...] = ()
    """Modules that it names and that its user allowed, beyond installed plug-ins."""
    folder: str = ""
    """Where those are looked for too: the folder of its file."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        """In another process too, what its user allowed is allowed."""
        vars(self).update(state)
        modules.allow(self.modules, self.folder)

    @property
    def chosen(self) -> ControllerPart:
        """The controller that runs."""
        return self.controllers[self.controller]

    @property
    def period_us(self) -> int:
        """The control period in microseconds."""
        return round(self.loop.period_s * 1e6)

    @property
    def change_s(self) -> float | None:
        """When the change comes that a learner is to adapt to; None where the scenario names none."""
        return next((change.at_s for change in self.changes), None)

    @property
    def changes(self) -> tuple[Change, ...]:
        """The instants of the scored change: where it comes and, within the run, where it ends again."""
        return changes(self.score, self.disturbances, self.loop)


def choose_controller(scenario: Scenario, name: str) -> Scenario:
    """The same scenario with another of its controllers, which starts from nothing. Raises ScenarioError.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    name : str
        One of `scenario.controllers`.
    """
    if name not in scenario.controllers:
        raise ScenarioError(f"{scenario.where}: controller: found {name!r}; {allowed_hint(name, scenario.controllers)}")
    if name == scenario.controller:
        return scenario
    return replace(scenario, controller=name, loop=structs.replace(scenario.loop, start_from=None))


def budget_of(scenario: Scenario) -> list[Budget]:
    """What the tuning of each controller that may be tuned cost, and what it brought."""
    found = {} if scenario.tuned is None else scenario.tuned.controllers
    return [
        Budget(name, (one := found[name]).runs, one.seeds, one.loss_default, one.loss_tuned, one.control_undisturbed)
        if name in found
        else Budget(name, 0)
        for name in scenario.tune.controllers
    ]


def dump(scenario: Scenario) -> dict[str, Any]:
    """Everything resolved, as a dict that `resolve` takes back. Tuned values stand in the controllers."""
    controllers = {
        name: {"kind": c.kind, **to_builtins(c.config), "backend": dump_part(c.backend)}
        for name, c in scenario.controllers.items()
    }
    whole = {
        "name": scenario.name,
        "summary": scenario.summary,
        "controller": scenario.controller,
        "plant": dump_part(scenario.plant),
        "loop": to_builtins(scenario.loop),
        "link": dump_part(scenario.link),
        "backend": dump_part(scenario.chosen.backend),
        "record": to_builtins(scenario.record),
        "phases": {name: list(span) for name, span in scenario.phases.items()},
        "score": to_builtins(scenario.score),
        "sensors": scenario.sensors,
        "report": to_builtins(scenario.report),
        "tune": to_builtins(scenario.tune),
        "disturbances": scenario.disturbances,
        "controllers": controllers,
    }
    return _without_none(whole)


def fingerprint(scenario: Scenario) -> dict[str, Any]:
    """What decides a run and its numbers: everything but the controllers that do not run, and what is said."""
    whole = dump(scenario)
    whole["controllers"] = {scenario.controller: whole["controllers"][scenario.controller]}
    return {field: value for field, value in whole.items() if field not in ("summary", "report", "tune")}


def dump_part(part: PluginPart) -> dict[str, Any]:
    """A plug-in with its settings, as a table of a scenario's file."""
    return _without_none({"kind": part.kind, **to_builtins(part.config)})


def _without_none(value: Any) -> Any:
    """TOML has no null; an absent field means its default."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value
