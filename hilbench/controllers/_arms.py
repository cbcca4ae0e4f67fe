"""What controllers of a walker in a T-maze share: where in the observation what is, and how fast it walks."""

from __future__ import annotations

from hilbench.errors import ScenarioError
from hilbench.types import PlantSpec

OBSERVED = ("x", "y", "cue_left", "cue_right", "choosing")
"""The first observations of a walker."""
CUE_LEFT, CUE_RIGHT, CHOOSING = (OBSERVED.index(name) for name in OBSERVED[2:])


def walker_speed_m_s(plant: PlantSpec, controller: str) -> float:
    """How fast it walks, in m/s. Raises ScenarioError for another plant.

    Parameters
    ----------
    plant : PlantSpec
    controller : str
        The controller's name, for the message.
    """
    if plant.obs_names[: len(OBSERVED)] != OBSERVED or plant.action_names != ("velocity_x",):
        raise ScenarioError(f"controller {controller!r} needs a walker that sees cue_left, cue_right and choosing")
    return plant.parameters["speed_m_s"]
