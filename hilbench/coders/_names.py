"""What coders share: observations by name, and numbers given once for all or once for each."""

from __future__ import annotations

from collections.abc import Sequence

from hilbench.errors import ScenarioError, allowed_hint


def columns_of(chosen: Sequence[str], names: Sequence[str], field: str) -> list[int]:
    """Where the chosen names stand among all; all of them when none is chosen.

    Raises ScenarioError for another name, and where there are none at all.

    Parameters
    ----------
    chosen : sequence of str
        What the settings say.
    names : sequence of str
        What the plant has.
    field : str
        The setting, for messages.
    """
    if not names:
        raise ScenarioError(f"{field}: found a plant that names none; allowed: one that names some")
    for name in chosen:
        if name not in names:
            raise ScenarioError(f"{field}: the plant has no {name!r}; {allowed_hint(name, names)}")
    return [list(names).index(name) for name in chosen or names]


def spread(given: float | Sequence[float], n: int, field: str) -> list[float]:
    """One number for each of `n`, from one for all or a list. Raises ScenarioError for a list of another length.

    Parameters
    ----------
    given : float or sequence of float
        What the settings say.
    n : int
        How many are needed.
    field : str
        The setting, for messages.
    """
    if not isinstance(given, Sequence):
        return [float(given)] * n
    if len(given) != n:
        raise ScenarioError(f"{field}: found {len(given)} numbers; allowed: one, or {n}")
    return [float(value) for value in given]
