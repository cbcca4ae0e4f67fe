"""Digests of files and folders, wherever they lie."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from hilbench.files import regular, signature

RESULTS = ("run.json", "summary.json")
"""Files that mark a folder as results; results decide nothing."""


def tree(folder: Path, but: Iterable[str] = ()) -> list[Path]:
    """Every file in a folder and below, without compiled Python, hidden files, and folders of results.

    A folder to which links lead again counts once, one above where a link lies not at all. Raises OSError for what
    cannot be looked into.

    Parameters
    ----------
    folder : Path
        Where to look.
    but : iterable of str
        Names in the folder itself that are left out.
    """
    real = os.path.realpath(folder)
    return [Path(path) for path in _below(str(folder), real, {real}, {"__pycache__", *but})]


def _below(folder: str, real: str, seen: set[str], skipped: Container[str] = ("__pycache__",)) -> Iterator[str]:
    """The paths of `tree`, as text, because hilbench's own code is listed anew for each run.

    Parameters
    ----------
    folder, real : str
        The folder as it was come to, and without links.
    seen : set of str
        The folders that were listed, without links; those that are listed here are added.
    skipped : container of str
        Names that are left out.
    """
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith(".") or entry.name in skipped or entry.name.endswith((".pyc", ".log")):
            continue
        kind = Path(entry.path) if entry.is_symlink() else entry  # a Path takes a link to itself for neither
        if kind.is_file():
            yield entry.path
        elif kind.is_dir():
            place = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(real, entry.name)
            if place in seen or Path(real).is_relative_to(place):
                continue
            if not any(Path(entry.path, name).exists() for name in RESULTS):
                seen.add(place)
                yield from _below(entry.path, place, seen)


def digest(folder: Path, files: Iterable[Path]) -> str:
    """A digest of files in their order: of their contents and their paths below a folder, wherever that folder is.

    Parameters
    ----------
    folder : Path
        The folder.
    files : iterable of Path
        The files; one that is not below the folder counts by its name.
    """
    found, above = hashlib.sha256(), f"{folder.as_posix()}/"
    for file in files:
        whole = file.as_posix()
        inside = whole.removeprefix(above) if whole.startswith(above) else file.name
        found.update(f"{inside}\0{digest_of_file(file)}\0".encode())
    return found.hexdigest()


def digest_of_path(path: Path) -> str | None:
    """The digest of a file, of a run by its record, or of any other folder; None where nothing is."""
    if path.is_dir():
        return digest(
            path, sorted([*path.glob("run.json"), *path.glob("*.arrow"), *path.glob("learnt.npz")]) or tree(path)
        )
    return digest_of_file(path) if path.is_file() else None


_known: dict[tuple[int, ...], str] = {}
"""The digests of files by their signatures: the runs of a process have the same code, and mostly the same files."""


def digest_of_file(file: Path) -> str:
    """The SHA-256 of a file's contents; why it cannot be read, where it cannot."""
    try:
        unchanged = signature(file)
        if unchanged in _known:
            return _known[unchanged]
        found = hashlib.sha256()
        with regular(file).open("rb") as opened:
            while block := opened.read(2**20):
                found.update(block)
    except OSError as error:
        return f"not readable: {error.strerror}"
    if unchanged is not None:
        _known[unchanged] = found.hexdigest()
    return found.hexdigest()
