"""`hilbench import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro

from hilbench.cli._shared import one_thread, print_json
from hilbench.cli._stated import NOTHING, StatedOptions
from hilbench.errors import ScenarioError

USUAL = {
    "tau_unit": "s", "spike_amplitude": 1.0, "reset_at": "now", "threshold_test": ">", "fires": "always",
    "spikes": "single", "synapse": "current", "synapse_update": "before", "refractory_s": 0.0, "inputs": "values",
}  # fmt: skip
"""What holds of a network where nothing else is stated."""


def import_network(
    network: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="NETWORK")],
    /,
    *,
    stated: StatedOptions = NOTHING,
    out: Path | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """State what a NIR file of another tool leaves open, and save it with that as its execution profile.

    Parameters
    ----------
    network
        a NIR file without a profile
    stated
        what the file leaves open
    out
        where the network is saved; NETWORK.hilbench.nir beside it when absent
    as_json
        print the network and what was stated as JSON
    """
    from hilbench.nal.nir import read_with_notes, save

    statements = stated.statements()
    target = out or network.with_name(f"{network.stem}.hilbench.nir")
    if target.resolve() == network.resolve():
        raise ScenarioError(f"--out: found {target}, the file that is read; allowed: another one")
    soon = ("hilbench.nal.nir.export", "hilbench.nal.describe", "nir", "hilbench.cli._described")
    with one_thread():
        found, notes = read_with_notes(network, statements, soon)

    from hilbench.nal.describe import described
    from hilbench.nal.nir.presets import PRESETS

    save(found, target)
    usual = USUAL if "preset" not in statements else {"tau_unit": PRESETS[statements["preset"]].tau_unit}
    usual = {name: value for name, value in usual.items() if name not in statements}
    said = described(found) | {"notes": notes, "stated": statements, "usual": usual, "saved": str(target)}
    if as_json:
        print_json(said)
    else:
        _print(said)
    return 0


def _print(said: dict[str, Any]) -> None:
    from hilbench.cli._described import rows, show

    lines = rows(said)
    for how in ("stated", "usual"):
        lines += [(how, name, str(value)) for name, value in said[how].items()]
    show(lines + [("note", "", note) for note in said["notes"]])
    print(f"saved to {said['saved']}")
