"""Compiled kernels, cached on disk under a key of their own source."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType


@cache
def kernels(name: str, *sources: Path) -> ModuleType:
    """The module of kernels `name` in this folder, compiled with what `sources` say."""
    with disk_cache(*sources):
        return import_module(f"hilbench.backends.{name}")


@contextlib.contextmanager
def disk_cache(*sources: Path) -> Iterator[None]:
    """What is imported or compiled here is kept on disk.

    numba's cache looks at one file alone; what kernels take from their neighbours and from `sources` is in the key too.
    """
    import numba

    files = (*sorted(Path(__file__).parent.glob("_*.py")), *sources)
    key = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    before = numba.config.CACHE_DIR
    folder = cache_folder(before, key)
    if not any(folder.iterdir()):
        logging.getLogger(__name__).info("compiling kernels into %s; later starts find them there", folder)
    numba.config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


@cache
def cache_folder(stated: str, key: str) -> Path:
    """A folder for this key that can be written to, below `stated` or the user's cache."""
    home = Path(stated or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "hilbench" / "kernels" / key
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if os.access(folder, os.W_OK):
        return folder
    alone = Path(tempfile.mkdtemp(prefix="hilbench-kernels-"))  # a read-only home: compile for this process alone
    atexit.register(shutil.rmtree, alone, ignore_errors=True)
    return alone
