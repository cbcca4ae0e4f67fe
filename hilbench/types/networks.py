"""What a record says of a network: sizes, so that operations and energy can be counted from the record alone."""

from __future__ import annotations

from msgspec import Struct


class PopulationFacts(Struct, frozen=True):
    """A population of a network."""

    kind: str
    """Its neuron model: "lif", "alif", "passthrough" and so on."""
    n_neurons: int
    plastic: bool
    """Whether a rule moves its thresholds."""


class ProjectionFacts(Struct, frozen=True):
    """A projection of a network."""

    source: str
    target: str
    shape: tuple[int, int]
    """Targets, sources."""
    n_synapses: int
    """Weights that it stores."""
    n_dense_synapses: int
    """Weights of its structure, zeros among them; 0 where it computes nothing."""
    plastic: bool
    """Whether a rule changes its weights."""


class NetworkFacts(Struct, frozen=True):
    """A network's parts, by name."""

    steps_per_tick: int
    """Network steps in a control period."""
    populations: dict[str, PopulationFacts]
    projections: dict[str, ProjectionFacts]
