"""The command line: arguments in, lines out. Everything else happens elsewhere; only this file prints.

Exit codes: 0 done, 1 a run ended by a fault or a replay that differs, 2 a mistake in what was asked, 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hilbench import plugins
from hilbench import scenario as scenarios
from hilbench.errors import HilbenchError, ScenarioError, choose

Scenario = Annotated[str, tyro.conf.Positional]
DESCRIPTION = """A testbed for spiking controllers in the loop with robots.

Any field of a scenario can be set on the command line: --SECTION.FIELD VALUE, as --loop.mode realtime or
--link.kind zmq; `hilbench check SCENARIO` prints every field there is."""


def list_plugins(kind: Annotated[str, tyro.conf.Positional] = "") -> int:
    """List the plug-ins, all of them or those of one kind, and the scenarios that come with hilbench."""
    if kind and kind not in plugins.KINDS:
        raise ScenarioError(f"list: found {kind!r}; {choose(kind, plugins.KINDS)}")
    console = Console()
    for each in [kind] if kind else plugins.KINDS:
        table = Table(title=each, title_justify="left", show_header=False, box=None, padding=(0, 2))
        for plugin in plugins.all_of(each).values():
            table.add_row(plugin.name, plugin.summary)
        console.print(table)
    if not kind:
        table = Table(title="scenarios", title_justify="left", show_header=False, box=None, padding=(0, 2))
        for name, path in scenarios.names().items():
            table.add_row(name, str(scenarios.read_toml(path).get("summary", "")))
        console.print(table)
    return 0


def check(scenario: Scenario, /, *, controller: str | None = None, overrides: tyro.conf.Suppress[Any] = None) -> int:
    """Validate a scenario, build its plant and controller, and print it with every field resolved.

    Parameters
    ----------
    scenario
        a scenario's file or name
    controller
        which of its controllers to build
    """
    import tomli_w

    from hilbench.agent import check as check_scenario

    found = scenarios.load(scenario, overrides, controller)
    check_scenario(found)
    print(tomli_w.dumps(scenarios.dump(found)), end="")
    return 0


def run(
    scenario: Scenario,
    /,
    *,
    controller: str | None = None,
    seed: int | None = None,
    out: Path | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
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
    """
    from hilbench.running import run as run_scenario

    changes = dict(overrides or {})
    if seed is not None:
        changes["loop.seed"] = seed
    found = scenarios.load(scenario, changes, controller)
    folder = out or _folder(found)
    with _progress(found, quiet=as_json) as advance:
        outcome = run_scenario(found, folder, advance)
    _print_metrics(folder, outcome.status, as_json=as_json)
    if outcome.fault:
        _complain(outcome.fault)
    return 1 if outcome.fault else 0


def replay(run: Annotated[Path, tyro.conf.Positional], /, *, out: Path | None = None) -> int:
    """Run a recorded run again on the virtual clock, and say whether the plant's states came out bit for bit the same.

    Parameters
    ----------
    run
        the folder of the recorded run
    out
        folder for the replay's record; RUN.replay-TIME when absent
    """
    from hilbench.running import replay as replay_run

    recorded = run.resolve()
    folder = out or recorded.with_name(f"{recorded.name}.replay-{_now()}")
    same, ticks = replay_run(run, folder)
    print(f"{ticks} ticks: plant states {'equal bit for bit' if same else 'differ'} (record: {folder})")
    return 0 if same else 1


