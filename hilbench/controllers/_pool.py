"""What controllers of a swimmer in a pool share: where in the observation what is, and a direction as a velocity."""

from __future__ import annotations

from math import hypot

from msgspec import Struct
from numpy.typing import NDArray

from hilbench.errors import ScenarioError
from hilbench.types import Decoder, Events, PlantSpec

OBSERVED = ("x", "y", "searching", "on_platform")
"""The first observations of a swimmer."""


class Swimmer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The constants that swimming needs."""

    speed_m_s: float
    """How fast it swims."""
    pool_m: float
    """Radius of the pool."""

    def velocity(self, x: float, y: float) -> tuple[float, float]:
        """The velocity, in m/s, at full speed in a direction; none for no direction.

        Parameters
        ----------
        x, y : float
            A vector of any length.
        """
        long = hypot(x, y)
        share = self.speed_m_s / long if long > 0 else 0.0
        return share * x, share * y


def swimmer_of(plant: PlantSpec, controller: str) -> Swimmer:
    """The constants of a swimmer. Raises ScenarioError for another plant.

    Parameters
    ----------
    plant : PlantSpec
    controller : str
        The controller's name, for the message.
    """
    n, moves = len(OBSERVED), ("velocity_x", "velocity_y")
    if plant.obs_names[:n] != OBSERVED or plant.action_names != moves:
        raise ScenarioError(f"controller {controller!r} needs a swimmer that knows its x, y, searching and on_platform")
    return Swimmer(speed_m_s=plant.parameters["speed_m_s"], pool_m=plant.parameters["pool_m"])


class Swim(Decoder):
    """A vector of any length as a velocity at full speed."""

    def __init__(self, swimmer: Swimmer) -> None:
        self._swimmer = swimmer

    def decode(self, values: NDArray, events: Events, action: NDArray) -> None:
        action[:] = self._swimmer.velocity(float(values[0]), float(values[1]))
