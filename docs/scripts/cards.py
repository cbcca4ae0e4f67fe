"""Writes the tables of the scenarios' cards, docs/scenarios/NAME.md, between their marks: `make cards`.

Everything but the results comes from the scenario and its plant. Results come from docs/scenarios/NAME.json, which
`python docs/scripts/cards.py NAME --run` makes by evaluating the suite scenarios/suites/NAME.toml; that takes minutes.
`--delays` does that with the suite critical_delay_NAME, for docs/scenarios/NAME.delay.json.

    python docs/scripts/cards.py [NAME ...] [--run] [--delays] [--check]

`--check` writes nothing, and exits with 1 where a card is not what it would write.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import delays

from hilbench.report import words
from hilbench.runs.build import make_plant
from hilbench.scenario.files import load
from hilbench.scenario.losses import better
from hilbench.scenario.resolved import Scenario
from hilbench.studies.suite import cells, load_suite

ROOT = Path(__file__).parents[2]
CARDS = ROOT / "docs" / "scenarios"
MARK = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.S)
METRICS = ("adaptivity", "retained", "control_undisturbed", "control_blind")
"""Kept of each cell, besides its errors and losses."""
ROLES = {"": "", "floor": "floor", "oracle": "told", "untold": "untold", "twin": "frozen twin", "twin_2": "second twin"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="scenarios; every one with a card when absent")
    parser.add_argument("--run", action="store_true", help="evaluate their suites first, and keep the results")
    parser.add_argument("--delays", action="store_true", help="the same with the suites of their critical delays")
    parser.add_argument("--check", action="store_true", help="write nothing; say which card is not up to date")
    given = parser.parse_args()
    stale = []
    for name in given.names or sorted(path.stem for path in CARDS.glob("*.md")):
        if given.run:
            keep(name)
        if given.delays:
            keep_delays(name)
        path = CARDS / f"{name}.md"
        before = path.read_text("utf-8")
        after = written(name, before)
        if before != after:
            stale.append(path)
            if not given.check:
                path.write_text(after, "utf-8")
                print(f"wrote {path.relative_to(ROOT)}")
    for path in stale if given.check else ():
        print(f"{path.relative_to(ROOT)}: not up to date; run `make cards`", file=sys.stderr)
    return int(bool(given.check and stale))


def keep(name: str) -> None:
    """Evaluate a scenario's suite, and keep what its card shows.

    Parameters
    ----------
    name : str
        The scenario's and the suite's.
    """
    summary, found = _evaluated(name, name, "run")
    found["realtime_factors"] = sorted(summary.realtime_factors.values())
    found["cells"] = [_kept(cell) for cell in (*summary.cells, *summary.references)]
    _write(f"{name}.json", found)


def keep_delays(name: str) -> None:
    """The same for its suite critical_delay_NAME."""
    suite = f"critical_delay_{name}"
    summary, found = _evaluated(name, suite, "delays")
    _write(f"{name}.delay.json", found | delays.kept(name, cells(load_suite(suite))[0].scenario, summary.cells))


def _evaluated(name: str, suite: str, option: str) -> tuple[Any, dict[str, Any]]:
    """The summary of a suite, and where it came from."""
    from hilbench.studies.evaluation import evaluate

    summary = evaluate(
        suite, ROOT / "runs" / "cards" / suite, lambda step: print(f"{step.done}/{step.total} {step.name}")
    )
    made = summary.provenance
    assert made is not None, "an evaluation that has ended says where it was made"
    found = {"started_at": made.started_at[:10], "cpu_model": made.host.cpu_model, "commit": made.commit}
    return summary, {"command": f"python docs/scripts/cards.py {name} --{option}", "made": found}


def _write(file: str, found: dict[str, Any]) -> None:
    (CARDS / file).write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def _kept(cell: Any) -> dict[str, Any]:
    metrics = {
        key: {"value": metric.value, "ci95": metric.ci95, "unit": metric.unit, "note": metric.note}
        for key, metric in cell.metrics.items()
        if key.partition("[")[0] in (*METRICS, "error_rms", "loss")
    }
    said = {"label": cell.label, "role": cell.role or "", "controller": cell.controller, "seeds": cell.seeds}
    return said | {"failures": len(cell.failures), "controls": cell.controls, "metrics": metrics}


def written(name: str, text: str) -> str:
    """A card with its tables as they are now.

    Parameters
    ----------
    name : str
        The scenario's.
    text : str
        The card.
    """
    scenario = load(name)
    plant = make_plant(scenario)
    try:
        spec = plant.plant_spec
    finally:
        plant.close()
    tables = {
        "constants": lambda: _constants(spec),
        "spaces": lambda: _spaces(spec),
        "score": lambda: _score(scenario, spec),
        "results": lambda: _results(_stored(f"{name}.json")),
        "delay": lambda: _delays(_stored(f"{name}.delay.json")),
    }

    def filled(found: re.Match[str]) -> str:
        return found[1] + "\n".join(tables[found[2]]()) + "\n" + found[3]

    return MARK.sub(filled, text)


def _stored(file: str) -> dict[str, Any] | None:
    return json.loads((CARDS / file).read_text("utf-8")) if (CARDS / file).exists() else None


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield "|" + " --- |" * len(headings)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _constants(spec: Any) -> Iterator[str]:
    rows = [(f"`{key}`", f"{value:g}") for key, value in spec.parameters.items()]
    rows.append(("`physics_step_s`", f"{spec.physics_step_s:g}"))
    return _table(("constant, its unit in its name", "value"), rows)


def _spaces(spec: Any) -> Iterator[str]:
    rows = [("observation", f"`{n}`", unit, "") for n, unit in zip(spec.obs_names, spec.obs_units, strict=True)]
    for sensor in spec.event_sensors:
        shape = " x ".join(f"{n} {axis}" for n, axis in zip(sensor.shape, sensor.axes, strict=True))
        rows.append(("events", f"`{sensor.name}`", "", shape))
    limits = zip(spec.action_names, spec.action_units, spec.action_low, spec.action_high, strict=True)
    rows += [("action", f"`{n}`", unit, f"{low:g} to {high:g}") for n, unit, low, high in limits]
    return _table(("", "name", "unit", "limits, or shape"), rows)


def _score(scenario: Scenario, spec: Any) -> Iterator[str]:
    score, loop = scenario.score, scenario.loop
    loss = type(score.loss).__name__.lower()
    key = getattr(score.loss, "key", None) or spec.error
    change = f"`{score.change}`: " + words.disturbance("", scenario.disturbances[score.change]).lstrip(": ")
    if score.window_episodes:
        spans = f"{score.before_episodes} before, {score.horizon_episodes} after, in windows of {score.window_episodes}"
        when = f"with episode {scenario.changes[0].at_episode} of {loop.episodes}"
    else:
        spans = f"{score.before_s:g} s before, {score.horizon_s:g} s after, in windows of {score.window_s:g} s"
        when = f"at {scenario.changes[0].at_s:g} s of {loop.duration_s:g} s"
    rows = [
        ("loss", f"{loss} of `{key}`, {better(score.loss)} is better"),
        ("change", f"{change}, {when}"),
        ("windows", spans),
        ("floor, told, untold", ", ".join(f"`{each or 'none'}`" for each in (score.floor, score.oracle, score.untold))),
        ("control", f"{1 / loop.period_s:g} Hz"),
    ]
    return _table(("", "what runs are judged by"), rows)


def _results(stored: dict[str, Any] | None) -> Iterator[str]:
    if stored is None:
        yield "Not measured yet."
        return
    rows = stored["cells"]
    losses = [key for key in _keys(rows) if key.startswith("loss[")] or [
        key for key in _keys(rows) if key.startswith("error_rms[")
    ]
    units = {key: next(c["metrics"][key]["unit"] for c in rows if key in c["metrics"]) for key in losses}
    headings = ["controller", "A [95 %]", *(f"{key}, {units[key]}" for key in losses), "retained", "controls"]
    yield _origin(stored, rows[0]["seeds"])
    yield ""
    yield from _table(headings, (_row(cell, losses) for cell in rows))
    yield ""
    if factors := stored["realtime_factors"]:
        yield f"Runs were {factors[0]:.3g} to {factors[-1]:.3g} times as fast as real time."
    for cell in rows:
        for text in cell["controls"] or ():
            yield f"- `{cell['label']}`: {text}."


def _delays(stored: dict[str, Any] | None) -> Iterator[str]:
    if stored is None:
        yield "Not measured yet."
        return
    unit = "" if stored["unit"] == "1" else f" in {stored['unit']}"
    yield _origin(stored, stored["seeds"])
    yield f"Entries are `{stored['judged']}`{unit}, {stored['better']} is better. {delays.RULE.format(**stored)}"
    yield ""
    yield from _table(*delays.table(stored))


def _origin(stored: dict[str, Any], seeds: Sequence[int]) -> str:
    made = stored["made"]
    return f"By `{stored['command']}` on {made['started_at']} on {made['cpu_model']}: {_span(seeds)}."


def _row(cell: dict[str, Any], losses: Sequence[str]) -> list[str]:
    role = ROLES[cell["role"]]
    name = f"`{cell['label']}`" + (f", {role}" if role else "")
    controls = "" if cell["controls"] is None else "failed" if cell["controls"] else "passed"
    return [
        name,
        _figure(cell, "adaptivity", True),
        *(_figure(cell, key) for key in losses),
        _figure(cell, "retained"),
        controls,
    ]


def _figure(cell: dict[str, Any], key: str, bounds: bool = False) -> str:
    metric = cell["metrics"].get(key)
    if metric is None or metric["value"] is None:
        return metric["note"].partition(":")[0] if metric and metric["note"] else ""
    shown = f"{metric['value']:.3g}"
    return f"{shown} [{metric['ci95'][0]:.3g}, {metric['ci95'][1]:.3g}]" if bounds and metric["ci95"] else shown


def _keys(rows: Iterable[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row["metrics"]))


def _span(seeds: Sequence[int]) -> str:
    return f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"


if __name__ == "__main__":
    sys.exit(main())
