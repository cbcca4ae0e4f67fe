"""`hilbench schema`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import tyro

from hilbench.cli._shared import print_json
from hilbench.errors import ScenarioError, allowed_hint


def schema(what: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="run|summary|scenario")], /) -> int:
    """Print the JSON Schema of a file: of run.json, of an evaluation's summary.json, or of a scenario's TOML.

    That of scenarios has the settings of every plug-in that is installed; editors complete and check files by it.

    Parameters
    ----------
    what
        run, summary or scenario
    """
    if what not in SCHEMAS:
        raise ScenarioError(f"schema: found {what!r}; {allowed_hint(what, SCHEMAS)}")
    print_json(SCHEMAS[what]())
    return 0


def _run() -> dict[str, Any]:
    from hilbench.record.meta import RunMeta
    from hilbench.scenario.json_schema import schema_of

    return schema_of(RunMeta, not_finite=True)


def _summary() -> dict[str, Any]:
    from hilbench.scenario.json_schema import schema_of
    from hilbench.studies.schema import Summary

    return schema_of(Summary)


def _scenario() -> dict[str, Any]:
    from hilbench.scenario.file_schema import scenario_schema

    return scenario_schema()


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {"run": _run, "summary": _summary, "scenario": _scenario}
