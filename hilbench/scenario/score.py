"""A scenario's `[score]` table: what its runs are judged by, and with which runs they are compared."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from hilbench.errors import ScenarioError, allowed_hint
from hilbench.scenario.loop import Positive
from hilbench.settings import whole_steps


class ScoreConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What runs are judged by. A scenario without a change has no adaptivity."""

    change: str | None = None
    """The disturbance whose start is the change: a learner's twin is frozen there."""
    floor: str | None = None
    """The controller that does nothing about the change: performance 0."""
    oracle: str | None = None
    """The controller that is told of the change: performance 1."""
    before_s: Positive = 5.0
    """The time before the change in which performance is taken as normal."""
    horizon_s: Positive = 10.0
    """The time after the change that is judged."""
    window_s: Positive = 1.0
    """Width of the windows of which the error is taken."""
    tolerance: Positive | None = None
    """Largest tracking error, in the plant's unit, of a decision that counts as correct."""
    critical_delay_s: dict[str, Positive] = {}
    """By controller, the shortest delay of its replies at which it is known to fail."""


def check_score(
    score: ScoreConfig, disturbances: Collection[str], controllers: Collection[str], period_s: float, where: str
) -> None:
    """Raise ScenarioError for a name that the scenario does not have, and for windows that do not divide.

    Parameters
    ----------
    score : ScoreConfig
        What is checked.
    disturbances, controllers : collection of str
        The names that the scenario has.
    period_s : float
        The control period, in seconds.
    where : str
        The table's place in the file, for messages.
    """
    if score.change is not None:
        whole_steps(score.window_s, period_s, f"{where}.window_s", "control periods")
        whole_steps(score.horizon_s, score.window_s, f"{where}.horizon_s", "windows")
    if score.change is not None and score.change not in disturbances:
        raise ScenarioError(f"{where}.change: found {score.change!r}; {allowed_hint(score.change, disturbances)}")
    named = {role: getattr(score, role) for role in ("floor", "oracle")}
    named |= {f"critical_delay_s.{name}": name for name in score.critical_delay_s}
    for field, name in named.items():
        if name is not None and name not in controllers:
            raise ScenarioError(f"{where}.{field}: found {name!r}; {allowed_hint(name, controllers)}")
