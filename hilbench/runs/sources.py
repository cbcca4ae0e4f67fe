"""What decides a run's numbers besides its settings: source code, libraries and files, each with a digest or a version.

An evaluation makes its runs' keys from it, and `run.json` keeps it. It reads source code without importing it, so it
does not see what code imports under a name that it computes, nor what a device elsewhere runs. Of a library with more
than `MANY` files what was installed counts, and what that imports in turn is not followed.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from importlib import metadata
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from pkgutil import get_importer
from typing import Any
from zipfile import BadZipFile, ZipFile

from hilbench import plugins
from hilbench.machine.packages import installed_version
from hilbench.runs.build import rules_of
from hilbench.runs.given import GIVEN, WRAPPER
from hilbench.scenario.files import ControllerPart, PluginPart, Scenario
from hilbench.settings import files_named, to_config
from hilbench.types import LawProgram, Program

COUNTS = ("gymnasium", "llvmlite", "mujoco", "nir", "numba", "numpy", "pybullet", "scipy")
"""Libraries that affect the numbers of every run."""
ENGINES = {"jax", "jaxlib", "mujoco", "onnxruntime", "stable-baselines3", "tensorflow", "torch"}
"""Libraries that affect numbers where a plug-in imports them, or where a library that it imports requires them."""
SETTINGS = "msgspec"
"""What every plug-in imports for its Config; it affects no number."""
MANY = 1000
"""A library with more files than this has the digest of its list of installed files, not of the files."""
TESTS = {"test", "tests"}
"""Folders of an installed library whose imports are not those of who uses it."""
NOT_SEEN = "not seen"
"""In place of a digest: a module that is there, in no file and in no archive that can be read."""
RESULTS = ("run.json", "summary.json")
"""Files that mark a folder as results; results decide nothing."""
SITES = ("site-packages", "dist-packages")
_version = cache(installed_version)
"""Cached, because an evaluation asks for the same few versions for each of its runs."""

Sources = dict[str, dict[str, Any]]
"""`code` and `files`: a SHA-256 for each; `libraries`: a version for each."""


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
        for found in self.walk(filter(_foreign, modules)):
            code |= found.digests
            libraries |= found.versions
        for module in modules:
            if not _foreign(module):
                libraries |= _versions_of_imports(module)
        files = {path: self._file(path) for path in sorted(_files(scenario))}
        return {"code": code, "libraries": libraries, "files": files}

    @cached_property
    def hilbench(self) -> str:
        """The digest of hilbench's own files, without the scenarios: each run holds its own whole."""
        return _digest(plugins.PACKAGE, _tree(plugins.PACKAGE, {"scenarios"}))

    def walk(self, modules: Iterable[str]) -> Iterator[_Code]:
        """The code of plug-ins outside of hilbench, and of all modules that it imports."""
        seen: set[str] = set()
        waiting = deque((module, True) for module in modules)
        while waiting:
            name, plugin = waiting.popleft()
            spec = _locate(name)
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
            self._files[path] = _digest_of_path(Path(path))
        return self._files[path]


