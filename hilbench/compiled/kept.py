"""numba's disk cache of a function, in a form that never stops a run.

numba's own cache raises for a damaged file, a full disk or a folder without rights.
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

log = logging.getLogger("hilbench.compiled.cache")
MAKERS: tuple[Any, ...] = (dispatcher, ccallback)  # Any: a name in these modules is replaced below
"""Where numba makes a cache for a function that is compiled with `cache=True`."""


class Kept(FunctionCache):
    """A function's compiled forms on disk. What cannot be read is compiled; what cannot be written is not kept."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What the disk has of this signature for this processor; None when it must be compiled.

        Parameters
        ----------
        sig : tuple of numba types
            The signature.
        target_context : numba target context
            What the code is compiled for.
        """
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
        """Keep what was compiled, where possible.

        Parameters
        ----------
        sig : tuple of numba types
            The signature.
        data : CompileResult
            What numba made of it.
        """
        try:
            super().save_overload(sig, data)
        except OSError as error:
            log.warning("cannot keep compiled kernels in %s (%s)", self.cache_path, error.strerror)


class Unkept(NullCache):
    """No cache."""

    def load_overload(self, sig: Any, target_context: Any) -> None:
        """None: nothing is kept.

        Parameters
        ----------
        sig : tuple of numba types
            The signature.
        target_context : numba target context
            What the code is compiled for.
        """
        _tell()


@contextlib.contextmanager
def kept_in(folder: Path | None) -> Iterator[None]:
    """Inside this context, functions compiled with `cache=True` are kept in this folder; None keeps none."""

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
