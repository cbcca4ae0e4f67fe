"""What every decoder promises, over each that is found; and what hilbench's own ones take and refuse."""

from __future__ import annotations

import pytest

from hilbench import plugins
from hilbench.errors import ScenarioError
from hilbench.testing import DecoderContract
from hilbench.testing.decoders import PLANTS, SIZES
from hilbench.types import Port

DECODERS = plugins.all_of("decoders")
OWN = sorted(name for name, plugin in DECODERS.items() if not plugin.foreign)
TAU_S = 0.05
PORTS = [Port("out", size, kind) for kind in ("values", "events") for size in SIZES]


def tables(name: str) -> list[dict[str, float]]:
    """The defaults, and another time constant for a decoder that has a filter."""
    return [{}, {"tau_s": TAU_S}] if "tau_s" in plugins.get("decoders", name).Config.__struct_fields__ else [{}]


class TestDecoders(DecoderContract):
    """Every decoder that is found, without and with its filter."""

    def cases(self):
        return [(name, table) for name in DECODERS for table in tables(name)]


def test_decoders_are_found():
    assert {"values", "rate", "difference", "winner", "first_spike", "population_vector"} <= set(OWN)


@pytest.mark.parametrize("name", OWN)
def test_each_takes_plants_with_continuous_and_with_discrete_actions_and_says_what_is_allowed(name):
    said = {plant: [refusal(name, PLANTS[plant], port) for port in PORTS] for plant in PLANTS}
    for plant in ("one continuous action", "two continuous actions", "one discrete action", "two discrete actions"):
        assert None in said[plant]
    for refusals in said.values():
        assert any(refusals)
        assert all("found" in text and "allowed: " in text for text in refusals if text)


def refusal(name, plant, port) -> str | None:
    """Why a decoder does not take a port for a plant; None where it does."""
    decoder = plugins.get("decoders", name)
    try:
        decoder(decoder.Config(), port, plant, DecoderContract.period_us)
    except ScenarioError as error:
        return str(error)
    return None