class _Code:
    """A module outside of hilbench that a run uses: its digest, its distributions' versions, and its imports."""

    def __init__(self, spec: ModuleSpec, plugin: bool) -> None:
        owners = _distributions().get(spec.name.split(".")[0], ())
        self.versions = {owner: _version(owner) for owner in owners}
        self.versions |= {name: _version(name) for owner in owners for name in _requires(owner) & ENGINES}
        self.digests: dict[str, str] = {}
        self.imports: set[str] = set()
        if {_plain(owner) for owner in owners} & {*COUNTS, *ENGINES}:
            return
        assert spec.origin is not None, "_locate finds only modules that have a file"
        origin = Path(spec.origin)
        if origin.is_file():
            self._read_files(spec, origin, owners, plugin)
        else:
            self._read_archive(spec.name, next(filter(Path.is_file, origin.parents), None))

    def _read_files(self, spec: ModuleSpec, origin: Path, owners: Iterable[str], plugin: bool) -> None:
        installed = any(site in origin.parts for site in SITES)
        single = spec.submodule_search_locations is None
        files = [origin] if single else _tree(origin.parent)
        if plugin or single:
            files += [file for owner in owners for file in _files_of(owner)]
        if len(files) > MANY and owners and installed and not plugin:
            texts = [metadata.distribution(owner).read_text("RECORD") or "" for owner in owners]
            self.digests = {spec.name: hashlib.sha256("".join(texts).encode()).hexdigest()}
            return
        self.digests = {spec.name: _digest(origin.parent, sorted(set(files)))}
        for file in files:
            inside = file.relative_to(origin.parent).parts if file.is_relative_to(origin.parent) else ()
            if file.suffix == ".py" and not (installed and TESTS.intersection(inside)):
                self.imports |= set(_imports(file, spec.name if single else None))

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
        self.digests = {name: _digest_of_file(archive)}
        self.imports = {imported for source in sources for imported in _imports_of(source, None)}


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


def modules_of(program: Program) -> tuple[str, ...]:
    """The modules of the plug-ins that a program consists of: its law, or its learning rules."""
    if isinstance(program, LawProgram):
        return (plugins.all_of("laws")[program.name].module,)
    return tuple({type(rule).__module__ for rule in rules_of(program)})


def _modules(scenario: Scenario) -> list[str]:
    """The modules of the plug-ins that a scenario names."""
    used = [("links", scenario.link.kind), ("controllers", scenario.chosen.kind)]
    used += [("backends", scenario.chosen.backend.kind)]
    used += [("disturbances", table["kind"]) for table in scenario.disturbances.values()]
    return [*_of_plant(scenario.plant), *(plugins.all_of(kind)[name].module for kind, name in used)]


def _of_plant(plant: PluginPart) -> list[str]:
    """A plant's module, and those of what it drives, as an environment of Gymnasium's."""
    if plant.kind == GIVEN:
        return [plant.config.plant.partition(":")[0], plugins.all_of("envs")[WRAPPER].module]
    plugin = plugins.all_of("envs")[plant.kind]
    driven = getattr(plugin.load(), "modules", None)
    return [plugin.module, *(driven(plant.config) if driven is not None else ())]


def _files(scenario: Scenario) -> set[str]:
    """What fields of the type File name; of plug-ins that are not hilbench's, also any text that is a file's path."""
    configs: list[tuple[str, PluginPart | ControllerPart]] = [("links", scenario.link)]
    configs += [("envs", scenario.plant)] if scenario.plant.kind != GIVEN else []
    configs += [("controllers", scenario.chosen), ("backends", scenario.chosen.backend)]
    found = files_named(scenario.loop)
    for kind, part in configs:
        found |= files_named(part.config, any_text=plugins.all_of(kind)[part.kind].foreign)
    for name, table in scenario.disturbances.items():
        plugin = plugins.all_of("disturbances")[table["kind"]]
        settings = {field: value for field, value in table.items() if field != "kind"}
        found |= files_named(to_config(plugin.load().Config, settings, name), any_text=plugin.foreign)
    return found


def _foreign(module: str) -> bool:
    return module.split(".")[0] != "hilbench"


def _locate(name: str) -> ModuleSpec | None:
    """The package, or the single module, that contains a dotted name; None for Python's own and for what is missing.

    Many distributions may share a namespace package, so for such a package it is the package or module inside it.
    """
    top, *parts = name.split(".")
    if top in sys.stdlib_module_names or top == SETTINGS or not _foreign(top):
        return None
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    for part in parts:
        if spec is None or spec.origin is not None:
            break
        spec = _within(spec, f"{spec.name}.{part}")
    return spec if spec is not None and spec.origin not in (None, "built-in", "frozen") else None


