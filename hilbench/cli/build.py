"""`hilbench build`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import tyro

from hilbench import plugins
from hilbench.cli._shared import complain_of_zeros, print_json, share
from hilbench.errors import ScenarioError, allowed_hint, escaped

if TYPE_CHECKING:
    from hilbench.firmware import Built
    from hilbench.nal import Network
    from hilbench.types import Tick

TICKS = 20
"""Of each kind that instructions are counted over."""

Device = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DEVICE")]
NetworkFile = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="NETWORK")]


def build(
    device: Device,
    network: NetworkFile,
    /,
    *,
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    period_s: float | None = None,
    zeros_max: float | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Build firmware that runs a network on a board: its C sources and what the compiler makes of them.

    Ends with 1 when rounding erases the network.

    Parameters
    ----------
    device
        what to build for: cortexm
    network
        a NIR file with a profile
    output
        folder for the sources and firmware.elf; a firmware that is there is renewed
    period_s
        the control period that the plant will have; the network's own step without it
    zeros_max
        the share of a projection's weights that may become 0 before this ends with 1; 0.5 without it
    as_json
        print everything as JSON
    """
    from hilbench import firmware
    from hilbench.nal import load
    from hilbench.nal.compile.zeros import told

    if device != "cortexm":
        raise ScenarioError(f"build: found {device!r}; {allowed_hint(device, ['cortexm'])}")
    if period_s is not None and not 1e-6 <= period_s <= 1000:
        raise ScenarioError(f"--period-s: found {period_s}, expected 1e-6 to 1000 s")
    most = share("--zeros-max", zeros_max)
    loaded = load(network)
    period_us = loaded.dt_us if period_s is None else round(period_s * 1e6)
    built = firmware.build(loaded, period_us, output)
    counts = _instructions(loaded, period_us, built.events_max)
    if as_json:
        more = {"folder": escaped(built.folder), "period_us": period_us, "instructions_per_tick": counts}
        print_json(msgspec.to_builtins(built) | more)
    else:
        _print(built, period_us, counts)
    return 1 if complain_of_zeros(built.zeros, told(built.zeros, built.inputless), most) else 0


def _instructions(network: Network, period_us: int, events_max: int) -> dict[str, int] | None:
    """The most that a tick takes under QEMU: at rest, with all inputs, and while it learns too; None without QEMU."""
    import numpy as np

    from hilbench.firmware.qemu import QEMU
    from hilbench.types import EVENT, Probes, Tick, size_of

    if shutil.which(QEMU) is None:
        return None
    cls = plugins.get("backends", "cortexm")
    backend = cls(cls.Config(zeros_max=1.0))  # what is erased is told of the firmware itself
    backend.load(network, period_us, Probes())
    n_values, n_errors = size_of(network.inputs, "values"), size_of(network.modulators, "values")
    ones, no_errors = np.ones(n_values, np.float32), np.zeros(n_errors, np.float32)
    times_us = np.arange(0, period_us, network.dt_us)
    every = [(t_us, address) for t_us in times_us for address in range(size_of(network.inputs, "events"))]
    events = np.array(every[:events_max], EVENT)
    ticks = {
        "at_rest": Tick(values=0 * ones, modulators=no_errors),
        "all_inputs": Tick(values=ones, modulators=no_errors, events=events),
    }
    if n_errors:
        ticks["learning"] = Tick(values=ones, modulators=no_errors + 1, events=events)
    found = {}
    for name, tick in ticks.items():
        backend.reset(0, "none")
        found[name] = max(_count(backend, tick) for _ in range(TICKS))
    return found


def _count(backend, tick: Tick) -> int:
    backend.step(tick)
    return backend.instructions


def _print(built: Built, period_us: int, counts: dict[str, int] | None) -> None:
    learning = f", {built.learning} of which learn" if built.learning else ""
    print(
        f"{built.neurons} neurons and {built.synapses} synapses{learning}, a tick every {period_us} us: {built.folder}"
    )
    print(f"flash {built.flash_bytes} bytes, RAM {built.ram_bytes} bytes, {built.events_max} events in a tick at most")
    if counts is None:
        print("instructions per tick: unknown; they are counted under QEMU: apt install qemu-system-arm")
    else:
        text = f"{counts['at_rest']} without input, {counts['all_inputs']} with every input active"
        text += f", {counts['learning']} while it learns too" if "learning" in counts else ""
        print(f"instructions per tick (not cycles), the most of {TICKS}: {text}")
    for line in built.approximated:
        print(f"approximated: {line}")
