"""hilbench: a hardware-in-the-loop, closed-loop robotics testbed for spiking controllers.

Importing it registers the plants with Gymnasium, where that is installed. The command `hilbench` registers them with
the first plant that it loads, as most of what it does needs no Gymnasium. No engine, socket or simulator is loaded:
each name below is loaded by its first use. `gym.make("hilbench:hilbench/ArmPayload-v0")` imports hilbench itself, so it
also works in processes that have not imported it, as the workers of a pool.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from hilbench.envs import register

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hilbench.loop.agent import Agent
    from hilbench.loop.outcome import Outcome
    from hilbench.metrics import measure
    from hilbench.record.frames import frame
    from hilbench.record.reader import read_run
    from hilbench.runs.build import make_agent, make_plant
    from hilbench.scenario.files import load
    from hilbench.scenario.resolved import Scenario
    from hilbench.studies.evaluation import evaluate

__version__ = "0.1.0"
__all__ = ["Agent", "evaluate", "frame", "load", "make_agent", "make_plant", "measure", "read_run", "run"]

_HOMES = {
    "Agent": "loop.agent",
    "evaluate": "studies.evaluation",
    "frame": "record.frames",
    "load": "scenario.files",
    "make_agent": "runs.build",
    "make_plant": "runs.build",
    "measure": "metrics",
    "read_run": "record.reader",
}
"""The module of each name that is loaded by its first use, below `hilbench`."""


def run(
    scenario: Scenario | str | Path,
    folder: str | Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    controller: str | None = None,
    progress: Callable[[float], None] | None = None,
    trust: bool = False,
    plant: Any = None,
) -> Outcome:
    """Run a scenario and leave its record in a folder.

    A lost device ends the run with an Outcome, not with an exception. Raises HilbenchError for a run that cannot start.

    Parameters
    ----------
    scenario : Scenario, str or Path
        A Scenario from `load`, or a scenario's name or path.
    folder : str or Path
        Where the record goes; a folder that holds one already is refused.
    overrides : mapping, optional
        SECTION.FIELD -> value; only with a name or path.
    controller : str, optional
        Which of the scenario's controllers runs; only with a name or path.
    progress : callable, optional
        Receives the simulated time in s, once a second of it.
    trust : bool
        Whether modules that the file names as MODULE:NAME may be imported, which runs their code; only with a name or
        path.
    plant : gymnasium.Env or Plant, optional
        What to drive in place of the scenario's plant; it stays open, and the record says that it was given.
    """
    from hilbench.errors import ScenarioError
    from hilbench.runs.run import run as run_resolved
    from hilbench.scenario.files import load
    from hilbench.scenario.resolved import Scenario

    if not isinstance(scenario, Scenario):
        scenario = load(scenario, overrides, controller, trust=trust)
    elif overrides or controller is not None:
        raise ScenarioError("overrides, controller: allowed with a scenario's name or path; give these to load() here")
    return run_resolved(scenario, folder, progress, plant=plant)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _is_command() -> bool:
    """Whether this process is the command `hilbench`, and not another program that imports the package."""
    if sys.argv[0] == "-m":  # at this point it is all there is of `python -m hilbench ...`
        return sys.orig_argv[-len(sys.argv)] == "hilbench"
    return os.path.basename(sys.argv[0]) == "hilbench"


if not _is_command():
    register()
