"""Which part of a network a chip computes in its own arithmetic, and which populations are computed beside it.

A readout that learns by PES is computed beside the chip, because its weights change while it runs.
"""

from __future__ import annotations

from dataclasses import replace

from hilbench.errors import NetworkError
from hilbench.nal.model.network import Network
from hilbench.nal.model.projection import Projection
from hilbench.nal.rules.pes import PES


def beside_chip(network: Network, backend: str, *, all_readouts: bool = False) -> list[str]:
    """The populations that are computed beside the chip: readouts that learn by PES, or all that do not spike.

    Raises NetworkError for a rule or a connection that this rules out.

    Parameters
    ----------
    network : Network
        The network.
    backend : str
        The backend's name, for the message.
    all_readouts : bool
        Whether all populations that do not spike are computed beside the chip, not those that learn by PES alone.
    """
    allowed = f"allowed on backend {backend!r}"
    learns = {q.target for q in network.projections.values() if isinstance(q.rule, PES)}
    found = [p.name for p in network.populations.values() if not p.spiking and (all_readouts or p.name in learns)]
    beside = set(found)
    for q in network.projections.values():
        where = f"projection {q.name!r}"
        if q.rule is not None and not isinstance(q.rule, PES):
            raise NetworkError(f"{where}: rule: found {type(q.rule).__name__}; {allowed}: PES onto a readout")
        if q.rule is not None and (more := q.rule.beyond_basics):
            raise NetworkError(f"{where}: rule: found PES with {more[0]}; {allowed}: PES with a modulator from outside")
        if q.source in beside and q.target not in beside:
            raise NetworkError(f"{where}: source: found {q.source!r}, which does not spike; {allowed}: what spikes")
    if len(found) == len(network.populations):
        raise NetworkError(f"found no population that spikes; {allowed}: a network with one at least")
    return found


def held_back(q: Projection) -> tuple[str, str] | None:
    """What makes a projection of values act later than at once, and how: a constant input, as a chip has it, cannot."""
    if not q.weights.nnz:
        return None
    if q.after_threshold:
        return "after_threshold", "True"
    return ("delay_steps", str(q.max_delay_steps)) if q.max_delay_steps else None


def check_at_once(q: Projection, where: str) -> None:
    """Raise NetworkError for values that act after a delay or after the threshold test: nothing there does so.

    Parameters
    ----------
    q : Projection
        The projection.
    where : str
        Where it is to run, for the message.
    """
    if found := held_back(q):
        text = f"found {found[1]} for values; allowed {where}: values that act at once"
        remedy = "delay them before they are sent, or send events (backends numba and reference delay values)"
        raise NetworkError(f"projection {q.name!r}: {found[0]}: {text}; {remedy}")


def chip_part(network: Network, beside: list[str]) -> Network:
    """The network without what is computed beside the chip.

    Parameters
    ----------
    network : Network
        The network.
    beside : list of str
        The populations that are computed beside the chip.
    """
    left_out = set(beside)
    kept = {name: p for name, p in network.populations.items() if name not in left_out}
    between = {name: q for name, q in network.projections.items() if q.target in kept}
    outputs = tuple(port for port in network.outputs if network.output_sources[port.name] in kept)
    taps = {port.name: network.output_sources[port.name] for port in outputs}
    return replace(network, populations=kept, projections=between, outputs=outputs, output_sources=taps, modulators=())
