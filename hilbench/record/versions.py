"""Versions of the files that hilbench leaves, and how one of an older version becomes one of the present version.

A version is a whole number. It rises when a key changes its name, its unit or its meaning, or goes. A key that is added
and has a default raises nothing: readers pass over keys that they do not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hilbench.errors import RecordError

KEY = "format_version"
"""Under which every such file has its version."""
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
