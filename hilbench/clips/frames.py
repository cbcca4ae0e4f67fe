"""The frames of a clip: the robot's picture with its events, above the panels, a copy of each for its instant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from hilbench.clips.panels import (
    INK,
    NOTHING,
    OFF,
    ON,
    PAPER,
    RED,
    Axes,
    Marked,
    at_time,
    font,
    line_panel,
    raster_panel,
)
from hilbench.clips.span import Span
from hilbench.record.data import RunData
from hilbench.report import words
from hilbench.runs.redrive import redriven
from hilbench.types import EventSensor

PANEL_SHARE = 0.19
"""Of a frame's height, for each panel."""
INSET_SHARE = 0.34
"""Of the picture's height, for what an event camera told since the last frame."""


class Look(NamedTuple):
    """How a clip is made."""

    width: int
    height: int
    fps: float
    speed: float
    """Seconds of the run in a second of the clip."""


def frames(run: RunData, plant: Any, span: Span, look: Look, first_s: float) -> Iterator[Image.Image]:
    """Each frame of a clip, in order.

    Parameters
    ----------
    run : RunData
        With all its columns.
    plant : Plant
        As `drawn_plant` gives it.
    span : Span
        What the panels show.
    look : Look
    first_s : float
        The first frame's instant, in seconds after the episode's start.
    """
    t_s = run.episodes[span.episode]["t_us"] * 1e-6
    marks = marks_of(run, span)
    panels, view = _panels(run, span, look, marks), _Events(run, span)
    step_s, wanted_s, before_s = look.speed / look.fps, first_s, max(0.0, first_s - look.speed / look.fps)
    room = look.height - sum(panel.height for panel in panels)
    for k in redriven(run, plant, span.episode):
        now_s = float(t_s[k])
        if now_s > span.to_s + 1e-9:
            return
        if now_s < wanted_s - 1e-9:
            continue
        picture = _fitted(np.asarray(plant.render()), look.width, room)
        view.overlay(picture, before_s, now_s)
        _caption(picture, run, now_s, marks)
        yield _stacked(picture, [at_time(panel, span, now_s) for panel in panels], look)
        before_s, wanted_s = now_s, wanted_s + step_s


def marks_of(run: RunData, span: Span) -> list[Marked]:
    """The disturbances that act within the time shown; of those that always act, the scored one alone.

    Parameters
    ----------
    run : RunData
    span : Span
    """
    found = []
    for name, table in run.meta.scenario.disturbances.items():
        last = table.get("until_episode")
        if span.episode < table.get("at_episode", 0) or (last is not None and span.episode >= last):
            continue
        at_s, until_s = table.get("at_s", 0.0), table.get("until_s")
        always = not at_s and until_s is None and not table.get("at_episode", 0) and last is None
        if always and name != run.meta.scenario.score.change:
            continue
        until_s = float("inf") if until_s is None else until_s
        if at_s <= span.to_s and until_s > span.from_s:
            found.append(Marked(max(at_s, span.from_s), until_s, words.disturbance(name, table)))
    return found


def _panels(run: RunData, span: Span, look: Look, marks: Sequence[Marked]) -> list[Image.Image]:
    episode, spec = run.episodes[span.episode], run.meta.plant_spec
    t_s, size = episode["t_us"] * 1e-6, (look.width, round(PANEL_SHARE * look.height))
    found = []

    def axes(title: str) -> Axes:
        return Axes(size, span, marks, title)

    if spec.error:
        unit = spec.info_units[spec.error]
        title = f"{words.named(spec.error)[0]}, {unit}"
        found.append(line_panel(axes(title), t_s, np.abs(episode[f"info.{spec.error}"])))
    spiked, address = _times(episode, "probe_events", t_s)
    if spiked.size:
        found.append(raster_panel(axes("spikes"), spiked, address))
    elif run.meta.network is not None:
        found.append(line_panel(axes("spikes a tick"), t_s, episode["spikes"].astype(float)))
    for sensor, first in run.event_sensors.items():
        if not _is_image(sensor):
            told, where = _times(episode, "sensor_events", t_s)
            own = (where >= first) & (where < first + sensor.size)
            found.append(raster_panel(axes(f"events of {sensor.name}"), told[own], where[own]))
    return found


