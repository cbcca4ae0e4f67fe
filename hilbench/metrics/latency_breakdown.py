"""Where a tick's latency goes: loop, coder, link, device, decoder, and the wait for the next physics step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hilbench.metrics import Measure, Measures, metric
from hilbench.record.data import RunData

COLUMNS = (
    "answered", "applied_step", "scheduled_ns", "captured_ns", "encoded_ns", "received_ns", "compute_ns", "arrived_ns",
    "decoded_ns", "applied_ns",
)  # fmt: skip
"""The columns that `parts_s` reads."""


@metric("s", "lower", modes=("realtime",), wall=True)
def latency_part(run: RunData) -> Measures:
    """Mean and 99th percentile of each part of the latency, over the ticks whose own reply acted.

    Means add up to those ticks' mean latency, percentiles do not. Link out and link back are separate only where plant
    and device read the same clock, and no stamp says otherwise; else their sum is given as link. A device that counts
    instructions has no time that could be separated from its link's: the two are one part.
    """
    found = {}
    for name, part_s in parts_s(run).items():
        found[f"{name} mean"] = Measure(float(part_s.mean()), part_s.size)
        if part_s.size >= 1000:
            found[f"{name} p99"] = Measure(float(np.quantile(part_s, 0.99)), part_s.size)
    return found


def parts_s(run: RunData) -> dict[str, NDArray]:
    """Each part of every tick whose own reply acted, in the order of time; empty where none did, or stamps are missing.

    A reply that arrives while the loop is busy waits in its socket: that counts as the way back.
    """
    stamped = [episode for episode in run.episodes if set(COLUMNS) <= set(episode)]
    between = _counted if not run.compute_is_time else _same_clock if shares_clock(run) else _own_clock
    found = [_parts_ns(e, between) for e in stamped if (e["applied_step"] >= 0).any()]
    return {name: np.concatenate([part[name] for part in found]) * 1e-9 for name in (found[0] if found else ())}


def shares_clock(run: RunData) -> bool:
    """Whether the device's `recv_ns` may be subtracted from stamps of the plant: its boot id is the plant's, and it
    says to have received and computed every tick between the tick's encoding and the reply's arrival.
    """
    return run.meta.device_shares_clock and all(
        (
            (e["encoded_ns"] <= e["received_ns"])
            & (e["received_ns"] <= e["arrived_ns"])
            & (e["compute_ns"] <= e["arrived_ns"] - e["received_ns"])
        )[e["answered"]].all()
        for e in run.episodes
        if set(COLUMNS) <= set(e)
    )


def _parts_ns(episode: dict[str, NDArray], between: Callable[..., dict[str, NDArray]]) -> dict[str, NDArray]:
    """All parts; `between` says which there are from the encoded tick to the reply's arrival."""
    acted = episode["answered"] & (episode["applied_step"] >= 0)
    at = {name: episode[name][acted] for name in COLUMNS}
    return {
        "observe": at["captured_ns"] - at["scheduled_ns"],
        "encode": at["encoded_ns"] - at["captured_ns"],
        **between(at["encoded_ns"], at["received_ns"], at["compute_ns"], at["arrived_ns"]),
        "decode": at["decoded_ns"] - at["arrived_ns"],
        "apply": at["applied_ns"] - at["decoded_ns"],
    }


def _same_clock(encoded_ns: NDArray, received_ns: NDArray, compute_ns: NDArray, arrived_ns: NDArray) -> dict:
    back_ns = arrived_ns - received_ns - compute_ns
    return {"link out": received_ns - encoded_ns, "compute": compute_ns, "link back": back_ns}


def _own_clock(encoded_ns: NDArray, _: NDArray, compute_ns: NDArray, arrived_ns: NDArray) -> dict:
    return {"link": arrived_ns - encoded_ns - compute_ns, "compute": compute_ns}


def _counted(encoded_ns: NDArray, _: NDArray, __: NDArray, arrived_ns: NDArray) -> dict:
    return {"link and emulator": arrived_ns - encoded_ns}
