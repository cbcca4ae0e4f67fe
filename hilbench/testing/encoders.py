"""What every encoder promises, whatever the plant shows and its event sensors tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hilbench.errors import PluginFault, ScenarioError
from hilbench.runs.promises import check_events
from hilbench.settings import to_config
from hilbench.testing._parts import Contract, Part, Settings, brief, broken, ensure, refusal, same
from hilbench.types import EVENT, NO_EVENTS, Encoder, Events, EventSensor, PlantSpec

EYE = EventSensor("eye", (4, 6, 2), ("y", "x", "polarity"))
EAR = EventSensor("ear", (5,), ("channel",))
MOST_EVENTS = 100_000
Make = Callable[..., Encoder]


def observed(*names: str, sensors: tuple[EventSensor, ...] = ()) -> PlantSpec:
    """The spec of a plant with these observations and event sensors, and one action.

    Parameters
    ----------
    *names : str
        The observations.
    sensors : tuple of EventSensor
    """
    units = ("m",) * len(names)
    return PlantSpec(
        names, units, ("force",), ("N",), (-1.0,), (1.0,), (0.0,), 1e-3, {}, "", {}, event_sensors=sensors
    )  # fmt: skip


def sensor_addresses(plant_spec: PlantSpec) -> int:
    """How many event addresses a plant's sensors have together."""
    return sum(sensor.size for sensor in plant_spec.event_sensors)


def shown(plant_spec: PlantSpec, period_us: int, n: int, seed: int = 0) -> list[tuple[NDArray[np.float32], Events]]:
    """What a plant shows and its sensors tell in some ticks: at random, with numbers near 0, large ones and tiny ones.

    Parameters
    ----------
    plant_spec : PlantSpec
    period_us : int
        The window of the events, in microseconds.
    n : int
        How many ticks.
    seed : int
    """
    random, found = np.random.default_rng(seed), []
    n_obs, n_addresses = len(plant_spec.obs_names), sensor_addresses(plant_spec)
    for _ in range(n):
        events = np.zeros(random.integers(0, 60) if n_addresses else 0, EVENT)
        events["t_us"] = np.sort(random.integers(0, period_us, events.size))
        events["address"] = random.integers(0, max(1, n_addresses), events.size)
        usual, extreme = random.normal(0.5, 1.0, n_obs), random.choice([-1.0, 2.0, 0.0, 9.0, -9.0, 1e-9], n_obs)
        found.append((random.choice([usual, extreme]).astype(np.float32), events))
    return found


def encoded(encoder: Encoder, obs: NDArray[np.float32], events: Events) -> tuple[Events, NDArray[np.float32]]:
    """The events and the values that an encoder gives.

    Parameters
    ----------
    encoder : Encoder
    obs : (n_obs,) float32
        What the plant shows.
    events : (n,) EVENT
        What its sensors tell.
    """
    values = np.full(encoder.sizes.get("values", 0), np.nan, np.float32)
    return encoder.encode(obs, events, values), values


class EncoderContract(Contract):
    """What every encoder promises.

    `plant_spec` is the plant that it reads: made up, with the observations a, b and c and the event sensors `ear` and
    `eye`, unless the test class has another one. `refused` are settings that it must refuse.
    """

    kind = "encoders"
    plant_spec: ClassVar[PlantSpec] = observed("a", "b", "c", sensors=(EAR, EYE))
    period_us: ClassVar[int] = 10_000
    refused: ClassVar[Sequence[Settings]] = ()

    @pytest.fixture
    def make(self, part: Part) -> Make:
        """A function of a seed that makes the encoder and resets it."""

        def made(seed: int = 1) -> Encoder:
            encoder = part.cls(part.config, self.plant_spec, self.period_us)
            encoder.reset(seed)
            return encoder

        return made

    def _ticks(self, n: int, seed: int = 0) -> list[tuple[NDArray[np.float32], Events]]:
        return shown(self.plant_spec, self.period_us, n, seed)

    def _in_window(self, encoder: Encoder, events: Events) -> None:
        try:
            check_events("encode: events", events, encoder.sizes.get("events", 0), "the encoder", self.period_us)
        except PluginFault as error:
            broken(str(error))

    def _alike(self, one: Encoder, other: Encoder, line: str, seed: int = 1) -> None:
        for k, (obs, events) in enumerate(self._ticks(20, seed)):
            mine, its = encoded(one, obs, events), encoded(other, obs, events)
            for name, a, b in zip(("events", "values"), mine, its, strict=True):
                ensure(same(a, b), f"{line}: tick {k}: {name} are {brief(a)}, then {brief(b)}")

    def test_it_says_what_it_gives(self, make):
        encoder = make()
        ensure(encoder.kind in ("values", "events"), f"kind is 'values' or 'events': found {encoder.kind!r}")
        size = getattr(encoder, "size", None)
        ensure(isinstance(size, int) and size > 0, f"size is a whole number above 0: found {size!r}")
        ensure(encoder.sizes == {encoder.kind: size}, f"sizes is {{kind: size}}: found {encoder.sizes}")

    def test_values_are_all_written_and_events_lie_in_the_window(self, make):
        encoder = make()
        for k, (obs, events) in enumerate(self._ticks(50)):
            found, values = encoded(encoder, obs, events)
            self._in_window(encoder, found)
            ensure(np.isfinite(values).all(), f"every value is written, and finite: tick {k} has {brief(values)}")

    def test_a_seed_decides_what_it_gives(self, make):
        self._alike(make(), make(), "two encoders of one seed give the same")

    def test_a_reset_forgets_the_episode_before(self, make):
        used = make()
        for obs, events in self._ticks(7):
            encoded(used, obs, events)
        used.reset(5)
        self._alike(used, make(5), "reset forgets what earlier ticks left", 2)

    def test_what_it_is_given_stays_and_what_it_gave_stays(self, make):
        encoder, gave = make(), []
        for obs, events in self._ticks(10):
            obs.setflags(write=False)
            events.setflags(write=False)
            found = encoded(encoder, obs, events)
            gave.append((found, [array.copy() for array in found]))
        for k, (found, copies) in enumerate(gave):
            for array, copy in zip(found, copies, strict=True):
                ensure(same(array, copy), f"events stay as they were: those of tick {k} have changed since")

    @settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
    @given(numbers=st.lists(st.floats(width=32), min_size=1, max_size=12))
    def test_no_observation_breaks_the_events(self, make, numbers):
        """NaN, infinities, the largest and the smallest numbers."""
        encoder = make()
        rows = np.resize(np.array(numbers, np.float32), (3, len(self.plant_spec.obs_names)))
        for row in rows:
            with np.errstate(over="ignore", invalid="ignore"):
                found, _ = encoded(encoder, row.copy(), NO_EVENTS)
            self._in_window(encoder, found)
            ensure(found.size < MOST_EVENTS, f"a tick has fewer than {MOST_EVENTS} events: found {found.size}")

    def test_wrong_settings_are_refused_in_one_line(self, part):
        for table in ({"no_such_setting": 1}, *self.refused):

            def build(table=table):
                config = to_config(part.cls.Config, {**part.settings, **table}, part.name)
                part.cls(config, self.plant_spec, self.period_us)

            said = refusal(f"the setting {brief(table)}", build, errors=ScenarioError)
            ensure(said, f"the setting {brief(table)} is refused by ScenarioError: found no error")
            field = next(iter(table))
            ensure(field in str(said), f"a refusal names the field {field!r}: found {said!r}")
