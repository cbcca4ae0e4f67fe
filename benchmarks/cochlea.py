"""What two ears cost: ways of sound, filters, cells, and putting events in order.

    python benchmarks/cochlea.py [--samples 500]

Noise of 100 to 3000 Hz, 60 dB loud at 1 m, comes from 2 m away at 30 degrees; each call of `sample` is 10 ms of sound
at two ears. `filters` is the same filter bank by SciPy's `sosfilt` alone, called in turn with it: a floor in the same
process. Medians, and the 99th percentile of `sample`. `of a core` is `sample` over 10 ms.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from math import cos, pi, sin
from time import perf_counter_ns

import numpy as np
from scipy.signal import sosfilt

from hilbench.envs.sensors import Ear, Mount, Sounds, band_noise
from hilbench.envs.sensors.cochlea import Cochlea, CochleaConfig

PERIOD_US, WARM_UP = 10_000, 20


class Listener:
    """A plant with two ears, 0.2 m apart."""

    truth: tuple[float, ...] = ()
    time_s = 0.0

    def __init__(self, n_s: float, rate_hz: int) -> None:
        wave = band_noise(np.random.default_rng(0), round(n_s * rate_hz), rate_hz, 100, 3000, 0.02)
        self._sounds = Sounds(wave[None], rate_hz)
        self._sounds.places_m[0] = 2 * cos(pi / 6), 2 * sin(pi / 6), 0.0

    def sounds(self) -> Sounds:
        return self._sounds

    def ear(self, name: str) -> Ear:
        side = 1.0 if name == "left" else -1.0
        return Ear(0.0, 0.1 * side, 0.0, 0.0, side, 0.0)


def scipys(sensor: Cochlea) -> Callable[[], object]:
    """The same filters by SciPy, over the sound that the sensor heard last."""
    gain, *zeros, pole1, pole2 = sensor._filters
    one, none = np.ones_like(gain), np.zeros_like(gain)
    sections = np.array([[one, zero, none, one, pole1, pole2] for zero in zeros]).transpose(2, 0, 1).copy()
    states = [np.zeros((4, 2, 2)) for _ in gain]

    def filtered() -> None:
        for channel, sos in enumerate(sections):
            _, states[channel] = sosfilt(sos, gain[channel] * sensor.heard_pa, zi=states[channel])

    return filtered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=500, help="samples of a row")
    n = parser.parse_args().samples + WARM_UP
    print("channels  kHz    head   sample      p99  filters  ratio  of a core  events/s")
    for n_channels in (16, 32, 64):
        for rate_hz, head_m in ((16_000, 0.0), (16_000, 0.1), (48_000, 0.1)):
            config = CochleaConfig(n_channels=n_channels, rate_hz=rate_hz, head_m=head_m)
            sensor = Cochlea(config, Mount("sensors.ears", (), (), PERIOD_US))
            plant, taken, n_events = Listener((n + 1) * PERIOD_US * 1e-6, rate_hz), np.empty((2, n)), 0
            sensor.sample(plant)
            filtered = scipys(sensor)
            for number in range(n):
                start_ns = perf_counter_ns()
                n_events += sensor.sample(plant).size
                middle_ns = perf_counter_ns()
                filtered()
                taken[:, number] = (middle_ns - start_ns) / 1e3, (perf_counter_ns() - middle_ns) / 1e3
            own_us, floor_us = np.median(taken[:, WARM_UP:], axis=1)
            p99_us, rate = np.percentile(taken[0, WARM_UP:], 99), n_events / n * 1e6 / PERIOD_US
            print(
                f"{n_channels:8} {rate_hz // 1000:4} {head_m:7.1f} {own_us:8.1f} {p99_us:8.1f} {floor_us:8.1f}"
                f" {own_us / floor_us:6.2f} {own_us / PERIOD_US:10.2%} {rate:9.0f}"
            )


if __name__ == "__main__":
    main()
