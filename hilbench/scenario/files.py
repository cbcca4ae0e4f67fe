"""Scenario files: find, load, override, validate. One TOML file names plant, loop, link, backend and controllers.

Strict: an unknown field, a value out of range, a plug-in that does not exist or rates that do not divide are one line
that names the file and the section. It builds nothing and runs nothing.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from hilbench import modules, plugins
from hilbench.errors import PluginError, ScenarioError, allowed_hint
from hilbench.files import is_file, kind_of, regular
from hilbench.scenario.delays import Seconds, to_delay
from hilbench.scenario.loop import LoopConfig, Positive
from hilbench.scenario.resolved import ControllerPart, PluginPart, ReportConfig, Scenario, dump_part
from hilbench.scenario.score import check_score, to_score
from hilbench.scenario.tuning import SUFFIX, TuneConfig, Tuned, check_tune, with_tuned
from hilbench.settings import beside, to_config, whole_steps
from hilbench.types import Probes, to_builtins

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib
DEFAULT_KINDS = {"backend": "numba", "link": "inprocess"}
"""What a table is of that states no kind."""
NEEDS = {"controllers": ("backend", "build"), "backends": ("environment", "load", "step")}
"""What else a plug-in's class must have before a scenario can be read or run at all."""


NAME = "letters, digits, spaces and . _ -, the first a letter or a digit"
Word = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
"""A controller's name, which run folders begin with; or a sensor's, which its observations begin with."""


