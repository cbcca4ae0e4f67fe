"""`hilbench report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from hilbench.cli._shared import complain


def report(
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUNS...")],
    /,
    *,
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("report.html"),
    figures: Path | None = None,
) -> int:
    """Report on evaluations and runs in one HTML page that opens offline.

    A run of an evaluation whose record is damaged is named, on the page and here, and ends the command with 1.

    Parameters
    ----------
    runs
        folders of evaluations or of single runs
    out
        the page; its folder is made where it is missing
    figures
        a folder for every figure as SVG and PNG
    """
    from hilbench.errors import RecordError
    from hilbench.report.page import write

    if not runs:
        raise RecordError("report: found no folder; expected those of evaluations or runs")
    made = write(runs, out, figures)
    n_cells = len(made.cells)
    print(f"Wrote {out} ({n_cells} cell{'' if n_cells == 1 else 's'}, {out.stat().st_size / 1e6:.1f} MB)")
    for line in made.damaged:
        complain(line)
    return 1 if made.damaged else 0
