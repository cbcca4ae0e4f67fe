"""What controllers that go home share: where in the observation what is, and how they steer."""

from __future__ import annotations

from hilbench.errors import ScenarioError
from hilbench.types import PlantSpec

SENSES = ("gyro", "odometer", "sky_cos", "sky_sin")


def check_homing(plant: PlantSpec, controller: str) -> None:
    """Raise ScenarioError for a plant that does not feel its own way.

    Parameters
    ----------
    plant : PlantSpec
    controller : str
        Its name, for the message.
    """
    if plant.obs_names[:4] != SENSES or plant.action_names != ("turn", "speed"):
        raise ScenarioError(f"controller {controller!r} needs a robot with a turn and a speed that senses {SENSES}")
