"""Every error hilbench raises on purpose. Each says where, what was found and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NoReturn


class HilbenchError(Exception):
    """Base of all errors that a user can cause or fix; the command line prints one line and exits with 2."""


class ScenarioError(HilbenchError, ValueError):
    """A scenario, an override or a suite is wrong."""


class PluginError(HilbenchError, LookupError):
    """There is no plug-in of this name and kind, or it does not load."""


class NetworkError(HilbenchError, ValueError):
    """A Network, its profile or its file is wrong, or a backend cannot run it."""


class RecordError(HilbenchError, ValueError):
    """A run's folder or file is missing, damaged, of another kind, or cannot be written."""


class PluginFault(ScenarioError, NetworkError):
    """A plug-in raised, or answered what its kind does not: whoever wrote it has to mend it."""


class ProtocolError(HilbenchError, ValueError):
    """A frame on the wire is not what docs/protocol.md says."""


class LinkError(HilbenchError, TimeoutError):
    """A device cannot be reached, refused a request, or stopped answering."""


class RobotError(HilbenchError):
    """A robot cannot be reached, is another than the scenario says, was stopped, or no longer answers."""


class MeterError(HilbenchError):
    """No meter can be read here, or the run leaves nothing to meter."""


class MissingExtra(HilbenchError, ImportError):
    """An optional package is absent; the text names the extra that brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f'this needs {package}: pip install "hilbench[{extra}]"')


def printable(text: str, limit: int = 1000) -> str:
    """A text of another party as one line that is safe to print: shortened, without control characters.

    Parameters
    ----------
    text : str
        What the other party sent.
    limit : int
        How many of its characters are kept.
    """
    return "".join(c if c.isprintable() else " " for c in text[:limit])


def printable_lines(lines: Sequence[str], most: int = 20) -> tuple[str, ...]:
    """The first lines of another party's, each printable and cut, and how many more there were.

    Parameters
    ----------
    lines : sequence of str
        What the other party said.
    most : int
        How many lines are kept.
    """
    kept = tuple(printable(line) for line in lines[:most])
    return kept if len(lines) <= most else (*kept, f"and {len(lines) - most} more")


def escaped(what: object) -> str:
    """A path or another text as valid UTF-8: bytes of a file's name that are not UTF-8 are escaped."""
    return str(what).encode("utf-8", "backslashreplace").decode("utf-8")


def allowed_hint(found: str, allowed: Iterable[str]) -> str:
    """The end of an error line: what is allowed and, when one of it is similar, what was probably meant.

    Parameters
    ----------
    found : str
        What was given.
    allowed : iterable of str
        Every name that may be given.
    """
    names = sorted(allowed)
    near = get_close_matches(found, names, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"allowed: {', '.join(names) or 'none'}{hint}"


def said(error: BaseException) -> str:
    """The type and text of an exception from code outside of hilbench, as one line of bounded length."""
    try:
        text = " ".join(str(error).split())[:300]
    except (Exception, SystemExit):  # an exception's own `__str__` may be broken too
        text = "what it says cannot be read"
    return printable(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def stays_here(self: object) -> NoReturn:
    """As `__reduce__`: refuse to pickle what holds a socket, a process, or memory that compiled code writes to."""
    name = type(self).__name__
    raise TypeError(f"{name}: cannot be pickled or copied; build it in the process that uses it, as make_agent does")
