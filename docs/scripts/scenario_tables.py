"""Tables of a card that come from the scenario and its plant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hilbench.nal import Network
from hilbench.report import words
from hilbench.runs.build import make_control
from hilbench.runs.explain import fit
from hilbench.scenario.files import load
from hilbench.scenario.losses import F1, Detection, better
from hilbench.scenario.resolved import Scenario, budget_of, choose_controller
from hilbench.scenario.tuning import near_ends
from hilbench.studies.suite import load_suite

CARDS = Path(__file__).parents[1] / "scenarios"
CHIPS = ("loihi1", "loihi2", "spinnaker2")
"""Targets that the table of chips asks."""


def cards() -> list[str]:
    """The scenarios with a card."""
    return sorted(path.stem for path in CARDS.glob("*.md") if path.stem != "README")


def scored() -> list[str]:
    """Those among them that name a change."""
    return [name for name in cards() if load(name).score.change]


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines of a Markdown table.

    Parameters
    ----------
    headings : sequence of str
    rows : iterable of sequences of str
    """
    yield f"| {' | '.join(headings)} |"
    yield "|" + " --- |" * len(headings)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def constants(spec: Any) -> Iterator[str]:
    """The plant's constants."""
    rows = [(f"`{key}`", f"{value:g}") for key, value in spec.parameters.items()]
    rows.append(("`physics_step_s`", f"{spec.physics_step_s:g}"))
    return table(("constant, its unit in its name", "value"), rows)


def spaces(spec: Any) -> Iterator[str]:
    """Its observations, events and actions, with their units."""
    rows = [("observation", f"`{n}`", unit, "") for n, unit in zip(spec.obs_names, spec.obs_units, strict=True)]
    for sensor in spec.event_sensors:
        shape = " x ".join(f"{n} {axis}" for n, axis in zip(sensor.shape, sensor.axes, strict=True))
        rows.append(("events", f"`{sensor.name}`", "", shape))
    limits = zip(spec.action_names, spec.action_units, spec.action_low, spec.action_high, strict=True)
    rows += [("action", f"`{n}`", unit, f"{low:g} to {high:g}") for n, unit, low, high in limits]
    return table(("", "name", "unit", "limits, or shape"), rows)


def score(scenario: Scenario, spec: Any) -> Iterator[str]:
    """What runs are judged by.

    Parameters
    ----------
    scenario : Scenario
    spec : PlantSpec
    """
    score, loop = scenario.score, scenario.loop
    loss = type(score.loss).__name__.lower()
    what = f"`{getattr(score.loss, 'key', None) or spec.error}`" if loss != "return" else "the reward"
    if isinstance(score.loss, F1 | Detection):
        what = f"`{score.loss.alarm}` against `{score.loss.target}`"
    change = f"`{score.change}`: " + words.disturbance("", scenario.disturbances[score.change]).lstrip(": ")
    if score.window_episodes:
        spans = f"{score.before_episodes} before, {score.horizon_episodes} after, in windows of {score.window_episodes}"
        when = f"with episode {scenario.changes[0].at_episode} of {loop.episodes}"
    else:
        spans = f"{score.before_s:g} s before, {score.horizon_s:g} s after, in windows of {score.window_s:g} s"
        when = f"at {scenario.changes[0].at_s:g} s of {loop.duration_s:g} s"
    rows = [
        ("loss", f"{loss} of {what}, {better(score.loss)} is better"),
        ("change", f"{change}, {when}"),
        ("windows", spans),
        ("floor, told, untold", ", ".join(f"`{each or 'none'}`" for each in (score.floor, score.oracle, score.untold))),
        ("control", f"{1 / loop.period_s:g} Hz"),
    ]
    return table(("", "what runs are judged by"), rows)


def networks_of(scenario: Scenario, spec: Any) -> dict[str, Network]:
    """Every controller of a scenario that is a network, as the scenario has it.

    Parameters
    ----------
    scenario : Scenario
    spec : PlantSpec
    """
    found = {name: make_control(choose_controller(scenario, name), spec).program for name in scenario.controllers}
    return {name: program for name, program in found.items() if isinstance(program, Network)}


