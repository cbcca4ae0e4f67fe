"""Coders between observations and ticks. They run beside the loop, hold no weights and never learn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hilbench.types import NO_EVENTS, PlantSpec, Reply


class Scaled:
    """Values are chosen observation entries, centred and scaled; no events.

    Parameters
    ----------
    plant : PlantSpec
        The plant, whose observations have names.
    names : sequence of str
        The observations to send, in the order of the values.
    centre : float or (n_names,) float
        What is subtracted, in the observations' units.
    scale : float or (n_names,) float
        What the difference is divided by, in the observations' units.
    """

    def __init__(
        self,
        plant: PlantSpec,
        names: Sequence[str],
        centre: Sequence[float] | float = 0.0,
        scale: Sequence[float] | float = 1.0,
    ) -> None:
        columns = [plant.obs_names.index(name) for name in names]
        in_order = columns == list(range(len(columns)))
        self._columns = slice(len(columns)) if in_order else np.array(columns)
        self._factor = (1 / np.broadcast_to(np.asarray(scale, float), len(names))).astype(np.float32)
        self._shift = (np.asarray(centre, float) * self._factor).astype(np.float32)
        self._shifted = bool(self._shift.any())

    def reset(self) -> None:
        """Nothing is kept between ticks."""

    def encode(self, obs: NDArray, values: NDArray) -> NDArray:
        """Write the chosen entries, centred and scaled, into `values`; return no events.

        Parameters
        ----------
        obs : (n_obs,) float32
            What the plant showed.
        values : (n_values,) float32
            Written in place.
        """
        np.multiply(obs[self._columns], self._factor, out=values)
        if self._shifted:
            np.subtract(values, self._shift, out=values)
        return NO_EVENTS


class Whole:
    """Values are the observation as it is; no events."""

    def reset(self) -> None:
        """Nothing is kept between ticks."""

    def encode(self, obs: NDArray, values: NDArray) -> NDArray:
        """Write the observation into `values`; return no events.

        Parameters
        ----------
        obs : (n_obs,) float32
            What the plant showed.
        values : (n_obs,) float32
            Written in place.
        """
        values[:] = obs
        return NO_EVENTS


def values_to_action(reply: Reply, action: NDArray) -> None:
    """Take the reply's values as the action.

    Parameters
    ----------
    reply : Reply
        The device's reply, with (n_actions,) values.
    action : (n_actions,) float64
        Written in place, in the plant's units.
    """
    action[:] = reply.values
