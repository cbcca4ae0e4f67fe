"""The command line: arguments in, lines out. Everything else happens elsewhere; only this folder prints.

Exit codes: 0 done, 1 a run failed or ended by a fault, a replay differs, a network breaks a limit or is erased by
rounding, or a file cannot be written, 2 a mistake in what was asked, 130 interrupted, by SIGINT, SIGTERM or SIGHUP.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import fields, is_dataclass
from functools import partial, wraps
from importlib import import_module
from inspect import signature
from itertools import groupby
from typing import Any, NoReturn

import tyro

from hilbench.cli._options import OPTIONS, with_unions
from hilbench.cli._shared import complain, show_warnings
from hilbench.errors import HilbenchError, ScenarioError, allowed_hint
from hilbench.machine.signals import as_interrupts

DESCRIPTION = """A testbed for spiking controllers in the loop with robots.

Any field of a scenario can be set on the command line: --SECTION.FIELD VALUE, as --loop.mode realtime or
--link.kind zmq; `hilbench check SCENARIO` prints every field there is."""

COMMANDS = {
    "list": "parts:list_plugins",
    "new": "new:new",
    "check": "runs:check",
    "run": "runs:run",
    "replay": "runs:replay",
    "tune": "tune:tune",
    "evaluate": "studies:evaluate",
    "report": "report:report",
    "render": "render:render",
    "enjoy": "enjoy:enjoy",
    "events": "events:events",
    "schema": "schema:schema",
    "program": "program:program",
    "import": "network:import_network",
    "simulate": "simulate:simulate",
    "serve": "devices:serve",
    "device": "devices:device",
    "impair": "impair:impair",
    "keys": "keys:keys",
    "compile": "compile:compile_file",
    "build": "build:build",
    "meter": "meter:meter",
    "doctor": "doctor:doctor",
    "conformance": "conformance:conformance",
}
"""Where each command is, as MODULE:FUNCTION below this package: only the one that is called is imported."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""The error codes of a write to a disk that is full or broken."""
OVERRIDABLE = ("check", "run", "render", "program", "evaluate")
"""Commands that take --SECTION.FIELD VALUE."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code."""
    guard(lambda: _main(list(sys.argv[1:] if arguments is None else arguments)))


def guard(command: Callable[[], int | None]) -> NoReturn:
    """Run a command and exit with its code; a mistake or an interruption is one line, not a traceback."""
    show_warnings()
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper) and out.encoding == "utf-8" and out.errors == "strict":
        out.reconfigure(errors="surrogateescape")  # names of files may have bytes that are not UTF-8
    try:
        with as_interrupts():
            code = command()
            sys.stdout.flush()
        sys.exit(code)
    except HilbenchError as error:
        complain(str(error))
        sys.exit(1 if _no_room(error.__context__) else 2)
    except KeyboardInterrupt:
        complain("interrupted")
        sys.exit(130)
    except BrokenPipeError:  # the reader of the output has closed it, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.filename is None and not _no_room(error):
            raise
        complain(f"{error.filename or 'standard output, or a temporary file'}: {error.strerror}")
        sys.exit(1)


def _no_room(error: BaseException | None) -> bool:
    """Whether a disk is full or broken: no mistake in what was asked."""
    return isinstance(error, OSError) and error.errno in NO_ROOM


def _main(arguments: list[str]) -> int:
    overrides: dict[str, Any] = {}
    if arguments == ["--version"]:
        from importlib.metadata import version

        print(f"hilbench {version('hilbench')}")
        return 0
    _check_names(arguments)
    if arguments and arguments[0] in OVERRIDABLE:
        from hilbench.scenario.files import assignments

        overrides, arguments = assignments(arguments)
    return _parsed(arguments, overrides)()


def function_of(name: str) -> Callable[..., int]:
    """The function of a command."""
    module, _, function = COMMANDS[name].partition(":")
    found: Callable[..., int] = with_unions(getattr(import_module(f"{__name__}.{module}"), function))
    return found


def _parsed(arguments: list[str], overrides: dict[str, Any]) -> Callable[[], int]:
    """The command that the arguments ask for. Raises ScenarioError with what the option parser draws in a box."""
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            if arguments and (name := arguments[0]) in COMMANDS:
                return tyro.cli(_later(name, overrides), prog=f"hilbench {name}", args=arguments[1:], registry=OPTIONS)
            return tyro.extras.subcommand_cli_from_dict(
                {name: _later(name, overrides) for name in COMMANDS},
                prog="hilbench",
                description=DESCRIPTION,
                args=arguments,
                registry=OPTIONS,
            )
    except SystemExit as end:
        if not end.code:
            raise
        where = f"{arguments[0]}: " if arguments else ""
        raise ScenarioError(f"{where}{_first_words(said.getvalue())}; see --help") from None


def _first_words(box: str) -> str:
    """The text of a drawn box between its title and its first horizontal line."""
    lines = [line.rstrip("│╭╰╮╯|+ ").lstrip("│╭╰╮╯|+") for line in box.splitlines()][1:]
    ruled = ["" if set(line) <= set(" ─-") else line for line in lines]
    found = next((list(part) for said, part in groupby(ruled, bool) if said), [])
    if found and found[0].strip().startswith("Missing from "):
        return "; ".join(_missing(found[1:]))
    return " ".join(line.strip() for line in found)


def _missing(lines: list[str]) -> Iterator[str]:
    """What is said of each argument that is missing, of which the box has its name, and below it, further in, its help.

    A name in small letters lists the words that may be given: a|b.
    """
    depth = min(len(line) - len(line.lstrip()) for line in lines)
    starts = [i for i, line in enumerate(lines) if line[depth] != " "]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        name, *said = (line.strip() for line in lines[start:end])
        if name.islower() and not name.startswith("-"):
            yield f"found nothing; allowed: {', '.join(name.split('|'))}"
        else:
            expected = " ".join(said).removesuffix("(required)").strip()
            yield f"found no {name.partition(' ')[0]}; expected {expected}"


def _check_names(arguments: list[str]) -> None:
    """One line for an unknown command or option, before the option parser draws a box around it."""
    if not arguments or arguments[0].startswith("-"):
        return
    if arguments[0] not in COMMANDS:
        raise ScenarioError(f"{arguments[0]}: no such command; {allowed_hint(arguments[0], COMMANDS)}")
    parameters = [p for p in signature(function_of(arguments[0])).parameters.values() if p.kind is p.KEYWORD_ONLY]
    within = {field.name for p in parameters if is_dataclass(p.default) for field in fields(p.default)}
    named = within | {p.name.replace("as_json", "json") for p in parameters} - {"overrides", "stated"}
    options = {f"--{name.replace('_', '-')}" for name in named | {"help"}}
    for argument in arguments[1:]:
        option = argument.partition("=")[0].replace("_", "-")
        if option.startswith("--") and "." not in option and option.replace("--no-", "--") not in options:
            raise ScenarioError(f"{option}: no such option of {arguments[0]}; {allowed_hint(option, options)}")


def _later(name: str, overrides: dict[str, Any]) -> Callable[..., Callable[[], int]]:
    """A command as a function that returns a call of it, with all its arguments, in place of running it.

    The overrides are added here: every scenario has its own fields, so the option parser does not know them.
    """
    command = function_of(name)
    more = {"overrides": overrides} if name in OVERRIDABLE else {}

    @wraps(command)
    def later(*args: Any, **kwargs: Any) -> Callable[[], int]:
        return partial(command, *args, **kwargs | more)

    return later
