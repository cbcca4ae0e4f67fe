"""Whether it matters that a threshold is tested on arrival alone: hardware tests in every step."""

from __future__ import annotations

import numpy as np

from hilbench.errors import NetworkError
from hilbench.nal.model.firing import after_reset, passes
from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import Population, present, step_constants


def check_tested_always(network: Network, p: Population, where: str) -> None:
    """Raise NetworkError for a population that needs a test on arrival alone; hardware tests in every step.

    Parameters
    ----------
    network : Network
        The network.
    p : Population
        One of its populations.
    where : str
        The hardware, as in "on backend 'lava'".
    """
    if awaits_arrivals(network, p):
        raise NetworkError(
            f"population {p.name!r}: fires: found 'on_arrival'; allowed {where}: 'always', or neurons that nothing but"
            " what arrives lifts to their thresholds (lif or if, no constant input, no reset by subtraction)"
        )


def awaits_arrivals(network: Network, p: Population) -> bool:
    """Whether it matters to a population that its threshold is tested on arrival alone.

    It does not where nothing but what arrives can lift a membrane past the threshold, and a spike leaves it below.

    Parameters
    ----------
    network : Network
        The network.
    p : Population
        One of its populations.
    """
    return p.behaviour.fires == "on_arrival" and not _tests_alike(network, p)


def _tests_alike(network: Network, p: Population) -> bool:
    """Whether p would fire alike if its threshold was tested in every step."""
    b = p.behaviour
    if p.kind not in ("lif", "if") or b.reset == "subtract" or p.rule is not None:
        return False
    driven = any(q.bias is not None for q in network.onto(p.name))
    if driven or b.threshold_noise or b.adapt_tau_s is not None:
        return False
    # Without input a membrane moves from one of these places towards its rest, and no further than that.
    step = step_constants(p, network.dt_s)
    places = [present(p.v_initial), after_reset(p)]
    places += [step.rest] if p.kind == "lif" else []
    places += [] if b.v_floor is None else [np.full(p.size, b.v_floor)]
    return bool((step.decay >= 0).all()) and not any(passes(p, v).any() for v in places)
