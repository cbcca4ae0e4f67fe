"""The runs that a run is compared with, as scenarios by role: twins, controls, floor, oracle and untold baseline."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import msgspec

from hilbench.runs.build import nearest_link
from hilbench.scenario.resolved import Scenario, choose_controller
from hilbench.scenario.score import Change

PRINTED = ("twin", "twin_2", "floor", "oracle", "untold")
"""Roles that have a row of their own in every table, with its own metrics; the others are there for a score alone."""


Learns = Literal["network", "law"] | None
"""What of a program learns; None for one that does not."""


def learners(scenario: Scenario, kind: Learns) -> dict[str, Scenario]:
    """What a learner is compared with: its twins, with and without the change, and its controls.

    Parameters
    ----------
    scenario : Scenario
        One with changes.
    kind : {"network", "law"}
        What it is. A law has no blind run: its learning signals are made of its inputs.
    """
    found: dict[str, Scenario] = {}
    changes, score = scenario.changes, scenario.score
    for role, change in zip(("twin", "twin_2"), changes, strict=False):
        if _learning_at(scenario, change):
            found[role] = _frozen(scenario, change)
            found[f"{role}_unchanged"] = _frozen(_without(scenario, change), change)
    if not score.controls or "twin" not in found:
        return found
    first = changes[0]
    found["unchanged"] = _without(scenario, first)
    if kind == "network":
        found["blind"] = _at(scenario, "blind", first)
    end = _end_of_horizon(scenario)
    if end is not None and _learning_at(scenario, end):
        found["retained"] = _frozen(scenario, end)
    return found


def others(scenario: Scenario) -> dict[str, Scenario]:
    """The scenario's other controllers that every run of it is compared with.

    A device at an address runs one kind of program: who needs another backend than the scenario's controller runs here.
    """
    score = scenario.score
    named = {"floor": score.floor, "oracle": score.oracle, "untold": score.untold}
    found = {role: choose_controller(scenario, name) for role, name in named.items() if name is not None}
    if device_of(scenario) is None:
        return found
    kind = scenario.chosen.backend.kind
    return {
        role: each if each.chosen.backend.kind == kind else replace(each, link=nearest_link(each))
        for role, each in found.items()
    }


def device_of(scenario: Scenario) -> str | None:
    """The address of the device that serves a scenario's runs; None where each run has one of its own."""
    return getattr(scenario.link.config, "address", None)


def _learning_at(scenario: Scenario, change: Change) -> bool:
    """Whether the run still learns when a change comes."""
    loop = scenario.loop
    if change.at_episode is not None:
        return loop.freeze_at_episode is None or loop.freeze_at_episode > change.at_episode
    return loop.freeze_at_s is None or loop.freeze_at_s > change.at_s


def _frozen(scenario: Scenario, change: Change) -> Scenario:
    return _at(scenario, "freeze", change)


def _at(scenario: Scenario, what: str, change: Change) -> Scenario:
    """The scenario with `loop.WHAT_at_s`, or `loop.WHAT_at_episode`, at a change."""
    by_episode = change.at_episode is not None
    field: dict[str, Any] = {f"{what}_at_episode": change.at_episode} if by_episode else {f"{what}_at_s": change.at_s}
    return replace(scenario, loop=msgspec.structs.replace(scenario.loop, **field))


def _without(scenario: Scenario, change: Change) -> Scenario:
    """The scenario in which a change does not come: the disturbance never starts, or it never ends."""
    name = scenario.score.change
    assert name is not None, "a scenario with changes names their disturbance"
    if change.ends:
        stays = {key: value for key, value in scenario.disturbances[name].items() if not key.startswith("until_")}
        return replace(scenario, disturbances={**scenario.disturbances, name: stays})
    rest = {key: table for key, table in scenario.disturbances.items() if key != name}
    return replace(scenario, disturbances=rest, score=msgspec.structs.replace(scenario.score, change=None))


def _end_of_horizon(scenario: Scenario) -> Change | None:
    """Where the last change's horizon ends; None where the run ends before another window is over."""
    score, loop, last = scenario.score, scenario.loop, scenario.changes[-1]
    if score.window_episodes is not None:
        end = (last.at_episode or 0) + score.horizon_episodes
        return Change(0.0, end) if end + score.window_episodes <= loop.episodes else None
    end_s = last.at_s + score.horizon_s
    return Change(end_s, None) if end_s + score.window_s <= loop.duration_s + 1e-9 else None
