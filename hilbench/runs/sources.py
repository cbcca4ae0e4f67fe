"""What decides a run's numbers besides its settings: source code, libraries and files, each with a digest or a version.

An evaluation makes its runs' keys from it, and `run.json` keeps it. It reads source code without importing it, so it
does not see what code imports under a name that it computes, nor what a device elsewhere runs. Of a library with more
than `MANY` files what was installed counts, and what that imports in turn is not followed.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from importlib import metadata
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from hilbench import plugins
from hilbench.machine.packages import installed_version
from hilbench.modules import is_module_name
from hilbench.record.meta import Sources
from hilbench.runs.build import rules_of
from hilbench.runs.digests import digest, digest_of_file, digest_of_path, tree
from hilbench.runs.given import GIVEN, WRAPPER
from hilbench.runs.imports import (
    distributions,
    files_of,
    imports_of_file,
    imports_of_source,
    is_foreign,
    locate,
    plain_name,
    required_by,
)
from hilbench.scenario.resolved import ControllerPart, PluginPart, Scenario
from hilbench.settings import files_named, to_config
from hilbench.types import BuiltController, LawProgram

COUNTS = ("gymnasium", "llvmlite", "mujoco", "nir", "numba", "numpy", "pybullet", "scipy")
"""Libraries that affect the numbers of every run."""
ENGINES = {"jax", "jaxlib", "mujoco", "onnxruntime", "stable-baselines3", "tensorflow", "torch"}
"""Libraries that affect numbers where a plug-in imports them, or where a library that it imports requires them."""
MANY = 1000
"""A library with more files than this has the digest of its list of installed files, not of the files."""
TESTS = {"test", "tests"}
"""Folders of an installed library whose imports are not those of who uses it."""
NOT_SEEN = "not seen"
"""In place of a digest: a module that is there, in no file and in no archive that can be read."""
SITES = ("site-packages", "dist-packages")
_version = cache(installed_version)
"""Cached, because an evaluation asks for the same few versions for each of its runs."""


class Reader:
    """Reads sources, each of them once; a new Reader sees what has changed since then."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, bool], _Code] = {}
        self._files: dict[str, str | None] = {}

    def __call__(self, scenario: Scenario, built: Iterable[str]) -> Sources:
        """What decides a scenario's run.

        Parameters
        ----------
        scenario : Scenario
        built : iterable of str
            The modules of the program that its controller builds, as `modules_of` gives them.
        """
        code, libraries = {"hilbench": self.hilbench}, {name: _version(name) for name in COUNTS}
        modules = sorted({*_modules(scenario), *built})
        for found in self.walk(filter(is_foreign, modules)):
            code |= found.digests
            libraries |= found.versions
        for module in modules:
            if not is_foreign(module):
                libraries |= _versions_of_imports(module)
        files = {path: self._file(path) for path in sorted(_files(scenario))}
        return Sources(code_sha256=code, library_versions=libraries, file_sha256=files)

    @cached_property
    def hilbench(self) -> str:
        """The digest of hilbench's own files, without the scenarios: each run holds its own whole."""
        return digest(plugins.PACKAGE, tree(plugins.PACKAGE, {"scenarios"}))

    def walk(self, modules: Iterable[str]) -> Iterator[_Code]:
        """The code of plug-ins outside of hilbench, and of all modules that it imports."""
        seen: set[str] = set()
        waiting = deque((module, True) for module in modules)
        while waiting:
            name, plugin = waiting.popleft()
            spec = locate(name)
            if spec is None or spec.name in seen:
                continue
            seen.add(spec.name)
            found = self._code.get((spec.name, plugin)) or self._code.setdefault(
                (spec.name, plugin), _Code(spec, plugin)
            )
            yield found
            waiting.extend((imported, False) for imported in sorted(found.imports))

    def _file(self, path: str) -> str | None:
        """A file's digest, or that of a run's or any other folder; None where nothing is."""
        if path not in self._files:
            self._files[path] = digest_of_path(Path(path))
        return self._files[path]


