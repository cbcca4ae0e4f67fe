"""What every encoder promises, over each that is found; and how hilbench's own ones refuse settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hilbench import plugins
from hilbench.errors import ScenarioError
from hilbench.settings import to_config
from hilbench.testing import EncoderContract

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


class TestEncoders(EncoderContract):
    """Every encoder that is found, with the settings above."""

    def cases(self):
        return [(name, settings) for name in plugins.all_of("encoders") for settings in SETTINGS.get(name, [{}])]

    def test_an_encoder_of_events_gives_some(self, make):
        encoder = make()
        n_events = sum(encoder.encode(obs, events, values(encoder)).size for obs, events in self._ticks(50))
        assert bool(n_events) == (encoder.kind == "events")


def values(encoder) -> np.ndarray:
    return np.zeros(encoder.sizes.get("values", 0), np.float32)


def build(cls, settings):
    return cls(to_config(cls.Config, settings, "encoders.x"), EncoderContract.plant_spec, EncoderContract.period_us)


@pytest.mark.parametrize("name", sorted(plugins.all_of("encoders")))
def test_wrong_settings_are_one_line(name):
    cls, settings = plugins.get("encoders", name), SETTINGS.get(name, [{}])[0]
    wrong = [{field: ["z"]} for field in ("observations",) if field in cls.Config.__struct_fields__]
    wrong += [{field: "z"} for field in ("sensor", "spacing", "gives") if field in cls.Config.__struct_fields__]
    assert wrong
    for change in wrong:
        with pytest.raises(ScenarioError) as error:
            build(cls, settings | change)
        assert "\n" not in str(error.value)
        assert next(iter(change)) in str(error.value)
        assert "allowed: " in str(error.value)
