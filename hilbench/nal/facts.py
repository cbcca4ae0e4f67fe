"""What a record says of its network, so that operations and energy can be counted from the record alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from hilbench.nal.network import Network
from hilbench.types import Program


def network_facts(program: Program, period_us: int) -> dict[str, Any] | None:
    """Sizes of a network's parts, as plain numbers; None for a law.

    Of a projection from a value port, `fan_out` is how many weights other than 0 each of its inputs crosses.
    """
    if not isinstance(program, Network):
        return None
    return {
        "steps_per_tick": period_us // program.dt_us,
        "populations": {p.name: {"kind": p.kind, "size": p.size} for p in program.populations.values()},
        "projections": {
            p.name: {
                "source": p.source,
                "target": p.target,
                "shape": list(p.weights.shape),
                "synapses": int(p.weights.nnz),
                "plastic": p.rule is not None,
                **_fan_out(program, p),
            }
            for p in program.projections.values()
        },
    }


def _fan_out(program: Network, projection: Any) -> dict[str, list[int]]:
    port = program.port(projection.source)
    if port is None or port.kind != "values":
        return {}
    return {"fan_out": np.ravel((projection.weights != 0).sum(axis=0)).tolist()}
