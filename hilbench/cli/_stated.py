"""The options that say what a NIR file of another tool leaves open, for every command that reads one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from hilbench.cli._options import with_unions
from hilbench.errors import ScenarioError


@with_unions
@dataclass(frozen=True)
class Stated:
    """What is stated of a network; what is None is not."""

    preset: str | None = None
    """a framework, as snntorch or norse, whose answers hold where no other option is given; docs/presets.md lists them
    """
    dt_s: float | None = None
    """the network step, in whole microseconds"""
    tau_unit: Literal["s", "dt", "1/dt"] | None = None
    """what the file counts time constants and delays in: seconds, steps, or seconds per step"""
    integrator: Literal["exact", "euler", "discrete"] | None = None
    """the exact solution over a step, forward Euler, or decay as in Euler and the input added whole"""
    reset: Literal["value", "zero", "subtract"] | None = None
    """what a spike does to the membrane: set it to v_reset or to 0, or subtract the threshold"""
    recurrent_delay: Literal[0, 1] | None = None
    """steps from a spike to what it does through a loop; 0 acts after the threshold test of its own step"""
    reset_at: Literal["now", "next"] | None = None
    """whether the reset acts in the spike's step, as usual, or in the next one"""
    threshold_test: Literal[">", ">="] | None = None
    """what the membrane must pass, `>` as usual, or reach"""
    fires: Literal["always", "on_arrival"] | None = None
    """whether the threshold is tested in every step, as usual, or only in those in which something arrives"""
    spikes: Literal["single", "multiple", "graded"] | None = None
    """one spike in a step, as usual, as many as thresholds fit, or one that carries the membrane's value"""
    synapse: Literal["current", "delta"] | None = None
    """whether what arrives is a current over the step, as usual, or a delta pulse: the state that it meets jumps"""
    synapse_update: Literal["before", "after"] | None = None
    """whether the synaptic current is updated before the membrane in a step, as usual, or after it"""
    refractory_s: float | None = None
    """how long the membrane is held after a spike, usually 0"""
    spike_amplitude: str | None = None
    """the value that a spike has for its step, usually 1; `impulse` is 1/dt_s"""
    inputs: Literal["values", "events"] | None = None
    """what the Input nodes take, values as usual, or events"""
    profile: Path | None = None
    """a TOML file of these fields, with a table [nodes.NAME] for each node that differs"""

    def statements(self) -> dict[str, Any]:
        """Field -> value of all that is stated; the other options stand over the profile's fields."""
        found = {} if self.profile is None else _in_file(self.profile)
        options = asdict(self) | {"spike_amplitude": _amplitude(self.spike_amplitude)}
        return found | {name: value for name, value in options.items() if value is not None and name != "profile"}


NOTHING = Stated()
StatedOptions = Annotated[Stated, tyro.conf.arg(name="")]
"""The type of a command's parameter whose fields are options of their own."""


def _in_file(profile: Path) -> dict[str, Any]:
    from hilbench.nal.nir.statements import read_statements

    return read_statements(profile)


def _amplitude(given: str | None) -> float | str | None:
    try:
        return given if given in (None, "impulse") else float(given)
    except ValueError:
        raise ScenarioError(f"--spike-amplitude: found {given!r}; allowed: a number above 0, or impulse") from None
