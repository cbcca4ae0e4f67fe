"""What a frame of the event camera costs: rendering, pixels, and putting events in order.

    python benchmarks/dvs.py [--frames 1000] [--rays 4]

The camera rides over a lane at 1 m/s and looks to both sides, at 1 kHz: with nothing else in the picture, and with a
ball, six boxes and six cylinders. `sample` is the whole call; `render`, `pixels` and
`sort` are its compiled parts, and NumPy's logarithm of all pixels is most of what is left. Medians over the
frames, and the 99th percentile of `sample`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray

from hilbench.envs.sensors import Ground, Mount, Scene, box, cylinder, sphere
from hilbench.envs.sensors.dvs import Dvs, DvsConfig

SIZES, PERIOD_US, WARM_UP = (32, 64, 128), 1000, 20


def lane(x: NDArray, y: NDArray) -> NDArray:
    """A road of 1 m with white lines: two at its edges, and dashes in the middle."""
    marked = (np.abs(np.abs(y) - 0.5) < 0.025) | ((np.abs(y) < 0.025) & (x % 1.0 < 0.5))
    return np.where(marked, 0.9, np.where(np.abs(y) < 0.5, 0.1, 0.3))


def things() -> list[tuple[float, ...]]:
    random = np.random.default_rng(0)

    def place() -> tuple[float, float, float]:
        return random.uniform(2, 8), random.uniform(-4, 4), 0.5

    boxes = [box(place(), (0.4, 0.4, 1.0), random.uniform(0.1, 0.9), 0.3) for _ in range(6)]
    cylinders = [cylinder(place(), 0.2, 1.0, random.uniform(0.1, 0.9)) for _ in range(6)]
    return [sphere((3.0, 0.3, 0.5), 0.3, 0.9), *boxes, *cylinders]


class Ride:
    """A plant that carries the camera, 0.25 m above the ground."""

    truth: tuple[float, ...] = ()

    def __init__(self, ground: Ground, bodies: Sequence[tuple[float, ...]], pitch_rad: float) -> None:
        self._scene, self._pitch_rad, self.time_s = Scene(ground, bodies), pitch_rad, 0.0

    def scene(self) -> Scene:
        return self._scene

    def camera(self, name: str) -> tuple[float, ...]:
        return (self.time_s, 0.0, 0.25, 0.3 * math.sin(2 * self.time_s), self._pitch_rad, 0.0)


class Timed:
    """A function, with how long each of its calls took."""

    def __init__(self, function: object) -> None:
        self._function, self.ns = function, []

    def __call__(self, *arguments: object) -> object:
        start = perf_counter_ns()
        found = self._function(*arguments)  # type: ignore[operator]  # it is one
        self.ns.append(perf_counter_ns() - start)
        return found


class Parts:
    """A module of kernels whose functions are timed."""

    def __init__(self, module: object, names: Sequence[str]) -> None:
        self.__dict__.update(vars(module))
        self.timed = {name: Timed(getattr(module, name)) for name in names}
        self.__dict__.update(self.timed)


def measure(sensor: Dvs, ride: Ride, n_frames: int) -> tuple[list[int], int]:
    """Nanoseconds of each sample, and how many events there were."""
    sensor.reset(1)
    taken, n_events = [], 0
    for number in range(n_frames + WARM_UP):
        ride.time_s = number * PERIOD_US * 1e-6
        start = perf_counter_ns()
        events = sensor.sample(ride)
        taken.append(perf_counter_ns() - start)
        n_events += events.size if number >= WARM_UP else 0
    return taken[WARM_UP:], n_events


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1000, help="frames of a row")
    parser.add_argument("--rays", type=int, default=DvsConfig().rays, help="rays for a pixel at an edge")
    args = parser.parse_args()
    ground = Ground.painted(lane, (-2.0, -6.0), (16.0, 12.0), 0.01)
    print(f"{'':22} {'sample':>8} {'p99':>8} {'render':>8} {'pixels':>8} {'sort':>8} {'events/s':>9}   us a frame")
    for size in SIZES:
        for name, bodies, pitch_rad, rows in (
            ("lane", [], 0.61, None),
            ("lane, rows of 3/4", [], 0.61, (size // 4, size)),
            ("lane, 13 bodies", things(), 0.2, None),
        ):
            config = DvsConfig(width=size, height=size, fov_rad=1.22, rays=args.rays, rows=rows)
            sensor, ride = Dvs(config, Mount("sensors.eye", (), (), PERIOD_US)), Ride(ground, bodies, pitch_rad)
            taken, n_events = measure(sensor, ride, args.frames)
            renderer, pixels = (
                Parts(sensor._renderer, ["render"]),
                Parts(sensor._pixels, ["light", "crossings"]),
            )
            sensor._renderer, sensor._pixels = renderer, pixels
            sensor._buffer._sort = sort = Timed(sensor._buffer._sort)
            measure(sensor, ride, args.frames)
            parts = {
                each: np.median(timed.ns[WARM_UP:]) / 1e3 for each, timed in (renderer.timed | pixels.timed).items()
            }
            print(
                f"{size:3} {name:18} {np.median(taken) / 1e3:8.1f} {np.percentile(taken, 99) / 1e3:8.1f}"
                f" {parts['render']:8.1f} {parts['light'] + parts['crossings']:8.1f} {np.median(sort.ns) / 1e3:8.1f}"
                f" {n_events / (args.frames * PERIOD_US * 1e-6):9.0f}"
            )


if __name__ == "__main__":
    main()
