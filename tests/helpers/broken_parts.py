"""A small sound part of each kind, and ones that break a promise each: what `hilbench.testing` has to tell apart.

Run by pytest as a file of tests it holds each of them against its contract.
"""

from __future__ import annotations

import itertools

import gymnasium
import numpy as np
from msgspec import Struct

from hilbench.backends.numba import Numba
from hilbench.backends.reference import Reference
from hilbench.bridge.inprocess import InProcess
from hilbench.coders.rate import Rate
from hilbench.coders.rate import RateDecoder as Rates
from hilbench.controllers.pd import PD
from hilbench.envs import Plant, Schedule
from hilbench.envs.disturbances import Traits
from hilbench.envs.disturbances.sensors import SensorNoise
from hilbench.envs.sensors.analog import Analog
from hilbench.metrics import Measure, metric
from hilbench.testing import (
    BackendContract,
    ControllerContract,
    DecoderContract,
    DisturbanceContract,
    EncoderContract,
    LinkContract,
    MeterContract,
    MetricContract,
    PlantContract,
    SensorContract,
)
from hilbench.types import EVENT, BuiltController, Empty, EventSensor, Meter, PlantSpec


class SoundPlant(Plant):
    """A number that actions push; its ear tells each physics step in which it is above 0."""

    class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        physics_step_s: float = 0.005

    metadata = {"render_modes": []}  # noqa: RUF012

    def __init__(self, *, render_mode=None, control_period_s=0.01, disturbances=None, physics_step_s=0.005):
        self.control_steps, self._step_us = round(control_period_s / physics_step_s), round(physics_step_s * 1e6)
        self.schedule = Schedule(disturbances or {}, Traits(("x",), (), ("u",)), physics_step_s)
        self.action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
        self.observation_space = gymnasium.spaces.Box(-9, 9, (1,), np.float32)

    @property
    def plant_spec(self):
        ear = EventSensor("ear", (1,), ("channel",))
        return PlantSpec(
            ("x",), ("m",), ("u",), ("N",), (-1.0,), (1.0,), (0.0,), self._step_us * 1e-6, {"t_s": "s"}, "", {},
            event_sensors=(ear,),
        )  # fmt: skip

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = float(self.np_random.uniform(-1, 1)) if seed is None else float(np.random.default_rng(seed).uniform())
        self.index, self.told = 0, []
        obs, _, _, _, info = self.observe()
        return obs, info

    def advance(self, n_steps, action):
        for _ in range(n_steps):
            self.x = 0.99 * self.x + 0.01 * float(np.ravel(action)[0])
            self.index += 1
            self.told += [self.index] if self.x > 0 else []

    def observe(self):
        return np.array([self.x], np.float32), 0.0, False, False, {"t_s": self.index * self._step_us * 1e-6}

    def state(self):
        return np.array([self.x])

    def events(self):
        found = np.zeros(len(self.told), EVENT)
        window_us = self.control_steps * self._step_us
        found["t_us"] = [step * self._step_us - (self.index * self._step_us - window_us) - 1 for step in self.told]
        self.told = []
        return found


class DrawsFromNowhere(SoundPlant):
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = float(np.random.default_rng().uniform())
        obs, _, _, _, info = self.observe()
        return obs, info


class RemembersTheLastEpisode(SoundPlant):
    before = 0.0

    def reset(self, *, seed=None, options=None):
        found = super().reset(seed=seed)
        self.x += self.before
        self.before = 0.01
        return (np.array([self.x], np.float32), found[1])


class HashesText(SoundPlant):
    def state(self):
        return np.array([self.x + hash("x") % 1_000_003])


class CountsCalls(SoundPlant):
    def advance(self, n_steps, action):
        super().advance(n_steps, action)
        self.x += 0.001


class ChangesWhenSeen(SoundPlant):
    def state(self):
        self.index, self.x = self.index, self.x * 1.001
        return np.array([self.x])


class KeepsItsArray(SoundPlant):
    array = np.zeros(1, np.float32)

    def observe(self):
        self.array[0] = self.x
        return self.array, *super().observe()[1:]


class RepeatsEvents(SoundPlant):
    def events(self):
        kept, found = self.told, super().events()
        self.told = kept
        return found


class LeavesItsSpace(SoundPlant):
    def observe(self):
        obs, *rest = super().observe()
        return obs + 20 * (self.index > 10), *rest


class IgnoresDisturbances(SoundPlant):
    def __init__(self, *, disturbances=None, **more):
        super().__init__(**more)


class ClosesOnce(SoundPlant):
    closed = False

    def close(self):
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


class RemembersSpikes(Rate):
    """Goes on from the last episode."""

    n = 0

    def reset(self, seed):
        super().reset(seed)

    def encode(self, obs, events, values):
        found = super().encode(obs, events, values).copy()
        self.n = (self.n + 1) % 3
        found["t_us"] = np.minimum(found["t_us"] + self.n, self.period_us - 1)
        return found


class LateSpikes(Rate):
    def encode(self, obs, events, values):
        found = super().encode(obs, events, values).copy()
        found["t_us"] += self.period_us
        return found


