"""The command `hilbench`, also as `python -m hilbench`. Interrupted while it is being imported, it says so too."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    try:
        from hilbench.cli import main as command
    except KeyboardInterrupt:
        interrupted()
    command()


def interrupted() -> NoReturn:
    """End as the command line does: a line, and the code of an interruption."""
    sys.stderr.write("hilbench: interrupted\n")
    sys.exit(130)


if __name__ == "__main__":
    main()
