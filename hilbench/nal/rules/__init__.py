"""Learning rules: one file each, with the scalar equations that every engine runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from hilbench.types import Name

if TYPE_CHECKING:
    from hilbench.nal.network import Network


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a projection's weights, or a population's thresholds, change while the network runs."""

    modulator: Name | None = None
    """The signal that drives it, one value per target neuron unless the rule says otherwise."""

    def refuses(self, network: Network, source: str, target: str) -> str | None:
        """Why it cannot stand between these two, to follow the rule's name; None when it can."""
        return None

    def modulator_size(self, network: Network, target: str) -> int:
        """How many values its modulator has."""
        return network.populations[target].size
