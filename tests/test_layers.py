"""Who may import whom, and where engines, sockets, clocks and `print` may stand: read from the source with `ast`."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from hilbench import plugins
from hilbench.cli import COMMANDS
from hilbench.nal import Network, save

ROOT = Path(__file__).parent.parent / "hilbench"
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))

LAYERS = (
    ("errors", "files", "types", "seeding", "settings", "plugins", "modules", "compiled"),
    ("scenario", "coders", "nal", "lines"),
    ("firmware", "robot", "record"),
    ("envs", "controllers", "backends", "bridge", "metrics", "meters", "conformance"),
    ("loop",),
    ("machine",),
    ("runs",),
    ("studies", "report"),
    ("clips",),
    ("cli", "testing", "__init__", "__main__"),
)
"""The floors, from the ground up. `settings` stands on the ground because plants read their own Config with it."""
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}
STRANGERS = LAYERS[3]
"""Parts that know each other through `types` and `plugins` alone."""
CLOCKS = (
    "files.py",
    "loop/",
    "runs/run.py",
    "runs/provenance.py",
    "runs/metering.py",
    "runs/simulate.py",
    "machine/doctor.py",
    "cli/",
    "bridge/",
    "meters/",
    "robot/",
    "testing/",
)
SHARED = {"bridge": {"environments", "keys"}}
"""Files beside plug-ins that are none."""


def part(name):
    """The part of the package a file belongs to: its folder, or its own name at the top."""
    return name.split("/")[0].removesuffix(".py")


@cache
def tree(name):
    return ast.parse((ROOT / name).read_text("utf-8"), filename=name)


@cache
def imports(name):
    """Every module that a file imports, anywhere in it, by full name."""
    return tuple(imported(tree(name), name))


def imported(code, name):
    for node in ast.walk(code):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            if node.module == "hilbench":
                yield from (f"hilbench.{alias.name}" for alias in node.names)
            else:
                yield node.module


def own_imports(name):
    """The parts of this package that a file imports."""
    return {module.split(".")[1] for module in imports(name) if module.startswith("hilbench.")}


def importers(*packages):
    return {name for name in FILES if any(module.split(".")[0] in packages for module in imports(name))}


@cache
def calls(name):
    """The dotted name of everything that a file calls, or passes on, as `time.sleep` or `print`."""
    return frozenset(ast.unparse(node) for node in ast.walk(tree(name)) if isinstance(node, (ast.Name, ast.Attribute)))


def test_a_file_imports_from_lower_layers_or_its_own_part():
    complaints = []
    assert FILES
    for name in FILES:
        here = part(name)
        without = [each for each in (here, *own_imports(name)) if each not in LAYER]
        complaints += [f"{name}: {each} has no layer: give it one here and in the design" for each in without]
        for there in own_imports(name) - {here, *without} if here in LAYER else ():
            if LAYER[there] > LAYER[here]:
                complaints.append(f"{name} (layer {LAYER[here]}) imports {there} (layer {LAYER[there]})")
            if here in STRANGERS and there in STRANGERS:
                complaints.append(f"{name} imports {there}: parts never import each other")
    assert complaints == []


def test_no_files_import_each_other_in_a_circle():
    """Neither within a package nor between two, imports for types alone included. Packages' own names stand apart."""
    files = {name.removesuffix(".py").replace("/", ".").removesuffix(".__init__"): name for name in FILES}
    edges = {module: {there for there in targets(name, files) if there != module} for module, name in files.items()}
    try:
        tuple(graphlib.TopologicalSorter(edges).static_order())
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def targets(name, files):
    """The files that a file imports, by module; of `from package import module` it is the module."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            within = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [full if full.removeprefix("hilbench.") in files else node.module for full in within]
        else:
            continue
        yield from {module.removeprefix("hilbench.") for module in found} & files.keys()


def test_the_ground_stands_on_nothing():
    edges = {here: set() for here in LAYERS[0]}
    for name in FILES:
        if part(name) in edges:
            edges[part(name)] |= own_imports(name) - {part(name)}
    assert edges == {
        "errors": set(), "files": set(), "seeding": set(), "compiled": set(),
        "settings": {"errors", "files"}, "types": {"errors"}, "modules": {"errors"}, "plugins": {"errors", "modules"},
    }  # fmt: skip


@pytest.mark.parametrize("folder", ["backends", "bridge", "controllers", "metrics", "meters"])
def test_a_folder_of_plug_ins_shows_plug_ins_and_packages(folder):
    """What they share is in a package, or begins with an underscore."""
    kinds = {"backends": ("backends",), "bridge": ("links",), "controllers": ("controllers", "laws")}.get(
        folder, (folder,)
    )
    found = {plugin.module for kind in kinds for plugin in plugins.all_of(kind).values()}
    files = {file.stem for file in (ROOT / folder).glob("[!_]*.py")} - SHARED.get(folder, set())
    assert files == {module.split(".")[2] for module in found if module.startswith(f"hilbench.{folder}.")}


def test_nothing_imports_the_tests_for_other_packages():
    """They need pytest and Hypothesis, which hilbench does without."""
    assert {part(name) for name in FILES if "testing" in own_imports(name)} == {"testing"}
    assert {part(name) for name in importers("pytest", "hypothesis")} == {"testing"}


def test_importing_the_package_only_registers_plants():
    """What else it offers is imported by its first use, or for type checkers alone: not at the top."""
    at_import = [node for node in tree("__init__.py").body if isinstance(node, (ast.Import, ast.ImportFrom))]
    found = set(imported(ast.Module(at_import, type_ignores=[]), "__init__.py"))
    assert {module for module in found if module.startswith("hilbench.")} == {"hilbench.envs"}


def test_pybullet_is_imported_in_one_file():
    assert importers("pybullet", "pybullet_data") == {"envs/_engine.py"}


def test_sockets_live_where_devices_and_robots_are_reached():
    """A robot is below plants, for a plant may be one; a plant itself knows no socket, nor does it know the bridge."""
    found = importers("zmq", "socket", "socketserver", "asyncio", "http")
    assert {"bridge/zmq.py", "robot/transport.py"} <= found
    assert {name for name in found if not name.startswith(("bridge/", "robot/"))} == set()


def test_only_the_command_line_prints():
    printing = {name for name in FILES if "print" in calls(name)}
    assert printing
    assert {name for name in printing if not name.startswith("cli/")} == set()


def reads_a_clock(name):
    """Whether a file uses a module that tells the time."""
    used = set(imports(name))
    return "time" in used or bool({"datetime.now", "datetime.today", "datetime.utcnow"} & set(calls(name)))


def test_clocks_are_read_where_time_is_owned():
    reading = {name for name in FILES if reads_a_clock(name)}
    assert "loop/clock.py" in reading
    assert {name for name in reading if not name.startswith(CLOCKS)} == set()


def test_no_randomness_without_a_seed():
    for name in FILES:
        for call in calls(name):
            drawn = call.removeprefix("np.random.").removeprefix("numpy.random.")
            known = ("Generator", "SeedSequence", "default_rng")
            assert call == drawn or drawn.split(".")[0] in known, f"{name}: {call}"


def test_files_are_short():
    lines = {name: len((ROOT / name).read_text("utf-8").splitlines()) for name in FILES}
    assert {name: n for name, n in lines.items() if n >= (300 if name == "loop/loop.py" else 400)} == {}


def test_importing_the_package_loads_nothing_heavy():
    heavy = ("numba", "zmq", "pybullet", "altair", "pyarrow", "pandas", "scipy", "nir", "torch")
    heavy += ("hilbench.loop.loop", "hilbench.scenario.files", "hilbench.envs._engine")
    code = f"import sys, hilbench; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.strip() == "[]"


def test_a_device_needs_no_simulator():
    modules = "hilbench.bridge.device.server, hilbench.backends.numba, hilbench.backends.law"
    code = f"import sys, {modules}; print(sorted(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = ast.literal_eval(found.stdout)
    assert "zmq" in loaded
    assert {"pybullet", "pyarrow", "altair", "hilbench.loop.loop", "hilbench.record.writer"} & set(loaded) == set()


AT_ONCE = {
    "compile": ("net.nir", "--target", "loihi2"),
    "import": ("net.nir", "--dt-s", "1e-3", "--reset", "zero", "--out", "out.nir"),
}


@pytest.mark.parametrize("command", AT_ONCE)
def test_a_command_is_parsed_before_anything_heavy_is_loaded(command):
    """Its own file is all that is loaded of the commands' files, and typeguard is not asked about its types."""
    arguments = [command, *AT_ONCE[command]]
    code = "import sys; sys.argv = ['hilbench']; from hilbench import cli; "
    code += f"cli._parsed({arguments}, {{}}); print(sorted(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = ast.literal_eval(found.stdout)
    own = {name for name in loaded if re.fullmatch(r"hilbench\.cli\.[a-z]\w*", name)}
    assert own == {f"hilbench.cli.{COMMANDS[command].partition(':')[0]}"}
    heavy = {"numpy", "scipy", "numba", "h5py", "nir", "zmq", "pyarrow", "gymnasium", "rich", "typeguard", "asyncio"}
    assert heavy & set(loaded) == set()