def _within(namespace: ModuleSpec, name: str) -> ModuleSpec | None:
    """What a namespace package has under a full name: a module, a package, or a namespace again."""
    finders = filter(None, map(get_importer, namespace.submodule_search_locations or ()))
    specs = [spec for finder in finders if (spec := finder.find_spec(name)) is not None]
    found = next((spec for spec in specs if spec.origin is not None), None)
    if found is None and specs:
        found = ModuleSpec(name, None, is_package=True)
        found.submodule_search_locations = [where for spec in specs for where in spec.submodule_search_locations or ()]
    return found


def _imports(file: Path, inside: str | None = None) -> Iterator[str]:
    """The dotted names that a file imports, anywhere in it.

    Relative imports are resolved against the module `inside`; without it they are left out.
    """
    try:
        source = file.read_bytes()
    except OSError:
        return
    yield from _imports_of(source, inside)


def _imports_of(source: bytes, inside: str | None) -> Iterator[str]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [node.module] if node.module else []
            if node.level:
                if inside is None:
                    continue
                base = inside.split(".")[: -node.level] + base
            yield from (".".join([*base, alias.name]) for alias in node.names)


@cache
def _versions_of_imports(module: str) -> dict[str, str | None]:
    """The versions of the engines that one of hilbench's own plug-ins imports, or that its imports require."""
    spec = find_spec(module)
    assert spec is not None, "a plug-in's module was found when the plug-ins were listed"
    assert spec.origin is not None, "a plug-in is a file"
    named = {_plain(name.split(".")[0]) for name in _imports(Path(spec.origin))} & ENGINES
    required = {engine for name in named for engine in _requires(name) & ENGINES}
    return {name: _version(name) for name in sorted(named | required)}


def _tree(folder: Path, but: Iterable[str] = ()) -> list[Path]:
    """Every file in a folder and below, without compiled Python, hidden files, and folders of results."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in {"__pycache__", *but} or path.suffix in (".pyc", ".log"):
            continue
        if path.is_file():
            found.append(path)
        elif path.is_dir() and not folder.is_relative_to(path.resolve()):  # a link may lead back up
            found += [] if any((path / name).exists() for name in RESULTS) else _tree(path)
    return found


def _digest(folder: Path, files: Iterable[Path]) -> str:
    """A digest of files in their order: of their contents and their paths below a folder, wherever that folder is."""
    found = hashlib.sha256()
    for file in files:
        inside = file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.name
        found.update(f"{inside}\0{_digest_of_file(file)}\0".encode())
    return found.hexdigest()


def _digest_of_path(path: Path) -> str | None:
    if path.is_dir():
        return _digest(path, sorted([*path.glob("run.json"), *path.glob("*.arrow")]) or _tree(path))
    return _digest_of_file(path) if path.is_file() else None


def _digest_of_file(file: Path) -> str:
    found = hashlib.sha256()
    try:
        with file.open("rb") as opened:
            while block := opened.read(2**20):
                found.update(block)
    except OSError as error:
        return f"not readable: {error.strerror}"
    return found.hexdigest()


@cache
def _distributions() -> dict[str, list[str]]:
    """The distributions of each importable name, as they are at the first call."""
    return dict(metadata.packages_distributions())


def _files_of(distribution: str) -> list[Path]:
    listed = metadata.files(distribution) or ()
    kept = (file for file in listed if file.suffix not in (".pyc", ".pth") and ".dist-info" not in str(file))
    return [path for file in kept if (path := Path(file.locate())).is_file()]


def _requires(distribution: str) -> set[str]:
    """The distributions that a distribution requires, without its extras."""
    try:
        stated = metadata.requires(distribution) or ()
    except metadata.PackageNotFoundError:
        return set()
    names = (re.match(r"[\w.-]+", line) for line in stated if "extra ==" not in line)
    return {_plain(found[0]) for found in names if found is not None}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