class _Code:
    """A module outside of hilbench that a run uses: its digest, its distributions' versions, and its imports."""

    def __init__(self, spec: ModuleSpec, plugin: bool) -> None:
        owners = distributions().get(spec.name.split(".")[0], ())
        self.versions = {owner: _version(owner) for owner in owners}
        self.versions |= {name: _version(name) for owner in owners for name in required_by(owner) & ENGINES}
        self.digests: dict[str, str] = {}
        self.imports: set[str] = set()
        if {plain_name(owner) for owner in owners} & {*COUNTS, *ENGINES}:
            return
        assert spec.origin is not None, "locate finds only modules that have a file"
        origin = Path(spec.origin)
        if origin.is_file():
            self._read_files(spec, origin, owners, plugin)
        else:
            self._read_archive(spec.name, next(filter(Path.is_file, origin.parents), None))

    def _read_files(self, spec: ModuleSpec, origin: Path, owners: Iterable[str], plugin: bool) -> None:
        installed = any(site in origin.parts for site in SITES)
        single = spec.submodule_search_locations is None
        files = [origin] if single else tree(origin.parent)
        if plugin or single:
            files += [file for owner in owners for file in files_of(owner)]
        if len(files) > MANY and owners and installed and not plugin:
            texts = [metadata.distribution(owner).read_text("RECORD") or "" for owner in owners]
            self.digests = {spec.name: hashlib.sha256("".join(texts).encode()).hexdigest()}
            return
        self.digests = {spec.name: digest(origin.parent, sorted(set(files)))}
        for file in files:
            inside = file.relative_to(origin.parent).parts if file.is_relative_to(origin.parent) else ()
            if file.suffix == ".py" and not (installed and TESTS.intersection(inside)):
                self.imports |= set(imports_of_file(file, spec.name if single else None))

    def _read_archive(self, name: str, archive: Path | None) -> None:
        """A module that lies in a zip file: the whole of that, and what anything in it imports."""
        try:
            if archive is None:
                raise OSError
            with ZipFile(archive) as opened:
                sources = [opened.read(inside) for inside in opened.namelist() if inside.endswith(".py")]
        except (OSError, BadZipFile, RuntimeError):  # no archive, or one under a password
            self.digests = {name: NOT_SEEN}
            return
        self.digests = {name: digest_of_file(archive)}
        self.imports = {imported for source in sources for imported in imports_of_source(source, None)}


def code_version() -> str:
    """16 hex digits over hilbench's own source and the versions of the libraries that make numbers."""
    versions = {name: _version(name) for name in COUNTS}
    return hashlib.sha256(f"{Reader().hilbench} {versions}".encode()).hexdigest()[:16]


def source_of(kind: str, name: str) -> dict[str, str]:
    """The digests of a plug-in's code; empty where it is hilbench's own.

    Parameters
    ----------
    kind : str
        The kind of plug-in, as "meters".
    name : str
        The plug-in's name.
    """
    plugin = plugins.all_of(kind).get(name)
    modules = [plugin.module] if plugin is not None and plugin.foreign else []
    return {key: value for code in Reader().walk(modules) for key, value in code.digests.items()}


def modules_of(control: BuiltController) -> tuple[str, ...]:
    """The modules of the plug-ins that a controller consists of: its law or learning rules, its encoders, decoders."""
    program, coders = control.program, (*control.encoder.parts, *control.decoder.parts)
    found = {type(coder).__module__ for coder in coders}
    if isinstance(program, LawProgram):
        named = [value for value in program.config.values() if isinstance(value, str) and is_module_name(value)]
        return (*sorted(found), *(plugins.find("laws", name).module for name in (program.name, *named)))
    return tuple(sorted(found | {type(rule).__module__ for rule in rules_of(program)}))


def _modules(scenario: Scenario) -> list[str]:
    """The modules of the plug-ins that a scenario names."""
    used = [("links", scenario.link.kind), ("controllers", scenario.chosen.kind)]
    used += [("backends", scenario.chosen.backend.kind)]
    used += [(kind, table["kind"]) for kind, tables in _tables(scenario) for table in tables.values()]
    return [*_of_plant(scenario.plant), *(plugins.find(kind, name).module for kind, name in used)]


def _of_plant(plant: PluginPart) -> list[str]:
    """A plant's module, and those of what it drives, as an environment of Gymnasium's."""
    if plant.kind == GIVEN:
        return [plant.config.plant.partition(":")[0], plugins.find("envs", WRAPPER).module]
    plugin = plugins.find("envs", plant.kind)
    driven = getattr(plugin.load(), "modules", None)
    return [plugin.module, *(driven(plant.config) if driven is not None else ())]


def _files(scenario: Scenario) -> set[str]:
    """What fields of the type File name; of plug-ins that are not hilbench's, also any text that is a file's path."""
    configs: list[tuple[str, PluginPart | ControllerPart]] = [("links", scenario.link)]
    configs += [("envs", scenario.plant)] if scenario.plant.kind != GIVEN else []
    configs += [("controllers", scenario.chosen), ("backends", scenario.chosen.backend)]
    found = files_named(scenario.loop)
    for kind, part in configs:
        found |= files_named(part.config, any_text=plugins.find(kind, part.kind).foreign)
    for kind, tables in _tables(scenario):
        for name, table in tables.items():
            plugin = plugins.find(kind, table["kind"])
            settings = {field: value for field, value in table.items() if field != "kind"}
            found |= files_named(to_config(plugin.load().Config, settings, name), any_text=plugin.foreign)
    return found


def _tables(scenario: Scenario) -> tuple[tuple[str, dict[str, dict[str, Any]]], ...]:
    """The sections that hold a plug-in a table, by kind."""
    return ("disturbances", scenario.disturbances), ("sensors", scenario.sensors)


@cache
def _versions_of_imports(module: str) -> dict[str, str | None]:
    """The versions of the engines that one of hilbench's own plug-ins imports, or that its imports require."""
    spec = find_spec(module)
    assert spec is not None, "a plug-in's module was found when the plug-ins were listed"
    assert spec.origin is not None, "a plug-in is a file"
    named = {plain_name(name.split(".")[0]) for name in imports_of_file(Path(spec.origin))} & ENGINES
    required = {engine for name in named for engine in required_by(name) & ENGINES}
    return {name: _version(name) for name in sorted(named | required)}
