"""`hilbench events`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from hilbench.cli._shared import Run


def events(
    run: Run,
    /,
    *,
    to: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    sensor: str | None = None,
    episode: int = 0,
) -> int:
    """Say what a run's event sensors told, and write one sensor's events to a file.

    Parameters
    ----------
    run
        the folder of the recorded run
    to
        FILE.npz, FILE.npy for an array in tonic's order, or FILE.aedat4
    sensor
        which one's; needed where the plant has several
    episode
        which one's, from 0
    """
    from hilbench.record.reader import read_run
    from hilbench.record.recordings import Recording, of_run, write

    def line(found: Recording) -> str:
        geometry = ", ".join(f"{axis} {n}" for axis, n in zip(found.sensor.axes, found.sensor.shape, strict=True))
        return f"{found.sensor.name} ({geometry}): {found.t_us.size} events in episode {episode}"

    recorded = read_run(run, ("t_us", "sensor_events"))
    if to is None and sensor is None:
        names: list[str | None] = [each.name for each in recorded.event_sensors]
        for name in names or [None]:  # where there is none, an error says so
            print(line(of_run(recorded, name, episode)))
        return 0
    found = of_run(recorded, sensor, episode)
    if to is not None:
        write(found, to)
    print(line(found) + (f" -> {to}" if to else ""))
    return 0
