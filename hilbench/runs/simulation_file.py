"""What `summary.json` of `hilbench simulate` says: the structs that write it, read it and are its schema."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from hilbench.files import write_whole
from hilbench.record.sealed import indented, to_json
from hilbench.record.versions import Format

SIMULATION = "summary.json"
SIMULATION_FORMAT = Format("simulation", 1)


class Timing(Struct, frozen=True, kw_only=True):
    """How long a backend took."""

    load_s: float
    """From the settings to the first tick: building, and compiling where that was needed."""
    steps: int
    """Network steps."""
    steps_per_call: int
    """Where nothing is read between periods, one call of the backend runs several."""
    step_p50_us: float
    """Wall time of a network step, which is its share of a call: the median."""
    step_p99_us: float
    """The 99th percentile."""
    realtime_factor: float
    """Seconds of the network's own time in a second of wall time."""


class BackendSummary(Struct, frozen=True, kw_only=True):
    """What one backend did."""

    timing: Timing
    counters: dict[str, int]
    """Over the whole run: spikes, synaptic operations, neuron updates, weight updates and multiplications."""
    spikes: dict[str, int]
    """By population."""
    approximated: tuple[str, ...] = ()
    """Parts of the network that the backend runs in another way than stated."""
    dropped: tuple[str, ...] = ()
    """Parts that it does not run."""


class SpikeDifference(Struct, frozen=True, kw_only=True):
    """The first spike that one of two backends fired and the other did not."""

    t_s: float
    population: str
    neuron: int
    backend: str
    """Which one fired it."""


class ValueDifference(Struct, frozen=True, kw_only=True):
    """Where two backends' values are furthest apart."""

    difference: float | None
    """Null where one of the two is no finite number."""
    port: str
    index: int
    t_s: float


class Comparison(Struct, frozen=True, kw_only=True):
    """Two backends on the same input."""

    backends: tuple[str, str]
    spikes_equal: bool
    spikes: tuple[int, int]
    common_spikes: int
    """Spikes of the same neuron in the same network step."""
    first_difference: SpikeDifference | None = None
    largest_difference: ValueDifference | None = None
    """Null where there are no values."""


class ModelledEnergy(Struct, frozen=True, kw_only=True):
    """What the counted operations stand for on one target."""

    period_j: float | None = None
    """Of a period; null where a constant is not public."""
    interval_j: tuple[float, float] | None = None
    """Lowest and highest value that the constants allow."""
    note: str = ""


class SimulationSummary(Struct, frozen=True, kw_only=True):
    """A network that was fed in open loop."""

    format_version: int = SIMULATION_FORMAT.version
    network: str
    """Its file."""
    dt_s: float
    """The network step."""
    period_s: float
    """How long each row of input was held."""
    duration_s: float
    """How long the network ran, in its own time."""
    seed: int = 0
    """Of the network's own randomness."""
    learning: bool = False
    """Whether learning rules might change weights and thresholds."""
    backends: dict[str, BackendSummary]
    comparisons: tuple[Comparison, ...] = ()
    """Each further backend against the first."""
    energy: dict[str, ModelledEnergy] = {}
    """By target, of what the first backend counted."""
    notes: tuple[str, ...] = ()
    """What reading the network's file had to say."""


def as_json(summary: SimulationSummary) -> bytes:
    """The file's text, with a line for each entry."""
    return indented(to_json(summary))


def write_simulation(folder: Path, summary: SimulationSummary) -> None:
    """Write `summary.json` whole. Raises OSError with its path.

    Parameters
    ----------
    folder : Path
        Where `hilbench simulate` leaves all else.
    summary : SimulationSummary
    """
    write_whole(folder / SIMULATION, as_json(summary))


def read_simulation(folder: Path) -> SimulationSummary:
    """What `summary.json` of `hilbench simulate` says. Raises RecordError."""
    return SIMULATION_FORMAT.read(folder / SIMULATION, SimulationSummary, "the summary of a simulation")