def serve(
    *,
    backend: str = "numba",
    bind: str = "tcp://127.0.0.1:5555",
    config: str = "{}",
    lease_s: float = 10.0,
    exit_with_stdin: bool = False,
    insecure: bool = False,
) -> int:
    """Serve a backend on an address, for the `zmq` link of a run elsewhere. Ends with Ctrl-C.

    Parameters
    ----------
    backend
        which backend this device runs
    bind
        where to listen, as tcp://127.0.0.1:5555; port * takes a free one
    config
        the backend's settings as JSON
    lease_s
        silence after which a plant makes room for another
    exit_with_stdin
        end when standard input does
    insecure
        allow an address that other hosts can reach, without keys
    """
    from hilbench.bridge.server import serve as serve_backend
    from hilbench.bridge.session import build_backend

    if not 0 < lease_s <= 1e6:
        raise ScenarioError(f"--lease-s: found {lease_s}, expected a time above 0 s and up to 1e6 s")
    try:
        settings = msgspec.json.decode(config, type=dict)
    except msgspec.DecodeError as error:
        raise ScenarioError(f"--config: found {config!r}, expected a JSON object ({error})") from None

    def ready(address: str) -> None:
        print(f"hilbench: serving {backend} on {address} (pid {os.getpid()})", flush=True)

    built = build_backend(backend, settings)
    serve_backend(built, bind, ready=ready, exit_with_stdin=exit_with_stdin, lease_s=lease_s, insecure=insecure)
    return 0


COMMANDS = {"list": list_plugins, "check": check, "run": run, "serve": serve, "replay": replay}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code."""
    guard(lambda: _main(list(sys.argv[1:] if arguments is None else arguments)))


def guard(command: Callable[[], int | None]) -> NoReturn:
    """Run a command and exit with its code; a mistake or an interruption is one line, not a traceback."""
    try:
        sys.exit(command())
    except HilbenchError as error:
        _complain(str(error))
        sys.exit(2)
    except KeyboardInterrupt:
        _complain("interrupted")
        sys.exit(130)


def _main(arguments: list[str]) -> int:
    commands = COMMANDS
    _check_names(arguments)
    if arguments[:1] in (["run"], ["check"]):
        overrides, arguments = scenarios.assignments(arguments)
        commands = COMMANDS | {name: _bound(COMMANDS[name], overrides) for name in ("run", "check")}
    return tyro.extras.subcommand_cli_from_dict(commands, prog="hilbench", description=DESCRIPTION, args=arguments)


def _check_names(arguments: list[str]) -> None:
    """One line for an unknown command or option, before the option parser draws a box around it."""
    if not arguments or arguments[0].startswith("-"):
        return
    if arguments[0] not in COMMANDS:
        raise ScenarioError(f"{arguments[0]}: no such command; {choose(arguments[0], COMMANDS)}")
    parameters = signature(COMMANDS[arguments[0]]).parameters.values()
    named = {p.name.replace("as_json", "json") for p in parameters if p.kind is p.KEYWORD_ONLY} - {"overrides"}
    options = {f"--{name.replace('_', '-')}" for name in named | {"help"}}
    for argument in arguments[1:]:
        option = argument.partition("=")[0].replace("_", "-")
        if option.startswith("--") and "." not in option and option.replace("--no-", "--") not in options:
            raise ScenarioError(f"{option}: no such option of {arguments[0]}; {choose(option, options)}")


def _bound(command: Callable[..., int], overrides: dict[str, Any]) -> Callable[..., int]:
    """The command with overrides that the option parser has not seen, because every scenario has its own."""

    @wraps(command)
    def bound(*args: Any, **kwargs: Any) -> int:
        return command(*args, **{**kwargs, "overrides": overrides})

    return bound


def _complain(text: str) -> None:
    print(f"hilbench: {text}", file=sys.stderr)


def _now() -> str:
    return datetime.now().strftime("%Y%m%d-%H%M%S")


def _folder(found: scenarios.Scenario) -> Path:
    return Path("runs") / f"{found.name}__{found.controller}__s{found.loop.seed}__{_now()}"


def _progress(found: scenarios.Scenario, quiet: bool) -> Any:
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


def _print_metrics(folder: Path, status: str, as_json: bool) -> None:
    from hilbench.metrics import measure
    from hilbench.recorder import read_run

    metrics = measure(read_run(folder))
    if as_json:
        print(json.dumps({"run": str(folder), "status": status, "metrics": metrics}, indent=2))
        return
    table = Table(title=f"{folder} ({status})", title_justify="left")
    for heading in ("metric", "value", "unit", "N"):
        table.add_column(heading, justify="left" if heading in ("metric", "unit") else "right")
    for name, m in metrics.items():
        table.add_row(escape(name), f"{m['value']:.6g}", m["unit"], str(m["n"]))
    Console().print(table)
