"""An evaluation's summary: its cells with their metrics over seeds, and what they are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from hilbench import plugins
from hilbench.errors import PluginError
from hilbench.metrics.controls import BLIND, UNDISTURBED
from hilbench.scenario.resolved import fingerprint
from hilbench.studies import maps
from hilbench.studies.command import command
from hilbench.studies.plan import Case, Job, Line
from hilbench.studies.schema import Cell, MapVerdict, Metric, Summary
from hilbench.studies.statistics import differences, over_seeds
from hilbench.studies.suite import Suite

Answers = Mapping[Case, dict[str, Any]]
PACE = "realtime_factor"
"""The metric that a summary keeps apart from its cells: no second run repeats it."""
CONTROLS = ("unchanged", "blind", "retained")
"""Roles of runs that are there as controls alone."""
LIMITS = {
    "control_undisturbed": (UNDISTURBED, "acts as a fast integrator: learning changes much where nothing changes"),
    "control_blind": (BLIND, "acts as an integrator: it needs no inputs"),
}
"""By metric, its largest value, and what a larger one means."""


def summarise(suite: Suite, lines: Sequence[Line], answers: Answers, errors: Mapping[Job, str]) -> Summary:
    """The whole summary. A run without answers is missing from its cell's numbers and listed under `failed`.

    Parameters
    ----------
    suite : Suite
    lines : sequence of Line
        The cells' lines first, then those of what they are compared with.
    answers : mapping
        Case -> its metrics.
    errors : mapping
        Job -> why it failed; empty where it did not.
    """
    factors = {
        case.job: answer.get(PACE) if case.job.exclusive else answer.pop(PACE, None) for case, answer in answers.items()
    }
    own = [line for line in lines if not line.role]
    found = [_cell(line, lines, answers, errors, suite.baseline) for line in own]
    for line, cell in zip(own, found, strict=True):
        cell.map = _map_verdict(line, cell, zip(own, found, strict=True))
    return Summary(
        suite=suite.name,
        suite_summary=suite.summary,
        baseline=suite.baseline,
        cells=found,
        references=[_cell(line, lines, answers, errors, None) for line in lines if line.role],
        realtime_factors={_place(job): found["value"] for job, found in factors.items() if found and found["value"]},
    )


def _cell(line: Line, lines: Sequence[Line], answers: Answers, errors: Mapping[Job, str], baseline: str | None) -> Cell:
    scenario, cell = line.scenario, line.cell
    seeds = [seed for seed, _ in cell.by_seed]
    roles = [role for role, _ in line.cases[0].references]
    metrics = over_seeds([answers[case] for case in line.cases if case in answers], _statistic)
    for name, found in _compared(line, lines, answers, baseline).items():
        metrics[name]["difference"] = found
    return Cell(
        label=cell.label if line.role in ("", "twin", "twin_2") else scenario.controller,
        role=line.role or None,
        track=cell.track,
        scenario=scenario.name,
        controller=scenario.controller,
        backend=scenario.chosen.backend.kind,
        link=scenario.link.kind,
        mode=scenario.loop.mode,
        point=dict(cell.point),
        seeds=seeds,
        run_folders=[_place(case.job) for case in line.cases],
        reference_folders={role: [_place(dict(case.references)[role]) for case in line.cases] for role in roles},
        failures=[
            f"seed {seed}: {errors[case.job]}" for seed, case in zip(seeds, line.cases, strict=True) if errors[case.job]
        ],
        controls=_controls(line, metrics, errors),
        command=command(cell, scenario.controller, _differs(line)),
        metrics_to_show=list(scenario.report.metrics),
        metrics=msgspec.convert(metrics, dict[str, Metric]),
    )


def _controls(line: Line, metrics: Mapping[str, Any], errors: Mapping[Job, str]) -> list[str] | None:
    """What a cell's controls say against its adaptivity; None where none ran."""
    ran = {role: job for case in line.cases for role, job in case.references if role in CONTROLS}
    if line.role or not ran:
        return None
    found = [f"its run {role!r} failed: {errors[job]}" for role, job in ran.items() if errors[job]]
    for name, (limit, text) in LIMITS.items():
        value = metrics.get(name, {}).get("iqm")
        if value is not None and value > limit:
            found.append(f"{text}: {name} {value:.2f}, above {limit}")
    return found


