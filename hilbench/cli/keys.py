"""`hilbench keys`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from hilbench.errors import ScenarioError, allowed_hint


def keys(
    action: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="new")],
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")],
) -> int:
    """Make a key pair, so that a device and a plant on two machines know each other.

    Parameters
    ----------
    action
        `new` writes a pair and never overwrites one
    folder
        where it goes, as keys/device
    """
    from hilbench.bridge.keys import new

    if action != "new":
        raise ScenarioError(f"keys: found {action!r}; {allowed_hint(action, ['new'])}")
    public = new(folder)
    print(f"{folder}: the secret key stays here; copy {public.name} to the other machine")
    print(f"  a device's: hilbench serve --keys {folder} --clients FOLDER   (FOLDER holds the *.pub of its plants)")
    plant = f"--link.kind zmq --link.address tcp://HOST:PORT --link.keys {folder} --link.server_key DEVICE.pub"
    print(f"  a plant's:  hilbench run SCENARIO {plant}")
    return 0
