"""What a run's folder holds: the names of its files."""

from __future__ import annotations

from hilbench.record.meta import StreamTotals

RUN = "run.json"


ENERGY = "energy.json"


AGREEMENT = "agreement.json"


ECHO_NAME = "link_echo.arrow"


NOTHING = StreamTotals(rows=0, bytes=0, pieces=0)
"""What a stream has that was never begun."""


def episode_name(number: int) -> str:
    return f"episode_{number:04d}.arrow"