class Top(Struct, frozen=True, forbid_unknown_fields=True):
    """The tables and fields a file may have."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$", max_length=64, description=NAME)]
    summary: str
    plant: dict[str, Any]
    controllers: dict[Word, dict[str, Any]]
    controller: str
    loop: dict[str, Any] = {}
    link: dict[str, Any] = {}
    backend: dict[str, Any] = {}
    record: dict[str, Any] = {}
    sensors: dict[Word, dict[str, Any]] = {}
    disturbances: dict[str, dict[str, Any]] = {}
    phases: dict[str, tuple[Seconds, Positive]] = {}
    score: dict[str, Any] = {}
    report: dict[str, Any] = {}
    tune: dict[str, Any] = {}
    tuned: str = ""
    """The file of tuned values that its controllers use, from the folder of this one; see `hilbench tune`."""


def load(
    name: str | Path,
    overrides: Mapping[str, Any] | None = None,
    controller: str | None = None,
    *,
    trust: bool = False,
) -> Scenario:
    """Read, override and validate a scenario. Raises ScenarioError.

    Parameters
    ----------
    name : str or Path
        A scenario that comes with hilbench, or a file's path.
    overrides : dict, optional
        Values by `SECTION.FIELD`, in place of the file's.
    controller : str, optional
        Which of its controllers runs; the file's own choice when absent.
    trust : bool
        Whether modules that it names as MODULE:NAME may be imported, which runs their code.
    """
    path = find(name)
    raw = read_toml(path)
    tuned = _read_tuned(raw, path)
    if tuned is not None:
        raw = with_tuned(raw, tuned, str(path.parent / raw["tuned"]))
    if controller is not None:
        raw["controller"] = controller
    whole = override(raw, overrides or {}, str(path))
    return resolve(whole, str(path), trust=trust, folder=str(path.resolve().parent), tuned=tuned)


def _read_tuned(raw: Mapping[str, Any], scenario: Path) -> Tuned | None:
    """The tuned values that a scenario names; None where it names none. Raises ScenarioError."""
    if not (name := raw.get("tuned")):
        return None
    if not isinstance(name, str):
        raise ScenarioError(f"{scenario}: tuned: found {name!r}, expected a file's name, as NAME{SUFFIX}")
    path = scenario.parent / name
    if not is_file(path):
        raise ScenarioError(f"{scenario}: tuned: found no file {path}; `hilbench tune {scenario}` makes one")
    return read_tuned(path)


def read_tuned(path: Path) -> Tuned:
    """A file of tuned values. Raises ScenarioError."""
    return to_config(Tuned, read_toml(path), f"{path}: tuned values")


def find(name: str | Path, folder: str = "") -> Path:
    """The file behind a path or a name, looked for beside the package and in the checkout. Raises ScenarioError.

    Parameters
    ----------
    name : str or Path
        What the user gave.
    folder : str
        Which folder of the shipped scenarios to look in; their own when empty.
    """
    given = Path(name)
    with contextlib.suppress(OSError):  # a name too long for a file is no file
        if given.is_file():
            return given
    known = names(folder)
    if given.suffix in ("", ".toml") and given.stem in known and given.parent in (Path("."), Path("scenarios")):
        return known[given.stem]
    there = f"this is {kind}, and no file" if (kind := kind_of(given)) else "no such file"
    shipped = f"nor one of the shipped {folder or 'scenarios'}"
    raise ScenarioError(f"{name}: {there}, {shipped}; {allowed_hint(given.stem, known)}")


def names(folder: str = "") -> dict[str, Path]:
    """The scenarios that come with hilbench: from the installed package, else from the checkout."""
    for root in (plugins.PACKAGE / "scenarios", plugins.PACKAGE.parent / "scenarios"):
        found = [path for path in sorted((root / folder).glob("*.toml")) if not path.name.endswith(SUFFIX)]
        if found:
            return {path.stem: path for path in found}
    return {}


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a dict. Raises ScenarioError with the line that is wrong."""
    try:
        return tomllib.loads(regular(path).read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ScenarioError(f"{path}: not readable as TOML: {error}") from None


def override(raw: Mapping[str, Any], overrides: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A copy of a scenario's dict with fields set. Raises ScenarioError.

    Parameters
    ----------
    raw : dict
        What the file says.
    overrides : dict
        Values by `section.field`; `controller.FIELD` stands for the chosen controller's table.
    where : str
        The file, for messages.
    """
    changed = msgspec.to_builtins(raw)
    for key, value in overrides.items():
        *tables, field = key.replace("-", "_").split(".")
        if tables[:1] == ["controller"]:
            tables[:1] = ["controllers", str(changed.get("controller"))]
        table = changed
        for depth, name in enumerate(tables):
            if depth == 0 and name not in Top.__struct_fields__:
                raise ScenarioError(
                    f"{where}: --{key}: no section {name!r}; {allowed_hint(name, Top.__struct_fields__)}"
                )
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise ScenarioError(f"{where}: --{key}: {name!r} is a field, not a section")
        table[field] = value
    return changed


def parse_value(text: str) -> Any:
    """A value from the command line: TOML where it reads as such, else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def resolve(
    raw: Mapping[str, Any], where: str, *, trust: bool = False, folder: str = "", tuned: Tuned | None = None
) -> Scenario:
    """Validate a scenario's dict. Raises ScenarioError.

    Parameters
    ----------
    raw : dict
        What the file says, with its overrides.
    where : str
        The file, for messages.
    trust : bool
        Whether modules that it names as MODULE:NAME may be imported, which runs their code.
    folder : str
        Where those are looked for too, behind all else; nowhere else when empty.
    tuned : Tuned, optional
        The tuned values that the dict holds.
    """
    named = _allowed_modules(raw, where, trust, folder)
    top = to_config(Top, raw, f"{where}: scenario")
    if top.controller not in top.controllers:
        raise ScenarioError(
            f"{where}: controller: found {top.controller!r}; {allowed_hint(top.controller, top.controllers)}"
        )
    backend = _part("backends", {"kind": DEFAULT_KINDS["backend"]} | top.backend, f"{where}: backend")
    scenario = Scenario(
        name=top.name,
        summary=top.summary,
        where=where,
        plant=_part("envs", top.plant, f"{where}: plant"),
        loop=beside(
            to_config(LoopConfig, _with_delay_kind(top.loop, where), f"{where}: loop"), _folder(f"{where}: loop")
        ),
        link=_part("links", {"kind": DEFAULT_KINDS["link"]} | top.link, f"{where}: link"),
        record=to_config(Probes, top.record, f"{where}: record"),
        disturbances=_tables("disturbances", top.disturbances, where),
        controllers={
            name: _controlled(table, backend, f"{where}: controllers.{name}") for name, table in top.controllers.items()
        },
        controller=top.controller,
        phases=top.phases,
        score=to_score(top.score, f"{where}: score"),
        sensors=_tables("sensors", top.sensors, where),
        report=to_config(ReportConfig, top.report, f"{where}: report"),
        tune=to_config(TuneConfig, top.tune, f"{where}: tune"),
        tuned=tuned,
        modules=named,
        folder=folder if named else "",
    )
    _check_metrics(scenario)
    _check_rates(scenario)
    check_score(scenario.score, scenario.disturbances, scenario.controllers, scenario.loop, f"{where}: score")
    check_tune(scenario.tune, {name: part.config for name, part in scenario.controllers.items()}, f"{where}: tune")
    return scenario


def _allowed_modules(raw: Mapping[str, Any], where: str, trusted: bool, folder: str) -> tuple[str, ...]:
    """The modules that a scenario names beyond installed plug-ins. Raises ScenarioError unless it is trusted."""
    named = [(field, name) for field, name in modules.named(raw) if not plugins.installed(name)]
    if named and not trusted:
        field, name = named[0]
        raise ScenarioError(f"{where}: {field}: found {name!r}, which is no installed plug-in: {modules.HOW}")
    found = tuple(sorted({name.partition(":")[0] for _, name in named}))
    modules.allow(found, folder)
    return found


def _check_metrics(scenario: Scenario) -> None:
    for name in scenario.report.metrics:
        try:
            found = plugins.get("metrics", name.partition("[")[0])
        except PluginError as error:
            raise ScenarioError(f"{scenario.where}: report.metrics: {error}") from None
        if not hasattr(found, "over_seeds"):
            raise ScenarioError(
                f"{scenario.where}: report.metrics: found {name!r}; allowed: a function under @metric(unit, better)"
            )


def _plugin(kind: str, table: Mapping[str, Any], where: str) -> tuple[str, Any]:
    if not isinstance(table, Mapping):
        raise ScenarioError(f"{where}: found {table!r}, expected a table of fields")
    name = table.get("kind")
    if not isinstance(name, str):
        found = "kind is missing" if name is None else f"kind: found {name!r}"
        raise ScenarioError(f"{where}: {found}; {allowed_hint(str(name or ''), plugins.all_of(kind))}")
    try:
        found = plugins.get(kind, name)
    except PluginError as error:
        raise ScenarioError(f"{where}.kind: {error}") from None
    if not hasattr(found, "Config"):
        raise ScenarioError(f"{where}.kind: plug-in {name!r} has no Config; allowed: a class with one, of its settings")
    if not (isinstance(found.Config, type) and issubclass(found.Config, msgspec.Struct)):
        raise ScenarioError(f"{where}.kind: plug-in {name!r}: Config is {found.Config!r}; allowed: a msgspec Struct")
    if lacks := [part for part in NEEDS.get(kind, ()) if not hasattr(found, part)]:
        raise ScenarioError(f"{where}.kind: plug-in {name!r} has no {lacks[0]}; allowed: a class of the kind {kind!r}")
    return name, found


def _part(kind: str, table: Mapping[str, Any], where: str) -> PluginPart:
    name, found = _plugin(kind, table, where)
    settings = {k: v for k, v in table.items() if k != "kind"}
    return PluginPart(name, beside(to_config(found.Config, settings, where, name), _folder(where)))


def _tables(kind: str, tables: Mapping[str, Mapping[str, Any]], where: str) -> dict[str, dict[str, Any]]:
    """The tables of a section, each with all its fields."""
    return {name: dump_part(_part(kind, table, f"{where}: {kind}.{name}")) for name, table in tables.items()}


def _controlled(table: Mapping[str, Any], backend: PluginPart, where: str) -> ControllerPart:
    name, found = _plugin("controllers", table, where)
    settings = {k: v for k, v in table.items() if k not in ("kind", "backend")}
    if "backend" in table:
        backend = _part("backends", table["backend"], f"{where}.backend")
    elif found.backend is not None:
        backend = _part("backends", {"kind": found.backend}, f"{where}.backend")
    return ControllerPart(name, beside(to_config(found.Config, settings, where, name), _folder(where)), backend)


def _folder(where: str) -> Path | None:
    """The folder of the scenario's file that a place is in: what fields of the type File name may lie there."""
    file = Path(where.rpartition(": ")[0])
    return file.parent if file.suffix == ".toml" else None


def _with_delay_kind(loop: dict[str, Any], where: str) -> dict[str, Any]:
    """`delay` with its kind: constant unless it says otherwise."""
    if "delay" not in loop:
        return loop
    return {**loop, "delay": to_delay(loop["delay"], f"{where}: loop.delay")}


def _check_rates(scenario: Scenario) -> None:
    loop, where = scenario.loop, scenario.where
    period = f"{where}: loop.period_s"
    whole_steps(loop.period_s, 1e-6, period, "microseconds")
    if not hasattr(scenario.plant.config, "physics_step_s"):
        raise ScenarioError(
            f"{where}: plant {scenario.plant.kind!r}: found no field physics_step_s in its Config; allowed: one, in s"
        )
    if (physics_step_s := scenario.plant.config.physics_step_s) is not None:  # else a step takes the whole period
        whole_steps(loop.period_s, physics_step_s, period)
    network_step_s = getattr(scenario.chosen.config, "dt_s", None)
    if network_step_s is not None:
        whole_steps(loop.period_s, network_step_s, period, f"network steps (controllers.{scenario.controller}.dt_s)")
    whole_steps(loop.duration_s, loop.period_s, f"{where}: loop.duration_s", "control periods")
    for name, value in to_builtins(loop).items():
        if isinstance(value, float) and not value < 1e9:  # in ns it has to fit 64 bits
            raise ScenarioError(f"{where}: loop.{name}: found {value}, expected less than 1e9 s")
    for name, (start, end) in scenario.phases.items():
        if not start < end:
            raise ScenarioError(f"{where}: phases.{name}: found [{start}, {end}]; expected a start before its end")


def assignments(arguments: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """Split `--section.field value` (or `=value`) from other arguments: the overrides, and what is left."""
    overrides: dict[str, Any] = {}
    rest: list[str] = []
    pending = iter(arguments)
    for argument in pending:
        key, equals, text = argument.partition("=")
        if not key.startswith("--") or "." not in key:
            rest.append(argument)
            continue
        value = text if equals else next(pending, None)
        if value is None:
            raise ScenarioError(f"{key}: a value must follow")
        overrides[key[2:]] = parse_value(value)
    return overrides, rest
