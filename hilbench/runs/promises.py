"""What the checks of plants and controllers share: the place of a broken promise, and its one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from hilbench.errors import HilbenchError, PluginFault, ScenarioError, said
from hilbench.types import EVENT


def check_finite(where: str, found: Any, names: tuple[str, ...] | None = None) -> None:
    """Raise PluginFault where one of some numbers is not finite.

    Parameters
    ----------
    where : str
        What they are, for the message.
    found : (n,) array
    names : (n,) tuple of str, optional
        What each is called.
    """
    for i in np.flatnonzero(~np.isfinite(found))[:1]:
        raise wrong(f"{where}: {names[i]!r}" if names else f"{where}[{i}]", found[i], "finite numbers")


def check_events(where: str, events: Any, n_addresses: int, whose: str, period_us: int) -> None:
    """Raise PluginFault for what is no array of events of some addresses within a window.

    Parameters
    ----------
    where : str
        What gave them, for the message.
    events : object
        What it gave.
    n_addresses : int
        How many addresses there are.
    whose : str
        Who has these addresses, for the message.
    period_us : int
        The window, in microseconds.
    """
    if not isinstance(events, np.ndarray) or events.dtype != EVENT or events.ndim != 1:
        kind = events.dtype if isinstance(events, np.ndarray) else type(events).__name__
        raise wrong(where, kind, "an array of hilbench.types.EVENT with one dimension")
    if not events.size:
        return
    if (top := events["address"].max()) >= n_addresses:
        raise wrong(f"{where}: address", top, f"less than {n_addresses}, the addresses of {whose}")
    if (last := events["t_us"].max()) >= period_us:
        raise wrong(f"{where}: t_us", last, f"less than {period_us}, the control period")
    if (np.diff(events["t_us"].astype(np.int64)) < 0).any():
        raise wrong(f"{where}: t_us", events["t_us"].tolist(), "an order that never falls")


def wrong(what: str, found: Any, allowed: str) -> PluginFault:
    """The error for a broken promise.

    Parameters
    ----------
    what : str
        The promise's place.
    found : object
        What is there.
    allowed : str
        What may be there.
    """
    return PluginFault(f"{what}: found {found}; allowed: {allowed}")


@contextmanager
def place(where: str) -> Iterator[None]:
    """Put the place in front of a ScenarioError."""
    try:
        yield
    except ScenarioError as error:
        raise type(error)(f"{where}: {error}") from error.__cause__


@contextmanager
def call(what: str) -> Iterator[None]:
    """Turn whatever a plug-in raises into a ScenarioError of one line."""
    try:
        yield
    except HilbenchError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginFault(f"{what} raised {said(error)}") from error
