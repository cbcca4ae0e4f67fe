"""Output ports that read a relay, which no hardware has: what the host does for them, or why it cannot."""

from __future__ import annotations

from hilbench.nal.compile.check import Broken
from hilbench.nal.compile.fold import copied_input, sum_sources
from hilbench.nal.model.network import Network


def _read_relays(network: Network, folded: Network) -> dict[str, str]:
    """Output ports that read a relay, which no hardware has -> the relay."""
    relays = network.populations.keys() - folded.populations.keys()
    return {name: source for name, source in network.output_sources.items() if source in relays}


def dropped(network: Network, folded: Network) -> list[str]:
    """A line for each output that the host must compute.

    Parameters
    ----------
    network : Network
        As stated.
    folded : Network
        Without its relays.
    """
    return [
        f"output {name!r}: {_what_it_gives(network, relay)}"
        for name, relay in _read_relays(network, folded).items()
        if not _hidden(network, relay)
    ]


def _what_it_gives(network: Network, relay: str) -> str:
    """What an output that reads a relay gives, and what the host does for it."""
    if copied := copied_input(network, relay):
        return f"the input {copied!r} itself, which the host must pass on"
    inputs = sum_sources(network, relay) - network.populations.keys()
    outputs = sum_sources(network, relay) & network.populations.keys()
    summed = ["inputs"] * bool(inputs) + ["other outputs"] * bool(outputs)
    return f"a sum of {' and '.join(summed) or 'constants'}, which the host must add up"


def unreadable(network: Network, folded: Network) -> list[Broken]:
    """Outputs that the host cannot add up either, as what they sum does not leave the hardware.

    Parameters
    ----------
    network : Network
        As stated.
    folded : Network
        Without its relays.
    """
    broken = []
    for name, relay in _read_relays(network, folded).items():
        if hidden := _hidden(network, relay):
            found = f"a sum of what {', '.join(map(repr, hidden))} sends, which no output gives"
            allowed = f"sums of what outputs give; add an output of {hidden[0]!r}, or neurons before {name!r}"
            broken.append(Broken("outputs", f"output {name!r}", found, allowed))
    return broken


def _hidden(network: Network, relay: str) -> list[str]:
    """The populations that a relay adds up and whose spikes, or values, no output port gives."""
    found = []
    for source in sorted(sum_sources(network, relay) & network.populations.keys()):
        p = network.populations[source]
        graded = p.spiking and p.behaviour.spikes == "graded"  # a port of them gives membranes
        wanted = "events" if p.spiking else "values"
        if graded or not any(port.kind == wanted for port in network.readers(source)):
            found.append(source)
    return found
