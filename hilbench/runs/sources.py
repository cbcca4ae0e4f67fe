"""What decides a run's numbers beside its settings: source code, libraries and files, each with what tells it apart.

An evaluation keys its runs by it, and `run.json` keeps it. It reads source without importing any, so what code imports
by a name that it puts together itself, and what a device that is served elsewhere runs, is not seen. Of a library with
more than `MANY` files what was installed counts, and what that imports in turn is not followed.
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
from hilbench.scenario.files import Scenario
from hilbench.settings import files_named, to_config
from hilbench.types import LawProgram, Program

COUNTS = ("gymnasium", "llvmlite", "nir", "numba", "numpy", "pybullet", "scipy")
"""Libraries that make numbers in every run."""
ENGINES = {"jax", "jaxlib", "mujoco", "onnxruntime", "stable-baselines3", "tensorflow", "torch"}
"""Libraries that make numbers where a plug-in imports them, or one that it imports requires them."""
SETTINGS = "msgspec"
"""What every plug-in imports for its Config, and makes no number."""
MANY = 1000
"""A library with more files than this is told apart by what was installed, not by what is there."""
TESTS = {"test", "tests"}
"""Folders of an installed library whose imports are not those of who uses it."""
NOT_SEEN = "not seen"
"""In place of a digest: a module that is there, in no file and in no archive that can be read."""
RESULTS = ("run.json", "summary.json")
"""What marks a folder as one of results, which decide nothing."""
SITES = ("site-packages", "dist-packages")

Sources = dict[str, dict[str, Any]]
"""`code` and `files` by SHA-256, `libraries` by version."""


class Reader:
    """Reads sources, each of them once; a new Reader sees what has changed since."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, bool], _Code] = {}
        self._files: dict[str, str | None] = {}

    def __call__(self, scenario: Scenario, built: Iterable[str]) -> Sources:
        """What decides a scenario's run; `built` are the modules of the program that its controller builds."""
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
        """Over hilbench's own files, but for the scenarios, which each run holds whole."""
        return _digest(plugins.PACKAGE, _tree(plugins.PACKAGE, {"scenarios"}))

    def walk(self, modules: Iterable[str]) -> Iterator[_Code]:
        """The code of plug-ins outside of hilbench, and of all that it imports."""
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
    """A module outside of hilbench that takes part: its digest, its distributions' versions, and what it imports."""

    def __init__(self, spec: ModuleSpec, plugin: bool) -> None:
        owners = _distributions().get(spec.name.split(".")[0], ())
        self.versions = {owner: _version(owner) for owner in owners}
        self.versions |= {name: _version(name) for owner in owners for name in _requires(owner) & ENGINES}
        self.digests: dict[str, str] = {}
        self.imports: set[str] = set()
        if {_plain(owner) for owner in owners} & {*COUNTS, *ENGINES}:
            return
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
            with ZipFile(archive or "") as opened:
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
    """The digests of a plug-in's code; none where it is hilbench's own."""
    plugin = plugins.all_of(kind).get(name)
    modules = [plugin.module] if plugin is not None and plugin.foreign else []
    return {key: value for code in Reader().walk(modules) for key, value in code.digests.items()}


def modules_of(program: Program) -> tuple[str, ...]:
    """The modules of the plug-ins that a program consists of: its law, or its learning rules."""
    if isinstance(program, LawProgram):
        return (plugins.all_of("laws")[program.name].module,)
    parts = (*program.projections.values(), *program.populations.values())
    return tuple({type(part.rule).__module__ for part in parts if part.rule})


def _modules(scenario: Scenario) -> list[str]:
    """The modules of the plug-ins that a scenario names."""
    used = [("envs", scenario.plant.kind), ("links", scenario.link.kind), ("controllers", scenario.chosen.kind)]
    used += [("backends", scenario.chosen.backend.kind)]
    used += [("disturbances", table["kind"]) for table in scenario.disturbances.values()]
    return [plugins.all_of(kind)[name].module for kind, name in used]


def _files(scenario: Scenario) -> set[str]:
    """What fields of the type File name; of plug-ins that are not hilbench's, also any text that is a file's path."""
    configs = [("envs", scenario.plant), ("links", scenario.link), ("controllers", scenario.chosen)]
    configs += [("backends", scenario.chosen.backend)]
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
    """The package, or the single module, that a dotted name lies in; None for Python's own and for what is not there.

    Of a namespace package, which many distributions may share, what lies in it.
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
    finders = filter(None, map(get_importer, namespace.submodule_search_locations))
    specs = [spec for finder in finders if (spec := finder.find_spec(name)) is not None]
    found = next((spec for spec in specs if spec.origin is not None), None)
    if found is None and specs:
        found = ModuleSpec(name, None, is_package=True)
        found.submodule_search_locations = [where for spec in specs for where in spec.submodule_search_locations]
    return found


def _imports(file: Path, inside: str | None = None) -> Iterator[str]:
    """The dotted names that a file imports anywhere; relative ones where it is the module `inside` of no package."""
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
    """The engines that a plug-in of hilbench's own imports, or that what it imports requires."""
    named = {_plain(name.split(".")[0]) for name in _imports(Path(find_spec(module).origin))} & ENGINES
    required = {engine for name in named for engine in _requires(name) & ENGINES}
    return {name: _version(name) for name in sorted(named | required)}


def _tree(folder: Path, but: Iterable[str] = ()) -> list[Path]:
    """Every file in a folder and below, without what Python compiled, what is hidden, and folders of results."""
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
    """Over files in their order, by what they hold and where they lie below a folder, wherever that is."""
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
    """The distributions of each importable name; those that are there when it is first asked."""
    return dict(metadata.packages_distributions())


def _files_of(distribution: str) -> list[Path]:
    listed = metadata.files(distribution) or ()
    kept = (file for file in listed if file.suffix not in (".pyc", ".pth") and ".dist-info" not in str(file))
    return [path for file in kept if (path := Path(file.locate())).is_file()]


def _requires(distribution: str) -> set[str]:
    """The distributions that one requires, without its extras."""
    try:
        stated = metadata.requires(distribution) or ()
    except metadata.PackageNotFoundError:
        return set()
    return {_plain(re.match(r"[\w.-]+", line)[0]) for line in stated if "extra ==" not in line}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
