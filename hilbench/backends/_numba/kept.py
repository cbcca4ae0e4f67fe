"""numba's cache of a function on disk, without its power to stop a run.

Numba raises what opening, reading and writing raise: for a damaged file, a full disk, a folder without rights.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from numba import config
from numba.core import ccallback, dispatcher
from numba.core.caching import FunctionCache, NullCache

log = logging.getLogger("hilbench.backends._numba.cache")
MAKERS: tuple[Any, ...] = (dispatcher, ccallback)  # Any: a name in these modules is replaced below
"""Where numba makes a cache for a function that is compiled with `cache=True`."""


class Kept(FunctionCache):
    """A function's compiled forms on disk: what cannot be read is compiled, what cannot be written is not kept."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What the disk has of this signature for this processor; None when it must be compiled."""
        found = None
        try:
            found = super().load_overload(sig, target_context)
        except Exception as error:  # bytes that are no pickle of numba's may raise anything
            log.warning("compiled kernels in %s are damaged (%r) and made anew", self.cache_path, error)
            with contextlib.suppress(OSError):
                self.flush()
        if found is None:
            _tell()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled, where that can be."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            log.warning("cannot keep compiled kernels in %s (%s)", self.cache_path, error.strerror)


class Unkept(NullCache):
    """No cache."""

    def load_overload(self, sig: Any, target_context: Any) -> None:
        """Nothing."""
        _tell()


@contextlib.contextmanager
def kept_in(folder: Path | None) -> Iterator[None]:
    """Functions that are given a cache here have it in this folder; None is for none."""

    def make(function: Callable) -> Kept | Unkept:
        with contextlib.suppress(OSError, RuntimeError):  # numba has a RuntimeError for no folder that it can write to
            found = Kept(function)
            if folder is not None and Path(found.cache_path).is_relative_to(folder):
                return found
        return Unkept()

    before = config.CACHE_DIR
    config.CACHE_DIR = "" if folder is None else str(folder)
    for module in MAKERS:
        module.FunctionCache = make
    try:
        yield
    finally:
        config.CACHE_DIR = before
        for module in MAKERS:
            module.FunctionCache = FunctionCache


@cache
def _tell() -> None:
    log.warning("compiling kernels, about 30 s")
