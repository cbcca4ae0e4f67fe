"""The folder of a network that was fed in open loop: arrays, figures, a page and a summary, all or nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import MissingExtra, RecordError
from hilbench.files import kind_of
from hilbench.nal.open_loop import Simulation
from hilbench.report import spikes, words
from hilbench.report.charts import COLOURS, Figure, columns, picture, rounded, save, time_axis, wide
from hilbench.runs.simulate import Simulated
from hilbench.runs.simulated_tables import Table
from hilbench.runs.simulation_file import SimulationSummary, write_simulation

try:
    import altair as alt
    import jinja2
    import vl_convert
except ImportError as error:
    raise MissingExtra("altair and jinja2", "sim") from error

PAGE = "index.html"
MOST_FIGURES = 24
"""Populations and ports that are drawn."""
MOST_LINES, MOST_POINTS = 7, 1000
"""Numbers of a port that are drawn, and instants of each."""
LOW = 220
"""Height of a chart of values, in pixels."""


def ensure_free(folder: Path) -> None:
    """Raise RecordError when the folder has files already, or cannot be made."""
    if folder.is_dir() and any(folder.iterdir()):
        raise RecordError(f"{folder}: holds files already; give another folder or remove it")
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise RecordError(f"{folder}: cannot be made: {there} is {kind_of(there) or 'a file'}")


def write(
    folder: Path, title: str, found: Sequence[Simulated], summary: SimulationSummary, tables: list[Table]
) -> None:
    """Write everything into a folder that is then there whole. Raises RecordError.

    Parameters
    ----------
    folder : Path
        A new folder, or an empty one.
    title : str
        The page's.
    found : sequence of Simulated
        What each backend did.
    summary : SimulationSummary
        What `summary.json` says.
    tables : list of Table
        What the page shows beside figures.
    """
    ensure_free(folder)
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.absolute().parent) as scratch:
            new = Path(scratch) / "new"
            new.mkdir()
            _fill(new, title, found, summary, tables)
            new.rename(folder.absolute())
    except OSError as error:
        raise RecordError(f"{folder}: cannot hold the results: {error.strerror or error}") from None


def arrays(done: Simulation) -> dict[str, NDArray[Any]]:
    """All that a simulation found, by the names that its .npz file has: docs/networks.md lists them."""
    found: dict[str, NDArray[Any]] = {"t_s": done.t_s}
    for name, fired in done.spikes.items():
        found |= {f"spikes/{name}/t_s": fired.t_s, f"spikes/{name}/neuron": fired.neuron}
    found |= {f"values/{name}": values for name, values in done.values.items()}
    found |= {f"membranes/{name}": values for name, values in done.membranes.items()}
    return found | {f"learnt/{name}": array for name, array in done.learnt.items()}


def figures(found: Sequence[Simulated]) -> Iterator[Figure]:
    """Rasters of the populations that fired, and values of ports, of each backend that does something of its own."""
    first = found[0]
    for each in found:
        for name, fired in each.simulation.spikes.items():
            same = each is not first and all(map(np.array_equal, fired, first.simulation.spikes[name]))
            if fired.t_s.size and not same:
                yield _raster(each, name, several=len(found) > 1)
    theirs = _curves_of(first.simulation)
    for each in found:
        for name, array in _curves_of(each.simulation).items():
            if each is first or not np.array_equal(array, theirs[name]):
                yield _curves(each, name, array, several=len(found) > 1)


def _curves_of(done: Simulation) -> dict[str, NDArray[Any]]:
    return done.values | {f"membrane of {name}": values for name, values in done.membranes.items()}


def _fill(new: Path, title: str, found: Sequence[Simulated], summary: SimulationSummary, tables: list[Table]) -> None:
    for each in found:
        named: dict[str, Any] = arrays(each.simulation)
        np.savez_compressed(new / f"{each.backend}.npz", **named)
    write_simulation(new, summary)
    everything = list(figures(found))
    drawn, n_more = everything[:MOST_FIGURES], len(everything) - MOST_FIGURES
    for figure in drawn:
        for suffix in ("svg", "png"):
            save(figure.chart, new / f"{figure.name}.{suffix}", figure.title)
    environment = jinja2.Environment(loader=jinja2.PackageLoader("hilbench", "report"), autoescape=True)
    page = environment.get_template("open_loop.html").render(
        title=title,
        sentence=_sentence(found[0].simulation),
        tables=tables,
        figures=[(figure, vl_convert.vegalite_to_svg(picture(figure.chart))) for figure in drawn],
        left_out=f"{n_more} more are in the .npz files alone." if n_more > 0 else "",
    )
    (new / PAGE).write_text(page, "utf-8", "backslashreplace")


def _sentence(done: Simulation) -> str:
    return (
        f"{words.counted(done.n_steps, 'network step')} of {done.network.dt_s:g} s:"
        f" {done.duration_s:g} s of the network's own time, in periods of {done.period_s:g} s."
    )


def _file(kind: str, each: Simulated, name: str, several: bool) -> str:
    plain = name.replace(" ", "_")
    return f"{kind}_{plain}_{each.backend}" if several else f"{kind}_{plain}"


def _raster(each: Simulated, name: str, several: bool) -> Figure:
    done, half_s = each.simulation, each.simulation.duration_s / 2
    fired = done.spikes[name]
    times, row, n_fired = spikes.pick(fired.t_s, fired.neuron, half_s, half_s)
    shown, size = int(row.max()) + 1, done.network.populations[name].size
    rate = words.figure(fired.t_s.size / size / done.duration_s)
    finding = f"{words.counted(fired.t_s.size, 'spike')} of {n_fired} of {size} neurons, {rate} Hz on average."
    less = times.size < fired.t_s.size
    note = f"{times.size} of them are drawn, of {shown} neurons that are spread evenly." if less else ""
    chart = spikes.strokes(
        times, row, shown, [], f"neuron (1 to {shown})", (0.0, done.duration_s) if not less else None
    )
    title = f"Spikes of {name}" + f" on {each.backend}" * several
    return Figure(_file("spikes", each, name, several), chart, title, finding, note)


def _curves(each: Simulated, name: str, values: NDArray, several: bool) -> Figure:
    n, size = values.shape
    chosen = np.unique(np.linspace(0, n - 1, min(n, MOST_POINTS)).round().astype(int))
    shown = np.unique(np.linspace(0, size - 1, min(size, MOST_LINES)).round().astype(int))
    t_s = each.simulation.t_s[chosen]
    names = [f"{name}[{i}]" if size > 1 else name for i in shown]
    rows = [
        {"t": t, "what": label, "value": value}
        for i, label in zip(shown, names, strict=True)
        for t, value in zip(t_s.tolist(), rounded(values[chosen, i]), strict=True)
    ]
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(strokeWidth=1.5)
        .encode(
            x=time_axis([0.0, each.simulation.duration_s]),
            y=alt.Y("value:Q", title="value"),
            color=alt.Color(
                "what:N", scale=alt.Scale(domain=names, range=list(COLOURS[: len(names)])),
                legend=columns(3) if len(names) > 1 else None,
            ),
        )
        .properties(**wide(LOW))
    )  # fmt: skip
    low, high = (words.figure(float(end)) for end in (values.min(), values.max()))
    whole = len(shown) == size and len(chosen) == n
    note = "" if whole else f"Drawn are {len(shown)} of {size} numbers, at {len(chosen)} of {n} instants."
    title = f"{name[0].upper()}{name[1:]}" + f" on {each.backend}" * several
    return Figure(_file("values", each, name, several), chart, title, f"From {low} to {high}.", note)
