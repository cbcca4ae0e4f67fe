"""Writes clips: GIF and PNG by Pillow, MP4 by ffmpeg, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path

import numpy as np
from PIL import Image

from hilbench.clips.panels import PANEL_COLOURS
from hilbench.errors import MissingExtra, ScenarioError, allowed_hint

KINDS = (".mp4", ".gif", ".png")
COLOURS = 128
"""Of a GIF, from its first frame: enough for flat surfaces, at half the size of 256. The panels have their own."""


def check_kind(out: Path) -> None:
    """Raise ScenarioError for a file whose name says no kind that can be written, MissingExtra without its library."""
    if out.suffix.lower() not in KINDS:
        raise ScenarioError(f"{out}: found the ending {out.suffix!r}; {allowed_hint(out.suffix, KINDS)}")
    if out.suffix.lower() == ".mp4":
        try:
            import imageio_ffmpeg  # noqa: F401
        except ImportError as error:
            raise MissingExtra("imageio-ffmpeg", "video") from error


def write(frames: Iterable[Image.Image], out: Path, fps: float) -> int:
    """Write a clip; a PNG gets the first frame alone. How many frames it has; 0 where there was none, and no file then.

    Parameters
    ----------
    frames : iterable of Image
        All of one size.
    out : Path
        Its ending says what it becomes.
    fps : float
        Frames in a second of it.
    """
    rest = iter(frames)
    if (first := next(rest, None)) is None:
        return 0
    writer: dict[str, Callable[[Image.Image, Iterator[Image.Image], Path, float], int]] = {
        ".gif": _gif, ".mp4": _mp4, ".png": _png,
    }  # fmt: skip
    with _whole(out) as beside:
        return writer[out.suffix.lower()](first, rest, beside, fps)


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A file beside it that takes its place once it is whole."""
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{out.stem}.part{out.suffix}")
    try:
        yield beside
        os.replace(beside, out)
    finally:
        with suppress(OSError):
            beside.unlink()


def _png(first: Image.Image, rest: Iterator[Image.Image], out: Path, fps: float) -> int:
    first.save(out, optimize=True)
    return 1


def _gif(first: Image.Image, rest: Iterator[Image.Image], out: Path, fps: float) -> int:
    own = first.quantize(COLOURS).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(own[: 3 * COLOURS] + [part for colour in PANEL_COLOURS for part in colour])
    images = [each.quantize(palette=palette, dither=Image.Dither.NONE) for each in chain([first], rest)]
    images[0].save(out, save_all=True, append_images=images[1:], duration=round(1000 / fps), loop=0, optimize=False)
    return len(images)


def _mp4(first: Image.Image, rest: Iterator[Image.Image], out: Path, fps: float) -> int:
    import imageio_ffmpeg

    size = first.width - first.width % 2, first.height - first.height % 2  # H.264 has whole pairs of pixels
    sink = imageio_ffmpeg.write_frames(str(out), size, fps=fps, macro_block_size=2, ffmpeg_log_level="error")
    sink.send(None)
    n = 0
    try:
        for frame in chain([first], rest):
            sink.send(np.ascontiguousarray(frame.crop((0, 0, *size))))
            n += 1
    finally:
        sink.close()
    return n


def sheet(pictures: Iterable[Image.Image], columns: int) -> Image.Image:
    """Pictures of one size side by side, row by row.

    Parameters
    ----------
    pictures : iterable of Image
    columns : int
        How many stand in a row.
    """
    rest, rows = iter(pictures), []
    while row := list(islice(rest, columns)):
        rows.append(row)
    width, height = rows[0][0].size
    whole = Image.new("RGB", (width * len(rows[0]), height * len(rows)), (255, 255, 255))
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            whole.paste(picture, (x * width, y * height))
    return whole
