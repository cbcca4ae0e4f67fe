"""`hilbench list`."""

from __future__ import annotations

from typing import Annotated

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hilbench import plugins
from hilbench.errors import ScenarioError, allowed_hint, printable


def list_plugins(kind: Annotated[str, tyro.conf.Positional] = "") -> int:
    """List the plug-ins, all of them or those of one kind, and the scenarios and suites that come with hilbench."""
    if kind and kind not in plugins.KINDS:
        raise ScenarioError(f"list: found {kind!r}; {allowed_hint(kind, plugins.KINDS)}")
    for each in [kind] if kind else plugins.KINDS:
        _print(
            each, [(escape(printable(name)), escape(printable(says))) for name, says in plugins.summaries(each).items()]
        )
    from hilbench.scenario import files as scenarios

    for title, folder in () if kind else (("scenarios", ""), ("suites", "suites")):
        files = scenarios.names(folder).items()
        _print(title, [(name, str(scenarios.read_toml(path).get("summary", ""))) for name, path in files])
    return 0


def _print(title: str, rows: list[tuple[str, str]]) -> None:
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2))
    for row in rows:
        table.add_row(*row)
    Console().print(table)
