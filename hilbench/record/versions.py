"""Versions of the files that hilbench leaves, and how one of an older version becomes one of the present version.

A version is a whole number. It rises when a key changes its name, its unit or its meaning, or goes. A key that is added
and has a default raises nothing: readers pass over keys that they do not know.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from hilbench.errors import RecordError
from hilbench.files import regular

KEY = "format_version"
"""Under which every such file has its version."""
S = TypeVar("S", bound=msgspec.Struct)
Step = Callable[[dict[str, Any]], dict[str, Any]]
"""What a file says, from one version to the next, as plain data."""


class Format(NamedTuple):
    """A kind of file."""

    name: str
    """What messages call it."""
    version: int
    """The present one."""
    steps: Mapping[int, Step] = {}
    """Version -> how it becomes the next one. The least of them is the oldest that is read."""

    def current(self, found: dict[str, Any], where: str, key: str = KEY) -> dict[str, Any]:
        """What a file says, in the present version. Raises RecordError for a version that is not read.

        Parameters
        ----------
        found : dict
            What the file says; it may be changed.
        where : str
            The file's place, for messages.
        key : str
            Under which it has its version.
        """
        version = self.checked(found.get(key), where)
        for number in range(version, self.version):
            found = self.steps[number](found) | {key: number + 1}
        return found

    def checked(self, version: object, where: str) -> int:
        """A version that is read. Raises RecordError for any other.

        Parameters
        ----------
        version : object
            What a file says.
        where : str
            The file's place, for messages.
        """
        oldest = min(self.steps, default=self.version)
        if type(version) is not int or not oldest <= version <= self.version:
            newer = type(version) is int and version > self.version
            remedy = "a newer hilbench wrote it: read it with that one" if newer else "make it again"
            allowed = f"{oldest} to {self.version}" if oldest < self.version else str(self.version)
            raise RecordError(f"{where}: {self.name} version {version!r}; allowed: {allowed}; {remedy}")
        return version

    def read(self, path: Path, kind: type[S], what: str) -> S:
        """A file of this kind that has no checksum, in its struct. Raises RecordError.

        Parameters
        ----------
        path : Path
            The file.
        kind : type of Struct
            What it says, in the present version.
        what : str
            What it is, for messages.
        """
        try:
            found = json.loads(regular(path).read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise RecordError(f"{path}: not readable as JSON: {error}") from None
        if not isinstance(found, dict):
            raise RecordError(f"{path}: found {type(found).__name__}, expected a JSON object")
        try:
            return msgspec.convert(self.current(found, str(path)), kind)
        except msgspec.ValidationError as error:
            raise RecordError(f"{path}: not {what}: {error}") from None
