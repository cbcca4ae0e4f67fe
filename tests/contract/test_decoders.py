"""What every decoder promises, built in or third party: over each plant and port that it takes."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from decoding import PERIOD_US, plant_of
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench import plugins
from hilbench.errors import ScenarioError
from hilbench.types import EVENT, NO_EVENTS, Port

DECODERS = sorted(plugins.all_of("decoders"))
PLANTS = {
    "one continuous": plant_of(0),
    "two continuous": plant_of(0, 0, low=(-2.0, 0.1), high=(2.0, 0.3), safe=(0.5, 0.1)),
    "one discrete": plant_of(3, safe=(1.0,)),
    "one discrete from 5": plant_of(2, low=(5.0,)),
    "two discrete": plant_of(2, 3, low=(0.0, -1.0)),
    "many choices": plant_of(4, 9),
    "both": plant_of(0, 3),
}
SIZES = range(1, 17)
TAU_S = 0.05


def filters(name: str) -> list[float]:
    """The time constants to try: 0, and another one for a decoder that has a filter."""
    return [0.0, TAU_S] if "tau_s" in plugins.get("decoders", name).Config.__struct_fields__ else [0.0]


@cache
def fits(name: str, plant: str) -> dict[Port, str | None]:
    """Ports -> None for one that a decoder takes for a plant with its default settings, else why not."""
    found = {}
    for port in [Port("out", size, kind) for kind in ("values", "events") for size in SIZES]:
        try:
            build(name, plant, port)
            found[port] = None
        except ScenarioError as error:
            found[port] = str(error)
    return found


def build(name: str, plant: str, port: Port, tau_s: float = 0.0):
    decoder = plugins.get("decoders", name)
    config = decoder.Config(tau_s=tau_s) if tau_s else decoder.Config()
    built = decoder(config, port, PLANTS[plant], PERIOD_US)
    built.reset(1)
    return built


def taken(name: str, plant: str) -> list[Port]:
    return [port for port, refusal in fits(name, plant).items() if refusal is None]


def replies_for(port: Port, seed: int, n: int = 12) -> list[tuple[np.ndarray, np.ndarray]]:
    """Values and events of some replies; every third is silent."""
    random, found = np.random.default_rng(seed), []
    for k in range(n):
        values = random.normal(0, 3, port.size if port.kind == "values" else 0).astype(np.float32)
        events = np.empty(0 if port.kind == "values" or k % 3 == 2 else random.integers(1, 40), EVENT)
        events["t_us"] = np.sort(random.integers(0, PERIOD_US, events.size))
        events["address"] = random.integers(0, port.size, events.size)
        found.append((values, events))
    return found


def decoded(decoder, replies, n: int) -> np.ndarray:
    """The action after each reply, each written into an array that says nothing."""
    actions = np.full((len(replies), n), np.nan)
    for (values, events), action in zip(replies, actions, strict=True):
        decoder.decode(values, events, action)
    return actions


PAIRS = [pytest.param(name, plant, id=f"{name}-{plant}") for name in DECODERS for plant in PLANTS]
CASES = [
    pytest.param(name, plant, tau_s, id=f"{name}-{plant}{'-filtered' if tau_s else ''}")
    for name in DECODERS
    for plant in PLANTS
    for tau_s in filters(name)
]


def test_decoders_are_found():
    assert {"values", "rate", "difference", "winner", "first_spike", "population_vector"} <= set(DECODERS)


@pytest.mark.parametrize("name", DECODERS)
def test_each_takes_plants_with_continuous_and_with_discrete_actions(name):
    assert taken(name, "one continuous")
    assert taken(name, "two continuous")
    assert taken(name, "one discrete")
    assert taken(name, "two discrete")


@pytest.mark.parametrize(("name", "plant"), PAIRS)
def test_what_it_does_not_take_is_refused_in_a_line_that_says_what_is_allowed(name, plant):
    refusals = [refusal for refusal in fits(name, plant).values() if refusal is not None]
    assert refusals
    for refusal in refusals:
        assert "\n" not in refusal
        assert "found" in refusal
        assert "allowed: " in refusal


@pytest.mark.parametrize(("name", "plant", "tau_s"), CASES)
def test_actions_are_finite_and_choices_are_choices(name, plant, tau_s):
    facts = PLANTS[plant]
    for port in taken(name, plant):
        actions = decoded(build(name, plant, port, tau_s), replies_for(port, port.size), len(facts.choices))
        assert np.isfinite(actions).all()
        for i, n in enumerate(facts.choices):
            if n:
                assert set(actions[:, i]) <= {facts.action_low[i] + k for k in range(n)}


@pytest.mark.parametrize(("name", "plant", "tau_s"), CASES)
def test_silence_from_the_start_gives_a_finite_action(name, plant, tau_s):
    n = len(PLANTS[plant].choices)
    for port in taken(name, plant):
        values = np.zeros(port.size if port.kind == "values" else 0, np.float32)
        assert np.isfinite(decoded(build(name, plant, port, tau_s), [(values, NO_EVENTS)] * 3, n)).all()


@pytest.mark.parametrize(("name", "plant", "tau_s"), CASES)
def test_same_replies_give_same_actions_and_what_an_episode_leaves_never_reaches_the_next(name, plant, tau_s):
    n = len(PLANTS[plant].choices)
    for port in taken(name, plant):
        replies = replies_for(port, 5)
        used, fresh = build(name, plant, port, tau_s), build(name, plant, port, tau_s)
        decoded(used, replies_for(port, 6), n)
        used.reset(1)
        first = decoded(fresh, replies, n)
        np.testing.assert_array_equal(decoded(used, replies, n), first)
        # From silence on, where whatever was left would show.
        used.reset(1)
        silence = [(np.zeros_like(replies[0][0]), NO_EVENTS)]
        np.testing.assert_array_equal(decoded(used, silence, n), decoded(build(name, plant, port, tau_s), silence, n))


@pytest.mark.parametrize(("name", "plant", "tau_s"), CASES)
def test_what_it_is_given_is_not_changed_and_what_it_gave_stays(name, plant, tau_s):
    n = len(PLANTS[plant].choices)
    for port in taken(name, plant):
        replies = replies_for(port, 7)
        copies = [(values.copy(), events.copy()) for values, events in replies]
        for values, events in replies:
            values.flags.writeable = events.flags.writeable = False
        decoder, action = build(name, plant, port, tau_s), np.full(n, np.nan)
        wanted = decoded(build(name, plant, port, tau_s), copies, n)
        for (values, events), row in zip(replies, wanted, strict=True):
            decoder.decode(values, events, action)
            np.testing.assert_array_equal(action, row)
            action[:] = 77.0  # the loop may write over it: nothing of it may come back
        for left, right in zip(replies, copies, strict=True):
            np.testing.assert_array_equal(left[0], right[0])
            np.testing.assert_array_equal(left[1], right[1])


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_events_give_a_finite_action(data):
    name = data.draw(st.sampled_from(DECODERS))
    plant = data.draw(st.sampled_from(sorted(PLANTS)))
    ports = [port for port in taken(name, plant) if port.kind == "events"]
    if not ports:
        return
    port, tau_s = data.draw(st.sampled_from(ports)), data.draw(st.sampled_from(filters(name)))
    event = st.tuples(st.integers(0, PERIOD_US - 1), st.integers(0, port.size - 1))
    replies = data.draw(st.lists(st.lists(event, max_size=8).map(sorted), min_size=1, max_size=4))
    events = [(np.empty(0, np.float32), np.array(reply, EVENT)) for reply in replies]
    facts = PLANTS[plant]
    actions = decoded(build(name, plant, port, tau_s), events, len(facts.choices))
    assert np.isfinite(actions).all()
    for i, n in enumerate(facts.choices):
        assert not n or set(actions[:, i]) <= {facts.action_low[i] + k for k in range(n)}
