"""`hilbench program`."""

from __future__ import annotations

from typing import Any

import tyro

from hilbench.cli._shared import Scenario, print_json


def program(
    scenario: Scenario,
    /,
    *,
    controller: str | None = None,
    trust: bool = False,
    overrides: tyro.conf.Suppress[Any] = None,
) -> int:
    """Print as JSON what a device with a program built in must know: its hash, its sizes, and a law's settings.

    Parameters
    ----------
    scenario
        a scenario's file or name
    controller
        which of its controllers the device runs
    trust
        import modules that the scenario names as MODULE:NAME, which runs their code
    overrides
        SECTION.FIELD -> value, taken from the command line before the option parser
    """
    from hilbench.bridge.protocol.identity import program_hash
    from hilbench.bridge.protocol.wire import Sizes
    from hilbench.nal.model.codec import pack
    from hilbench.runs.build import check_whole, own_period_us
    from hilbench.scenario.files import load
    from hilbench.types import LawProgram

    found = load(scenario, overrides, controller, trust=trust)
    control = check_whole(found)
    built = control.program
    law = {"law": built.name, "config": built.config} if isinstance(built, LawProgram) else {}
    sizes = Sizes.of(built, own_period_us(control, found.period_us))._asdict()
    print_json({"program_hash": program_hash(pack(built)).hex(), **sizes, **law})
    return 0
