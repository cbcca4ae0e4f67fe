"""What the plant's event sensors told: a heat map of each camera's pixels, and a raster of other sensors' channels."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

import altair as alt
import numpy as np
from numpy.typing import NDArray

from hilbench.record.meta import RunMeta
from hilbench.record.recordings import PIXELS, Recording, of_run
from hilbench.report import words
from hilbench.report.charts import Figure
from hilbench.report.data import ReportCell, change_s
from hilbench.report.spikes import marks_at, pick, strokes

SIDE = 250
"""The longer side of a heat map, in pixels of the page."""
NONE, FEW, MANY = "#F1F1F1", "#CFE2F3", "#08306B"
"""The colours of pixels that told nothing, little and most."""
HOT = 0.001
"""The share of pixels that may be beyond the scale of colours."""
POLARITIES = ("OFF", "ON")


def figures(cells: Sequence[ReportCell]) -> list[Figure | None]:
    """A figure for each event sensor that told anything, of the first cell whose plant has one."""
    for cell in cells:
        if any(meta.plant_spec.event_sensors for meta in cell.metas):
            for run in cell.read(("t_us", "sensor_events"))[:1]:
                told = [of_run(run, sensor.name) for sensor in run.event_sensors]
                return [_figure(cell, run.meta, recording) for recording in told if recording.t_us.size]
    return []


def counts(recording: Recording) -> dict[str, NDArray[np.int64]]:
    """How many events each pixel of a camera told, (y, x), by polarity; "" for a camera without."""
    sensor = recording.sensor
    found = np.bincount(recording.address, minlength=sensor.size).reshape(sensor.shape)
    found = np.moveaxis(found, [sensor.axes.index("y"), sensor.axes.index("x")], [0, 1])
    return {"": found} if found.ndim == 2 else dict(zip(POLARITIES, np.moveaxis(found, 2, 0), strict=True))


def darkest(maps: dict[str, NDArray[np.int64]]) -> int:
    """The count from which on the colour is the darkest: few hot pixels take no colour from the others."""
    told = np.concatenate([found[found > 0] for found in maps.values()])
    return int(np.quantile(told, 1 - HOT, method="higher"))


def heat_map(maps: dict[str, NDArray[np.int64]], most: int) -> alt.HConcatChart:
    """Counts of pixels as pictures side by side, in one scale of colours that goes with the square root of a count.

    Parameters
    ----------
    maps : dict of (y, x) int
        The counts, by what stands above each picture.
    most : int
        The count of the darkest colour.
    """
    panels = [_panel(name, found, most) for name, found in maps.items()]
    return alt.hconcat(*panels, spacing=36, autosize="pad")  # pictures have a size of their own


def png(shades: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    """A picture as a PNG file.

    Parameters
    ----------
    shades : (y, x) uint8
        Which colour each pixel has.
    palette : (256, 3) uint8
        The colours: red, green and blue.
    """

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = shades.shape
    lines = np.concatenate([np.zeros((height, 1), np.uint8), shades], 1)  # each begins with its filter, none
    return b"\x89PNG\r\n\x1a\n" + b"".join([
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)), chunk(b"PLTE", palette.tobytes()),
        chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)), chunk(b"IEND", b""),
    ])  # fmt: skip


def _figure(cell: ReportCell, meta: RunMeta, told: Recording) -> Figure | None:
    sensor, seed = told.sensor, meta.scenario.loop.seed
    name, heading = f"events_{cell.group}_{sensor.name}", f"Events of {sensor.name}: {cell.title} in {cell.group}"
    note = f"First episode of seed {seed}."
    if set(sensor.axes) in PIXELS:
        maps = counts(told)
        note += " Colours go with the square root of the count; grey pixels told nothing."
        if (most := darkest(maps)) < max(found.max() for found in maps.values()):
            note += f" The darkest colour means {words.counted(most, 'event')} or more."
        return Figure(name, heat_map(maps, most), heading, _said(maps), note)
    change = change_s(meta)
    t_s, address = told.t_us * 1e-6, told.address
    times, row, active = pick(t_s, address, float(np.median(t_s)) if change is None else change)
    if not times.size:
        return None
    shown = int(row.max()) + 1
    near = address[(t_s >= times.min()) & (t_s <= times.max())]
    what = f"{sensor.axes[0] if len(sensor.axes) == 1 else 'address'} ({near.min()} to {near.max()})"
    finding = (
        f"{words.counted(times.size, 'event')} of {shown} of the {words.counted(active, 'channel')} that told any."
    )
    return Figure(name, strokes(times, row, shown, marks_at(change), what), heading, finding, note)


def _said(maps: dict[str, NDArray[np.int64]]) -> str:
    """What a reader should see in a heat map."""
    both = np.sum(list(maps.values()), 0)
    y, x = np.unravel_index(both.argmax(), both.shape)
    share = f", {100 * maps['ON'].sum() / both.sum():.0f} % of them ON" if "ON" in maps else ""
    active, all_of, most = (words.figure(float(n)) for n in (np.count_nonzero(both), both.size, both.max()))
    told = f"{words.counted(both.sum(), 'event')}{share}. {active} of {all_of} pixels told any"
    return f"{told}; the most came from x {x}, y {y}: {most}."


def _panel(name: str, found: NDArray[np.int64], most: int) -> alt.LayerChart:
    rows, columns = found.shape
    px = SIDE / max(rows, columns)
    size = {"width": round(columns * px), "height": round(rows * px)}
    shades = np.where(found > 0, np.rint(1 + 254 * np.sqrt(np.minimum(found / most, 1))), 0).astype(np.uint8)
    # Each pixel is several of the picture's, so that no browser smooths one into the next.
    times = max(1, round(2 * px))
    picture = png(np.kron(shades, np.ones((times, times), np.uint8)), _palette())
    url = "data:image/png;base64," + base64.b64encode(picture).decode()
    axis = alt.Axis(grid=False, tickCount=5)
    x = alt.X("x:Q", title="x", scale=alt.Scale(domain=[0, columns], nice=False), axis=axis)
    y = alt.Y("y:Q", title="y", scale=alt.Scale(domain=[rows, 0], nice=False), axis=axis)
    legend = alt.Legend(gradientLength=200, values=_whole_counts(most), format=",d")
    scale = alt.Scale(type="sqrt", domain=[0, most], range=[FEW, MANY])
    colour = alt.Color("n:Q", title="events", scale=scale, legend=legend)
    corner = alt.Chart(alt.Data(values=[{"x": 0, "y": 0, "n": most, "url": url}]))
    image = corner.mark_image(**size, align="left", baseline="top").encode(x=x, y=y, url="url:N")
    unseen = corner.mark_point(opacity=0).encode(x=x, y=y, color=colour)  # it brings the legend
    return alt.layer(image, unseen).properties(**size, title=name)


def _whole_counts(most: int) -> list[float]:
    """Numbers for the legend's ticks, at even distances on its scale as far as they are whole."""
    return np.unique(np.rint(most * np.linspace(0, 1, 5) ** 2)).tolist()


def _palette() -> NDArray[np.uint8]:
    none, few, many = (np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) for colour in (NONE, FEW, MANY))
    ramp = few + (many - few) * np.linspace(0, 1, 255)[:, None]
    return np.rint(np.concatenate([none[None], ramp])).astype(np.uint8)
