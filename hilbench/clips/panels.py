"""The panels below a clip's picture: error and spikes over the time that it shows, each drawn once.

A frame takes a copy and puts the cursor on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from hilbench.clips.span import Span
from hilbench.report import words

PAPER, INK, GRID, BLUE, RED = (255, 255, 255), (40, 44, 52), (226, 230, 236), (31, 90, 168), (200, 40, 40)
CHANGED, CURSOR = (253, 240, 238), (240, 150, 20)
ON, OFF, NOTHING = (70, 200, 120), (230, 90, 70), (30, 32, 38)
"""Of an event camera: brighter, darker, and neither."""
PANEL_COLOURS = (PAPER, INK, GRID, BLUE, RED, CHANGED, CURSOR, ON, OFF, NOTHING)
MARGIN = 4
ROWS = 60
"""Neurons, or event addresses, that a panel shows at most."""


class Marked(NamedTuple):
    """A change within the time shown."""

    at_s: float
    until_s: float
    label: str


class Axes(NamedTuple):
    """What a panel is drawn on."""

    size: tuple[int, int]
    """Width and height, in pixels."""
    span: Span
    """The time shown."""
    marks: Sequence[Marked]
    title: str


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font in a size of pixels."""
    return ImageFont.load_default(size)


def line_panel(axes: Axes, t_s: NDArray[np.float64], values: NDArray[np.float64]) -> Image.Image:
    """Values over time as a line, from 0 or the least up to the largest.

    Parameters
    ----------
    axes : Axes
    t_s : (n,) float64
        In seconds after the episode's start.
    values : (n,) float64
    """
    size, span = axes.size, axes.span
    image, draw = _empty(axes)
    inside = (t_s >= span.from_s) & (t_s <= span.to_s) & np.isfinite(values)
    if inside.sum() < 2:
        return image
    columns, heights = _columns(size[0], span, t_s[inside]), values[inside]
    low, high = min(0.0, float(heights.min())), float(heights.max())
    scale = (size[1] - _head(size) - MARGIN) / (high - low if high > low else 1.0)
    # One point a column: its largest value, so that no peak is lost.
    at = np.unique(columns)
    peaks = np.array([heights[columns == column].max() for column in at])
    points = list(zip(at.tolist(), (size[1] - MARGIN - (peaks - low) * scale).tolist(), strict=True))
    draw.line(points, fill=BLUE, width=max(1, size[1] // 50), joint="curve")
    draw.text((size[0] - MARGIN, 1), f"max {words.figure(high)}", fill=INK, font=font(_head(size) - 3), anchor="ra")
    return image


def raster_panel(axes: Axes, t_s: NDArray[np.float64], address: NDArray[np.int64]) -> Image.Image:
    """Spikes or events over time, darker for more: of at most 60 addresses that were active in that time.

    Parameters
    ----------
    axes : Axes
    t_s : (n,) float64
        In seconds after the episode's start.
    address : (n,) int64
    """
    size, span = axes.size, axes.span
    image, _ = _empty(axes)
    inside = (t_s >= span.from_s) & (t_s <= span.to_s)
    active = np.unique(address[inside])
    if not active.size:
        return image
    room = size[1] - _head(size) - MARGIN
    chosen = active[np.unique(np.linspace(0, active.size - 1, min(ROWS, room // 2, active.size)).round().astype(int))]
    shown = inside & np.isin(address, chosen)
    counts = np.zeros((room, size[0]))
    rows = np.searchsorted(chosen, address[shown]) * room // chosen.size
    np.add.at(counts, (rows, _columns(size[0], span, t_s[shown])), 1)
    dark = Image.fromarray((255 * np.sqrt(counts / counts.max())).astype(np.uint8))
    image.paste(Image.new("RGB", dark.size, INK), (0, _head(size)), dark)
    return image


def at_time(panel: Image.Image, span: Span, now_s: float) -> Image.Image:
    """A copy with the cursor at an instant.

    Parameters
    ----------
    panel : Image
    span : Span
        The time that it shows.
    now_s : float
        In seconds after the episode's start.
    """
    image = panel.copy()
    column = int(_columns(image.width, span, np.array([now_s]))[0])
    ImageDraw.Draw(image).line([(column, 0), (column, image.height)], fill=CURSOR, width=max(1, image.width // 300))
    return image


def _empty(axes: Axes) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    size, span, marks, title = axes
    image = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(image)
    draw.line([(0, 0), (size[0], 0)], fill=GRID)
    for mark in marks:
        a, b = (int(_columns(size[0], span, np.array([each]))[0]) for each in (mark.at_s, min(mark.until_s, span.to_s)))
        draw.rectangle([(a, 1), (b, size[1])], fill=CHANGED)
        draw.line([(a, 1), (a, size[1])], fill=RED)
    draw.text((MARGIN, 1), title, fill=INK, font=font(_head(size) - 3))
    return image, draw


def _head(size: tuple[int, int]) -> int:
    """Height of a panel's title, in pixels."""
    return max(11, min(22, size[1] // 3))


def _columns(width: int, span: Span, t_s: NDArray[np.float64]) -> NDArray[np.int64]:
    share = (t_s - span.from_s) / (span.to_s - span.from_s)
    return np.rint(MARGIN + share * (width - 2 * MARGIN)).astype(np.int64)
