"""What a scenario's runs are judged by: the losses that `[score.loss]` may name. `metrics` computes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

Better = Literal["lower", "higher"]
Key = str
"""A key of the plant's info."""


class _Loss(Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """What is computed of a window."""


class Rms(_Loss, frozen=True, kw_only=True, tag="rms", forbid_unknown_fields=True):
    """Root mean square of an info key over the window's control periods."""

    key: Key | None = None
    """The plant's error when absent."""


class Mean(_Loss, frozen=True, kw_only=True, tag="mean", forbid_unknown_fields=True):
    """Mean of an info key over the window's control periods."""

    key: Key | None = None
    """The plant's error when absent."""
    better: Better = "lower"


class Success(_Loss, frozen=True, kw_only=True, tag="success", forbid_unknown_fields=True):
    """Mean over the window's episodes of the success at their end: 0 or 1, times shortest time / time where stated."""

    key: Key
    """Not 0 at the end of an episode that succeeded."""
    shortest_s: Key | None = None
    """The shortest time, in seconds, in which the episode could have succeeded."""


class Time(_Loss, frozen=True, kw_only=True, tag="time", forbid_unknown_fields=True):
    """Mean over the window's episodes of how long they took, in seconds; one that failed counts with `duration_s`."""

    key: Key
    """Not 0 at the end of an episode that succeeded."""


class Detection(_Loss, frozen=True, kw_only=True, tag="detection", forbid_unknown_fields=True):
    """(1 - H) / 2 + F / 2 of the hit rate H and the false alarm rate F: 0.5 for one that never alarms, or always."""

    target: Key
    """Not 0 where there was something to detect."""
    alarm: Key
    """Not 0 where it was reported."""
    decided: Key | None = None
    """Not 0 in the control periods that are decisions; the end of each episode is the only one when absent."""


class F1(_Loss, frozen=True, kw_only=True, tag="f1", forbid_unknown_fields=True):
    """F1 of the decisions: 2 hits / (2 hits + misses + false alarms)."""

    target: Key
    """Not 0 where there was something to detect."""
    alarm: Key
    """Not 0 where it was reported."""
    decided: Key | None = None
    """Not 0 in the control periods that are decisions; the end of each episode is the only one when absent."""


class Return(_Loss, frozen=True, kw_only=True, tag="return", forbid_unknown_fields=True):
    """Sum of the rewards of the window's actions; with windows of episodes, its mean over them."""


Loss = Rms | Mean | Success | Time | Detection | F1 | Return
KINDS = tuple(str(kind.__struct_config__.tag) for kind in (Rms, Mean, Success, Time, Detection, F1, Return))
OF_EPISODES = (Success, Time)
"""Those that know whole episodes alone, so that their windows are counted in episodes."""
HIGHER = (Success, F1, Return)


def better(loss: Loss) -> Better:
    """Which values of a loss are better."""
    if isinstance(loss, Mean):
        return loss.better
    return "higher" if isinstance(loss, HIGHER) else "lower"


def keys(loss: Loss) -> Iterator[tuple[str, Key]]:
    """The info keys that a loss names: its field, and the key."""
    for field in loss.__struct_fields__:
        if field != "better" and (key := getattr(loss, field)) is not None:
            yield field, key
