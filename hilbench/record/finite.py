"""Finds the first numbers of a plant that are not finite, batch by batch as rows are written.

It costs a tick nothing, and a batch little. It must not know files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.record.meta import NotFinite


class FiniteWatch:
    """Looks at each batch of a run until something is not finite. The first of it is `found`.

    An info that is not finite in the run's first row is not watched: a plant may have one that means nothing there.
    """

    def __init__(self, obs_names: Iterable[str], info_names: Iterable[str]) -> None:
        self._names = {
            "obs": [f"obs.{name}" for name in obs_names],
            "reward": ["reward"],
            "info": [f"info.{name}" for name in info_names],
        }
        self._watched: NDArray[np.bool_] | None = None  # which infos
        self.found: NotFinite | None = None

    def look(self, columns: Mapping[str, NDArray[Any]], episode: int) -> None:
        """Look at what is about to be written.

        Parameters
        ----------
        columns : dict of array
            Of the batch's rows: `seq`, `t_us` and `reward`, (n,); `obs`, (n, n_obs), and `info`, (n, n_info), if any.
        episode : int
            The episode's number.
        """
        if self.found is not None or not columns["seq"].size:
            return
        if self._watched is None and "info" in columns:
            self._watched = np.isfinite(columns["info"][0])
        bad = {}
        for name in self._names:
            if name in columns and not (good := np.isfinite(columns[name])).all():
                where = ~good & (True if name != "info" else self._watched)
                bad[name] = where.reshape(len(where), -1)
        if not any(where.any() for where in bad.values()):
            return
        row = min(int(where.any(1).argmax()) for where in bad.values() if where.any())
        entries = [self._names[name][i] for name, where in bad.items() for i in np.flatnonzero(where[row])]
        tick, t_us = (int(columns[name][row]) for name in ("seq", "t_us"))
        self.found = NotFinite(episode=episode, tick=tick, t_s=t_us * 1e-6, entries=tuple(entries))
