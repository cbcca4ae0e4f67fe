"""`hilbench check NETWORK.nir`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hilbench.bridge.device.watchdog import watched
from hilbench.cli._described import Row, rows, show
from hilbench.cli._shared import INTERRUPTED, print_json
from hilbench.cli._stated import Stated

if TYPE_CHECKING:
    from hilbench.runs.explain import Answer, Fit


def explain(path: Path, stated: Stated, *, as_json: bool) -> int:
    """Print what a network is made of, and what backends and targets would make of it.

    Parameters
    ----------
    path
        the network's file
    stated
        what the file leaves open
    as_json
        print it as JSON
    """
    from hilbench.nal.nir import read_with_notes

    network, notes = read_with_notes(path, stated.statements(), ("hilbench.nal.describe", "hilbench.runs.explain"))

    from hilbench.nal.describe import described
    from hilbench.runs.explain import ask_backends, fit_targets

    with watched(INTERRUPTED):
        backends, fits = ask_backends(network), fit_targets(network)
    said: dict[str, Any] = described(network) | {"notes": notes}
    if as_json:
        print_json(said | {"backends": backends, "targets": fits})
        return 0
    size = [("size", "", f"{said['neurons']} neurons, {said['synapses']} synapses")]
    lines = [*size, *rows(said), *(("note", "", note) for note in notes)]
    show([*lines, *_backends(backends), *_targets(fits)])
    return 0


def _backends(answers: dict[str, Answer]) -> Iterator[Row]:
    for name, answer in answers.items():
        if answer.refused or answer.not_asked:
            yield "backend", name, f"refuses: {answer.refused}" if answer.refused else f"not asked: {answer.not_asked}"
            continue
        n = len(answer.exact)
        exact = "all as stated" if not (answer.approximated or answer.dropped) else f"{n} parts as stated"
        yield "backend", name, f"runs it, {exact}"
        told = (("approximates", answer.approximated), ("drops", answer.dropped), ("warning", answer.warnings))
        for how, lines in told:
            yield from (("", "", f"{how}: {line}") for line in lines)


def _targets(fits: dict[str, Fit]) -> Iterator[Row]:
    for name, fit in fits.items():
        kept = f"breaks limits: {len(fit.broken)}" if fit.broken else "keeps every limit"
        n = len(fit.approximated)
        cores = f", {fit.cores} core{'s' * (fit.cores > 1)}" if fit.cores else ""
        yield "target", name, f"{kept}{cores}" + (f"; approximates {n} (hilbench compile says what)" if n else "")
        for how, lines in (("breaks", fit.broken), ("drops", fit.dropped), ("erased", fit.erased)):
            yield from (("", "", f"{how}: {line}") for line in lines)
