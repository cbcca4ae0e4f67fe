"""What every decoder promises: over each plant and port that it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import ClassVar, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hilbench.errors import ScenarioError
from hilbench.testing._parts import Contract, Part, brief, ensure, refusal, same
from hilbench.types import EVENT, NO_EVENTS, Decoder, Events, PlantSpec, Port

SIZES = range(1, 17)
Replies = list[tuple[NDArray[np.float32], Events]]


def acted_on(
    *choices: int, low: Sequence[float] = (), high: Sequence[float] = (), safe: Sequence[float] = ()
) -> PlantSpec:
    """The spec of a plant with an action for each number of choices, 0 for a continuous one from -2 to 2.

    Parameters
    ----------
    *choices : int
        For each action.
    low, high, safe : sequence of float
        Limits and safe action, where they are to be others.
    """
    n = len(choices)
    names, units = tuple(f"a{i}" for i in range(n)), tuple("1" if k else "N" for k in choices)
    low = tuple(low) or tuple(0.0 if k else -2.0 for k in choices)
    high = tuple(high) or tuple(start + k - 1 if k else 2.0 for start, k in zip(low, choices, strict=True))
    safe = tuple(safe) or tuple(start if k else 0.0 for start, k in zip(low, choices, strict=True))
    return PlantSpec(("x",), ("m",), names, units, low, high, safe, 0.001, {}, "", {}, choices if any(choices) else ())


PLANTS: dict[str, PlantSpec] = {
    "one continuous action": acted_on(0),
    "two continuous actions": acted_on(0, 0, low=(-2.0, 0.1), high=(2.0, 0.3), safe=(0.5, 0.1)),
    "one discrete action": acted_on(3, safe=(1.0,)),
    "one discrete action from 5": acted_on(2, low=(5.0,)),
    "two discrete actions": acted_on(2, 3, low=(0.0, -1.0)),
    "many choices": acted_on(4, 9),
    "a continuous and a discrete action": acted_on(0, 3),
}


class Pair(NamedTuple):
    """A plant and a port that a decoder takes."""

    where: str
    plant: PlantSpec
    port: Port


def replies_for(port: Port, period_us: int, seed: int, n: int = 12) -> Replies:
    """Values and events of some replies; every third one of events is silent.

    Parameters
    ----------
    port : Port
    period_us : int
        The window of the events, in microseconds.
    seed : int
    n : int
        How many.
    """
    random, found = np.random.default_rng(seed), []
    for k in range(n):
        values = random.normal(0, 3, port.size if port.kind == "values" else 0).astype(np.float32)
        events = np.empty(0 if port.kind == "values" or k % 3 == 2 else random.integers(1, 40), EVENT)
        events["t_us"] = np.sort(random.integers(0, period_us, events.size))
        events["address"] = random.integers(0, port.size, events.size)
        found.append((values, events))
    return found


def decoded(decoder: Decoder, replies: Replies, n: int) -> NDArray[np.float64]:
    """The action after each reply, (n_replies, n), each written into an array that says nothing.

    Parameters
    ----------
    decoder : Decoder
    replies : list of (values, events)
    n : int
        How many actions it writes.
    """
    actions = np.full((len(replies), n), np.nan)
    for (values, events), action in zip(replies, actions, strict=True):
        decoder.decode(values, events, action)
    return actions


class DecoderContract(Contract):
    """What every decoder promises.

    `plants` are specs of the plants whose actions it writes, by name; made up unless the test class has others. Every
    kind and size of port is tried with each of them.
    """

    kind = "decoders"
    plants: ClassVar[Mapping[str, PlantSpec]] = PLANTS
    period_us: ClassVar[int] = 20_000

    def _build(self, part: Part, plant: PlantSpec, port: Port) -> Decoder:
        decoder = part.cls(part.config, port, plant, self.period_us)
        decoder.reset(1)
        return decoder

    def _taken(self, part: Part) -> Iterator[Pair]:
        for name, plant in self.plants.items():
            for port in (Port("out", size, kind) for kind in ("values", "events") for size in SIZES):
                where = f"{port.size} {port.kind} and a plant with {name}"
                if refusal(where, self._build, part, plant, port, errors=ScenarioError) is None:
                    yield Pair(where, plant, port)

    @pytest.fixture
    def taken(self, part: Part) -> list[Pair]:
        """The plants and ports that it takes. What it does not take it refuses in one line."""
        pairs = self._once("taken", part, lambda: list(self._taken(part)))
        ensure(
            pairs, f"a decoder takes some port of {SIZES[0]} to {SIZES[-1]} values or events of `plants`: found none"
        )
        return pairs

    def _sound(self, actions: NDArray[np.float64], pair: Pair) -> None:
        ensure(np.isfinite(actions).all(), f"every action is written, and finite: {pair.where} gives {brief(actions)}")
        for i, n in enumerate(pair.plant.choices):
            allowed = {pair.plant.action_low[i] + k for k in range(n)}
            strange = set(actions[:, i]) - allowed if n else set()
            ensure(not strange, f"a discrete action is one of its choices: {pair.where} gives {brief(strange)}")

    def test_actions_are_finite_and_choices_are_choices(self, part, taken):
        for pair in taken:
            replies = replies_for(pair.port, self.period_us, pair.port.size)
            self._sound(decoded(self._build(part, *pair[1:]), replies, len(pair.plant.choices)), pair)

    def test_silence_from_the_start_gives_a_finite_action(self, part, taken):
        for pair in taken:
            values = np.zeros(pair.port.size if pair.port.kind == "values" else 0, np.float32)
            self._sound(decoded(self._build(part, *pair[1:]), [(values, NO_EVENTS)] * 3, len(pair.plant.choices)), pair)

    def test_a_reset_forgets_the_episode_before(self, part, taken):
        for pair in taken:
            n = len(pair.plant.choices)
            replies = replies_for(pair.port, self.period_us, 5)
            silence = [(np.zeros_like(replies[0][0]), NO_EVENTS)]
            for what, given_now in (("replies", replies), ("silence", silence)):
                used, fresh = (self._build(part, *pair[1:]) for _ in range(2))
                decoded(used, replies_for(pair.port, self.period_us, 6), n)
                used.reset(1)
                found, expected = decoded(used, given_now, n), decoded(fresh, given_now, n)
                line = f"reset forgets what earlier replies left: {pair.where}, {what}"
                ensure(same(found, expected), f"{line}: found {brief(found)}, a new one {brief(expected)}")

    def test_what_it_is_given_stays_and_what_it_wrote_is_the_loops(self, part, taken):
        """It changes no reply, and reads nothing back from the action that it wrote."""
        for pair in taken:
            n = len(pair.plant.choices)
            replies = replies_for(pair.port, self.period_us, 7)
            wanted = decoded(self._build(part, *pair[1:]), [(v.copy(), e.copy()) for v, e in replies], n)
            for array in chain.from_iterable(replies):
                array.flags.writeable = False
            decoder, action = self._build(part, *pair[1:]), np.full(n, np.nan)
            for (values, events), row in zip(replies, wanted, strict=True):
                decoder.decode(values, events, action)
                line = f"an action depends on replies alone, not on what stands in its array: {pair.where}"
                ensure(same(action, row), f"{line}: found {brief(action)}, expected {brief(row)}")
                action[:] = 77.0

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def test_any_events_give_a_finite_action(self, part, taken, data):
        pairs = [pair for pair in taken if pair.port.kind == "events"]
        if not pairs:
            pytest.skip("it reads no events")
        pair = data.draw(st.sampled_from(pairs))
        event = st.tuples(st.integers(0, self.period_us - 1), st.integers(0, pair.port.size - 1))
        lists = data.draw(st.lists(st.lists(event, max_size=8).map(sorted), min_size=1, max_size=4))
        replies = [(np.empty(0, np.float32), np.array(events, EVENT)) for events in lists]
        self._sound(decoded(self._build(part, *pair[1:]), replies, len(pair.plant.choices)), pair)