def _map_verdict(line: Line, cell: Cell, all_cells: Iterable[tuple[Line, Cell]]) -> MapVerdict | None:
    """Whether a learner's map pays, where its rivals ran under the same conditions.

    The integral has the learner's gain. Gaussian functions may be tuned as the learner is; of several those at its gain
    are taken.
    """
    gain = _gain_per_s(line)
    if gain is None or line.scenario.chosen.kind in maps.LIMITS:
        return None
    conditions = _conditions(line)
    rivals: dict[str, Cell] = {}
    for other, found in all_cells:
        kind = other.scenario.chosen.kind
        if kind not in maps.LIMITS or found.seeds != cell.seeds or _conditions(other) != conditions:
            continue
        if _gain_per_s(other) == gain:
            rivals[kind] = found
        elif kind != maps.MATCHED:
            rivals.setdefault(kind, found)
    return maps.verdict(cell, rivals) if len(rivals) == len(maps.LIMITS) else None


def _gain_per_s(line: Line) -> float | None:
    """How fast a learner of the feedback learns; None for other controllers."""
    return getattr(line.scenario.chosen.config, "gain_per_s", None)


def _differs(line: Line) -> dict[str, Any]:
    """The settings of a reference's loop and link that differ from its cell's."""
    loop, own = line.scenario.loop, line.cell.scenario.loop
    differs: dict[str, Any] = {
        f"loop.{field}": getattr(loop, field)
        for field in ("freeze_at_s", "freeze_at_episode")
        if getattr(loop, field) != getattr(own, field)
    }
    if line.scenario.link != line.cell.scenario.link:
        differs["link"] = {"kind": line.scenario.link.kind}
    if loop.mode == own.mode:
        return differs
    after = line.cases[0].job.after
    assert after is not None, "only a reference that repeats another run's latencies has another mode"
    trace = {"kind": "trace", "run": str(after.folder)}
    return differs | {"loop.mode": loop.mode, "loop.delay": trace}


def _compared(line: Line, lines: Sequence[Line], answers: Answers, baseline: str | None) -> dict[str, dict[str, Any]]:
    """Each metric's paired difference to the baseline under the same conditions, where there is one."""
    if baseline is None or line.scenario.controller == baseline:
        return {}
    conditions = _conditions(line)
    same = (r for r in lines if not r.role and r.scenario.controller == baseline and _conditions(r) == conditions)
    if (rival := next(same, None)) is None:
        return {}
    theirs = {seed: case for (seed, _), case in zip(rival.cell.by_seed, rival.cases, strict=True)}
    pairs = [
        (answers[case], answers[theirs[seed]])
        for (seed, _), case in zip(line.cell.by_seed, line.cases, strict=True)
        if case in answers and theirs.get(seed) in answers
    ]
    own, others = [mine for mine, _ in pairs], [other for _, other in pairs]
    return differences(own, others, rival.cell.label, _statistic) if pairs else {}


def _conditions(line: Line) -> dict[str, Any]:
    """Everything that decides a cell's runs except the controller, its backend, what is recorded, and the seed."""
    whole = fingerprint(line.scenario)
    own = ("controller", "controllers", "backend", "record")
    kept = {field: value for field, value in whole.items() if field not in own}
    return kept | {"loop": {field: value for field, value in whole["loop"].items() if field != "seed"}}


def _place(job: Job) -> str:
    """A run's folder, relative to the evaluation's."""
    return f"{job.folder.parent.name}/{job.folder.name}"


def _statistic(name: str) -> str:
    """Whether a metric's interquartile mean or its mean represents all seeds."""
    try:
        stated = getattr(plugins.get("metrics", name.partition("[")[0]), "over_seeds", "iqm")
    except PluginError:  # its note says so
        stated = "iqm"
    return "mean" if stated == "mean" else "iqm"
