"""What all contracts share: the part under test, how hilbench finds it, and the line that says what was broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, NoReturn, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import pytest

from hilbench import plugins
from hilbench.errors import HilbenchError, PluginFault, said
from hilbench.runs.run import run
from hilbench.scenario.resolved import Scenario
from hilbench.settings import to_config

T = TypeVar("T")
Settings = Mapping[str, Any]
"""A part's settings, as a scenario's table has them without `kind`."""


def broken(line: str) -> NoReturn:
    """Fail the test with one line."""
    pytest.fail(line, pytrace=False)


def ensure(holds: object, line: str) -> None:
    """Fail the test with one line unless something holds.

    Parameters
    ----------
    holds : object
        What has to be true.
    line : str
        The promise, and what was found.
    """
    if not holds:
        broken(line)


def same(found: Any, expected: Any) -> bool:
    """Whether two arrays or numbers are equal bit for bit, NaN included."""
    one, two = np.asarray(found), np.asarray(expected)
    return one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()


def brief(value: Any) -> str:
    """A value in a line, shortened."""
    text = " ".join(repr(value.tolist() if isinstance(value, np.ndarray) else value).split())
    return text if len(text) < 90 else f"{text[:87]}..."


def refusal(line: str, call: Any, *arguments: Any, errors: type[Exception] | tuple[type[Exception], ...]) -> str | None:
    """What a call says when it refuses; None when it does not. Another error, or several lines, break a promise.

    Parameters
    ----------
    line : str
        What is refused, for the failure.
    call : callable
    arguments
        What it is called with.
    errors : type or tuple of types
        What it may raise.
    """
    try:
        call(*arguments)
    except errors as error:
        ensure("\n" not in str(error) and str(error), f"{line} is refused in one line: found {str(error)!r}")
        return str(error)
    except Exception as error:
        allowed = errors if isinstance(errors, tuple) else (errors,)
        broken(f"{line} is refused by {' or '.join(e.__name__ for e in allowed)}: found {said(error)}")
    return None


def run_whole(scenario: Scenario, folder: Path, which: str) -> None:
    """Run a scenario to its end.

    Parameters
    ----------
    scenario : Scenario
    folder : Path
        Where the record goes.
    which : str
        Which run it is, for the failure.
    """
    try:
        outcome = run(scenario, folder)
    except PluginFault as error:
        broken(f"a run {which} ends well: {error}")
    ensure(outcome.status == "done", f"a run {which} ends well: {outcome.status}: {outcome.fault}")


class Part(NamedTuple):
    """A plug-in under test, with settings to try it with."""

    kind: str
    name: str
    cls: Any
    settings: Settings

    @property
    def config(self) -> Any:
        """Its Config of these settings."""
        return to_config(self.cls.Config, self.settings, self.name, self.name)

    @contextmanager
    def found(self) -> Iterator[str]:
        """Have hilbench find it by a name, also where no entry point names it."""
        known = plugins.all_of(self.kind)
        if self.name in known:
            yield self.name
            return
        known[self.name] = plugins.Plugin(self.name, "", self.cls.__module__, self.cls.__qualname__)
        try:
            yield self.name
        finally:
            del known[self.name]


def part_of(kind: str, plugin: Any, settings: Settings) -> Part:
    """The part that a test class names.

    Parameters
    ----------
    kind : str
        A key of `plugins.KINDS`.
    plugin : str or class
        A plug-in's name, MODULE:NAME, or the part itself.
    settings : mapping
        Its settings.
    """
    if not isinstance(plugin, str):
        return Part(kind, f"{plugin.__module__}:{plugin.__qualname__}", plugin, settings)
    if plugin in plugins.all_of(kind) or ":" not in plugin:
        return Part(kind, plugin, plugins.get(kind, plugin), settings)
    module, _, attribute = plugin.partition(":")
    return Part(kind, plugin, plugins.Plugin(plugin, "", module, attribute).load(), settings)


_KEPT: WeakKeyDictionary[type, dict[tuple[str, ...], Any]] = WeakKeyDictionary()


class Contract:
    """The base of all contracts: which part is tested, and with which settings.

    `plugin` is the part: the name of an entry point, MODULE:NAME, or the class itself. `settings` is a table of its
    settings, or a sequence of tables, each of which is tried. A test that does not fit a part is overridden with None.
    """

    kind: ClassVar[str]
    plugin: ClassVar[Any] = None
    settings: ClassVar[Any] = {}

    def cases(self) -> Sequence[tuple[Any, Settings]]:
        """Each part and its settings that every test is run with."""
        if self.plugin is None:
            raise HilbenchError(f"{type(self).__name__}.plugin: found None; allowed: a {self.kind} plug-in's name")
        tables = [self.settings] if isinstance(self.settings, Mapping) else self.settings
        return [(self.plugin, table) for table in tables]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test that asks for `part` with each case."""
        if "part" not in metafunc.fixturenames:
            return
        cases = self.cases()
        names = [plugin if isinstance(plugin, str) else plugin.__name__ for plugin, _ in cases]
        ids = [f"{name}-{i}" if names.count(name) > 1 else name for i, name in enumerate(names)]
        metafunc.parametrize("part", cases, ids=ids, indirect=True)

    def _once(self, key: str, part: Part, make: Callable[[], T]) -> T:
        """What `make` gives, made once for each case of this class."""
        kept = _KEPT.setdefault(type(self), {})
        place = (key, part.name, repr(part.settings))
        if place not in kept:
            kept[place] = make()
        return kept[place]

    @pytest.fixture
    def part(self, request: pytest.FixtureRequest) -> Part:
        """The part under test."""
        return part_of(self.kind, *request.param)
