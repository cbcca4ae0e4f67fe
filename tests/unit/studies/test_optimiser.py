"""The optimiser: it finds minima that are known, spends what it is given, and asks for the same points again."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from hilbench.scenario.tuning import GENERATION
from hilbench.studies.optimiser import Evaluate, search


def asked(loss: Evaluate, default: NDArray[np.float64], n_points: int, seed: int = 0) -> NDArray[np.float64]:
    """All points that it asks for."""
    found = []

    def evaluate(points: NDArray[np.float64]) -> NDArray[np.float64]:
        assert points.shape == (GENERATION, len(default))
        found.append(points)
        return loss(points)

    search(default, n_points, seed, evaluate)
    return np.concatenate(found)


@pytest.mark.parametrize("best", [(0.7,), (0.7, 0.2), (0.7, 0.2, 0.45)])
def test_it_finds_the_minimum_of_a_quadratic(best: tuple[float, ...]) -> None:
    def loss(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.square(points - best).sum(axis=1)

    points = asked(loss, np.full(len(best), 0.1), 200)
    np.testing.assert_allclose(points[loss(points).argmin()], best, atol=0.01)


@pytest.mark.parametrize("n_points", [GENERATION, 4 * GENERATION])
@pytest.mark.parametrize("level", [0.0, 3.0, np.inf])
def test_it_spends_all_of_its_points_where_no_loss_tells_them_apart(level: float, n_points: int) -> None:
    default = np.array((0.25, 0.5))
    points = asked(lambda points: np.full(len(points), level), default, n_points)
    assert len(points) == n_points
    np.testing.assert_allclose(points[0], default, atol=1e-12)
    assert points.min() >= 0
    assert points.max() <= 1


def test_what_fails_is_worse_than_all_else() -> None:
    """Half of the square fails, and the best of the other half lies at its edge."""

    def loss(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(points[:, 0] > 0.5, np.inf, 1 - points[:, 0])

    points = asked(loss, np.array((0.9, 0.5)), 100)
    assert 0.45 < points[loss(points).argmin(), 0] <= 0.5


def test_points_depend_on_the_seed_alone() -> None:
    first, again, other = (asked(lambda points: points[:, 0], np.array((0.3,)), 20, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
