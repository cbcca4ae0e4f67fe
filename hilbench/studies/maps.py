"""Whether a learner's map pays: its loss beside those of an integral at its gain and of Gaussian functions.

What an integral follows needs no map, and a map that Gaussian functions learn better owes nothing to its neurons.
"""

from __future__ import annotations

from math import inf

from hilbench.metrics.controls import BLIND, UNDISTURBED
from hilbench.studies.schema import Cell, MapVerdict

LIMITS = {"integral": 0.7, "rbf": 1.1}
"""By kind of controller, the largest share of its loss with which a learner's map pays."""
MATCHED = "integral"
"""The one that counts at the learner's own gain alone."""


def verdict(learner: Cell, rivals: dict[str, Cell]) -> MapVerdict | None:
    """Whether the map of a learner pays; None where there is no loss that is better when it is lower.

    Parameters
    ----------
    learner : Cell
        Of a controller that learns a map.
    rivals : dict of Cell
        By kind, those of `LIMITS`, under the same conditions.
    """
    metric = learner.metrics.get("horizon_loss")
    if metric is None or metric.better != "lower" or not metric.n:
        return None
    shares = {kind: _share(_loss(learner), _loss(cell)) for kind, cell in rivals.items()}
    found = [
        f"{shares[kind]:.3f} of the loss of `{kind}`, {'above' if shares[kind] > limit else 'at most'} {limit}"
        for kind, limit in LIMITS.items()
    ]
    pays = all(shares[kind] <= limit for kind, limit in LIMITS.items())
    for name, limit in (("control_undisturbed", UNDISTURBED), ("control_blind", BLIND)):
        control = learner.metrics.get(name)
        if control is not None and control.value is not None and control.value > limit:
            pays = False
            found.append(f"{name} {control.value:.2f}, above {limit}")
    said = f"map {'pays' if pays else 'does not pay'}: {'; '.join(found)}"
    return MapVerdict(pays=pays, said=said, **{f"of_{kind}": _finite(share) for kind, share in shares.items()})


def _loss(cell: Cell) -> float:
    """The loss over seeds; infinite where a run did not live to the horizon's end."""
    metric = cell.metrics.get("horizon_loss")
    return inf if metric is None or metric.value is None else metric.value


def _share(own: float, other: float) -> float:
    if own == inf:  # however badly the other does, too
        return inf
    return own / other if other else inf


def _finite(share: float) -> float | None:
    return None if share == inf else share
