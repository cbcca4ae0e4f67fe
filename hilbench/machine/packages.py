"""Which Python packages are installed here, and in which versions."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed_version(name: str) -> str | None:
    """A distribution's version, read anew at each call; None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
