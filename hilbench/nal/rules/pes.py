"""PES: a readout's weights follow its error, weighted by the presynaptic rates.

MacNeil & Eliasmith (2011), "Fine-tuning and the stability of recurrent neural networks", PLoS ONE 6(9): e22885,
in the normalised form Nengo uses: dw_ij = -(learning_rate dt / n) e_i a_j, with n presynaptic neurons, error e_i in the
readout's unit and presynaptic rate a_j in Hz, low-passed with `pre_tau_s`.

The functions are plain arithmetic, so that NumPy arrays and compiled scalars run the same lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from hilbench.nal.rules import Rule
from hilbench.types import Name

if TYPE_CHECKING:
    from hilbench.nal.network import Network


class PES(Rule):
    """Prescribed error sensitivity: a readout learns its error away."""

    modulator: Name
    learning_rate: Annotated[float, Meta(ge=0, le=1e9)] = 1e-4
    """Step size in weight units per (error unit x Hz x s), before division by the presynaptic count."""
    pre_tau_s: Annotated[float, Meta(gt=0, le=1e9)] = 0.005
    """Time constant of the low-pass that turns presynaptic spikes into rates."""

    def refuses(self, network: Network, source: str, target: str) -> str | None:
        """It learns from spikes onto a readout."""
        spiking = source in network.populations and network.populations[source].spiking
        if spiking and network.populations[target].kind == "li":
            return None
        return "learns from a spiking population onto a readout only"


def rate(rate_hz, spike, decay, dt_s):
    """The low-passed rate one step on; `decay` is exp(-dt/pre_tau), `spike` 0 or 1."""
    return decay * rate_hz + (1 - decay) * spike / dt_s


def change(scale, error, rate_hz):
    """The weight's change in one step; `scale` is learning_rate x dt / n."""
    return -scale * error * rate_hz