def chips(name: str, networks: dict[str, Network]) -> Iterator[str]:
    """Which chips each network fits.

    Parameters
    ----------
    name : str
        The scenario's file.
    networks : dict
        By controller, those that are networks.
    """
    yield f"By `python docs/scripts/cards.py {name}`, of each network before it learns: what 8 bits do to what it"
    yield "learns is not judged, and `spinnaker2` states no limit of rules. [targets.md](../targets.md) shows how a"
    yield "controller becomes a file, of which `hilbench compile` says the same and more."
    yield ""
    fits = {each: {chip: fit(network, chip) for chip in CHIPS} for each, network in networks.items()}
    rows = []
    for each, network in networks.items():
        rules = sorted({type(p.rule).__name__ for p in network.projections.values() if p.rule is not None})
        neurons = sum(p.size for p in network.populations.values())
        cells = ["no" if f.broken else words.counted(f.cores, "core") for f in fits[each].values()]
        rows.append((f"`{each}`", str(neurons), ", ".join(rules), *cells))
    yield from table(("network", "neurons", "rules", *(f"`{chip}`" for chip in CHIPS)), rows)
    lines = [
        f"- `{each}` on `{chip}`: {line}."
        for each, found in fits.items()
        for chip, f in found.items()
        for line in _by_limit(f.broken)
    ]
    yield from ["", *lines] if lines else ()


def _by_limit(broken: Iterable[str]) -> Iterator[str]:
    """The first line of each limit, and how many more there are: "WHERE: LIMIT: found ...; allowed: ..."."""
    limits: dict[str, list[str]] = {}
    for line in broken:
        limits.setdefault(line.split(": ")[1], []).append(line)
    for lines in limits.values():
        yield lines[0] + (f" ({len(lines) - 1} more like this)" if lines[1:] else "")


def budgets(name: str, scenario: Scenario) -> Iterator[str]:
    """What tuning cost each controller, what it brought, and what has no budget.

    Parameters
    ----------
    name : str
        The scenario's file, without its ending.
    scenario : Scenario
    """
    budgets = budget_of(scenario)
    if not budgets:
        yield "Nothing of this scenario may be tuned: it has no `[tune]`."
        return
    rows, ends = [], []
    for one in budgets:
        tuned = scenario.tuned.controllers[one.controller].tuned if scenario.tuned and one.runs else {}
        numbers = ("" if n is None else f"{n:.3g}" for n in (one.loss_default, one.loss_tuned, one.control_undisturbed))
        values = ", ".join(f"`{field}` {value:g}" for field, value in tuned.items())
        rows.append((f"`{one.controller}`", str(one.runs), ", ".join(map(str, one.seeds)), *numbers, values))
        ends += [
            f"- `{one.controller}`: {line}." for line in near_ends(scenario.tune.controllers[one.controller], tuned)
        ]
    headings = ("controller", "runs", "seeds", "loss before", "loss tuned", "its control_undisturbed", "values")
    yield from table(headings, rows)
    if ends:
        yield from ("", *ends)
    if by_hand := list(_by_hand(scenario, CARDS.parents[1] / "scenarios" / "suites" / f"{name}.toml")):
        yield ""
        yield f"Set by hand in `scenarios/suites/{name}.toml`, on tuning seeds where there was a choice, no budget:"
        yield ""
        yield from by_hand


def _by_hand(scenario: Scenario, path: Path) -> Iterator[str]:
    """What a suite sets of controllers for a change, but of the one that is told of it."""
    for grid in load_suite(path).grids if path.is_file() else ():
        values = [
            f"`{key.removeprefix('controllers.')}` {_plain(value)}"
            for key, value in grid.set.items()
            if key.startswith("controllers.") and key.split(".")[1] != scenario.score.oracle
        ]
        if values:
            yield f"- {grid.label}: {', '.join(values)}"


def _plain(value: Any) -> str:
    """A setting as text."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return " and ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
