"""A resolved scenario as plain data with types: what `run.json` keeps of it, and what `resolve` takes back.

It must not know files.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from hilbench.scenario.loop import LoopConfig
from hilbench.scenario.resolved import ReportConfig, Scenario, dump
from hilbench.scenario.score import Change, ScoreConfig, changes
from hilbench.types import Probes

SCENARIO_VERSION = 2
"""Rises with every field of these tables that is added, renamed or taken away: any of them may decide a number."""


class RecordedScenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every field of a scenario, those too that its file leaves to their defaults."""

    format_version: int = SCENARIO_VERSION
    name: str
    summary: str = ""
    controller: str
    """The one of `controllers` that ran."""
    plant: dict[str, Any]
    """`kind` and the settings of that kind."""
    loop: LoopConfig
    link: dict[str, Any]
    """`kind` and the settings of that kind."""
    backend: dict[str, Any]
    """`kind` and the settings of that kind."""
    record: Probes = Probes()
    phases: dict[str, tuple[float, float]] = {}
    """Start and end of each named span of an episode, in seconds."""
    score: ScoreConfig = ScoreConfig()
    sensors: dict[str, dict[str, Any]] = {}
    """By name: `kind` and the settings of that kind."""
    report: ReportConfig = ReportConfig()
    disturbances: dict[str, dict[str, Any]] = {}
    """By name: `kind`, when it acts, and the settings of that kind."""
    controllers: dict[str, dict[str, Any]]
    """By name: `kind`, `backend`, and the settings of that kind."""

    @property
    def change_s(self) -> float | None:
        """When the scored change comes, in seconds; None where the scenario names none."""
        return next((change.at_s for change in self.changes), None)

    @property
    def changes(self) -> tuple[Change, ...]:
        """The instants of the scored change: where it comes and, within the run, where it ends again."""
        return changes(self.score, self.disturbances, self.loop)


def table(recorded: RecordedScenario) -> dict[str, Any]:
    """A recorded scenario as a dict that `resolve` takes."""
    found = msgspec.to_builtins(recorded)
    del found["format_version"]
    return found


def recorded(scenario: Scenario) -> RecordedScenario:
    """A resolved scenario as `run.json` keeps it: without what may be tuned, which tells nothing of a run."""
    whole = dump(scenario)
    del whole["tune"]
    return msgspec.convert(whole, RecordedScenario)
