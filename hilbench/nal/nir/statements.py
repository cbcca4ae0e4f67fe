"""What a user states of a graph that carries no profile, and the profile that follows. Nothing is guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from hilbench.errors import NetworkError, allowed_hint
from hilbench.files import regular
from hilbench.nal.model.neurons import Integrator, Reset, Seconds
from hilbench.nal.nir.per_node import plain
from hilbench.nal.nir.presets import TauUnit

PortKind = Literal["values", "events"]


class Statements(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is stated of a graph: of all its nodes, and in `nodes` of single ones."""

    preset: str | None = None
    """The framework whose answers hold where nothing else is stated."""
    dt_s: Annotated[float, Meta(gt=0)] | None = None
    """The network step."""
    tau_unit: TauUnit | None = None
    """What the file counts time constants and delays in; seconds, unless the preset says otherwise."""
    integrator: Integrator | None = None
    reset: Reset | None = None
    recurrent_delay: Annotated[int, Meta(ge=0, le=1)] | None = None
    """Steps from a spike to what it does through a loop. 0: after the threshold test of its own step."""
    reset_at: Literal["now", "next"] | None = None
    threshold_test: Literal[">", ">="] | None = None
    fires: Literal["always", "on_arrival"] | None = None
    spikes: Literal["single", "multiple", "graded"] | None = None
    synapse: Literal["current", "delta"] | None = None
    synapse_update: Literal["before", "after"] | None = None
    refractory_s: Seconds | None = None
    spike_amplitude: Annotated[float, Meta(gt=0)] | Literal["impulse"] | None = None
    """`impulse` is 1/dt_s."""
    inputs: PortKind | dict[str, PortKind] | None = None
    """Of all Input nodes, or of each by name."""
    seed: Annotated[int, Meta(ge=0)] | None = None
    nodes: dict[str, dict[str, Any]] = {}
    """By name: fields of Behaviour, v_initial and kind (poisson) of neurons; delay_steps and after_threshold of linear
    nodes, which stand as they are, in a loop too."""


def statements_from(found: dict[str, Any]) -> Statements:
    """Statements from plain values. Raises NetworkError, naming the field."""
    for key in found:
        if key not in Statements.__struct_fields__:
            raise NetworkError(
                f"{key}: nothing of this name can be stated; {allowed_hint(key, Statements.__struct_fields__)}"
            )
    try:
        return msgspec.convert(plain(found), Statements)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        raise NetworkError(f"{where.strip('`') or 'statements'}: {what}") from None


def read_statements(path: Path) -> dict[str, Any]:
    """The statements in a TOML file. Raises NetworkError."""
    try:
        found = msgspec.toml.decode(regular(path).read_bytes())
        statements_from(found)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, NetworkError) as error:
        raise NetworkError(f"{path}: {error}") from None
    return found
