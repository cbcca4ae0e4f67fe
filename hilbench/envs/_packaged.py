"""Recordings that ship inside Python packages, read from where they are installed, and how episodes share them out.

Nothing is copied from there, and only these functions know what a package's file is like.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import MissingExtra

ORDER_SEED = 0
"""Of the order in which items are dealt to episodes. It is the same for all, so that no seed decides it."""


@cache
def digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Hand-written digits, (1797, 8, 8) from 0 for blank to 1 for ink, and which each is, (1797,).

    scikit-learn's `load_digits`. Raises MissingExtra without that package.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtra("scikit-learn", "datasets") from error
    found = load_digits()
    return found.images / 16.0, found.target.astype(np.int64)


class Wrist(NamedTuple):
    """Cut-outs of what a watch felt."""

    windows: NDArray[np.float64]
    """(n, n_samples, 6): three accelerations, then three rates."""
    labels: NDArray[np.int64]
    """(n,): which exercise."""
    subjects: NDArray[np.int64]
    """(n,): who did it, from 1 on."""
    rest: NDArray[np.float64]
    """(6,): the mean of each channel over all of it."""


@cache
def wrist(n_samples: int) -> Wrist:
    """Cut-outs of seglearn's `load_watch`, each of one recording, without overlap. Raises MissingExtra without it.

    Its file is read without an import of the package, which needs the scikit-learn of its time.

    Parameters
    ----------
    n_samples : int
        How long cut-outs are.
    """
    spec = find_spec("seglearn")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra("seglearn", "datasets")
    file = Path(spec.submodule_search_locations[0]) / "data" / "watch_dataset.npy"
    data = np.load(file, allow_pickle=True).item()
    windows, labels, subjects = [], [], []
    for signals, label, subject in zip(data["X"], data["y"], data["subject"], strict=True):
        n = len(signals) // n_samples
        windows.append(signals[: n * n_samples].reshape(n, n_samples, 6))
        labels += [int(label)] * n
        subjects += [int(subject)] * n
    rest = np.concatenate(data["X"]).mean(0)
    return Wrist(np.concatenate(windows), np.array(labels), np.array(subjects), rest)


def dealt(seed: int, n_items: int, n: int) -> NDArray[np.int64]:
    """Which items an episode has, (n,): no item twice in as many episodes of seeds in a row as there are whole shares.

    All items lie in one order for good. It is cut into shares of `n`, and the episode gets the one of its seed, modulo
    how many there are.

    Parameters
    ----------
    seed : int
        The episode's.
    n_items, n : int
        How many there are, and how many an episode has. Beyond all of them they repeat.
    """
    fixed = np.random.default_rng(ORDER_SEED)
    order = fixed.permutation(n_items)
    first = seed % max(1, n_items // n) * n
    return order[(first + np.arange(n)) % n_items]