class ReusesItsEvents(Rate):
    array = np.zeros(1000, EVENT)

    def encode(self, obs, events, values):
        found = super().encode(obs, events, values)
        self.array[: found.size] = found
        return self.array[: found.size]


class NeverForgets(Rates):
    def reset(self, seed):
        if not hasattr(self, "was_reset"):
            super().reset(seed)
        self.was_reset = True

    def decode(self, values, events, action):
        super().decode(values, events, action)
        self.last = getattr(self, "last", 0.0) + events.size
        action += 1e-9 * self.last


class ReadsItsAction(Rates):
    def decode(self, values, events, action):
        before = np.nan_to_num(action.copy())
        super().decode(values, events, action)
        action += 1e-9 * before


class SaysNothing(Rates):
    def decode(self, values, events, action):
        if events.size:
            super().decode(values, events, action)


class KeepsTicks(Reference):
    def step(self, tick):
        self.kept = getattr(self, "kept", tick.values)
        reply = super().step(tick)
        reply.values = reply.values + np.float32(self.kept.sum())
        return reply


class RepliesFromItsMemory(Reference):
    def load(self, *arguments):
        self.array = None
        return super().load(*arguments)

    def step(self, tick):
        reply = super().step(tick)
        self.array = reply.values if self.array is None or self.array.shape != reply.values.shape else self.array
        self.array[:] = 0.5 * self.array + reply.values
        reply.values = self.array
        return reply


class LosesSpikes(Numba):
    def step(self, tick):
        reply = super().step(tick)
        reply.events = reply.events[1:]
        return reply


class AlwaysLearns(Reference):
    def step(self, tick):
        tick.learning = True
        return super().step(tick)


class Disorderly(InProcess):
    def receive(self, timeout_ns):
        reply = super().receive(timeout_ns)
        if reply is not None:
            reply.seq += 1
        return reply


class ActsAtLevel0(SensorNoise):
    def sense(self, values):
        super().sense(values)
        values[0] += 1e-6


class Unseeded(SensorNoise):
    def reset(self, seed):
        super().reset(seed)
        self._random = np.random.default_rng()


class SensesByTheClock(Analog):
    def sample(self, plant):
        return [value + next(COUNT) for value in super().sample(plant)]


class TouchesThePlant(Analog):
    def sample(self, plant):
        plant.truth[0] += 1.0
        return super().sample(plant)


class TellsOfTooMany(Analog):
    shape, axes = (2,), ("channel",)

    def sample(self, plant):
        events = np.zeros(int(plant.time_s > 0), EVENT)
        events["address"] = 9
        return events


class Speaks(Meter):
    Config, accuracy = Empty, "none"

    def unavailable(self):
        return "there is no meter here\nbut there was one"

    def domains(self):
        return ()

    def read_j(self):
        return 0.0


@metric("1", "lower")
def first_reward(run):
    """The first reward."""
    return {"": Measure(float(run.episodes[0]["reward"][0]), 1)}


COUNT = itertools.count()


class AnotherEachTime(PD):
    @staticmethod
    def build(config, plant, period_us, seed):
        made = PD.build(config, plant, period_us, seed)
        program = type(made.program)(
            made.program.name, {**made.program.config, "n": next(COUNT)}, made.program.inputs, made.program.outputs
        )
        return BuiltController(program, made.encoder, made.decoder)


NOISE, RATE = {"std": {"a": 0.5}}, {"low": -1.0, "high": 2.0}
BROKEN = {
    PlantContract: (
        DrawsFromNowhere, RemembersTheLastEpisode, HashesText, CountsCalls, ChangesWhenSeen, KeepsItsArray,
        RepeatsEvents, LeavesItsSpace, IgnoresDisturbances, ClosesOnce, SoundPlant,
    ),
    EncoderContract: (RemembersSpikes, LateSpikes, ReusesItsEvents),
    DecoderContract: (NeverForgets, ReadsItsAction, SaysNothing),
    BackendContract: (KeepsTicks, RepliesFromItsMemory, LosesSpikes, AlwaysLearns),
    LinkContract: (Disorderly,),
    DisturbanceContract: (ActsAtLevel0, Unseeded),
    MeterContract: (Speaks,),
    SensorContract: (SensesByTheClock, TouchesThePlant, TellsOfTooMany),
    MetricContract: (first_reward,),
    ControllerContract: (AnotherEachTime,),
}  # fmt: skip
SETTINGS = {EncoderContract: RATE, DisturbanceContract: NOISE}


def class_of(contract, part):
    """The test class that an author would write for a part."""
    facts = {"plugin": staticmethod(part) if contract is MetricContract else part}
    facts |= {"settings": SETTINGS.get(contract, {}), "plants": (("arm_payload", {}),), "__module__": __name__}
    if contract is DecoderContract:
        del facts["plants"]
    return type(f"Test{part.__name__}", (contract,), facts)


globals().update({f"Test{part.__name__}": class_of(kind, part) for kind, parts in BROKEN.items() for part in parts})
