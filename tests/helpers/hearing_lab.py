"""A plant with ears in tests: what it hears stands still, unless a test moves it."""

from __future__ import annotations

from math import pi

import numpy as np
from small_plants import Mass

from hilbench.envs.sensors import Ear, Mount, Sounds
from hilbench.envs.sensors.cochlea import Cochlea, CochleaConfig
from hilbench.errors import ScenarioError

RATE_HZ = 16_000
EARS_M = {"left": 0.1, "right": -0.1}


def ear(name, x_m=0.0, gain=1.0, delay_s=0.0):
    """Ears 0.2 m apart, which look to the left and to the right."""
    if name not in EARS_M:
        raise ScenarioError(f"plant: found no ear {name!r}; allowed: 'left', 'right'")
    y_m = EARS_M[name]
    return Ear(x_m, y_m, 0.0, 0.0, 1.0 if y_m > 0 else -1.0, 0.0, gain, delay_s)


class Listener:
    """Two ears at the origin, looking along x, and one source."""

    truth, time_s, speed_m_s = [], 0.0, 0.0

    def __init__(self, wave, place_m, rate_hz=RATE_HZ, start_s=0.0, room=None):
        self.here, self.changed = Sounds(np.atleast_2d(wave), rate_hz, room), {}
        self.here.places_m[0], self.here.starts_s[0] = place_m, start_s

    def sounds(self):
        return self.here

    def ear(self, name):
        return ear(name, self.speed_m_s * self.time_s, **self.changed.get(name, {}))


def tone(hz, n_s, rate_hz=RATE_HZ, pa=0.1):
    """A sine that is 0 at its first sample, in Pa."""
    return pa * np.sin(2 * pi * hz * np.arange(round(n_s * rate_hz)) / rate_hz)


def hear(plant, n_s, period_us=10_000, seed=0, **settings):
    """A cochlea after some time: itself, its events with times since the start in us, and what reached its ears."""
    sensor = Cochlea(CochleaConfig(**settings), Mount("sensors.ears", (), (), period_us))
    sensor.reset(seed)
    plant.time_s = 0.0
    assert not sensor.sample(plant).size
    times, addresses, heard = [], [], []
    for number in range(round(n_s * 1e6 / period_us)):
        plant.time_s = (number + 1) * period_us * 1e-6
        events = sensor.sample(plant)
        times.append(events["t_us"].astype(np.int64) + number * period_us)
        addresses.append(events["address"].astype(int))
        heard.append(sensor.heard_pa.copy())
    return sensor, np.concatenate(times), np.concatenate(addresses), np.concatenate(heard, axis=1)


class Hearing(Mass):
    """A mass on a rail with two ears, beside a source that hums."""

    _sounds = Sounds(tone(440.0, 1.0)[None], RATE_HZ)

    def sounds(self) -> Sounds:
        self._sounds.places_m[0] = 1.0, 2.0, 0.0
        return self._sounds

    def ear(self, name: str) -> Ear:
        return ear(name, self.x)
