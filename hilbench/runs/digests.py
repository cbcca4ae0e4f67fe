"""Digests of files and folders, wherever they lie."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

RESULTS = ("run.json", "summary.json")
"""Files that mark a folder as results; results decide nothing."""


def tree(folder: Path, but: Iterable[str] = ()) -> list[Path]:
    """Every file in a folder and below, without compiled Python, hidden files, and folders of results.

    Parameters
    ----------
    folder : Path
        Where to look.
    but : iterable of str
        Names in the folder itself that are left out.
    """
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in {"__pycache__", *but} or path.suffix in (".pyc", ".log"):
            continue
        if path.is_file():
            found.append(path)
        elif path.is_dir() and not folder.is_relative_to(path.resolve()):  # a link may lead back up
            found += [] if any((path / name).exists() for name in RESULTS) else tree(path)
    return found


def digest(folder: Path, files: Iterable[Path]) -> str:
    """A digest of files in their order: of their contents and their paths below a folder, wherever that folder is.

    Parameters
    ----------
    folder : Path
        The folder.
    files : iterable of Path
        The files; one that is not below the folder counts by its name.
    """
    found = hashlib.sha256()
    for file in files:
        inside = file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.name
        found.update(f"{inside}\0{digest_of_file(file)}\0".encode())
    return found.hexdigest()


def digest_of_path(path: Path) -> str | None:
    """The digest of a file, of a run by its record, or of any other folder; None where nothing is."""
    if path.is_dir():
        return digest(
            path, sorted([*path.glob("run.json"), *path.glob("*.arrow"), *path.glob("learnt.npz")]) or tree(path)
        )
    return digest_of_file(path) if path.is_file() else None


def digest_of_file(file: Path) -> str:
    """The SHA-256 of a file's contents; why it cannot be read, where it cannot."""
    found = hashlib.sha256()
    try:
        with file.open("rb") as opened:
            while block := opened.read(2**20):
                found.update(block)
    except OSError as error:
        return f"not readable: {error.strerror}"
    return found.hexdigest()
