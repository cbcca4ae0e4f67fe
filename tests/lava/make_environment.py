"""Makes the Python 3.10 environment that Lava 0.10 needs, for the comparison with backend `loihi`.

Usage: python tests/lava/make_environment.py [FOLDER], by default `.venv-lava` at the top of the project. A second call
installs nothing. Python 3.10 is HILBENCH_PYTHON310, `python3.10`, or the newest 3.10 that pyenv has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".venv-lava"
PACKAGES = (
    "lava-nc==0.10.0",
    # Lava says so itself, but what it allows beside it has grown since.
    "numpy>=1.24.4,<2",
    "networkx<=2.8.7",
    "scipy>=1.10,<1.16",
    "scikit-learn<1.8",
    "asteval<1",
)


def candidates() -> list[str]:
    """Commands that may be a Python 3.10, the stated one alone where there is one."""
    if stated := os.environ.get("HILBENCH_PYTHON310"):
        return [stated]
    found = ["python3.10"]
    if shutil.which("pyenv"):
        root = subprocess.run(["pyenv", "root"], capture_output=True, text=True, timeout=60, check=False).stdout.strip()
        versions = Path(root, "versions").glob("3.10.*/bin/python3.10")
        found += map(str, sorted(versions, key=lambda path: int(path.parts[-3].split(".")[2]), reverse=True))
    return found


def is_python310(command: str) -> bool:
    """Whether it runs and is a 3.10: pyenv's stand-ins are found, and then refuse."""
    code = "import sys, venv; sys.exit(sys.version_info[:2] != (3, 10))"
    try:
        return subprocess.run([command, "-c", code], capture_output=True, timeout=60, check=False).returncode == 0
    except OSError:
        return False


def main(folder: Path) -> int:
    """Make the environment. Returns the exit code."""
    made = folder / "made-from.txt"
    if made.exists() and made.read_text("utf-8").splitlines() == list(PACKAGES):
        return 0
    tried = candidates()
    python = next((command for command in tried if is_python310(command)), None)
    if python is None:
        allowed = "a Python 3.10 with venv, on the path, in pyenv, or named by HILBENCH_PYTHON310"
        found = f"found none (tried {', '.join(tried)})"
        print(f"Lava 0.10 runs on Python 3.10 alone; {found}; allowed: {allowed}", file=sys.stderr)
        return 2
    subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    made.write_text("\n".join(PACKAGES) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
