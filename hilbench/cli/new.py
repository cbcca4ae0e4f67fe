"""`hilbench new`."""

from __future__ import annotations

import re
import shlex
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Annotated

import tyro

from hilbench.errors import ScenarioError, allowed_hint

KINDS = {"scenario": (".toml",), "plant": (".toml", ".py"), "controller": (".toml", ".py")}
"""What can be started, and the files of each."""
ALLOWED = "a small letter, then small letters, digits and _"


def new(
    kind: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="scenario|plant|controller")],
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")],
    /,
    *,
    out: Path = Path("."),
) -> int:
    """Write a start that runs, with comments: a scenario, or a plant or controller in Python with a scenario for it.

    Parameters
    ----------
    kind
        scenario, plant or controller
    name
        what to call it: the files are NAME.toml and NAME.py
    out
        folder for the files; made where it is missing
    """
    if kind not in KINDS:
        raise ScenarioError(f"new: found {kind!r}; {allowed_hint(kind, KINDS)}")
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
        raise ScenarioError(f"new: found the name {name!r}; allowed: {ALLOWED}")
    paths = {out / f"{name}{ending}": f"{kind}{ending}.template" for ending in KINDS[kind]}
    if there := next((path for path in paths if path.exists()), None):
        raise ScenarioError(f"{there}: is there already, and stays; give another name, or another folder by --out")
    if ".py" in KINDS[kind] and (name in sys.stdlib_module_names or find_spec(name) is not None):
        raise ScenarioError(f"new: Python has a module {name!r} already, which would be imported in its place")
    out.mkdir(parents=True, exist_ok=True)
    for path, start in paths.items():
        text = (files("hilbench.cli") / "starts" / start).read_text("utf-8")
        path.write_text(Template(text).substitute(name=name, class_name=_class_name(name)), "utf-8")
        print(f"Wrote {path}")
    trust = " --trust" if ".py" in KINDS[kind] else ""
    scenario = shlex.quote(str(out / f"{name}.toml"))
    print(f"Next: `hilbench check {scenario}{trust}`, then `hilbench run {scenario}{trust}`.")
    return 0


def _class_name(name: str) -> str:
    """As `MyPlant` for `my_plant`."""
    return "".join(word.capitalize() for word in name.split("_"))
