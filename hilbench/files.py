"""Files that are read as regular ones, and written whole or not at all, wherever their path leads."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep, time_ns

FOLDER = "a folder"
"""What a directory is called."""
NO_FILES = {
    stat.S_IFIFO: "a pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFDIR: FOLDER,
}
"""What a path may lead to that is no regular file, in words."""
READER_S = 5.0
"""How long a pipe waits for somebody to read it."""
SETTLED_NS = 2_000_000_000
"""Changes that are nearer to each other may have one time: so coarse are the times that some file systems keep."""


def is_file(path: str | Path) -> bool:
    """Whether a path leads to a file; False too for one that no system takes, as one too long or with a null in it."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def kind_of(path: str | Path) -> str | None:
    """What a path leads to that is no regular file, in words; None for a file, and where there is nothing."""
    try:
        return NO_FILES.get(stat.S_IFMT(os.stat(path).st_mode))
    except (OSError, ValueError):
        return None


def regular(path: Path) -> Path:
    """The path, for a reader to open. Raises OSError where it leads to what is no regular file.

    Who opens a pipe waits until somebody writes into it, perhaps for ever.
    """
    if (kind := kind_of(path)) is not None:
        number = errno.EISDIR if kind == FOLDER else errno.EINVAL
        raise OSError(number, f"it is {kind}; allowed: a regular file", str(path))
    return path


def signature(path: Path) -> tuple[int, ...] | None:
    """What changes with a file's contents, without reading it. Raises OSError.

    None for a file that was changed just now: after another change it might look the same.
    """
    found = path.stat()
    if time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < SETTLED_NS:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file whole. Raises OSError with the file's path; what was there stays then.

    A symbolic link stays, and what it leads to is replaced. What is there and is no regular file, as a pipe or
    /dev/full, is written into: in its place a file would be of no use to anybody.

    Parameters
    ----------
    path : Path
        The file, or a link to it.
    data : bytes
        All that it is to hold.
    """
    try:
        if path.exists() and not path.is_file():
            _write_into(path, data)
        else:
            _replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise at(path, error) from None


def at(path: Path, error: OSError) -> OSError:
    """The same error with the path: one from a write does not say it, as one from `open` does.

    Parameters
    ----------
    path : Path
        The file that was written.
    error : OSError
        What the system raised.
    """
    return OSError(error.errno, error.strerror or str(error), str(path))


def _write_into(path: Path, data: bytes) -> None:
    """Write into what is no regular file. A pipe that nobody reads is waited for a while, not for ever."""
    until_s = monotonic() + READER_S
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError as error:
            if error.errno != errno.ENXIO or not path.is_fifo():
                raise
            if monotonic() > until_s:
                raise OSError(errno.ENXIO, f"nobody has read this pipe within {READER_S:g} s") from None
            sleep(0.01)
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _replace(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}")
    try:
        draft.write_bytes(data)
        os.replace(draft, path)
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
