"""`hilbench schema`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import tyro
from msgspec import Struct

from hilbench.cli._shared import print_json
from hilbench.errors import ScenarioError, allowed_hint


def schema(
    what: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="run|summary|simulation|scenario")], /
) -> int:
    """Print the JSON Schema of run.json, of an evaluation's or a simulation's summary.json, or of a scenario's TOML.

    That of scenarios has the settings of every plug-in that is installed; editors complete and check files by it.

    Parameters
    ----------
    what
        run, summary, simulation or scenario
    """
    if what not in SCHEMAS:
        raise ScenarioError(f"schema: found {what!r}; {allowed_hint(what, SCHEMAS)}")
    print_json(SCHEMAS[what]())
    return 0


def _run() -> dict[str, Any]:
    from hilbench.record.meta import RunMeta

    return _of_file(RunMeta, not_finite=True)


def _summary() -> dict[str, Any]:
    from hilbench.studies.schema import Summary

    return _of_file(Summary)


def _simulation() -> dict[str, Any]:
    from hilbench.runs.simulation_file import SimulationSummary

    return _of_file(SimulationSummary)


def _of_file(struct: type[Struct], *, not_finite: bool = False) -> dict[str, Any]:
    """The schema of a file that this version writes: it and its tables have the present versions, and no others."""
    from hilbench.record.versions import KEY
    from hilbench.scenario.json_schema import schema_of

    found = schema_of(struct, not_finite=not_finite)
    for table in found["$defs"].values():
        if (version := table["properties"].get(KEY)) is not None:
            version["const"] = version.pop("default")
            table["required"] = [KEY, *table.get("required", ())]
    return found


def _scenario() -> dict[str, Any]:
    from hilbench.scenario.file_schema import scenario_schema

    return scenario_schema()


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "run": _run,
    "summary": _summary,
    "simulation": _simulation,
    "scenario": _scenario,
}
