"""Targets: limits and costs of a piece of hardware, one TOML file each in `targets/`, with a source for each number."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from hilbench.errors import NetworkError, allowed_hint

FOLDER = Path(__file__).parents[1] / "targets"

Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
Steps = Annotated[int, Meta(ge=0)]
Text = Annotated[str, Meta(min_length=1)]


class Constant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A published number with the range that sources give it."""

    value: Positive
    low: Positive
    high: Positive
    source: Text

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"found low {self.low}, value {self.value}, high {self.high}; allowed: in rising order")


class Energy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The energy of operations and the static power of a chip. A number that is not published is absent."""

    synaptic_operation_j: Constant | None = None
    neuron_update_active_j: Constant | None = None
    """Of a neuron that takes input or spikes in this step, or of any neuron where sources make no difference."""
    neuron_update_idle_j: Constant | None = None
    """Of a neuron to which nothing comes in this step."""
    spike_j: Constant | None = None
    """What a neuron's spike adds to its update."""
    message_j: Constant | None = None
    """Of a spike that leaves for one other core."""
    hop_j: Constant | None = None
    """Of a message that goes one router on."""
    weight_update_j: Constant | None = None
    static_power_w: Constant | None = None
    """Of one chip."""


class Most(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An upper limit."""

    value: Count
    source: Text


class Span(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From `low` to `high` steps, both allowed."""

    low: Steps
    high: Steps
    source: Text


class Seconds(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From `low` to `high`, both allowed."""

    low: Positive
    high: Positive
    source: Text


class Choice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of these names; an empty list means none."""

    values: tuple[Text, ...]
    source: Text


class Memory(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one core can store of its neurons and of the synapses onto them."""

    bits: Count
    bits_per_synapse: Count
    bits_per_neuron: Steps = 0
    source: Text


class Weights(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A weight is a whole number from `low` to `high` in steps of `step`, times 2^exponent, times a scale.

    Exponents belong to a projection, the scale to a target population, or to each neuron where `per_neuron` says so; a
    scale that is not `free` is a power of two.
    """

    low: int
    high: Count
    step: Count = 1
    one_sign_high: Count | None = None
    """Highest magnitude, in steps of 1, where all weights of a projection have one sign."""
    exponent_low: int = 0
    exponent_high: int = 0
    scale: Literal["free", "power of two"] = "free"
    per_neuron: bool = False
    source: Text


class Decay(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a leak is written: as a whole number of 2^-`bits` lost in a step, or as a shift by 1 to `bits` places."""

    form: Literal["fraction", "shift"]
    bits: Annotated[int, Meta(ge=1, le=52)]
    source: Text


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of a network. What is absent is not limited, or the limit is not published."""

    axons_in: Most | None = None
    """Sources, neurons and event inputs, from which one core takes spikes."""
    axons_out: Most | None = None
    """Pairs of a neuron of a core and a core that its spikes go to."""
    cores_reached: Most | None = None
    """Cores that one neuron's spikes go to."""
    fan_in: Most | None = None
    """Synapses onto one neuron."""
    fan_out: Most | None = None
    """Synapses from one neuron."""
    weights_per_neuron: Most | None = None
    """Different weights other than 0 onto one neuron."""
    delays_per_source: Most | None = None
    """Different delays from one neuron."""
    synapses_per_pair: Most | None = None
    """From one source to one neuron."""
    event_inputs: Most | None = None
    event_outputs: Most | None = None
    populations_per_core: Most | None = None
    memory: Memory | None = None
    state_memory: Memory | None = None
    """Of what changes: neurons, plastic synapses, and what is on its way, 32 bits a neuron for each step of delay."""
    weights: Weights | None = None
    threshold_bits: Most | None = None
    """Of the threshold as a whole number, in the scale of the weights."""
    decay: Decay | None = None
    delay_steps: Span | None = None
    """Between neurons; one below `low` acts as late as `low`, one above `high` is refused."""
    refractory_steps: Span | None = None
    time_step_s: Seconds | None = None
    kinds: Choice | None = None
    """Of populations."""
    resets: Choice | None = None
    spikes: Choice | None = None
    behaviours: Choice | None = None
    """Which of v_floor, threshold_noise and adaptation there are."""
    rules: Choice | None = None
    """Of learning, by class name."""


class Comparison(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How its neurons compare v with the threshold; absent where they can do both."""

    value: Literal[">", ">="]
    source: Text


class Mesh(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a chip's cores are: so many routers in a rectangle, some cores at each, numbered row by row."""

    width: Count
    height: Count
    cores_per_router: Count
    source: Text


class Target(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One piece of hardware."""

    summary: Text
    neurons_per_core: Count | None = None
    """None where memory alone is the limit."""
    cores_per_chip: Count
    source: Text
    """Of the counts above."""
    limits: Limits = Limits()
    mesh: Mesh | None = None
    comparison: Comparison | None = None
    """Of v and the threshold; where a membrane moves on a grid the other one is the same a step further on."""
    approximates: dict[Text, Text] = {}
    """What becomes of a kind of population that is allowed but not run as stated."""
    energy: Energy = Energy()


def targets() -> list[str]:
    """The names of all target files."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_target(name: str) -> Target:
    """The target of this name. Raises NetworkError."""
    if name not in targets():
        raise NetworkError(f"no target {name!r}; {allowed_hint(name, targets())}")
    return read_target(FOLDER / f"{name}.toml")


def read_target(path: Path) -> Target:
    """The target in this file. Raises NetworkError for what it must not say."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Target)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NetworkError(f"{path}: {error}") from None
