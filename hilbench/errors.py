"""Every error hilbench raises on purpose. Each says where, what was found and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import NoReturn


class HilbenchError(Exception):
    """Base of all errors that a user can cause or mend; the command line prints one line and exits with 2."""


class ScenarioError(HilbenchError, ValueError):
    """A scenario, an override or a suite is wrong."""


class PluginError(HilbenchError, LookupError):
    """A name stands for no plug-in of its kind."""


class NetworkError(HilbenchError, ValueError):
    """A Network, its profile or its file is wrong, or a backend cannot run it."""


class RecordError(HilbenchError, ValueError):
    """A run folder is missing, foreign or unreadable."""


class PluginFault(ScenarioError, NetworkError):
    """A plug-in raised, or answered what its kind does not: whoever wrote it has to mend it."""


class ProtocolError(HilbenchError, ValueError):
    """A frame on the wire is not what docs/protocol.md says."""


class LinkError(HilbenchError, TimeoutError):
    """A device cannot be reached, refused, or stopped answering."""


class MeterError(HilbenchError):
    """No meter can be read here, or there is nothing for it to read."""


class MissingExtra(HilbenchError, ImportError):
    """An optional package is absent; the text names the extra that brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f'this needs {package}: pip install "hilbench[{extra}]"')


def printable(text: str, limit: int = 1000) -> str:
    """What another party said, as one line that a terminal can be given: cut, without control characters."""
    return "".join(c if c.isprintable() else " " for c in text[:limit])


def escaped(what: object) -> str:
    """A path or another text as UTF-8 can hold it: what a name has of other bytes is escaped."""
    return str(what).encode("utf-8", "backslashreplace").decode("utf-8")


def allowed_hint(found: str, allowed: Iterable[str]) -> str:
    """The end of an error line: what is allowed and, when one is near, what was probably meant."""
    names = sorted(allowed)
    near = get_close_matches(found, names, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"allowed: {', '.join(names) or 'none'}{hint}"


def said(error: BaseException) -> str:
    """What an exception of somebody else's code says, in one line of bounded length, with its kind."""
    try:
        text = " ".join(str(error).split())[:300]
    except (Exception, SystemExit):  # an exception's own `__str__` may be broken too
        text = "what it says cannot be read"
    return printable(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def stays_here(self: object) -> NoReturn:
    """As `__reduce__`: what holds a socket, a process, or memory that compiled code writes to, is not pickled."""
    name = type(self).__name__
    raise TypeError(f"{name}: cannot be pickled or copied; build it in the process that uses it, as make_agent does")
