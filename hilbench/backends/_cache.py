"""Compiled kernels, cached on disk under a key of their own source."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType


@cache
def kernels(name: str, *sources: ModuleType) -> ModuleType:
    """The module of kernels `name` in this folder, numba's cache pointed at a folder of its own while it is imported.

    numba's cache looks at one file alone; what kernels take from their neighbours and from `sources` is in the key too.
    """
    import numba

    files = (*sorted(Path(__file__).parent.glob("_*.py")), *(Path(source.__file__) for source in sources))
    key = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder(before, key))
    try:
        return import_module(f"hilbench.backends.{name}")
    finally:
        numba.config.CACHE_DIR = before


def cache_folder(stated: str, key: str) -> Path:
    """A folder for this key that can be written to, below `stated` or the user's cache."""
    home = Path(stated or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "hilbench" / "kernels" / key
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if os.access(folder, os.W_OK):
        return folder
    return Path(tempfile.mkdtemp(prefix="hilbench-kernels-"))  # a read-only home: compile for this process alone
