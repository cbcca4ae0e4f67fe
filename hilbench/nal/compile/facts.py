"""What a record says of its network, so that operations and energy can be counted from the record alone."""

from __future__ import annotations

from typing import Any

from hilbench.nal.compile.operations import dense
from hilbench.nal.model.network import Network
from hilbench.types import Program


def network_facts(program: Program, period_us: int) -> dict[str, Any] | None:
    """Sizes of a network's parts, as plain numbers; None for a law.

    Of a projection, `synapses` are the weights that it stores and `dense` those of its structure, zeros among them; 0
    where it computes nothing.
    """
    if not isinstance(program, Network):
        return None
    return {
        "steps_per_tick": period_us // program.dt_us,
        "populations": {
            p.name: {"kind": p.kind, "size": p.size, "plastic": p.rule is not None}
            for p in program.populations.values()
        },
        "projections": {
            p.name: {
                "source": p.source,
                "target": p.target,
                "shape": list(p.weights.shape),
                "synapses": int(p.weights.nnz),
                "dense": dense(program, p),
                "plastic": p.rule is not None,
            }
            for p in program.projections.values()
        },
    }
