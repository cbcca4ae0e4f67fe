#!/usr/bin/env python3
"""Tries a wheel as somebody who installs it would: `python .ci/try_wheel.py dist/*.whl`, with the Python to try it on.

It makes an empty environment, installs the wheel with the extra `sim`, and runs in an empty folder, outside of the
checkout, what README.md tells its readers to run: its sessions, its Python blocks, and then its command lines but those
that tests/helpers/page_commands.py has a reason against, and those about files of the checkout.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from time import monotonic

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests" / "helpers"))
from page_commands import blocks_of, command_lines  # noqa: E402

README = ROOT / "README.md"
INPUTS = "left,right\n" + "2.5,1\n" * 100
"""What `hilbench simulate` feeds to the network of the README's Python block."""


def steps() -> list[list[str]]:
    """What is run, in order. The Python blocks leave net.nir, which the command lines read."""
    text = README.read_text("utf-8")
    sessions = [line[2:] for _, block in blocks_of(text, "console") for line in block.splitlines() if line[:2] == "$ "]
    lines = [line for line in command_lines(README) if line.reason is None and "examples/" not in line.text]
    return [
        *(shlex.split(line) for line in sessions),
        *(["python", "-c", block] for _, block in blocks_of(text, "python")),
        *(line.words for line in lines),
    ]


def main(wheel: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        env = Path(folder) / "env"
        here = Path(folder) / "here"
        here.mkdir()
        (here / "x.csv").write_text(INPUTS, "utf-8")
        venv.create(env, with_pip=True)
        run(["python", "-m", "pip", "install", "--quiet", f"{Path(wheel).resolve()}[sim]"], env, here)
        for words in steps():
            run(words, env, here)
    print(f"Python {sys.version.split()[0]}: all of it works")


def run(words: list[str], env: Path, folder: Path) -> None:
    """Run a command of the environment, and say how long it took. Ends this process where it fails.

    Parameters
    ----------
    words : list of str
        The command and its arguments.
    env : Path
        The environment.
    folder : Path
        Where it runs.
    """
    began = monotonic()
    shell = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    shell["PATH"] = os.pathsep.join((str(env / "bin"), shell["PATH"]))
    command = [str(env / "bin" / words[0]), *words[1:]]
    done = subprocess.run(command, cwd=folder, env=shell, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(f"{monotonic() - began:6.1f} s  {' '.join(words).splitlines()[0]}", flush=True)
    if done.returncode:
        sys.exit(f"it ended with exit code {done.returncode}:\n{done.stdout.decode()}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("one wheel: python .ci/try_wheel.py dist/hilbench-VERSION-py3-none-any.whl")
    main(sys.argv[1])
