"""The command `hilbench`, also as `python -m hilbench`. It reports an interruption even while it is being imported."""

from __future__ import annotations

import gc
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    try:
        from hilbench.cli import main as command
    except KeyboardInterrupt:
        interrupted()
    try:
        command()
    finally:
        gc.freeze()  # the process ends: searching all that was imported for garbage takes 40 ms


def interrupted() -> NoReturn:
    """End as the command line does when it is interrupted: with one line and exit code 130."""
    sys.stderr.write("hilbench: interrupted\n")
    sys.exit(130)


if __name__ == "__main__":
    main()
