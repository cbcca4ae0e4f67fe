"""Makes the environments that the peers run in, at the top of the project. A second call installs nothing.

    python benchmarks/peers/environments.py [peers] [torch] [jax] [lava] [--quick]

`.venv-peers` holds Brian2, Nengo and NEST, `.venv-torch` snnTorch and Norse over one PyTorch, `.venv-jax` brainevent;
Lava stands where `hilbench device install lava` puts it. `--quick` leaves out NEST, Norse, brainevent and Lava. A peer
that does not install is told and passed over: its rows say so. Brian2 needs a C++ compiler when it runs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from hilbench.bridge.environments import RECIPES, folder_of

ROOT = Path(__file__).parents[2]
TORCH = "torch==2.13.0"
INSTALLS = {
    # Brian2 2.9 asks for NumPy 1 in its compiled parts.
    "peers": (("numpy<2", "cython", "setuptools", "Brian2==2.9.0"), ("numpy<2", "nengo==4.1.0")),
    # PyTorch is stated each time: what stands on it would take a newer one. Neither asks for the NumPy that we need.
    "torch": ((TORCH, "numpy"), (TORCH, "snntorch==1.0.0")),
}
SLOWER = {
    "peers": (("numpy<2", "nest-simulator==3.10.0"),),
    "torch": ((TORCH, "norse==1.1.0"),),
    "jax": (("jax==0.10.2", "brainevent==0.2.1"),),
}
"""What `--quick` leaves out."""


def python_of(name: str) -> Path:
    """The Python of an environment, whether or not it is there."""
    folder = folder_of(name) if name in RECIPES else ROOT / f".venv-{name}"
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="peers, torch, jax, lava; by default all")
    parser.add_argument("--quick", action="store_true", help="only what installs in a minute")
    args = parser.parse_args()
    known = [*INSTALLS, *([] if args.quick else ["jax", "lava"])]
    for name in args.names or known:
        if name not in known:
            parser.error(f"NAME: found {name!r}; allowed: {', '.join(known)}")
        if name == "lava":
            _run([sys.executable, "-m", "hilbench", "device", "install", "lava"])
        else:
            make(name, INSTALLS.get(name, ()) + (() if args.quick else SLOWER[name]))


def make(name: str, installs: tuple[tuple[str, ...], ...]) -> None:
    """One environment, one pip call per peer, so that one that fails leaves the others."""
    python = python_of(name)
    if not python.exists() and not _run([sys.executable, "-m", "venv", str(python.parents[1])]):
        return
    marker = python.parents[1] / "made-from.txt"
    made = marker.read_text("utf-8").splitlines() if marker.exists() else []
    for packages in installs:
        line = " ".join(packages)
        if line not in made and _run([str(python), "-m", "pip", "install", "--quiet", *packages]):
            made.append(line)
            marker.write_text("\n".join(made) + "\n", "utf-8")


def _run(command: list[str]) -> bool:
    done = subprocess.run(command, check=False).returncode == 0
    if not done:
        print(f"benchmarks: failed, and passed over: {' '.join(command)}", file=sys.stderr)
    return done


if __name__ == "__main__":
    main()
