"""What every encoder promises, whatever the plant shows and its sensors tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from coding import EAR, EYE, PERIOD_US, observed
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hilbench import plugins
from hilbench.errors import ScenarioError
from hilbench.runs.promises import check_events
from hilbench.settings import to_config
from hilbench.types import EVENT, NO_EVENTS, Encoder, Events

PLANT = observed("a", "b", "c", sensors=(EAR, EYE))
N_ADDRESSES = EAR.size + EYE.size
RANGE = {"low": -1.0, "high": 2.0}
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "bins": [{**RANGE, "n": 5}, {**RANGE, "n": 5, "gives": "values"}],
    "delta": [{"threshold": 0.1}, {"threshold": 0.01, "threshold_off": 0.2, "refractory_s": 0.002}],
    "flip_flop": [{**RANGE, "spacing_s": 0.001}, {**RANGE, "spacing_s": 0.0, "n": 3, "rounding": "up"}],
    "gaussian": [RANGE, {**RANGE, "gives": "values"}, {**RANGE, "spacing": "poisson", "rate_high_hz": 900.0}],
    "graded": [RANGE, {**RANGE, "signed": True}],
    "latency": [RANGE, {**RANGE, "window_s": 0.001}],
    "rate": [{**RANGE, "rate_high_hz": 900.0}, {**RANGE, "spacing": "poisson"}, {**RANGE, "signed": True}],
    "sensor": [{"sensor": "ear"}, {"sensor": "eye", "pool": 2, "polarity": "on"}],
    "traces": [{"sensor": "eye", "tau_s": 0.02}, {"sensor": "ear", "tau_s": 0.5, "pool": 2}],
    "values": [{}, {"observations": ["c", "a"], "centre": 1.0}],
}
"""Settings of the encoders that have needed fields, and of more ways to work; any other has its defaults."""
CASES = [(name, settings) for name in plugins.all_of("encoders") for settings in SETTINGS.get(name, [{}])]


@pytest.fixture(params=CASES, ids=[f"{name}-{i}" for i, (name, _) in enumerate(CASES)])
def make(request):
    name, settings = request.param

    def made(seed: int = 1) -> Encoder:
        cls = plugins.get("encoders", name)
        encoder = cls(to_config(cls.Config, settings, name), PLANT, PERIOD_US)
        encoder.reset(seed)
        return encoder

    return made


def ticks(n: int, seed: int = 0) -> list[tuple[np.ndarray, Events]]:
    """What a plant shows and its sensors tell, at random: within the encoders' ranges, at their ends and beyond."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        events = np.zeros(random.integers(0, 60), EVENT)
        events["t_us"] = np.sort(random.integers(0, PERIOD_US, events.size))
        events["address"] = random.integers(0, N_ADDRESSES, events.size)
        obs = random.choice([random.normal(0.5, 1.0, 3), [-1.0, 2.0, 0.0], [9.0, -9.0, 1e-9]])
        found.append((obs.astype(np.float32), events))
    return found


def encoded(encoder: Encoder, obs: np.ndarray, events: Events) -> tuple[Events, np.ndarray]:
    values = np.full(encoder.sizes.get("values", 0), np.nan, np.float32)
    return encoder.encode(obs, events, values), values


def test_sizes_say_what_it_gives(make):
    encoder = make()
    assert encoder.kind in ("values", "events")
    assert encoder.size > 0
    assert encoder.sizes == {encoder.kind: encoder.size}


def test_events_lie_in_the_window_and_among_the_addresses_and_all_values_are_written(make):
    encoder, n_events = make(), 0
    for obs, events in ticks(50):
        found, values = encoded(encoder, obs, events)
        check_events("encode", found, encoder.sizes.get("events", 0), "the encoder", PERIOD_US)
        assert np.isfinite(values).all()
        n_events += found.size
    assert bool(n_events) == (encoder.kind == "events")


@given(obs=arrays.arrays(np.float32, (4, 3), elements=st.floats(width=32)))
def test_no_observation_breaks_the_events(obs):
    """NaN, infinities, the largest and the smallest numbers."""
    for name, settings in CASES:
        cls = plugins.get("encoders", name)
        encoder = cls(to_config(cls.Config, settings, name), PLANT, PERIOD_US)
        encoder.reset(1)
        for row in obs:
            with np.errstate(over="ignore", invalid="ignore"):  # the encoder `values` scales what is there
                found, _ = encoded(encoder, row, NO_EVENTS)
            check_events(name, found, encoder.sizes.get("events", 0), "the encoder", PERIOD_US)
            assert found.size < 100_000


def equal(one: Encoder, other: Encoder, seed: int) -> None:
    for obs, events in ticks(20, seed):
        for mine, its in zip(encoded(one, obs, events), encoded(other, obs, events), strict=True):
            np.testing.assert_array_equal(mine, its)


def test_a_seed_decides_what_it_gives(make):
    equal(make(), make(), 1)


def test_a_reset_forgets_the_episode_before(make):
    used = make()
    for obs, events in ticks(7):
        encoded(used, obs, events)
    used.reset(5)
    equal(used, make(5), 2)


def test_what_it_is_given_stays_and_what_it_gave_stays(make):
    encoder, gave = make(), []
    for obs, events in ticks(10):
        obs.setflags(write=False)
        events.setflags(write=False)
        found = encoded(encoder, obs, events)
        gave.append((found, [array.copy() for array in found]))
    for found, copies in gave:
        for array, copy in zip(found, copies, strict=True):
            np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("name", sorted(plugins.all_of("encoders")))
def test_wrong_settings_are_one_line(name):
    cls, settings = plugins.get("encoders", name), SETTINGS.get(name, [{}])[0]
    wrong = [{"observatoins": []}]
    wrong += [{field: ["z"]} for field in ("observations",) if field in cls.Config.__struct_fields__]
    wrong += [{field: "z"} for field in ("sensor", "spacing", "gives") if field in cls.Config.__struct_fields__]
    assert len(wrong) > 1
    for change in wrong:
        with pytest.raises(ScenarioError) as error:
            cls(to_config(cls.Config, settings | change, f"encoders.x of {name}"), PLANT, PERIOD_US)
        assert "\n" not in str(error.value)
        assert next(iter(change)) in str(error.value)
        assert "allowed: " in str(error.value)
