"""What a run's folder holds: the names and the format of its files."""

from __future__ import annotations

FORMAT = 4


RUN = "run.json"


ENERGY = "energy.json"


AGREEMENT = "agreement.json"


BESIDE = (
    (ENERGY, "energy", {"meter", "accuracy", "ticks", "total_j", "idle_j", "dynamic_j"}),
    (AGREEMENT, "agreement", {"backend", "spikes", "reference", "agreed"}),
)
"""Files of a run's folder that are written after its end, where RunData has them, and what they must hold."""


ECHO_NAME = "link_echo.arrow"


NOTHING = {"rows": 0, "bytes": 0, "pieces": 0}
"""What a stream has that was never begun."""


def episode_name(number: int) -> str:
    return f"episode_{number:04d}.arrow"
