"""`hilbench list`."""

from __future__ import annotations

from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from hilbench import plugins
from hilbench import scenario as scenarios
from hilbench.errors import ScenarioError, choose


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
