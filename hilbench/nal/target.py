"""Targets: what a piece of hardware holds and costs, one TOML file each in `targets/`. Data, with a source for each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from hilbench.errors import NetworkError, choose

FOLDER = Path(__file__).with_name("targets")

Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
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
    """What operations cost, and what the chip draws when it does nothing."""

    synaptic_operation_j: Constant
    neuron_update_j: Constant
    weight_update_j: Constant
    static_power_w: Constant
    """Of one chip."""


class Target(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One piece of hardware."""

    summary: Text
    neurons_per_core: Count
    cores_per_chip: Count
    source: Text
    """Of the counts above."""
    energy: Energy


def targets() -> list[str]:
    """The names of all target files."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_target(name: str) -> Target:
    """The target of this name. Raises NetworkError."""
    if name not in targets():
        raise NetworkError(f"no target {name!r}; {choose(name, targets())}")
    return read_target(FOLDER / f"{name}.toml")


def read_target(path: Path) -> Target:
    """The target in this file. Raises NetworkError for what it must not say."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Target)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NetworkError(f"{path}: {error}") from None
