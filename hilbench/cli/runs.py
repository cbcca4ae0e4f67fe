"""`hilbench check`, `run` and `replay`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hilbench.bridge.device.watchdog import watched
from hilbench.cli._shared import INTERRUPTED, Run, Scenario, complain, now, print_json
from hilbench.cli._stated import NOTHING, StatedOptions
from hilbench.cli.explain import explain
from hilbench.errors import ScenarioError, escaped, printable

if TYPE_CHECKING:
    from hilbench.scenario.resolved import Scenario as Resolved


def check(
    scenario: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SCENARIO|NETWORK.nir")],
    /,
    *,
    controller: str | None = None,
    stated: StatedOptions = NOTHING,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
    trust: bool = False,
    overrides: tyro.conf.Suppress[Any] = None,
) -> int:
    """Validate a scenario and print every field of it; or explain a network, and what backends would make of it.

    A scenario's plant and controller are built for it. A network's backends and targets are asked without hardware.

    Parameters
    ----------
    scenario
        a scenario's file or name, or a network's file, NAME.nir
    controller
        which of the scenario's controllers to build
    stated
        what the network's file leaves open
    as_json
        print what there is to say of the network as JSON
    trust
        import modules that the scenario names as MODULE:NAME, which runs their code
    overrides
        SECTION.FIELD -> value, taken from the command line before the option parser
    """
    if scenario.endswith(".nir"):
        if controller or overrides:
            raise ScenarioError(f"{scenario}: a network has no fields of a scenario; allowed: what can be stated of it")
        return explain(Path(scenario), stated, as_json=as_json)
    import tomli_w

    from hilbench.runs.build import check_whole
    from hilbench.scenario.files import load
    from hilbench.scenario.resolved import dump

    if stated != NOTHING or as_json:
        raise ScenarioError(f"{scenario}: statements and --json are for networks; allowed: --SECTION.FIELD VALUE")
    with watched(INTERRUPTED):
        found = load(scenario, overrides, controller, trust=trust)
        control = check_whole(found)
    print(tomli_w.dumps(dump(found)), end="")
    for note in control.notes:
        complain(note)
    return 0


def run(
    scenario: Scenario,
    /,
    *,
    controller: str | None = None,
    seed: int | None = None,
    out: Path | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
    trust: bool = False,
    overrides: tyro.conf.Suppress[Any] = None,
) -> int:
    """Run a scenario, leave its record in a folder and print the run's metrics.

    Parameters
    ----------
    scenario
        a scenario's file or name
    controller
        which of its controllers runs
    seed
        the same as --loop.seed
    out
        folder for the record; runs/NAME__CONTROLLER__sSEED__TIME when absent
    as_json
        print the metrics as JSON
    trust
        import modules that the scenario names as MODULE:NAME, which runs their code
    overrides
        SECTION.FIELD -> value, taken from the command line before the option parser
    """
    from hilbench.runs.run import run as run_scenario
    from hilbench.scenario.files import load

    changes = dict(overrides or {})
    if seed is not None:
        changes["loop.seed"] = seed
    found = load(scenario, changes, controller, trust=trust)
    asked, used = changes.get("backend.kind"), found.chosen.backend.kind
    if asked not in (None, used):
        complain(f"controller {found.controller!r} runs on backend {used!r}; backend.kind {asked!r} is for the others")
    folder = out or _folder(found)
    with _progress(found, quiet=as_json) as advance:
        outcome = run_scenario(found, folder, advance)
    _print_metrics(folder, outcome.status, found.report.metrics, as_json=as_json)
    for note in outcome.notes:
        complain(note)
    if outcome.fault:
        complain(outcome.fault)
    return 1 if outcome.fault else 0


def replay(run: Run, /, *, out: Path | None = None, trust: bool = False) -> int:
    """Run a recorded run again on the virtual clock, and say whether the plant's states came out bit for bit the same.

    Parameters
    ----------
    run
        the folder of the recorded run
    out
        folder for the replay's record; RUN.replay-TIME when absent
    trust
        import modules that the run names as MODULE:NAME, which runs their code
    """
    from hilbench.runs.replay import replay as replay_run

    recorded = run.resolve()
    folder = out or recorded.with_name(f"{recorded.name}.replay-{now()}")
    same, ticks = replay_run(run, folder, trust=trust)
    print(f"{ticks} ticks: plant states {'equal bit for bit' if same else 'differ'} (record: {folder})")
    return 0 if same else 1


def _folder(found: Resolved) -> Path:
    return Path("runs") / f"{found.name}__{found.controller}__s{found.loop.seed}__{now()}"


def _progress(found: Resolved, quiet: bool) -> Any:
    """A bar over simulated time; none when quiet, off a terminal, or in real time, where drawing would cost ticks."""
    if quiet or not sys.stdout.isatty() or found.loop.mode == "realtime":
        return nullcontext()
    from rich.progress import Progress

    class Bar(Progress):
        def __enter__(self) -> Any:
            super().__enter__()
            task = self.add_task(f"{found.name} {found.controller}", total=found.loop.duration_s)
            return lambda t_s: self.update(task, completed=t_s)

    return Bar()


def _print_metrics(folder: Path, status: str, asked: Sequence[str], as_json: bool) -> None:
    from hilbench.metrics import measure
    from hilbench.record.reader import read_run

    metrics = measure(read_run(folder), asked=asked)
    if as_json:
        print_json({"run": escaped(folder), "status": status, "metrics": metrics})
        return
    table = Table(title=f"{folder} ({status})", title_justify="left")
    for heading in ("metric", "value", "unit", "N"):
        table.add_column(heading, justify="left" if heading in ("metric", "unit") else "right")
    for name, m in metrics.items():
        value = m.get("note", "") if m["value"] is None else f"{m['value']:.6g}"
        table.add_row(*(escape(printable(cell)) for cell in (name, value, m["unit"], str(m["n"]))))
    Console().print(table)