def test_compiling_loads_what_it_needs_alone(tmp_path):
    """No engine, no link and no reader of files: the file is read in a process of its own."""
    net = Network(0.001, spike_amplitude=1000.0)
    net.input("e", 1, kind="events")
    net.lif("a", 2, tau_s=0.02)
    net.connect("e", "a", [[1.0], [1.0]])
    save(net, tmp_path / "net.nir")
    code = "import atexit, sys; sys.argv = ['hilbench', 'compile', 'net.nir', '--target', 'loihi2', '--json']; "
    code += (
        "atexit.register(lambda: print(sorted(sys.modules), file=sys.stderr)); from hilbench.cli import main; main()"
    )
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path)
    loaded = ast.literal_eval(found.stderr)
    assert {"scipy.sparse", "hilbench.nal.compile.place"} <= set(loaded)
    heavy = {"numba", "h5py", "nir", "zmq", "pyarrow", "pandas", "altair", "gymnasium", "pybullet", "typeguard"}
    assert heavy & set(loaded) == set()
    assert not [name for name in loaded if name.startswith(("hilbench.loop", "hilbench.record", "hilbench.backends"))]


def test_test_files_have_names_of_their_own():
    """Test folders are no packages, so pytest refuses a second file of the same name."""
    names = [path.name for path in sorted(Path(__file__).parent.rglob("test_*.py"))]
    assert sorted(set(names)) == sorted(names)


def test_what_begins_with_an_underscore_is_its_packages_own():
    taken = [
        f"{name} imports {module}" for name in FILES for module in imports(name)
        if module.startswith("hilbench.") and module.split(".")[1] != part(name) and re.search(r"\._[^_]", module)
    ]  # fmt: skip
    assert taken == []
