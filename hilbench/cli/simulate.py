"""`hilbench simulate`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Drawn

from hilbench.bridge.device.watchdog import watched
from hilbench.cli._shared import INTERRUPTED, complain
from hilbench.cli._stated import NOTHING, StatedOptions
from hilbench.errors import ScenarioError, allowed_hint

if TYPE_CHECKING:
    from hilbench.runs.simulated_tables import Table


def simulate(
    network: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="NETWORK")],
    /,
    *,
    input: tyro.conf.UseAppendAction[tuple[Path, ...]] = (),
    backend: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    config: str = "{}",
    out: Path | None = None,
    period_s: float | None = None,
    duration_s: float | None = None,
    seed: int = 0,
    membranes: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    learning: bool = False,
    modulators: Path | None = None,
    stated: StatedOptions = NOTHING,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Feed a network without a plant: its spikes and values, how long it takes, and whether backends agree.

    Parameters
    ----------
    network
        a NIR file
    input
        values (.npy or .csv, a row for each period, a column for each number of the value ports) or events (.npz with
        t_us and address); one of each may be given
    backend
        what runs it, usually numba; several are compared with the first one
    config
        settings of backends as JSON, by name: '{"loihi": {"largest_value": 20}}'
    out
        a new folder for a page with figures, and for spikes and values as .npz; without it only a summary is printed
    period_s
        how long each row of values is held; one network step when absent
    duration_s
        how long the network runs; as long as the input lasts when absent
    seed
        seed of the network's own randomness
    membranes
        a population whose membranes are recorded too
    learning
        let learning rules change weights and thresholds
    modulators
        the learning signals, as a file of values
    stated
        what the network's file leaves open
    as_json
        print the summary as JSON
    """
    from hilbench.nal.nir import read_with_notes
    from hilbench.runs.feed_files import read_feed
    from hilbench.runs.simulate import compare, summarise
    from hilbench.runs.simulate import simulate as run_on
    from hilbench.runs.simulated_tables import tables
    from hilbench.runs.simulation_file import as_json as text_of

    if modulators is not None and not learning:
        raise ScenarioError("--modulators: given without --learning; allowed: both, or neither")
    if out is not None:
        from hilbench.report.open_loop import ensure_free, write

        ensure_free(out)
    net, notes = read_with_notes(network, stated.statements())
    given = read_feed(net, input, period_s=period_s, duration_s=duration_s, modulators=modulators)
    chosen = _settings(backend or ("numba",), config)
    with watched(INTERRUPTED), _progress(given.duration_s, quiet=as_json) as progress:
        found = run_on(net, given, chosen, seed=seed, membranes=membranes, learning=learning, progress=progress)
    compared = [compare(found[0], other) for other in found[1:]]
    summary = summarise(network, found, compared, notes, seed=seed, learning=learning)
    shown = tables(found, compared, summary.energy)
    if out is not None:
        write(out, network.name, found, summary, shown)
    if as_json:
        print(text_of(summary).decode())
    else:
        _print(shown)
        if out is not None:
            print(f"wrote {out}: index.html, summary.json, figures, and {', '.join(f'{f.backend}.npz' for f in found)}")
    for note in [*notes, *(line for each in found for line in each.simulation.report.warnings)]:
        complain(note)
    return 0


def _settings(names: Sequence[str], config: str) -> dict[str, Any]:
    """Backend -> settings."""
    try:
        found = msgspec.json.decode(config, type=dict[str, dict[str, Any]])
    except msgspec.DecodeError as error:
        raise ScenarioError(f"--config: found {config!r}; allowed: JSON, by backend ({error})") from None
    for name in found:
        if name not in names:
            raise ScenarioError(f"--config: {name}: no such --backend; {allowed_hint(name, names)}")
    return {name: found.get(name, {}) for name in names}


def _print(shown: Sequence[Table]) -> None:
    console = Console()
    for table in shown:
        drawn = Drawn(title=escape(table.title), title_justify="left", box=None, padding=(0, 2))
        for i, heading in enumerate(table.headings):
            drawn.add_column(heading, justify="right" if i else "left")
        for row in table.rows:
            drawn.add_row(*map(escape, row))
        console.print(drawn)


def _progress(duration_s: float, quiet: bool) -> AbstractContextManager[Callable[[str, float], None] | None]:
    """A bar for each backend over the network's time; none when quiet or off a terminal."""
    if quiet or not sys.stdout.isatty():
        return nullcontext()
    from rich.progress import Progress

    class Bars(Progress):
        def __enter__(self) -> Any:
            super().__enter__()
            tasks: dict[str, Any] = {}

            def told(backend: str, t_s: float) -> None:
                if backend not in tasks:
                    tasks[backend] = self.add_task(backend, total=duration_s)
                self.update(tasks[backend], completed=t_s)

            return told

    return Bars(transient=True)
