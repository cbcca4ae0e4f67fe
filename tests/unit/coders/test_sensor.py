"""The encoder `sensor`: a sensor's events by address, as they are and pooled."""

from __future__ import annotations

import numpy as np
import pytest
from coding import EAR, EYE, PERIOD_US, encoder, events_from, observed, pairs
from hypothesis import given
from hypothesis import strategies as st

from hilbench.errors import ScenarioError
from hilbench.types import EVENT, EventSensor

NOTHING = np.empty(0, np.float32)
BOTH = observed("a", sensors=(EAR, EYE))


def encoded(made, events):
    return made.encode(np.zeros(1, np.float32), events, NOTHING)


def eye(y: int, x: int, polarity: int) -> int:
    """The address among all of a plant with an ear of 5 channels before an eye of 4 x 6 pixels."""
    return 5 + (y * 6 + x) * 2 + polarity


def test_one_sensors_events_are_taken_as_they_are():
    made = encoder("sensor", observed("a", sensors=(EYE,)))
    events = events_from((0, 0), (0, 47), (9999, 3))
    assert made.sizes == {"events": 48}
    assert pairs(encoded(made, events)) == pairs(events)


def test_of_several_sensors_one_is_chosen_and_its_addresses_count_from_0():
    events = events_from((1, 4), (2, eye(0, 0, 1)), (3, eye(3, 5, 1)), (3, 0))
    assert pairs(encoded(encoder("sensor", BOTH, sensor="eye"), events)) == [(2, 1), (3, 47)]
    assert pairs(encoded(encoder("sensor", BOTH, sensor="ear"), events)) == [(1, 4), (3, 0)]
    assert events["address"].tolist() == [4, eye(0, 0, 1), eye(3, 5, 1), 0]


@pytest.mark.parametrize(
    ("polarity", "size", "expected"),
    [
        ("keep", 2 * 2 * 2, [(1, (0 * 2 + 1) * 2 + 1), (2, (1 * 2 + 0) * 2 + 0), (3, (1 * 2 + 1) * 2 + 1)]),
        ("merge", 2 * 2, [(1, 1), (2, 2), (3, 3)]),
        ("on", 2 * 2, [(1, 1), (3, 3)]),
        ("off", 2 * 2, [(2, 2)]),
    ],
)
def test_pixels_are_pooled_in_space_and_polarity(polarity, size, expected):
    """4 x 6 pixels in blocks of 2 x 3: (1, 4) lies in block (0, 1), (2, 2) in (1, 0), (3, 3) in (1, 1)."""
    made = encoder("sensor", BOTH, sensor="eye", pool=[2, 3], polarity=polarity)
    events = events_from((0, 2), (1, eye(1, 4, 1)), (2, eye(2, 2, 0)), (3, eye(3, 3, 1)))
    assert made.sizes == {"events": size}
    assert pairs(encoded(made, events)) == expected


@given(
    shape=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    factors=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    first=st.booleans(),
)
def test_every_address_goes_where_its_block_is(shape, factors, first):
    """Each address by itself, with the polarity before or behind the pixel; blocks at the end may be smaller."""
    axes, whole = (("polarity", "y", "x"), (2, *shape)) if first else (("y", "x", "polarity"), (*shape, 2))
    made = encoder("sensor", observed("a", sensors=(EventSensor("eye", whole, axes),)), pool=list(factors))
    blocks = [-(-n // factor) for n, factor in zip(shape, factors, strict=True)]
    assert made.size == 2 * blocks[0] * blocks[1]
    n = int(np.prod(whole))
    events = np.zeros(n, EVENT)
    events["address"] = np.arange(n)
    found = encoded(made, events)["address"].tolist()
    for address in range(n):
        place = dict(zip(axes, np.unravel_index(address, whole), strict=True))
        y, x = place["y"] // factors[0], place["x"] // factors[1]
        if first:
            assert found[address] == (place["polarity"] * blocks[0] + y) * blocks[1] + x
        else:
            assert found[address] == (y * blocks[1] + x) * 2 + place["polarity"]


@pytest.mark.parametrize(
    ("plant", "settings", "line"),
    [
        (BOTH, {}, "sensor: found ''; allowed: one of ear, eye"),
        (BOTH, {"sensor": "eyes"}, "sensor: the plant has no 'eyes'; allowed: ear, eye; did you mean 'eye'?"),
        (observed("a"), {}, "sensor: found ''; allowed: a plant with event sensors; this one has none"),
        (BOTH, {"sensor": "ear", "polarity": "on"}, "polarity: found 'on', but 'ear' has none; allowed: keep"),
        (BOTH, {"sensor": "eye", "pool": [2, 2, 1]}, "pool: found 3 numbers; allowed: one, or 2"),
    ],
)
def test_what_is_wrong_is_one_line(plant, settings, line):
    with pytest.raises(ScenarioError) as error:
        encoder("sensor", plant, PERIOD_US, **settings)
    assert str(error.value) == line
