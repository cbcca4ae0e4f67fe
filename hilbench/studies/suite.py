"""Suites: which runs an evaluation has. Scenarios x controllers x backends x links x modes x settings x seeds.

It reads suite files and resolves scenarios; it runs nothing.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from hilbench.errors import ScenarioError, allowed_hint
from hilbench.scenario import files as scenarios
from hilbench.scenario.resolved import Scenario, fingerprint
from hilbench.settings import to_config

Names = Annotated[list[str], Meta(min_length=1)]
Seeds = Annotated[list[Annotated[int, Meta(ge=0)]], Meta(min_length=1)]


class Short(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `hilbench evaluate SUITE --quick` or `--smoke` takes instead, for a first look."""

    skip: bool = False
    """Whether the grid is left out."""
    seeds: Seeds | None = None
    """The suite's own when absent."""
    set: dict[str, Any] = {}
    """Overrides for every cell, which win over all others: those of a grid over those of the suite."""


class Grid(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every combination of these is a cell. What a grid leaves out comes from the suite, or else from the scenario."""

    label: Annotated[str, Meta(pattern=r"^[A-Za-z0-9 ._-]*$", max_length=40)] = ""
    """Stands after the controller's name, to distinguish grids that differ only by `set`."""
    track: Annotated[str, Meta(pattern=r"^[A-Za-z0-9 ._-]*$", max_length=40)] | None = None
    """Which part of a benchmark it belongs to, which a report says before the scenario's name."""
    scenarios: Names | None = None
    """Names of scenarios, or their files: beside the suite's file, or else from where the command runs."""
    controllers: Names | None = None
    """Controllers of the scenario."""
    backends: Names | None = None
    """Backends for controllers that do not need one of their own."""
    links: Names | None = None
    modes: Names | None = None
    seeds: Seeds | None = None
    """One run per seed and cell."""
    set: dict[str, Any] = {}
    """Overrides for every cell, as SECTION.FIELD; the grid's own win over the suite's."""
    axes: dict[str, Annotated[list[Any], Meta(min_length=1)]] | None = None
    """Overrides that are varied: every combination of their values is a cell."""
    quick: Short | None = None
    """Its quick form, for a first look in minutes."""
    smoke: Short | None = None
    """Its smoke form, which shows in seconds that everything runs."""
    scored: bool | None = None
    """Whether to run the twin, floor and oracle that scores need, where the scenario names them; true when absent."""


G = TypeVar("G", bound=Grid)
Form = Literal["quick", "smoke"]


class Suite(Grid, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A suite file."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$", max_length=64, description=scenarios.NAME)]
    summary: str
    baseline: str | None = None
    """The controller with which every other is compared, seed by seed."""
    grids: Annotated[tuple[Grid, ...], Meta(min_length=1)] = (Grid(),)


@dataclass(frozen=True)
class SuiteCell:
    """One line of the result: a scenario under one controller and one set of conditions, over its seeds."""

    label: str
    track: str
    point: tuple[tuple[str, Any], ...]
    by_seed: tuple[tuple[int, Scenario], ...]
    scored: bool
    source: str
    """The scenario's file or name, as the suite gives it."""
    overrides: Mapping[str, Any]
    """What the suite sets in it, except for the seed."""

    @property
    def scenario(self) -> Scenario:
        """The first seed's scenario, which represents all of them."""
        return self.by_seed[0][1]


def load_suite(suite: str | Path | Mapping[str, Any] | Suite) -> Suite:
    """A suite by name, path or as a dict. Raises ScenarioError."""
    if isinstance(suite, Suite):
        return _checked(suite, "suite")
    if isinstance(suite, Mapping):
        return _checked(to_config(Suite, suite, "suite"), "suite")
    path = scenarios.find(suite, "suites")
    found = to_config(Suite, scenarios.read_toml(path), f"{path}: suite")
    grids = tuple(_beside(grid, path) for grid in found.grids)
    return _checked(msgspec.structs.replace(_beside(found, path), grids=grids), f"{path}: suite")


