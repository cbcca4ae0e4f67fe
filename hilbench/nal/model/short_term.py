"""Short-term plasticity: synapses that tire with each spike, and facilitate. It is no learning, and runs always.

Tsodyks, Pawelzik & Markram (1998), "Neural networks with dynamic synapses", Neural Computation 10: 821, in the form of
Mongillo, Barak & Tsodyks (2008), "Synaptic theory of working memory", Science 319: 1543:

    u' = (U - u) / tau_facil,    x' = (1 - x) / tau_rec

A spike acts with the weight times u x, both as they stand before it; then x <- x - u x and u <- u + U (1 - u). With
tau_facil = 0 there is no facilitation: u is U. The first paper's u decays to 0 and counts after its jump, which is the
u here. The state is that of the presynaptic side, so all synapses of one neuron in a projection share it.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from hilbench.errors import NetworkError


class ShortTerm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The constants of short-term plasticity, of one projection."""

    u: Annotated[float, Meta(gt=0, le=1)]
    """U, the share of what is left that a spike at rest uses."""
    tau_rec_s: Annotated[float, Meta(gt=0, le=1e9)]
    """How fast what was used recovers."""
    tau_facil_s: Annotated[float, Meta(ge=0, le=1e9)] = 0.0
    """How long facilitation lasts; 0 is none."""


class ReleaseConstants(NamedTuple):
    """What the engines compute with; speeds are per network step."""

    u: float
    jump: float
    facil_speed: float
    rec_speed: float


def release_constants(short_term: ShortTerm, dt_s: float) -> ReleaseConstants:
    """The constants of a step.

    Parameters
    ----------
    short_term : ShortTerm
        As stated.
    dt_s : float
        The network step, in seconds.
    """
    facilitates = short_term.tau_facil_s > 0
    speed = dt_s / short_term.tau_facil_s if facilitates else 0.0
    return ReleaseConstants(short_term.u, short_term.u * facilitates, speed, dt_s / short_term.tau_rec_s)


def release(u: Any, jump: Any, raised: Any, spent: Any) -> Any:
    """What one spike releases, u x, and the two states after it.

    Parameters
    ----------
    u, jump : float
        Of ReleaseConstants.
    raised : float
        u above its rest, just before the spike.
    spent : float
        1 - x, just before the spike.
    """
    now = u + raised
    used = now * (1 - spent)
    return used, raised + jump * (1 - now), spent + used


def accepted_short_term(found: ShortTerm | None, graded: bool, spiking: bool, where: str) -> ShortTerm | None:
    """The constants, checked. Raises NetworkError.

    Parameters
    ----------
    found : ShortTerm, optional
        As their author made them.
    graded : bool
        Whether the source's spikes carry values.
    spiking : bool
        Whether the source sends spikes.
    where : str
        What a refusal names.
    """
    if found is None:
        return None
    if not spiking or graded:
        what = "graded spikes" if spiking else "values"
        raise NetworkError(f"{where}: short_term: its source sends {what}; allowed: events, or spikes of one size")
    try:
        return msgspec.convert(msgspec.to_builtins(found), ShortTerm)
    except (msgspec.ValidationError, TypeError) as error:
        raise NetworkError(f"{where}: short_term: {error}") from None