def _times(episode: dict[str, NDArray[Any]], column: str, t_s: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """When the events of a column happened, in s, and their addresses."""
    rows = episode.get(column, np.empty(0, object))
    if not (n := np.array([row.size for row in rows], np.int64)).sum():
        return np.empty(0), np.empty(0, np.int64)
    events = np.concatenate([row for row in rows if row.size])
    return np.repeat(t_s, n) + events["t_us"] * 1e-6, events["address"].astype(np.int64)


def _is_image(sensor: EventSensor) -> bool:
    return sensor.axes[:2] == ("y", "x")


class _Events:
    """What event cameras told, as small pictures in a corner."""

    def __init__(self, run: RunData, span: Span) -> None:
        cameras = {sensor: first for sensor, first in run.event_sensors.items() if _is_image(sensor)}
        self._cameras = cameras
        if cameras:
            episode = run.episodes[span.episode]
            # A tick's events happened in the period before it.
            told_s, self._address = _times(episode, "sensor_events", episode["t_us"] * 1e-6)
            self._t_s = told_s - run.meta.scenario.loop.period_s

    def overlay(self, picture: Image.Image, from_s: float, to_s: float) -> None:
        """Draw what each camera told in a span of time."""
        side, top = round(INSET_SHARE * picture.height), 2
        for sensor, first in self._cameras.items():
            rows, columns, *_ = sensor.shape
            inside = (self._t_s >= from_s) & (self._t_s < to_s)
            address = self._address[inside] - first
            address = address[(address >= 0) & (address < sensor.size)]
            small = Image.fromarray(_pixels(address, sensor)).resize(
                (side * columns // rows, side), Image.Resampling.NEAREST
            )
            picture.paste(small, (picture.width - small.width - 2, top))
            top += side + 2


def _pixels(address: NDArray[np.int64], sensor: EventSensor) -> NDArray[np.uint8]:
    """(y, x, 3): green where something became brighter, red where darker."""
    rows, columns, *rest = sensor.shape
    image = np.full((rows * columns, 3), NOTHING, np.uint8)
    n = rest[0] if rest else 1
    on = address % n == n - 1
    image[address[~on] // n] = OFF
    image[address[on] // n] = ON
    return image.reshape(rows, columns, 3)


def _fitted(picture: NDArray[np.uint8], width: int, height: int) -> Image.Image:
    """The picture as large as fits, on paper."""
    image = Image.fromarray(picture)
    scale = min(width / image.width, height / image.height)
    small = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    whole = Image.new("RGB", (width, height), PAPER)
    whole.paste(small, ((width - small.width) // 2, (height - small.height) // 2))
    return whole


def _caption(picture: Image.Image, run: RunData, now_s: float, marks: Sequence[Marked]) -> None:
    draw, size = ImageDraw.Draw(picture), max(10, picture.height // 14)
    scenario = run.meta.scenario
    for row, (text, colour) in enumerate(
        [(f"{scenario.name}, {scenario.controller}   {now_s:.1f} s", INK)]
        + [(mark.label, RED) for mark in marks if mark.at_s <= now_s < mark.until_s]
    ):
        draw.text((5, 3 + row * (size + 3)), text, fill=colour, font=font(size), stroke_width=1, stroke_fill=PAPER)


def _stacked(picture: Image.Image, panels: Sequence[Image.Image], look: Look) -> Image.Image:
    whole = Image.new("RGB", (look.width, look.height), PAPER)
    whole.paste(picture, (0, 0))
    top = picture.height
    for panel in panels:
        whole.paste(panel, (0, top))
        top += panel.height
    return whole