def _beside(grid: G, suite: Path) -> G:
    """Look for a grid's scenario files beside the suite's file first, then from the working directory."""
    if grid.scenarios is None:
        return grid
    named = []
    for name in grid.scenarios:
        try:
            own = suite.parent / name
            named.append(str(own if own.is_file() else name))
            scenarios.find(named[-1])
        except (OSError, ScenarioError) as error:
            raise ScenarioError(f"{suite}: scenarios: {error}; looked for in {suite.parent} and here") from None
    return msgspec.structs.replace(grid, scenarios=named)


def override(suite: Suite, overrides: Mapping[str, Any]) -> Suite:
    """The suite with fields set in every cell, whatever its grids set. Raises ScenarioError for what the suite varies.

    Parameters
    ----------
    suite : Suite
    overrides : mapping
        SECTION.FIELD -> value.
    """
    plain = {key.replace("-", "_"): value for key, value in overrides.items()}
    for grid in suite.grids:
        _refuse_varied(grid, suite, plain, "--")
    grids = tuple(msgspec.structs.replace(grid, set={**grid.set, **plain}) for grid in suite.grids)
    return msgspec.structs.replace(suite, grids=grids)


def _refuse_varied(grid: Grid, suite: Suite, fields: Mapping[str, Any], where: str) -> None:
    """Raise ScenarioError for a field that a grid varies."""
    for key in _varied(_filled(grid, suite)):
        if key in fields:
            place = f"{where}{key}" if where == "--" else f"{where}: {key}"
            raise ScenarioError(f"{suite.name}: {place}: the suite varies this itself; change it in the suite's file")


def short_form(suite: Suite, form: Form) -> Suite:
    """The suite with fewer seeds and shorter runs, as its table `quick` or `smoke` says.

    Raises ScenarioError where it has none, or leaves out every grid.

    Parameters
    ----------
    suite : Suite
    form : str
        "quick" or "smoke".
    """
    whole: Short | None = getattr(suite, form)
    if whole is None:
        raise ScenarioError(f"{suite.name}: --{form}: the suite has no {form} form; allowed: one with a table [{form}]")
    grids = []
    for grid in suite.grids:
        own: Short = getattr(grid, form) or Short()
        if own.skip or whole.skip:
            continue
        fields = {**whole.set, **own.set}
        _refuse_varied(grid, suite, fields, f"{form}.set")
        seeds = own.seeds or whole.seeds or grid.seeds
        grids.append(msgspec.structs.replace(grid, seeds=seeds, set={**grid.set, **fields}, quick=None, smoke=None))
    if not grids:
        raise ScenarioError(f"{suite.name}: {form}.skip: every grid is left out; allowed: one that stays")
    return msgspec.structs.replace(suite, name=f"{suite.name}-{form}", quick=None, smoke=None, grids=tuple(grids))


def cells(suite: Suite, *, trust: bool = False) -> list[SuiteCell]:
    """Every cell, with every scenario resolved; equal cells are one. Raises ScenarioError.

    Parameters
    ----------
    suite : Suite
    trust : bool
        Whether modules that its scenarios name as MODULE:NAME may be imported, which runs their code.
    """
    _checked(suite, suite.name)
    unlike: dict[str, SuiteCell] = {}
    for grid in suite.grids:
        for cell in _of_grid(_filled(grid, suite), trust):
            seeds = [seed for seed, _ in cell.by_seed]
            alike = fingerprint(cell.scenario), cell.point, seeds, cell.label, cell.scored
            unlike.setdefault(repr(alike), cell)
    found = _labelled(list(unlike.values()))
    names = {cell.scenario.controller for cell in found}
    if suite.baseline is not None and suite.baseline not in names:
        raise ScenarioError(f"{suite.name}: baseline: found {suite.baseline!r}; {allowed_hint(suite.baseline, names)}")
    for (label, point), same in Counter((cell.label, repr(dict(cell.point))) for cell in found).items():
        if same > 1:
            where = f" at {point}" if point != "{}" else ""
            raise ScenarioError(f"{suite.name}: {same} cells are called {label!r}{where}; give their grids labels")
    return found


