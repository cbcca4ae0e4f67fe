"""What every disturbance promises: nothing at level 0, something at level 1, and the same under the same seed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, ClassVar

from hilbench.envs.disturbances import Disturbance, Loads, Timing, Traits
from hilbench.errors import ScenarioError
from hilbench.testing._parts import Contract, Part, brief, ensure, refusal

N_STEPS = 300


def history(
    disturbance: Disturbance, traits: Traits, level: float, seed: int
) -> list[tuple[Any, list[float], list[float]]]:
    """What a disturbance makes of loads, sensed values and forces in each of some physics steps.

    Parameters
    ----------
    disturbance : Disturbance
    traits : Traits
    level : float
        0 to 1.
    seed : int
        Of the episode.
    """
    disturbance.reset(seed)
    disturbance.level = level
    loads = Loads(0.0, [0.0] * len(traits.joints))
    disturbance.load(loads)
    found = []
    for step in range(N_STEPS):
        sensed, forces = usual(traits, step)
        disturbance.sense(sensed)
        disturbance.actuate(forces)
        found.append((deepcopy(loads), sensed, forces))
    return found


def usual(traits: Traits, step: int) -> tuple[list[float], list[float]]:
    """Sensed values and forces of a physics step, before anything disturbs them.

    Parameters
    ----------
    traits : Traits
    step : int
    """
    sensed = [0.5 + i + 0.01 * step for i in range(len(traits.sensors))]
    return sensed, [1.5 + i - 0.01 * step for i in range(len(traits.actuators))]


class DisturbanceContract(Contract):
    """What every disturbance promises.

    `traits` is what of the plant it can reach; made up, unless the test class has other ones.
    """

    kind = "disturbances"
    traits: ClassVar[Traits] = Traits(("a", "b", "c"), ("j", "k"), ("u", "v"), tip_link=1)

    def _make(self, part: Part, traits: Traits | None = None) -> Disturbance:
        return part.cls(part.config, self.traits if traits is None else traits, "disturbances.contract")

    def _undisturbed(self) -> list[tuple[Any, list[float], list[float]]]:
        loads = Loads(0.0, [0.0] * len(self.traits.joints))
        return [(loads, *usual(self.traits, step)) for step in range(N_STEPS)]

    def test_its_settings_say_when_it_acts(self, part):
        found = part.cls.Config
        ensure(issubclass(found, Timing), f"Config derives from hilbench.envs.disturbances.Timing: found {found}")

    def test_at_level_0_it_changes_nothing(self, part):
        """A ramp begins there."""
        found = history(self._make(part), self.traits, 0.0, 1)
        pairs = enumerate(zip(found, self._undisturbed(), strict=True))
        wrong = next((f"step {k}: {brief(a)}, without it {brief(b)}" for k, (a, b) in pairs if a != b), "")
        ensure(not wrong, f"at level 0 a disturbance changes nothing: {wrong}")

    def test_at_level_1_it_changes_something(self, part):
        found = history(self._make(part), self.traits, 1.0, 1)
        line = f"at level 1 a disturbance changes loads, sensed values or forces: found no change in {N_STEPS} steps"
        ensure(found != self._undisturbed(), line)

    def test_a_seed_decides_what_it_does(self, part):
        used = self._make(part)
        first = history(used, self.traits, 1.0, 1)
        history(used, self.traits, 1.0, 2)
        ensure(history(used, self.traits, 1.0, 1) == first, "reset(seed) begins anew: found another episode")
        other = history(self._make(part), self.traits, 1.0, 1)
        ensure(other == first, "two disturbances of one seed do the same: found another episode")

    def test_lists_keep_their_length(self, part):
        for _, sensed, forces in history(self._make(part), self.traits, 1.0, 3):
            sizes = len(sensed), len(forces)
            expected = len(self.traits.sensors), len(self.traits.actuators)
            ensure(sizes == expected, f"sense and actuate change numbers in place: found {sizes} of {expected}")

    def test_a_plant_that_it_does_not_fit_is_refused_in_one_line(self, part):
        refusal("a plant with nothing to disturb", self._make, part, Traits((), (), ()), errors=ScenarioError)
