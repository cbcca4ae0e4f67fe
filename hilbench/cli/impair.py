"""`hilbench impair`."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from hilbench.cli._shared import print_json
from hilbench.errors import ScenarioError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hilbench.bridge.impair.impairment import Impairment
    from hilbench.bridge.impair.relay import Tally


def impair(
    *,
    device: str,
    listen: str = "tcp://127.0.0.1:5556",
    impairment: Path | None = None,
    delay_s: float | None = None,
    jitter_s: float | None = None,
    loss: float | None = None,
    duplicate: float | None = None,
    reorder: float | None = None,
    seed: int | None = None,
    insecure: bool = False,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Stand between a plant and a device, and make the link worse. Ends with Ctrl-C.

    Parameters
    ----------
    device
        where the device listens, as tcp://127.0.0.1:5555
    listen
        where plants find it instead; port * takes a free one
    impairment
        a TOML file with a [impairment] table
    delay_s
        how long every frame waits, each way; this and the next ones stand above the file's
    jitter_s
        up to how much longer a frame waits
    loss
        the part of the frames that are lost, 0 to 1
    duplicate
        the part of the frames that come twice
    reorder
        the part of the frames that pass those that wait
    seed
        seed of all chance
    insecure
        allow an address that other hosts can reach, without keys
    as_json
        print the counts as JSON
    """
    from hilbench.bridge.impair.relay import impair_link

    ways: dict[str, Any] = {"jitter_s": jitter_s, "loss": loss, "duplicate": duplicate, "reorder": reorder}
    ways["delay"] = None if delay_s is None else {"s": delay_s}
    settled = _settled(impairment, {name: value for name, value in ways.items() if value is not None}, seed)

    def ready(address: str) -> None:
        to = sys.stderr if as_json else sys.stdout
        print(f"hilbench: impairing {device} on {address} (pid {os.getpid()})", file=to, flush=True)

    tally = impair_link(listen, device, settled, ready=ready, traces_s=_traces_s(settled), insecure=insecure)
    if as_json:
        print_json(tally)
    else:
        _print(tally)
    return 0


def _settled(file: Path | None, options: dict[str, Any], seed: int | None) -> Impairment:
    """The file's impairment with the options, which hold for both ways, above it. Raises ScenarioError."""
    from hilbench.bridge.impair.impairment import WAYS, to_impairment
    from hilbench.scenario.files import read_toml

    where, table = "impairment", {}
    if file is not None:
        raw = read_toml(file)
        if set(raw) != {"impairment"} or not isinstance(raw["impairment"], dict):
            raise ScenarioError(
                f"{file}: expected one table [impairment] and no other; found: {', '.join(raw) or 'nothing'}"
            )
        where, table = f"{file}: impairment", raw["impairment"]
    table = table | options | ({} if seed is None else {"seed": seed})
    for way in WAYS:
        if isinstance(table.get(way), dict):
            table[way] = {name: value for name, value in table[way].items() if name not in options}
    return to_impairment(table, where)


def _traces_s(impairment: Impairment) -> dict[str, NDArray]:
    """The latencies of each way that repeats a trace."""
    from hilbench.scenario.delays import TraceDelay

    traces = {way: getattr(impairment, way).delay for way in ("to_device", "to_plant")}
    traces = {way: delay.run for way, delay in traces.items() if isinstance(delay, TraceDelay)}
    if not traces:
        return {}
    from hilbench.record.traces import link_latencies_s

    return {way: link_latencies_s(run, way) for way, run in traces.items()}


def _print(tally: Tally) -> None:
    """One line of counts."""
    counts = asdict(tally)
    cuts, words = counts.pop("cuts"), []
    for way, found in counts.items():
        words.append(f"{way.replace('_', ' ')}: " + ", ".join(f"{n} {what}" for what, n in found.items()))
    print(f"hilbench: {'; '.join(words)}; cuts: {cuts}")
