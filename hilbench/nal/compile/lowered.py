"""What `lower` makes of a Network: flat arrays, and the names of their columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import auto

from numpy.typing import NDArray

from hilbench.nal.model.columns import Columns
from hilbench.nal.model.neurons import Population
from hilbench.nal.model.projection import Projection


class ConstantColumn(Columns):
    """Rows of `Lowered.constants`; the first six are those of `neurons.StepConstants`."""

    REST = auto()
    DECAY = auto()
    FROM_CURRENT = auto()
    FROM_INPUT = auto()
    SYN_DECAY = auto()
    SYN_GAIN = auto()
    THRESHOLD = auto()
    LIMIT = auto()  # what v is greater than where it reaches the threshold
    KEEP = auto()  # a reset makes v into KEEP v + ADD
    ADD = auto()


class Column(Columns):
    """Columns of `Lowered.populations`: addresses are -1 where no port takes the spikes, the rest are flags."""

    LO = auto()
    HI = auto()
    FIRST_PROJECTION = auto()
    LAST_PROJECTION = auto()
    OUT_ADDRESS = auto()
    PROBE_ADDRESS = auto()
    REFRACTORY_STEPS = auto()
    SPIKING = auto()
    COUNTED = auto()
    CURRENT = auto()
    UNIFORM = auto()  # the constants of all neurons are those of the first
    PLAIN = auto()
    HELD_INPUT = auto()
    AFTER_THRESHOLD = auto()
    AT_LEAST = auto()
    NEXT = auto()
    SUBTRACT = auto()
    MULTIPLE = auto()
    GRADED = auto()
    POISSON = auto()
    EXCESS = auto()  # a rule looks at the membranes when they are tested
    ON_ARRIVAL = auto()  # they are tested only where something arrives


class Trait(Columns):
    """Columns of `Lowered.traits`; 0 or infinite where a population has none."""

    FLOOR = auto()
    NOISE = auto()
    ADAPT_DECAY = auto()
    ADAPT_STEP = auto()


class ProjectionRow(Columns):
    """Columns of `Lowered.links`, a row for each projection."""

    SOURCE_LO = auto()
    N_SOURCE = auto()
    TARGET_LO = auto()
    N_TARGET = auto()
    DELAY = auto()  # of all synapses, where `delays` has none
    DENSE = auto()
    PLASTIC = auto()
    AFTER_THRESHOLD = auto()
    COUNTED = auto()
    MARKS = auto()  # what it sends calls for a test of its targets


@dataclass(slots=True, eq=False)
class Synapses:
    """One projection's synapses: those of source s lie from starts[s] to starts[s + 1]."""

    starts: NDArray  # (n_source + 1,) int64
    targets: NDArray  # (n_synapses,) int32, within the target population
    weights: NDArray  # (n_synapses,) float32; float64 where they learn
    delays: NDArray | None  # (n_synapses,) uint16 where they differ
    short_term: NDArray | None = None  # (4,) float64, ReleaseConstants


@dataclass(slots=True, eq=False)
class Lowered:
    """Flat arrays of one network.

    Weights are float32, those that learn float64: a change in one step may be far below a float32's last place. Neuron
    constants are float64, because float32 membranes move spikes: rounding of 1e-7 at the threshold can shift a spike
    by a step.
    """

    order: list[Population]
    constants: NDArray  # (10, n) float64
    populations: NDArray  # (n_populations, 22) int64, in step order
    traits: NDArray  # (n_populations, 4) float64
    projections: list[Projection]  # from held values, other values, events, then by population in step order
    links: NDArray  # (n_projections, 10) int64
    n_held: int
    n_from_values: int
    n_from_events: int
    bias: NDArray  # (n,) float64: constant input
    v_initial: NDArray  # (n,) float64
    readouts: NDArray  # (n_values_out,) int64: neuron behind each output value
    n_slots: int  # of the ring that holds what is on its way, a power of two
    n_mark_slots: int  # of the ring that marks in which steps something arrives; 0 where no population asks for it
    synapses: list[Synapses] = field(default_factory=list)

    @property
    def after_threshold(self) -> bool:
        """Whether any projection acts after the threshold test."""
        return bool(self.links[:, ProjectionRow.AFTER_THRESHOLD].any())
