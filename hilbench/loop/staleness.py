"""When the reply that acts is too old to act any longer, so that the safe action takes its place."""

from __future__ import annotations

from collections.abc import Callable

from hilbench.scenario.loop import LoopConfig
from hilbench.types import Plant, SensingPlant


def too_old(
    config: LoopConfig, plant: Plant | SensingPlant, free_running: bool, deadline_ns: int
) -> Callable[[int, int], bool] | None:
    """Whether a reply is too old at a physics step, given the step and the reply's tick; None where none ever is.

    By the late policy, by silence where replies may fail to come, or because a robot says that it shows nothing new.

    Parameters
    ----------
    config : LoopConfig
    plant : Plant
        One with `blind()` says when it shows nothing new.
    free_running : bool
        Whether replies may fail to come in time.
    deadline_ns : int
        After a tick is due, in nanoseconds.
    """
    blind = getattr(plant, "blind", None)
    silence_ns = round(config.silence_s * 1e9) if free_running else None
    period_ns, step_ns = round(config.period_s * 1e9), round(plant.plant_spec.physics_step_s * 1e9)
    safe = config.late == "safe"
    if blind is None and silence_ns is None and not safe:
        return None

    def is_old(step: int, acting: int) -> bool:
        now_ns = step * step_ns
        if blind is not None and blind():
            return True
        if silence_ns is not None and now_ns - acting * period_ns > silence_ns:
            return True
        return safe and acting < (now_ns - deadline_ns) // period_ns

    return is_old
