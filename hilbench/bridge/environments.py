"""Python environments of their own for devices whose libraries need another Python than this one.

`hilbench device install NAME` makes one, and a link that starts such a device uses its interpreter. An environment
holds hilbench, from the place where this one came from, and what the device needs.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from hilbench.errors import LinkError, allowed_hint

FOLDER_VARIABLE = "HILBENCH_ENVIRONMENTS"
"""Names the folder that environments stand in, in place of the user's data folder."""
ASK_TIMEOUT_S = 60.0
INSTALL_TIMEOUT_S = 1800.0
TAIL_LINES = 3
LINE_CHARACTERS = 200


class Recipe(Struct, frozen=True):
    """What one environment is made of."""

    python: str
    """The version it needs, as 3.10."""
    packages: tuple[str, ...]
    checks: tuple[str, ...]
    """Modules that must import in the end."""


RECIPES = {
    "lava": Recipe(
        python="3.10",
        packages=(
            "lava-nc==0.10.0",
            # Lava says so itself, but what it allows beside it has grown since.
            "numpy>=1.24.4,<2",
            "networkx<=2.8.7",
            "scipy>=1.11,<1.16",
            "scikit-learn<1.8",
            "asteval<1",
        ),
        checks=("lava.proc.lif.process", "hilbench.bridge.device.server"),
    )
}


def folder_of(name: str) -> Path:
    """Where an environment stands, made or not. Raises LinkError for an unknown one, or where there is no home."""
    if name not in RECIPES:
        raise LinkError(f"environment: found {name!r}; {allowed_hint(name, RECIPES)}")
    stated = os.environ.get(FOLDER_VARIABLE)
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    try:
        return Path(stated).expanduser() / name if stated else Path(data).expanduser() / "hilbench/environments" / name
    except RuntimeError:
        found = f"found {stated!r}" if stated else "this user has no home folder"
        raise LinkError(f"environment {name!r}: {found}; name an absolute path in {FOLDER_VARIABLE}") from None


def python_of(name: str) -> Path:
    """The interpreter of an environment. Raises LinkError with the command that makes it when it is not there."""
    folder = folder_of(name)
    made = _made_from(folder)
    if made is None:
        raise LinkError(f"there is no environment {name!r} in {folder.parent}: run `hilbench device install {name}`")
    if made != _wanted(name):
        raise LinkError(f"{folder} was made for another hilbench: run `hilbench device install {name}`")
    return _python(folder)


def install(name: str, again: bool = False, say: Callable[[str], None] = lambda line: None) -> Path:
    """Make an environment, unless it is there as it should be, and return its folder.

    Raises LinkError with the reason. What is half made is removed, after an interruption too, and what was there
    before is put back.

    Parameters
    ----------
    name : str
        One of RECIPES.
    again : bool
        Whether to make it anew where it is there already.
    say : callable
        Is told, in lines, what happens.
    """
    folder = folder_of(name)
    if not again and _made_from(folder) == _wanted(name):
        say(f"{folder} is there already; --again makes it anew")
        return folder
    python = find_python(RECIPES[name].python)
    say(f"making {folder} with {python}; this takes about a minute")
    try:
        with _in_place_of(folder):
            _make(folder, python, name)
    except LinkError:
        raise
    except OSError as error:
        raise LinkError(f"environment {name!r}: {error.filename or folder}: {error.strerror}") from None
    return folder


@contextlib.contextmanager
def _in_place_of(folder: Path) -> Iterator[None]:
    """Set a folder aside while another one is made there; it comes back when that fails."""
    before = folder.with_name(f".{folder.name}-before")
    if before.exists() and _made_from(folder) is None:  # an installation was killed in the middle
        shutil.rmtree(folder, ignore_errors=True)
    else:
        shutil.rmtree(before, ignore_errors=True)  # what one left that was killed with the new folder whole
        if folder.exists():
            folder.rename(before)
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        if before.exists():
            before.rename(folder)
        raise
    shutil.rmtree(before, ignore_errors=True)


