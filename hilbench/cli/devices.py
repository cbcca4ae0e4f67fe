"""`hilbench serve` and `hilbench device`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import tyro

from hilbench.bridge.device.watchdog import LOAD_TIMEOUT_S
from hilbench.bridge.transport.spin import DEVICE_SPIN_S
from hilbench.errors import ScenarioError, allowed_hint
from hilbench.modules import ANY, allow

T = TypeVar("T")


def serve(
    *,
    backend: str = "numba",
    bind: str = "tcp://127.0.0.1:5555",
    config: str = "{}",
    lease_s: float = 10.0,
    load_timeout_s: float = LOAD_TIMEOUT_S,
    spin_s: float = DEVICE_SPIN_S,
    exit_with_stdin: bool = False,
    keys: Path | None = None,
    clients: Path | None = None,
    insecure: bool = False,
    trust: bool = False,
    modules: str = "{}",
) -> int:
    """Serve a backend on an address, for a link of a run elsewhere. Ends with Ctrl-C.

    Parameters
    ----------
    backend
        which backend this device runs
    bind
        where to listen: tcp://HOST:PORT (port * takes a free one), ipc://PATH, unix:///PATH, stream://HOST:PORT
    config
        the backend's settings as JSON
    lease_s
        silence after which a plant makes room for another
    load_timeout_s
        how long, in s, loading a program may take: a LOAD that takes longer is refused and leaves no program
    spin_s
        how long before and after the instant of the next tick to look for it without sleep; 0 leaves the processor to
        others, and a tick is seen tens of microseconds later
    exit_with_stdin
        end when standard input does
    keys
        folder of this device's keys, from `hilbench keys new`: only plants with a key in `clients` may connect
    clients
        folder of the public keys (*.pub) of those plants
    insecure
        allow an address that other hosts can reach, without keys
    trust
        import any module that `backend`, or a program that a plant loads, names as MODULE:NAME, which runs its code
    modules
        the modules of which alone it may, as JSON: {MODULE: FOLDER}; a link gives them to a device that it starts
    """
    from hilbench.bridge.device.server import serve as serve_backend
    from hilbench.bridge.device.session import build_backend
    from hilbench.bridge.keys import read_device

    if not 0 < lease_s <= 1e6:
        raise ScenarioError(f"--lease-s: found {lease_s}, expected a time above 0 s and up to 1e6 s")
    if not 0 < load_timeout_s <= 1e6:
        raise ScenarioError(f"--load-timeout-s: found {load_timeout_s}, expected a time above 0 s and up to 1e6 s")
    if not 0 <= spin_s <= 1:
        raise ScenarioError(f"--spin-s: found {spin_s}, expected a time from 0 s to 1 s")
    if (keys is None) != (clients is None):
        raise ScenarioError("serve: --keys and --clients belong together; give both, or none on loopback")
    settings = _decoded("--config", config, dict)
    for module, folder in _decoded("--modules", modules, dict[str, str]).items():
        allow([module], folder)
    if trust:
        allow([ANY], os.getcwd())

    def ready(address: str) -> None:
        print(f"hilbench: serving {backend} on {address} (pid {os.getpid()})", flush=True)

    own = None if keys is None or clients is None else read_device(keys, clients)
    built = build_backend(backend, settings)
    serve_backend(
        built, bind, ready=ready, exit_with_stdin=exit_with_stdin, lease_s=lease_s, keys=own, insecure=insecure,
        spin_s=spin_s, load_timeout_s=load_timeout_s,
    )  # fmt: skip
    return 0


def _decoded(option: str, text: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise ScenarioError(f"{option}: found {text!r}, expected a JSON object ({error})") from None


def device(
    action: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="install")],
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")],
    *,
    again: bool = False,
) -> int:
    """Make the Python environment that a device needs: `hilbench device install lava`. Does nothing if it is there.

    Parameters
    ----------
    action
        install
    name
        which environment: lava
    again
        make it anew
    """
    from hilbench.bridge.environments import RECIPES, install

    if action != "install":
        raise ScenarioError(f"device: found {action!r}; {allowed_hint(action, ('install',))}")
    if name not in RECIPES:
        raise ScenarioError(f"device install: found {name!r}; {allowed_hint(name, RECIPES)}")
    folder = install(name, again, say=lambda line: print(f"hilbench: {line}", flush=True))
    print(f"hilbench: environment {name!r} is ready in {folder}")
    return 0
