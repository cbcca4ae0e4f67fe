"""`hilbench conformance`."""

from __future__ import annotations

import os
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hilbench.cli._shared import print_json
from hilbench.modules import allow

if TYPE_CHECKING:
    from hilbench.conformance.suite import FeatureOutcome

SHOWN = 4
"""How many features a line of the table names."""
LONGEST = 160
"""Characters of a reason; `--json` has them all."""


def conformance(
    backend: Annotated[str, tyro.conf.Positional] = "",
    *,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
    trust: bool = False,
) -> int:
    """Compare a backend with `reference` over every feature of networks; list what is not the same, and why.

    Exit code 1 when a backend differs without having said so at load.

    Parameters
    ----------
    backend
        a backend's name, or MODULE:NAME; without one, all there are
    as_json
        print every feature as JSON
    trust
        import the module of a backend MODULE:NAME, also from this folder, which runs its code
    """
    from hilbench.conformance.suite import conform, conform_all

    if trust:
        allow([backend.partition(":")[0]], os.getcwd())
    found = {backend: conform(backend)} if backend else conform_all()
    if as_json:
        print_json({name: [outcome._asdict() for outcome in outcomes] for name, outcomes in found.items()})
    else:
        for name, outcomes in found.items():
            _print(name, outcomes)
    return int(any(outcome.verdict == "differs" for outcomes in found.values() for outcome in outcomes))


def _print(name: str, outcomes: list[FeatureOutcome]) -> None:
    from hilbench.conformance.suite import unsupported

    same = sum(outcome.verdict == "same" for outcome in outcomes)
    table = Table(show_header=False, box=None, padding=(0, 2))
    for verdict, reason, names in unsupported(outcomes):
        rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        what = "everything" if len(names) == len(outcomes) > SHOWN else "; ".join(names[:SHOWN]) + rest
        table.add_row(verdict, escape(what), escape(shorten(reason, LONGEST, placeholder=" ...")))
    console = Console(highlight=False)
    console.print(f"{name}: {same} of {len(outcomes)} features as reference has them")
    if table.row_count:
        console.print(table)
