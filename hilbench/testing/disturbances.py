"""What every disturbance promises: nothing at level 0, something at level 1, and the same under the same seed."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import ClassVar, NamedTuple

import numpy as np

from hilbench.envs.disturbances import Disturbance, Loads, Span, Timing, Traits
from hilbench.errors import PluginFault, ScenarioError
from hilbench.runs.promises import check_events
from hilbench.testing._parts import Contract, Part, brief, broken, ensure, refusal
from hilbench.testing.encoders import EYE
from hilbench.types import EVENT, Events

N_STEPS, PERIOD_US = 300, 10_000


class Instant(NamedTuple):
    """What a disturbance may change in a physics step, or has made of it."""

    loads: Loads
    sensed: list[float]
    forces: list[float]
    events: list[tuple[int, int]]
    joint_forces: list[float]


def undisturbed(traits: Traits, step: int) -> tuple[Instant, Events]:
    """Loads, sensed values, forces and a window of events of a physics step, before anything disturbs them.

    Parameters
    ----------
    traits : Traits
    step : int
    """
    sensed = [0.5 + i + 0.01 * step for i in range(len(traits.sensors))]
    forces = [1.5 + i - 0.01 * step for i in range(len(traits.actuators))]
    random, n = np.random.default_rng(step), n_addresses(traits)
    events = np.zeros(random.integers(0, 30) if n else 0, EVENT)
    events["t_us"] = np.sort(random.integers(0, PERIOD_US, events.size))
    events["address"] = random.integers(0, max(1, n), events.size)
    events.flags.writeable = False
    return Instant(Loads.none(traits), sensed, forces, events.tolist(), [0.0] * len(traits.joints)), events


def n_addresses(traits: Traits) -> int:
    """How many event addresses a plant's sensors have together."""
    return sum(sensor.size for sensor in traits.event_sensors)


def history(disturbance: Disturbance, traits: Traits, level: float, seed: int) -> list[Instant]:
    """What a disturbance makes of each of some physics steps.

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
    loads = Loads.none(traits)
    disturbance.load(loads)
    # What a field does is compared, and not the function that does it.
    loads, fields = replace(loads, fields=[]), loads
    found = []
    for step in range(N_STEPS):
        span = Span(0, PERIOD_US, level=level, period_us=PERIOD_US, start_us=step * PERIOD_US)
        now, events = undisturbed(traits, step)
        joints = [(0.3 * i + 0.01 * step, 0.5 - 0.01 * step) for i in range(len(traits.joints))]
        pushed = fields.joint_forces(joints)
        disturbance.sense(now.sensed)
        disturbance.actuate(now.forces)
        told = disturbance.tell(events, span)
        try:
            check_events("tell", told, n_addresses(traits), "the plant's event sensors", PERIOD_US)
        except PluginFault as error:
            broken(str(error))
        found.append(now._replace(loads=deepcopy(loads), events=told.tolist(), joint_forces=pushed))
    return found


class DisturbanceContract(Contract):
    """What every disturbance promises.

    `traits` is what of the plant it can reach; made up, unless the test class has other ones.
    """

    kind = "disturbances"
    traits: ClassVar[Traits] = Traits(
        sensors=("a", "b", "c"),
        joints=("j", "k"),
        actuators=("u", "v"),
        tip_link=1,
        event_sensors=(EYE,),
        cameras=("front",),
        lit=True,
        goal=True,
        ears=("left", "right"),
        n_electrodes=3,
        speaks=True,
        waves=("r", "t"),
        n_wearers=3,
        trials=True,
    )

    def _make(self, part: Part, traits: Traits | None = None) -> Disturbance:
        return part.cls(part.config, self.traits if traits is None else traits, "disturbances.contract")

    def _undisturbed(self) -> list[Instant]:
        return [undisturbed(self.traits, step)[0] for step in range(N_STEPS)]

    def test_its_settings_say_when_it_acts(self, part):
        found = part.cls.Config
        ensure(issubclass(found, Timing), f"Config derives from hilbench.envs.disturbances.Timing: found {found}")

    def test_at_level_0_it_changes_nothing(self, part):
        """A ramp begins there."""
        found = history(self._make(part), self.traits, 0.0, 1)
        for step, (a, b) in enumerate(zip(found, self._undisturbed(), strict=True)):
            for what, mine, its in zip(Instant._fields, a, b, strict=True):
                line = f"at level 0 a disturbance changes nothing: step {step}: {what}"
                ensure(mine == its, f"{line} {brief(mine)}, without it {brief(its)}")

    def test_at_level_1_it_changes_something(self, part):
        found = history(self._make(part), self.traits, 1.0, 1)
        line = "at level 1 a disturbance changes loads, sensed values, forces, events or the forces on joints"
        ensure(found != self._undisturbed(), f"{line}: found no change in {N_STEPS} steps")

    def test_a_seed_decides_what_it_does(self, part):
        used = self._make(part)
        first = history(used, self.traits, 1.0, 1)
        history(used, self.traits, 1.0, 2)
        ensure(history(used, self.traits, 1.0, 1) == first, "reset(seed) begins anew: found another episode")
        other = history(self._make(part), self.traits, 1.0, 1)
        ensure(other == first, "two disturbances of one seed do the same: found another episode")

    def test_lists_keep_their_length(self, part):
        for now in history(self._make(part), self.traits, 1.0, 3):
            sizes = len(now.sensed), len(now.forces)
            expected = len(self.traits.sensors), len(self.traits.actuators)
            ensure(sizes == expected, f"sense and actuate change numbers in place: found {sizes} of {expected}")

    def test_a_plant_that_it_does_not_fit_is_refused_in_one_line(self, part):
        refusal("a plant with nothing to disturb", self._make, part, Traits(()), errors=ScenarioError)
