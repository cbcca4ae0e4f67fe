"""Event sensors on the page: counts of pixels, their picture, and a raster of channels."""

from __future__ import annotations

import base64
import io

import event_camera
import numpy as np
import pytest
from event_camera import CAMERA

from hilbench.record.recordings import Recording
from hilbench.report import page
from hilbench.report.events import FEW, MANY, NONE, counts, darkest, heat_map, png
from hilbench.report.page import gather, write
from hilbench.runs.run import run
from hilbench.types import EventSensor

Image = pytest.importorskip("PIL.Image")


def rgb(colour):
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def picture(spec, number=0):
    """The picture of a panel of a heat map, (y, x, 3) uint8, and its mark."""
    panel = spec["hconcat"][number]
    [image] = [layer for layer in panel["layer"] if layer["mark"]["type"] == "image"]
    data = (spec | panel)["data"]["values"][0]["url"].removeprefix("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")), image["mark"]


def told(sensor, *addresses):
    return Recording(sensor, np.arange(len(addresses)), np.array(addresses, np.uint32))


def test_counts_are_by_row_and_column_and_polarity_whatever_the_order_of_the_axes():
    sensor = EventSensor("eye", (2, 3, 2), ("polarity", "x", "y"))
    found = counts(told(sensor, *[0 * 6 + 2 * 2 + 1] * 3, 1 * 6 + 0 * 2 + 0))
    assert found["OFF"].tolist() == [[0, 0, 0], [0, 0, 3]]
    assert found["ON"].tolist() == [[1, 0, 0], [0, 0, 0]]
    grey = counts(told(EventSensor("eye", (2, 3), ("y", "x")), 4, 4, 0))
    assert {name: map_.tolist() for name, map_ in grey.items()} == {"": [[1, 0, 0], [0, 2, 0]]}


def test_a_png_is_what_other_readers_take_it_for():
    shades, palette = np.arange(6, dtype=np.uint8).reshape(2, 3), np.arange(768).reshape(256, 3).astype(np.uint8)
    found = np.asarray(Image.open(io.BytesIO(png(shades, palette))).convert("RGB"))
    np.testing.assert_array_equal(found, palette[shades])


def test_a_colour_goes_with_the_square_root_of_its_count():
    """Of 16 events at most: none is grey, and 4 are half way between the scale's two ends."""
    maps = {"OFF": np.array([[0, 4]]), "ON": np.array([[16, 1]])}
    spec = heat_map(maps, darkest(maps)).to_dict(validate=False)
    on = spec["hconcat"][1]
    (few, many), scale = map(np.array, (rgb(FEW), rgb(MANY))), [on["layer"][1]["encoding"]["color"]["scale"]]
    assert scale == [{"type": "sqrt", "domain": [0, 16], "range": [FEW, MANY]}]
    for number, left, right in ((0, rgb(NONE), few + (many - few) / 2), (1, many, few + (many - few) / 4)):
        pixels, mark = picture(spec, number)
        assert pixels.shape[1] == 2 * pixels.shape[0]
        assert mark["width"] == 2 * mark["height"] == 250
        half = pixels.shape[1] // 2
        np.testing.assert_allclose(pixels[:, :half], np.broadcast_to(left, pixels[:, :half].shape), atol=1)
        np.testing.assert_allclose(pixels[:, half:], np.broadcast_to(right, pixels[:, half:].shape), atol=1)
    assert on["layer"][1]["encoding"]["color"]["legend"]["values"] == [0, 1, 4, 9, 16]


def test_a_large_cameras_picture_has_its_own_pixels():
    found = np.zeros((480, 640), int)
    found[-1, -1] = 3
    pixels, mark = picture(heat_map({"": found}, 3).to_dict(validate=False))
    assert pixels.shape == (480, 640, 3)
    assert (mark["width"], mark["height"]) == (250, 188)
    assert tuple(pixels[-1, -1]) == rgb(MANY)
    assert (pixels.reshape(-1, 3)[:-1] == rgb(NONE)).all()


def test_hot_pixels_take_no_colour_from_the_others():
    """Two of 4000 pixels that told anything are hot, which is less than one in a thousand; of 1000 it is more."""
    found = np.full(4000, 9)
    found[:2], silent = 900, np.zeros(96, int)
    assert darkest({"": np.append(found, silent).reshape(64, 64)}) == 9
    assert darkest({"OFF": found[None, :1000], "ON": silent[None]}) == 900
    pixels, _ = picture(heat_map({"": found.reshape(40, 100)}, 9).to_dict(validate=False))
    assert (pixels == rgb(MANY)).all()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    event_camera.register(monkeypatch)
    run(event_camera.scenario(tmp_path), tmp_path / "run")
    return tmp_path


def test_a_report_draws_each_sensor_and_says_what_it_told(folder):
    """49 columns of 32 pixels and one channel each: columns 1 to 17 are entered twice, of 0 to 31."""
    report = gather([folder / "run"])
    camera, ear = report.figures["events"]
    assert camera.title == "Events of camera: run in camera"
    assert camera.finding == (
        "1\u202f568 events, 50 % of them ON. 512 of 1\u202f024 pixels told any; the most came from x 1, y 8: 4."
    )
    spec = camera.chart.to_dict(validate=False)
    assert [panel["title"] for panel in spec["hconcat"]] == ["OFF", "ON"]
    on, _ = picture(spec, 1)
    px = on.shape[0] // CAMERA.shape[0]
    assert tuple(on[8 * px, 1 * px]) == rgb(MANY)
    assert tuple(on[8 * px - 1, 1 * px]) == rgb(NONE)
    once = np.array(rgb(FEW)) + np.subtract(rgb(MANY), rgb(FEW)) * 0.5**0.5
    np.testing.assert_allclose(on[23 * px, 18 * px], once, atol=1)
    assert ear.finding == "49 events of 8 of the 8 channels that told any."
    strokes = ear.chart.to_dict(validate=False)
    assert strokes["layer"][0]["encoding"]["y"]["title"] == "channel (0 to 7)"
    assert strokes["data"]["values"][2] == {"neuron": 2, "t": [0.16, 0.18, 0.2, 0.22, 0.8, 0.82, 0.84, 0.86]}


def test_the_page_has_a_section_and_the_table_a_column(folder):
    write([folder / "run"], folder / "page.html", folder / "figures")
    html = (folder / "page.html").read_text("utf-8")
    assert '<section id="events">' in html
    assert '<a href="#events">Event sensors</a>' in html
    assert {"events_camera_camera.png", "events_camera_ear.svg"} <= {p.name for p in (folder / "figures").iterdir()}
    [table] = gather([folder / "run"]).tables
    titles = [page.tables.one_line(column.title) for column in table.columns]
    (_, entries), at = table.rows[0], titles.index("events in")
    assert (entries[at].text, table.columns[at].unit) == ("1\u202f650", "1/s")
    assert "events lost" not in titles, "in lockstep none can be"
