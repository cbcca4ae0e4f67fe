"""The encoder and the decoder `values` against their equations, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from decoding import PERIOD_US, action_of, decoder_of, plant_of
from msgspec.structs import replace

from hilbench.coders.values import Values, ValuesConfig, direct, whole
from hilbench.errors import ScenarioError
from hilbench.types import NO_EVENTS, Port

PLANT = replace(plant_of(0), obs_names=("position", "speed", "angle"), obs_units=("m", "m/s", "rad"))
OBS = np.array([1.0, -3.0, 0.25], np.float32)


def encoded(**settings) -> list[float]:
    encoder = Values(ValuesConfig(**settings), PLANT, PERIOD_US)
    values = np.full(encoder.size, np.nan, np.float32)
    assert encoder.encode(OBS, NO_EVENTS, values).size == 0
    assert encoder.sizes == {"values": values.size}
    return values.tolist()


def test_the_whole_observation_is_the_default():
    assert encoded() == [1.0, -3.0, 0.25]
    assert whole(PLANT, PERIOD_US).size == 3


def test_chosen_observations_come_in_the_order_of_the_settings():
    assert encoded(observations=("angle", "position")) == [0.25, 1.0]


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"scale": 2.0}, [0.5, -1.5, 0.125]),
        ({"centre": 1.0}, [0.0, -4.0, -0.75]),
        ({"centre": (1.0, -1.0, 0.0), "scale": (4.0, 2.0, 0.5)}, [0.0, -1.0, 0.5]),
        ({"observations": ("speed",), "centre": (1.0,), "scale": -8.0}, [0.5]),
    ],
)
def test_a_value_is_the_observation_less_the_centre_over_the_scale(settings, wanted):
    assert encoded(**settings) == wanted


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"observations": ("angel",)}, "observations: the plant has no 'angel'; .*did you mean 'angle'"),
        ({"scale": (1.0, 0.0, 1.0)}, "scale: found 0; allowed: any other number"),
        ({"centre": (1.0, 2.0)}, "centre: found 2 numbers; allowed: one, or 3"),
    ],
)
def test_the_encoder_refuses(settings, line):
    with pytest.raises(ScenarioError, match=line):
        Values(ValuesConfig(**settings), PLANT, PERIOD_US)


def decoded(size, plant, values, **settings):
    return action_of(
        decoder_of("values", size, plant, "values", **settings), len(plant.choices), NO_EVENTS, values=values
    )


def test_an_action_is_the_value_times_the_scale_plus_the_offset():
    two = plant_of(0, 0)
    assert decoded(2, two, [0.5, -0.25]) == [0.5, -0.25]
    assert decoded(2, two, [0.5, -0.25], scale=(2.0, 4.0), offset=1.0) == [2.0, 0.0]


@pytest.mark.parametrize(("value", "choice"), [(0.4, 0), (1.6, 2), (-7.0, 0), (9.0, 2)])
def test_a_value_for_a_discrete_action_takes_the_nearest_choice(value, choice):
    assert decoded(1, plant_of(3), [value]) == [choice]


def test_a_value_for_each_choice_takes_the_largest_and_the_first_of_equals():
    assert decoded(3, plant_of(3), [0.1, 0.7, 0.2]) == [1]
    assert decoded(3, plant_of(3), [0.7, 0.1, 0.7]) == [0]
    assert decoded(3, plant_of(3, low=(5.0,)), [0.1, 0.7, 0.9]) == [7]
    assert decoded(3, plant_of(3), [0.1, 0.7, 0.2], offset=(1.0, 0.0, 0.0)) == [0]


def test_several_discrete_actions_have_their_choices_side_by_side():
    assert decoded(6, plant_of(2, 4), [0.1, 0.9, 0.0, 0.2, 0.8, 0.3]) == [1, 2]
    assert decoded(4, plant_of(0, 3), [-1.5, 0.1, 0.2, 0.3]) == [-1.5, 2]


def test_a_value_that_is_no_number_makes_no_choice():
    assert np.isnan(decoded(3, plant_of(3), [0.1, np.nan, 0.2])).all()
    found = decoded(5, plant_of(2, 3), [0.1, np.nan, 0.3, 0.9, 0.2])
    assert np.isnan(found[0])
    assert found[1] == 1
    assert np.isnan(decoded(1, plant_of(3), [np.nan])).all()


def test_the_decoder_refuses():
    with pytest.raises(ScenarioError, match="found 2 values at 'out'; allowed: 1 values, one for each action"):
        decoder_of("values", 2, plant_of(0), "values")
    with pytest.raises(ScenarioError, match=r"found 3 values .*; allowed: 2 values, .*or 5, one for each choice"):
        decoder_of("values", 3, plant_of(2, 3), "values")
    with pytest.raises(ScenarioError, match="found 1 event addresses"):
        decoder_of("values", 1, plant_of(0))


def test_direct_reads_all_ports_of_values_together():
    decoder, action = direct((Port("left", 1), Port("right", 1)), plant_of(0, 0), PERIOD_US), np.zeros(2)
    decoder.decode(np.array([0.5, 0.25], np.float32), NO_EVENTS, action)
    assert action.tolist() == [0.5, 0.25]
