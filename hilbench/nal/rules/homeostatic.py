"""Homeostatic thresholds: each neuron's threshold moves until it fires at its target rate.

Diehl & Cook (2015), "Unsupervised learning of digit recognition using spike-timing-dependent plasticity", Front.
Comput. Neurosci. 9: 99, have a threshold that rises with each spike and decays between; here it sinks at a constant
speed, so that it rests where the mean rate is `target_rate_hz`:

    dv_threshold = step (z - target_rate_hz dt),    z spikes in this step

With `rate_of` all thresholds move alike, by the mean z over the neurons of that population: its own name makes one
threshold that the population shares, another name a threshold that follows another population's rate.

Threshold changes count as weight updates, one per neuron and step while learning is on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple

from msgspec import Meta

from hilbench.nal.model.rule import Rule
from hilbench.types import Name

if TYPE_CHECKING:
    from hilbench.nal.model.network import Network
    from hilbench.nal.model.neurons import Population


class Constants(NamedTuple):
    """The numbers that the functions of the rule use, of one population."""

    step: float
    per_step: float


class Homeostatic(Rule, frozen=True, kw_only=True):
    """Thresholds that find the level at which neurons fire at a wanted rate."""

    modulator: None = None
    target_rate_hz: Annotated[float, Meta(gt=0, le=1e6)]
    step: Annotated[float, Meta(gt=0, le=1e9)] = 1e-3
    """How far one spike lifts the threshold."""
    rate_of: Name | None = None
    """A population whose mean rate moves all thresholds alike; None: each neuron's own rate moves its own."""

    @property
    def pooled(self) -> str | None:
        """The population whose mean spikes `change` takes."""
        return self.rate_of

    moves: ClassVar[Literal["weights", "thresholds"]] = "thresholds"

    def constants(self, network: Network, part: Population) -> Constants:
        """The step, and the spikes that a neuron at its target makes in one."""
        return Constants(self.step, self.target_rate_hz * network.dt_s)

    @staticmethod
    def change(c, z):
        """The threshold's change in one step."""
        return c.step * (z - c.per_step)