def _checked(suite: Suite, where: str) -> Suite:
    """The same suite. Raises ScenarioError for a grid without scenarios or seeds, or with wrong seeds."""
    for number, grid in enumerate(suite.grids):
        place = f"{where}.grids[{number}]" if len(suite.grids) > 1 else where
        filled = _filled(grid, suite)
        if filled.scenarios is None or filled.seeds is None:
            field = "scenarios" if filled.scenarios is None else "seeds"
            raise ScenarioError(f"{place}.{field}: found nothing; expected a list with at least one of them")
        if wrong := [seed for seed in filled.seeds if not (isinstance(seed, int) and 0 <= seed < 2**63)]:
            raise ScenarioError(f"{place}.seeds: found {wrong[0]!r}; allowed: whole numbers from 0 to 2**63 - 1")
        if len(set(filled.seeds)) < len(filled.seeds):
            raise ScenarioError(f"{place}.seeds: found {filled.seeds}; expected each seed once")
        if "loop.seed" in {**filled.set, **(filled.axes or {})}:
            raise ScenarioError(f"{place}: loop.seed: found in set or axes; seeds are what `seeds` says")
    return suite


def _varied(grid: Grid) -> list[str]:
    """Fields that a grid sets differently from cell to cell, or from seed to seed."""
    listed = {"backend.kind": grid.backends, "link.kind": grid.links, "loop.mode": grid.modes}
    return [*(grid.axes or {}), *(field for field, values in listed.items() if values), "loop.seed"]


def _filled(grid: Grid, suite: Suite) -> Grid:
    """The grid with what it leaves out taken from the suite."""
    own = {field: getattr(grid, field) for field in Grid.__struct_fields__}
    whole = {field: getattr(suite, field) if value is None else value for field, value in own.items()}
    return Grid(**{**whole, "set": {**suite.set, **grid.set}})


def _of_grid(grid: Grid, trust: bool) -> Iterator[SuiteCell]:
    """The cells of a grid that `_filled` has filled in."""
    assert grid.scenarios is not None, "_checked has seen that there are scenarios"
    assert grid.seeds is not None, "_checked has seen that there are seeds"
    controllers: list[str] | list[None] = grid.controllers or [None]
    axes = grid.axes or {}
    points = [tuple(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    varied: list[list[str] | list[None]] = [values or [None] for values in (grid.backends, grid.links, grid.modes)]
    for name, controller, kinds, point in itertools.product(
        grid.scenarios, controllers, itertools.product(*varied), points
    ):
        fields = zip(("backend.kind", "link.kind", "loop.mode"), kinds, strict=True)
        overrides = {**grid.set, **{field: kind for field, kind in fields if kind is not None}, **dict(point)}
        first = scenarios.load(name, {**overrides, "loop.seed": grid.seeds[0]}, controller, trust=trust)
        by_seed = tuple(
            (seed, replace(first, loop=msgspec.structs.replace(first.loop, seed=seed))) for seed in grid.seeds
        )
        check_episodes(by_seed)
        label = f"{by_seed[0][1].controller} {grid.label}".strip()
        yield SuiteCell(label, grid.track or "", point, by_seed, grid.scored is not False, name, overrides)


def check_episodes(by_seed: tuple[tuple[int, Scenario], ...]) -> None:
    """Raise ScenarioError when two seeds share an episode: episode n of a run has its seed + n."""
    episodes, scenario = by_seed[0][1].loop.episodes, by_seed[0][1]
    ordered = sorted(seed for seed, _ in by_seed)
    if any(later - earlier < episodes for earlier, later in pairwise(ordered)):
        raise ScenarioError(
            f"{scenario.where}: seeds: found {ordered}; runs of {episodes} episodes need seeds at least that far apart"
        )


def _labelled(found: list[SuiteCell]) -> list[SuiteCell]:
    """The cells with their labels, each followed by what differs from the first cell with the same label."""
    first: dict[Any, tuple[str, ...]] = {}
    named = []
    for cell in found:
        own = _traits(cell)
        theirs = first.setdefault((cell.label, repr(cell.point)), own)
        apart = [mine for mine, other in zip(own, theirs, strict=True) if mine != other]
        named.append(replace(cell, label=" ".join((cell.label, *apart))))
    return named


def _traits(cell: SuiteCell) -> tuple[str, ...]:
    """What may distinguish cells of the same label."""
    scenario = cell.scenario
    return scenario.name, scenario.chosen.backend.kind, scenario.link.kind, scenario.loop.mode
