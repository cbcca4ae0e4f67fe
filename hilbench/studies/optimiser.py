"""The one optimiser that tunes every controller: differential evolution, over the unit cube of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.optimize import differential_evolution
from scipy.stats.qmc import LatinHypercube

from hilbench.scenario.tuning import GENERATION

NAME = f"differential evolution best/1/bin, {GENERATION} members (scipy {scipy.__version__})"
FAILED = 1e150
"""What SciPy gets as an infinite loss: it asks again for points that are all infinite. Its square is still a number."""
Evaluate = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Points (m, n_parameters) to their losses (m,), lower for better; infinite for what failed."""


def search(default: NDArray[np.float64], n_points: int, seed: int, evaluate: Evaluate) -> None:
    """Ask for the losses of points, generation by generation: the default first, beside it a Latin hypercube.

    The points depend on the seed and the losses alone. No losses end the search early: every controller gets its whole
    budget.

    Parameters
    ----------
    default : array (n_parameters,)
        Each from 0 to 1.
    n_points : int
        How many points it asks for, a multiple of `GENERATION`.
    seed : int
    evaluate : callable
        Called once per generation, with (GENERATION, n_parameters).
    """
    random = np.random.default_rng(seed)
    spread = LatinHypercube(len(default), rng=random).random(GENERATION - 1)

    def generation(_: object, points: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
        try:
            return np.minimum(evaluate(np.array(list(points))), FAILED)
        except (TypeError, ValueError) as error:
            raise _Carried(error) from None

    try:
        differential_evolution(
            _stands_for_the_loss,
            [(0.0, 1.0)] * len(default),
            init=np.vstack((default, spread)),
            maxiter=n_points // GENERATION - 1,
            rng=random,
            updating="deferred",
            workers=generation,
            polish=False,
            tol=0.0,
            atol=-1.0,  # the spread of a population's losses is never below it
        )
    except _Carried as carried:
        raise carried.error from None


class _Carried(Exception):
    """Carries a TypeError or ValueError through SciPy, which takes them for its own."""

    def __init__(self, error: TypeError | ValueError) -> None:
        self.error = error


def _stands_for_the_loss(point: NDArray[np.float64]) -> float:
    """What SciPy asks for, and hands on to `workers`, which needs it for nothing."""
    raise AssertionError("workers computes the losses")
