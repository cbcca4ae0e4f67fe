"""`hilbench tune`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hilbench.cli._shared import Scenario, complain, print_json
from hilbench.cli.studies import progress
from hilbench.errors import ScenarioError, printable

if TYPE_CHECKING:
    from hilbench.scenario.tuning import Tuned, Values


def tune(
    scenario: Scenario,
    /,
    *,
    controllers: tuple[str, ...] = (),
    runs: int | None = None,
    seeds: tuple[int, ...] = (),
    seed: int | None = None,
    workers: int | None = None,
    out: Path | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
    trust: bool = False,
) -> int:
    """Tune a scenario's controllers, each with the same number of runs, and leave the values in a file beside it.

    What may be tuned, and where it is looked for, is in the scenario's table [tune]. Losses are kept in runs/ as they
    come, so tuning that was stopped goes on where it was.

    Parameters
    ----------
    scenario
        a scenario's file or name
    controllers
        which of those in [tune]; all of them when absent
    runs
        runs that each controller gets, in place of tune.runs
    seeds
        seeds from 0 to 999 on which each candidate runs, in place of tune.seeds
    seed
        the optimiser's, in place of tune.optimiser_seed
    workers
        runs at a time; one per core when absent
    out
        file for the values; NAME.tuned.toml beside the scenario when absent
    as_json
        print what the file says as JSON
    trust
        import modules that the scenario names as MODULE:NAME, which runs their code
    """
    from hilbench.metrics.controls import UNDISTURBED
    from hilbench.scenario.files import find
    from hilbench.studies.tuning import tune as tune_scenario
    from hilbench.types import to_builtins

    for option, found, least in (("--workers", workers, 1), ("--runs", runs, 1), ("--seed", seed, 0)):
        if found is not None and found < least:
            raise ScenarioError(f"{option}: found {found}, expected {least} or more")
    given: dict[str, Any] = {"runs": runs, "seeds": seeds or None, "optimiser_seed": seed}
    changes = {field: value for field, value in given.items() if value is not None}
    name = find(scenario).stem
    journal = Path("runs") / f"{name}.tune.jsonl"
    with progress(name, quiet=as_json) as step:
        tuned, place = tune_scenario(scenario, out, controllers, changes, step, workers, journal=journal, trust=trust)
    if as_json:
        print_json(to_builtins(tuned))
    else:
        print_tuned(tuned, place)
    barren = [name for name, one in tuned.controllers.items() if one.loss_tuned is None]
    for name in barren:
        complain(f"{name}: no candidate came through; every one failed on a seed or more")
    for name, one in tuned.controllers.items():
        control = math.inf if one.control_undisturbed is None else one.control_undisturbed
        if one.candidates_checked and control > UNDISTURBED:
            tried = f"none of {one.candidates_checked} candidates passes control_undisturbed"
            complain(f"{name}: {tried}; the one with the best loss was taken")
    return 1 if barren else 0


def print_tuned(tuned: Tuned, place: Path) -> None:
    """Print what tuning found as a table.

    Parameters
    ----------
    tuned : Tuned
    place : Path
        Its file.
    """
    title = f"{tuned.scenario}: loss {tuned.loss}, {tuned.better} is better"
    table = Table(title=title, title_justify="left")
    for heading in ("controller", "runs", "failed", "seeds", "default", "tuned", "control", "parameters"):
        table.add_column(heading, justify="left" if heading in ("controller", "parameters") else "right")
    for name, one in tuned.controllers.items():
        losses = ("-" if loss is None else f"{loss:.4g}" for loss in (one.loss_default, one.loss_tuned))
        seeds = " ".join(map(str, one.seeds))
        control = "" if one.control_undisturbed is None else f"{one.control_undisturbed:.2g}"
        cells = (name, str(one.runs), str(one.failed_runs), seeds, *losses, control, _listed(one.tuned))
        table.add_row(*(escape(printable(cell)) for cell in cells))
    Console().print(table)
    print(f'Wrote {place}; a scenario beside it uses it by the line: tuned = "{place.name}"')


def _listed(values: Values) -> str:
    return ", ".join(f"{field} {value:g}" for field, value in values.items())
