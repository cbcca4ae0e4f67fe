"""Compiled kernels on disk, under a key made of their source. No fault of the disk stops a run.

They are in the user's cache folder, else in a temporary folder that only this user can write to, else nowhere. numba
itself separates kernels by processor and by its own version. This logger warns when a user has to wait.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

ROOM_BYTES = 2 << 20
"""What a folder must have room for; all kernels together take about a quarter of it."""
log = logging.getLogger(__name__)


@cache
def kernels(name: str, *sources: Path) -> ModuleType:
    """Import a module of kernels, which are compiled or read from the disk cache.

    Parameters
    ----------
    name : str
        The module's full name.
    *sources : Path
        Files outside the module's folder whose text the kernels depend on.
    """
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None  # callers name modules of this package
    with disk_cache(*beside(Path(spec.origin)), *sources):
        return import_module(name)


@contextlib.contextmanager
def disk_cache(*sources: Path) -> Iterator[None]:
    """Keep on disk, where possible, the kernels that are defined or compiled inside this context.

    numba's own cache checks one file only. The key has the text of `sources`, and of the files that keep the kernels.
    """
    from numba import config

    from hilbench.compiled.kept import kept_in

    files = (*beside(Path(__file__)), *sources)
    key = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    with kept_in(cache_folder(config.CACHE_DIR, key)):
        yield


def beside(file: Path) -> list[Path]:
    """A module's file and all others in its folder."""
    return sorted(file.parent.glob("*.py"))


@cache
def cache_folder(stated: str, key: str) -> Path | None:
    """The folder for kernels of one key; None where there is no room anywhere.

    Where the preferred folder cannot be written to, its kernels are copied to a temporary folder.

    Parameters
    ----------
    stated : str
        The folder that the user chose (NUMBA_CACHE_DIR); "" for the user's cache folder.
    key : str
        A hash of the kernels' source.
    """
    wanted = None
    try:
        wanted = _users_cache(stated) / "hilbench" / "kernels" / key
        _check_room(wanted)
        return wanted
    except (OSError, RuntimeError) as error:  # Python has a RuntimeError for a user without a home
        reason = getattr(error, "strerror", None) or "this user has no home folder"
    try:
        instead = _own_temporary() / "kernels" / key
        _check_room(instead)
        _copy(wanted, instead)
    except OSError:
        instead = None
    where = wanted or "the user's cache"
    remedy = f"they are kept in {instead}" if instead else "each start compiles what is missing; name a NUMBA_CACHE_DIR"
    log.warning("cannot keep compiled kernels in %s (%s): %s", where, reason, remedy)
    return instead or wanted  # what a full disk holds can still be read


def _users_cache(stated: str) -> Path:
    """Raises RuntimeError where there is no home."""
    return Path(stated or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _own_temporary() -> Path:
    """A temporary folder that this user's later processes find too, and no other user can write to. Raises OSError."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    folder = Path(tempfile.gettempdir(), f"hilbench-{user}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    mine = not hasattr(os, "getuid") or (found.st_uid == user and not found.st_mode & 0o077)
    if not (stat.S_ISDIR(found.st_mode) and mine):
        raise PermissionError(f"{folder} is another user's")
    return folder


def _check_room(folder: Path) -> None:
    """Raises OSError for a folder that cannot be made or written to, or on a full disk."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(ROOM_BYTES))


def _copy(wanted: Path | None, instead: Path) -> None:
    """Copy the kernels that can be read there and are not here yet; another process may do the same."""
    for file in wanted.glob("*/*.nb?") if wanted else ():
        copied = instead / file.parent.name / file.name
        with contextlib.suppress(OSError):
            copied.parent.mkdir(exist_ok=True)
            if not copied.exists():
                beside = copied.with_name(f"{copied.name}.{os.getpid()}")
                shutil.copyfile(file, beside)
                beside.replace(copied)
