"""Place cells against their closed form: where they are, how fast they fire, and that their spikes are Poisson."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from hilbench.coders import disc_grid
from hilbench.envs.sensors import Mount
from hilbench.envs.sensors.place_cells import PlaceCells, PlaceCellsConfig
from hilbench.errors import ScenarioError

PERIOD_US = 20_000
MOUNT = Mount("sensors.places", ("x", "y", "awake"), ("m", "m", "1"), PERIOD_US)


class Body:
    """A body that stands still."""

    time_s = 0.0

    def __init__(self, x_m, y_m, awake=1.0):
        self.truth = [x_m, y_m, awake]


def cells(**settings):
    found = PlaceCells(PlaceCellsConfig(**settings), MOUNT)
    found.reset(1)
    return found


def told(sensor, body, n):
    """The events of n samples, after the first one, which tells none."""
    assert not sensor.sample(body).size
    return [sensor.sample(body) for _ in range(n)]


def test_the_grid_has_the_points_of_gauss_circle_problem():
    # https://oeis.org/A000328: points of the integer lattice within a radius of n.
    for n, count in enumerate((1, 5, 13, 29, 49, 81, 113, 149, 197)):
        assert len(disc_grid(0.1 * n, 0.1)) == count
    places = disc_grid(0.6, 0.1)
    assert [0.0, 0.0] in places.tolist()
    np.testing.assert_allclose(places.mean(axis=0), 0, atol=1e-15)
    assert cells().shape == (113,)


def test_rates_are_the_gaussian_of_the_distance():
    sensor = cells(sigma_m=0.15, peak_hz=80.0)
    rates = sensor.rates_hz(0.13, -0.2)
    for (x, y), rate in zip(sensor.places_m.tolist(), rates.tolist(), strict=True):
        assert rate == pytest.approx(80 * exp(-((x - 0.13) ** 2 + (y + 0.2) ** 2) / (2 * 0.15**2)))
    # The sum over a grid that is fine beside sigma: the Gaussian's integral over the area of a cell.
    assert sensor.rates_hz(0.0, 0.0).sum() == pytest.approx(80 * 2 * np.pi * 0.15**2 / 0.1**2, rel=0.01)


def test_spikes_are_poisson_at_those_rates():
    sensor, n = cells(), 4000
    counts = np.array([np.bincount(each["address"], minlength=113) for each in told(sensor, Body(0.05, 0.1), n)])
    expected = 0.02 * sensor.rates_hz(0.05, 0.1)
    # Mean and variance of a Poisson count are the rate times the period; four standard errors of n samples.
    error = np.sqrt(expected / n) + 1e-9
    assert (np.abs(counts.mean(axis=0) - expected) <= 4 * error + 1 / n).all()
    loud = expected > 0.2
    np.testing.assert_allclose(counts.var(axis=0)[loud], expected[loud], rtol=0.15)
    assert abs(np.corrcoef(counts[:, loud].T)[0, 1]) < 0.06  # cells are independent


def test_spike_times_are_in_order_and_uniform_over_the_period():
    batches = told(cells(), Body(0.0, 0.0), 2000)
    assert all((np.diff(each["t_us"].astype(int)) >= 0).all() for each in batches)
    t_us = np.concatenate([each["t_us"] for each in batches]).astype(float)
    assert t_us.min() >= 0
    assert t_us.max() < PERIOD_US
    shares = np.histogram(t_us, 10, (0, PERIOD_US))[0] / t_us.size
    np.testing.assert_allclose(shares, 0.1, atol=4 * np.sqrt(0.09 / t_us.size))


def test_a_gate_silences_all_cells_while_its_state_is_0():
    sensor = cells(gate="awake")
    assert not any(each.size for each in told(sensor, Body(0, 0, 0.0), 50))
    assert sum(sensor.sample(Body(0, 0, 1.0)).size for _ in range(50)) > 500
    assert sum(each.size for each in told(cells(), Body(0, 0, 0.0), 50)) > 500  # without a gate


def test_mistakes_are_said_in_a_line():
    with pytest.raises(ScenarioError, match=r"sensors.places.position: .*'z'.*x"):
        cells(position=("x", "z"))
    with pytest.raises(ScenarioError, match=r"sensors.places.gate: .*'awak'.*awake"):
        cells(gate="awak")
    with pytest.raises(ScenarioError, match=r"sensors.places.spacing_m: found 0.001 m; allowed: a grid of at most"):
        cells(spacing_m=0.001)
