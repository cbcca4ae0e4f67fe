"""Where a tick's latency goes: loop, coder, link, device, decoder, and the wait for the next physics step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.metrics import Measure, Measures, metric
from hilbench.types import RunData

COLUMNS = (
    "answered", "applied_step", "scheduled_ns", "captured_ns", "encoded_ns", "received_ns", "compute_ns", "arrived_ns",
    "decoded_ns", "applied_ns",
)  # fmt: skip
"""What `parts_s` reads."""


@metric("s", "lower", modes=("realtime",), wall=True)
def latency_part(run: RunData) -> Measures:
    """Mean and 99th percentile of each part of the latency, over the ticks whose own reply acted.

    Means add up to those ticks' mean latency, percentiles do not. Link out and link back are told apart only where
    plant and device read the same clock; else their sum is given as link.
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
    found = [_parts_ns(e, run.meta.get("same_clock", False)) for e in stamped if (e["applied_step"] >= 0).any()]
    return {name: np.concatenate([part[name] for part in found]) * 1e-9 for name in (found[0] if found else ())}


def _parts_ns(episode: dict[str, NDArray], same_clock: bool) -> dict[str, NDArray]:
    acted = episode["answered"] & (episode["applied_step"] >= 0)
    at = {name: episode[name][acted] for name in COLUMNS}
    way_ns = at["arrived_ns"] - at["encoded_ns"] - at["compute_ns"]
    out_ns = at["received_ns"] - at["encoded_ns"]
    return {
        "observe": at["captured_ns"] - at["scheduled_ns"],
        "encode": at["encoded_ns"] - at["captured_ns"],
        **({"link out": out_ns} if same_clock else {"link": way_ns}),
        "compute": at["compute_ns"],
        **({"link back": way_ns - out_ns} if same_clock else {}),
        "decode": at["decoded_ns"] - at["arrived_ns"],
        "apply": at["applied_ns"] - at["decoded_ns"],
    }
