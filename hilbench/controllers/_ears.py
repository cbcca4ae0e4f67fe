"""What controllers that turn towards sound share: the ears' sensor, the plant's trial, and when to learn in it."""

from __future__ import annotations

from typing import NamedTuple

from numpy.typing import NDArray

from hilbench.errors import ScenarioError
from hilbench.types import NO_EVENTS, Encoder, Events, PlantSpec

WAITING, SEEN, OFFSET, SECOND = range(2, 6)
"""Columns of the observation."""
OBSERVED = ("head", "head_rate", "waiting", "seen", "offset", "second")
SOUND_M_S = 343.0
"""What a controller takes for the speed of sound."""
LONGEST_US = 50_000
"""The source is seen for so long."""


class Ears(NamedTuple):
    """What a controller knows of two ears."""

    n_channels: int
    ears_m: float
    """The distance that they are said to have."""


def ears_of(plant: PlantSpec, controller: str, period_us: int) -> Ears:
    """The ears of a plant, of which the left one is taken to come first.

    Raises ScenarioError for a plant that hears no sources, for other ears than two, and for a control period in which
    what is seen after a turn comes and goes.

    Parameters
    ----------
    plant : PlantSpec
    controller : str
        Its name, for messages.
    period_us : int
        The control period, in microseconds.
    """
    if plant.obs_names[: len(OBSERVED)] != OBSERVED or plant.action_names != ("gaze",):
        raise ScenarioError(
            f"controller {controller!r} needs a head that turns to sounds, as of the plant sound_orient"
        )
    shapes = [sensor.shape for sensor in plant.event_sensors]
    if len(shapes) != 1 or plant.event_sensors[0].axes != ("ear", "channel") or shapes[0][0] != 2:
        raise ScenarioError(
            f"controller {controller!r} needs one event sensor, a cochlea with two ears; found {shapes}"
        )
    if period_us > LONGEST_US:
        allowed = f"a control period of at most {LONGEST_US * 1e-6:g} s; found {period_us * 1e-6:g}"
        raise ScenarioError(f"controller {controller!r} needs {allowed}")
    return Ears(shapes[0][1], plant.parameters["ears_m"])


class Lesson(Encoder):
    """Whether the head waits, and whether a second burst is on; and what there is to learn of a trial, and when.

    Parameters
    ----------
    plant : PlantSpec
    period_us : int
        The control period, in microseconds.
    """

    size = 2

    def __init__(self, plant: PlantSpec, period_us: int) -> None:
        self._listens = round(plant.parameters["burst_s"] / (period_us * 1e-6))
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._ticks = 0
        self.sees = self.heard = False
        """Whether it sees the source at this tick, and whether the second burst is over."""
        self.offset_rad: float | None = None
        """The angle that was left when it saw the source; None where it has not."""

    def encode(self, obs: NDArray, events: Events, values: NDArray) -> Events:
        self.sees = bool(obs[SEEN] > 0.5)
        if self.sees:
            self.offset_rad = float(obs[OFFSET])
        self._ticks += bool(obs[SECOND] > 0.5)
        self.heard = self._ticks > self._listens
        values[:] = obs[WAITING], obs[SECOND]
        return NO_EVENTS