def _make(folder: Path, python: str, name: str) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    recipe, own = RECIPES[name], str(_python(folder))
    _run(python, "-m", "venv", "--clear", str(folder), what=f"cannot make {folder}")
    pip = (own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _run(*pip, *recipe.packages, *_hilbench(), what=f"cannot install into {folder}")
    _run(own, "-c", f"import {', '.join(recipe.checks)}", what=f"{folder} does not work")
    _marker(folder).write_text("\n".join(_wanted(name)) + "\n", "utf-8")


def _wanted(name: str) -> list[str]:
    """What stands in the marker of an environment that is as it should be."""
    return [f"python {RECIPES[name].python}", *RECIPES[name].packages, *_hilbench()]


def _made_from(folder: Path) -> list[str] | None:
    """What an environment was made from; None when it is not there, or not whole."""
    try:
        return _marker(folder).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None


def find_python(version: str) -> str:
    """An interpreter of this version. Raises LinkError that says how to get one."""
    found = next((path for path in _candidates(version) if _is(path, version)), None)
    if found is None and (stated := os.environ.get(_variable(version))):
        raise LinkError(f"{_variable(version)}: found {stated!r}; expected the path of a Python {version} with venv")
    if found is None:
        raise LinkError(
            f"found no Python {version} with venv (on PATH, in pyenv, in conda, through uv); get one with "
            f"`uv python install {version}` or `pyenv install {version}`, or name one in {_variable(version)}"
        )
    return found


def _candidates(version: str) -> Iterator[str]:
    """Paths that may be such a Python; one that the user has named alone, where there is one."""
    if stated := os.environ.get(_variable(version)):
        yield stated
        return
    if on_path := shutil.which(f"python{version}"):
        yield on_path
    roots = [root for root in (os.environ.get("PYENV_ROOT"), "~/.pyenv") if root]
    for root in dict.fromkeys(roots):
        with contextlib.suppress(RuntimeError):  # this user has no home folder
            versions = Path(root).expanduser().glob(f"versions/{version}.*/bin/python")
            yield from map(str, sorted(versions, key=_patch, reverse=True))
    with contextlib.suppress(OSError, RuntimeError, UnicodeDecodeError):
        for line in Path("~/.conda/environments.txt").expanduser().read_text("utf-8").splitlines():
            yield str(Path(line, "bin", "python"))
    if uv := shutil.which("uv"):
        yield _output(uv, "python", "find", version)


def _variable(version: str) -> str:
    """The environment variable that names a Python of this version."""
    return f"HILBENCH_PYTHON{version.replace('.', '')}"


def _patch(python: Path) -> int:
    """The last number of a version's folder."""
    last = python.parts[-3].split(".")[-1]
    return int(last) if last.isdecimal() else -1


def _is(python: str, version: str) -> bool:
    """Whether it runs and is of this version: pyenv's stand-ins are found, and then refuse."""
    return (
        bool(python)
        and _output(python, "-c", "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])") == version
    )


def _output(*command: str) -> str:
    """What a command prints; nothing when it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, errors="surrogateescape", timeout=ASK_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _run(*command: str, what: str) -> None:
    """Run a command to its end. Raises LinkError with the end of what it said when it fails."""
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            errors="replace",
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LinkError(f"{what}: {command[0]} took longer than {INSTALL_TIMEOUT_S:g} s") from None
    if done.returncode:
        raise LinkError(f"{what}: {_reason(done.stdout) or f'exit code {done.returncode}'}")


def _reason(said: str) -> str:
    """The errors in what a command said, or its last lines: pip's last ones may be a picture of an arrow."""
    lines = [line.strip()[:LINE_CHARACTERS] for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR: ")]
    offline = "; no package index could be reached" if "connection broken" in said else ""
    return " | ".join((errors or lines)[-TAIL_LINES:]) + offline


def _hilbench() -> tuple[str, ...]:
    """What pip installs so that the environment has this hilbench: its checkout, or its release."""
    try:
        found = distribution("hilbench")
    except PackageNotFoundError:
        found = None
    checkout = Path(__file__).parents[2]
    if (checkout / "pyproject.toml").exists():
        return ("--editable", str(checkout))
    origin = json.loads((found and found.read_text("direct_url.json")) or "{}").get("url", "")
    if origin.startswith("file:") and Path(unquote(urlsplit(origin).path)).exists():
        return (unquote(urlsplit(origin).path),)
    return (origin,) if origin else (f"hilbench=={found.version}" if found else "hilbench",)


def _marker(folder: Path) -> Path:
    """Stands in an environment that is whole."""
    return folder / "made-from.txt"


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
