"""The command line that repeats a run of a suite."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from hilbench.studies.suite import SuiteCell


def command(cell: SuiteCell, controller: str, more: Mapping[str, Any]) -> str:
    """The command line that repeats a cell's first run, or the run that it is compared with.

    Parameters
    ----------
    cell : SuiteCell
    controller : str
        The cell's controller, or that of the run that it is compared with.
    more : mapping
        Further overrides, SECTION.FIELD -> value.
    """
    words = ["hilbench", "run", cell.source, "--controller", controller]
    words += ["--trust"] if cell.scenario.modules else []
    kept = {key: value for key, value in cell.overrides.items() if not key.startswith(tuple(f"{m}." for m in more))}
    if controller != cell.scenario.controller:  # as `choose_controller` has it
        kept = {key: value for key, value in kept.items() if key.replace("-", "_") != "loop.start_from"}
    for key, value in {**kept, "loop.seed": cell.by_seed[0][0], **more}.items():
        # `controller.X` stands for the chosen one's X, which another controller may not have.
        own = key.removeprefix("controller.")
        whole = key if own == key else f"controllers.{cell.scenario.controller}.{own}"
        for field, plain in _flat(whole, value):
            words += [f"--{field.replace('_', '-')}", plain if isinstance(plain, str) else json.dumps(plain)]
    return shlex.join(words)


def _flat(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Fields of nested tables under dotted names; everything else reads the same in JSON and TOML."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flat(f"{key}.{name}", item)
    else:
        yield key, value
