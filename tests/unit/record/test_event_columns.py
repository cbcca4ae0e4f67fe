"""Events in a record's streams: they come back as they were, and take little room."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_rows import SHAPE, run_meta, write_tick

from hilbench.record.events import packed, unpacked
from hilbench.record.reader import read_run
from hilbench.record.writer import Recorder
from hilbench.types import EVENT, Tick

NUMBERS = st.integers(0, 2**32 - 1)


def joined(rows):
    """The rows end to end as numbers, and where each that is not empty begins."""
    sizes = np.array([len(row) for row in rows], int)
    flat = np.array([event for row in rows for event in row], EVENT)
    return flat.view(np.uint64), (np.cumsum(sizes) - sizes)[sizes > 0]


def test_an_event_is_its_address_and_the_time_since_the_one_before_it_in_its_row():
    numbers, starts = joined([[(5, 1), (7, 0), (7, 3)], [], [(2, 9)]])
    found = packed(numbers.copy(), starts)
    assert found.tolist() == [5 + 2**32 * 1, 2, 0 + 2**32 * 3, 2 + 2**32 * 9]
    np.testing.assert_array_equal(unpacked(found, starts), numbers.view(EVENT))


@given(st.lists(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=5), max_size=6))
def test_any_events_come_back_in_any_order(rows):
    numbers, starts = joined(rows)
    np.testing.assert_array_equal(unpacked(packed(numbers.copy(), starts), starts), numbers.view(EVENT))


@pytest.mark.parametrize("n_addresses", [4096, 1], ids=["random 64x64", "one address"])
@pytest.mark.parametrize("n", [500, 20_000])
def test_a_run_takes_at_most_1_1_times_zstd_of_the_raw_events(tmp_path, n_addresses, n):
    """Twenty ticks of 20 ms; the program is sent what the sensors told, which is on disk once."""
    random, told = np.random.default_rng(0), []
    with Recorder(tmp_path / "run", run_meta(), compress=True) as recorder:
        rows = recorder.episode(SHAPE, 20)
        for k in range(20):
            events = np.zeros(n, EVENT)
            events["t_us"] = np.sort(random.integers(0, 20_000, n))
            events["address"] = random.integers(0, n_addresses, n)
            told.append(events)
            row = (k, 20_000 * k, *[0] * 6, 0.0, False, False, 0)
            tick = Tick(values=np.zeros(3, "f4"), modulators=np.zeros(1, "f4"), events=events)
            rows.tick(row, tick, np.zeros(3, "f4"), np.zeros(2), {"x": 0.0, "error": 0.0}, events)
    raw = pa.Codec("zstd", compression_level=3).compress(np.concatenate(told).tobytes())
    assert (tmp_path / "run" / "episode_0000.arrow").stat().st_size <= 1.1 * len(raw)
    episode = read_run(tmp_path / "run").episodes[0]
    for name in ("events", "sensor_events"):
        np.testing.assert_array_equal(np.concatenate(episode[name]), np.concatenate(told))


@pytest.mark.parametrize("columns", [("sensor_events",), ("sensor_events", "seq", "relayed"), ("events", "seq")])
def test_asked_columns_alone_are_read(tmp_path, columns):
    with Recorder(tmp_path / "run", run_meta()) as recorder:
        rows = recorder.episode(SHAPE, 4)
        for k in range(10):
            write_tick(rows, k)
    whole, some = (read_run(tmp_path / "run", names).episodes[0] for names in (None, columns))
    assert set(some) == set(columns)
    for name in columns:
        for mine, theirs in zip(some[name], whole[name], strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_what_the_sensors_told_outlives_the_arrays_of_plant_and_encoder(tmp_path):
    """Both may write over their arrays for the next tick."""
    told, sent = np.array([(1, 2), (3, 4)], EVENT), np.array([(5, 6)], EVENT)
    with Recorder(tmp_path / "run", run_meta()) as recorder:
        rows = recorder.episode(SHAPE, 4)
        for k, events in enumerate((told, sent)):
            tick = Tick(values=np.zeros(3, "f4"), modulators=np.zeros(1, "f4"), events=events)
            row = (k, 20_000 * k, *[0] * 6, 0.0, False, False, 0)
            rows.tick(row, tick, np.zeros(3, "f4"), np.zeros(2), {"x": 0.0, "error": 0.0}, told)
            for array in (told, sent):
                array["address"] += 10
    episode = read_run(tmp_path / "run").episodes[0]
    assert [row["address"].tolist() for row in episode["events"]] == [[2, 4], [16]]
    assert [row["address"].tolist() for row in episode["sensor_events"]] == [[2, 4], [12, 14]]
    assert episode["relayed"].tolist() == [True, False]
