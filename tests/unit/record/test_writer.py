"""Runs on disk: what goes in comes out, whenever it settles and however the run ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import recorded_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_rows import SHAPE, check, run_meta, write_reply, write_tick

from hilbench.errors import RecordError
from hilbench.record.layout import AGREEMENT
from hilbench.record.meta import AgreementRecord, Fault
from hilbench.record.reader import read_run
from hilbench.record.sealed import read_sealed, write_sealed
from hilbench.record.streams import StreamWriter
from hilbench.record.writer import Recorder
from hilbench.types import to_builtins

FOUND = AgreementRecord(reference_backend="reference", run_spikes=3, reference_spikes=4, agreed_spikes=2)
FAULT = Fault(episode=0, tick=0, t_s=0.0, error="LinkError", message="so")


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 40), batch=st.integers(1, 12), lags=st.lists(st.integers(0, 30), min_size=1, max_size=7))
def test_every_column_comes_back_whenever_its_reply_came(tmp_path_factory, n, batch, lags):
    """A lag of 0 to 29 ticks is a reply that late, hence out of order; 30 is one that never comes."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    due = {k: k + lags[k % len(lags)] for k in range(n) if lags[k % len(lags)] < 30}
    with Recorder(folder, run_meta()) as recorder:
        rows = recorder.episode(SHAPE, batch)
        for now in range(n):
            write_tick(rows, now)
            for k in [k for k in due if due[k] == now]:
                assert not rows.answered(k)
                write_reply(rows, k)
            if rows.opened >= rows.full_at:
                rows.flush(min([k for k in due if due[k] > now and k <= now], default=now + 1))
        answered = np.array([k in due and due[k] < n for k in range(n)])
    run = read_run(folder)
    check(run.episodes[0], n, answered)
    assert run.meta.status == "done"


def test_a_skipped_row_and_a_lost_reply_stay_empty_in_a_used_chunk(tmp_path):
    with Recorder(tmp_path, run_meta()) as recorder:
        rows = recorder.episode(SHAPE, 2)
        for k in range(4):
            write_tick(rows, k)
            write_reply(rows, k)
            rows.flush(k + 1)
        for k in range(4, 8):  # chunks come from the spare ones, which are not new
            row = (k, 0, True, False, 0, 0, 0, 0, 0.0, False, False, 2)
            rows.tick(row, None, np.zeros(3), np.zeros(2), {"x": 0, "error": 0})
            rows.flush(k + 1)
    found = read_run(tmp_path).episodes[0]
    late = slice(4, 8)
    assert found["skipped"].tolist() == [False] * 4 + [True] * 4
    assert not found["values_in"][late].any()
    assert not found["actions"][late].any()
    assert np.isnan(found["values_out"][late]).all()
    assert found["applied_step"][late].tolist() == [-1] * 4
    assert [len(e) for name in ("events", "reply_events", "probe_events") for e in found[name][late]] == [0] * 12


def test_many_events_leave_in_smaller_batches(tmp_path, monkeypatch):
    """Rows with more events than may be held are written before a batch is full."""
    monkeypatch.setattr("hilbench.record.rows.HELD_BYTES", 30)
    written = []
    monkeypatch.setattr(StreamWriter, "write", lambda self, batch: written.append(batch.num_rows))
    with Recorder(tmp_path, run_meta()) as recorder:
        rows = recorder.episode(SHAPE, 100)
        for k in range(8):
            write_tick(rows, k)
            if rows.opened >= rows.full_at:
                rows.flush(k + 1)
    assert sum(written) == 8
    assert 1 < len(written) < 8


def test_rows_that_wait_for_their_replies_are_all_kept(tmp_path):
    """Four times as many as a ring of two batches holds, from a place in its middle."""
    with Recorder(tmp_path, run_meta()) as recorder:
        rows = recorder.episode(SHAPE, 3)
        for k in range(29):
            write_tick(rows, k)
            rows.flush(min(k + 1, 4))
        for k in range(28, -1, -1):
            write_reply(rows, k)
    answered = np.arange(29) >= 3  # the first batch was written before
    check(read_run(tmp_path).episodes[0], 29, answered)


def test_a_reply_tells_that_the_tick_before_it_was_run(tmp_path):
    with Recorder(tmp_path, run_meta()) as recorder:
        rows = recorder.episode(SHAPE, 10)
        for k in range(6):
            write_tick(rows, k)
        write_reply(rows, 3, prev=2)
        write_reply(rows, 5, prev=3)
    assert read_run(tmp_path).episodes[0]["processed"].tolist() == [False, False, True, True, False, True]


def test_the_links_echo_stands_beside_the_episodes(tmp_path):
    with Recorder(tmp_path, run_meta()) as recorder:
        recorder.echo(np.empty(0, np.int64))
        assert read_run(tmp_path).echo_ns.size == 0
        for n in (3, 5):  # before the run and after it
            recorder.echo(np.arange(n - 3, n) * 10**10)
            found = read_run(tmp_path).echo_ns
            assert (found.dtype, found.tolist()) == (
                np.int64,
                [10**10 * k for k in (0, 1, 2, 2, 3, 4)][: 3 if n == 3 else 6],
            )
    assert (read_run(tmp_path).episodes, read_run(tmp_path).echo_ns.size) == ([], 6)


def test_several_episodes_are_kept_apart(tmp_path):
    with Recorder(tmp_path, run_meta(run_id="a")) as recorder:
        for n in (3, 5):
            rows = recorder.episode(SHAPE, 2)
            for k in range(n):
                write_tick(rows, k)
    run = read_run(tmp_path)
    assert [len(e["seq"]) for e in run.episodes] == [3, 5]
    assert (run.meta.n_episodes, run.meta.run_id) == (2, "a")


CHILD = """
import sys
sys.path[:0] = [sys.argv[2]]
import recorded_rows as t
from hilbench.record.writer import Recorder
rows = Recorder(sys.argv[1], t.run_meta()).episode(t.SHAPE, 10)
for k in range(35):
    t.write_tick(rows, k)
    t.write_reply(rows, k)
    rows.flush(k + 1)
print("written", flush=True)
sys.stdin.read()
"""


def test_a_killed_run_opens_up_to_its_last_batch(tmp_path):
    command = [sys.executable, "-c", CHILD, str(tmp_path), os.path.dirname(recorded_rows.__file__)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"written\n"
        child.send_signal(signal.SIGKILL)
    run = read_run(tmp_path)
    assert run.meta.status == "running"
    check(run.episodes[0], 30, np.ones(30, bool))


@pytest.mark.parametrize("compress", [False, True])
def test_a_batch_that_was_cut_in_the_middle_is_left_out(tmp_path, compress):
    with Recorder(tmp_path / "whole", run_meta(), compress) as recorder:
        rows = recorder.episode(SHAPE, 10)
        for k in range(30):
            write_tick(rows, k)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    meta = read_sealed(tmp_path / "cut" / "run.json")
    meta["streams"] = None  # a killed run has none
    write_sealed(tmp_path / "cut" / "run.json", meta | {"status": "running"})
    data = (tmp_path / "whole" / "episode_0000.arrow").read_bytes()
    seen = set()
    for size in (*range(0, len(data), 997), len(data)):
        (tmp_path / "cut" / "episode_0000.arrow").write_bytes(data[:size])
        seen.add(sum(len(e["seq"]) for e in read_run(tmp_path / "cut").episodes))
    assert seen == {0, 10, 20, 30}
    check(read_run(tmp_path / "whole").episodes[0], 30, np.zeros(30, bool))
    (tmp_path / "whole" / "episode_0000.arrow").write_bytes(data[:-1])
    with pytest.raises(RecordError, match=r"episode_0000\.arrow: damaged: its end"):
        read_run(tmp_path / "whole")


def sample(folder, killed):
    """A run of two episodes with an echo and what was measured of it later, by file."""
    with Recorder(
        folder,
        run_meta(scenario={"loop": {"episodes": 2}}, plant_spec={"error": "x", "info_units": {"error": "", "x": ""}}),
    ) as recorder:
        recorder.echo(np.arange(5) * 10**9)
        for n in (7, 3):
            rows = recorder.episode(SHAPE, 3)
            for k in range(n):
                write_tick(rows, k)
                write_reply(rows, k)
                rows.flush(k + 1)
    write_sealed(folder / AGREEMENT, FOUND)
    if killed:
        meta = read_sealed(folder / "run.json")
        meta["streams"] = None
        write_sealed(folder / "run.json", meta | {"status": "running"})
    return {path: path.read_bytes() for path in folder.iterdir()}


def read_whole(folder):
    """All that a run says."""
    run = read_run(folder)
    columns = [(name, [*map(repr, found)]) for episode in run.episodes for name, found in episode.items()]
    return run.meta, columns, run.echo_ns.tolist(), run.agreement


@pytest.mark.parametrize("killed", [False, True])
def test_a_byte_that_has_changed_is_refused_or_makes_no_difference(tmp_path, killed):
    files = sample(tmp_path, killed)
    whole = read_whole(tmp_path)
    assert [len(whole[2]), len(files)] == [5, 8]  # run.json, agreement.json, and three streams with their checksums
    refused = {}

    @settings(max_examples=400, deadline=None)
    @given(path=st.sampled_from(sorted(files)), at=st.integers(0, 2**20), byte=st.sampled_from([0, 1, 2, 64, 128, 255]))
    def damage(path, at, byte):
        data = bytearray(files[path])
        at %= len(data)
        data[at] = data[at] ^ byte if byte else 0  # a bit or all of them flipped, or zeroed
        path.write_bytes(data)
        try:
            assert read_whole(tmp_path) == whole
        except RecordError as error:
            refused[path] = str(error)
        finally:
            path.write_bytes(files[path])

    damage()
    assert set(refused) == set(files)
    assert all(path.stem in text and "\n" not in text for path, text in refused.items())
    assert read_whole(tmp_path) == whole


def test_a_row_that_is_gone_or_comes_twice_is_refused(tmp_path):
    """Whole batches with right checksums of their own, but not those that were written."""
    files = sample(tmp_path, killed=False)
    stream, sums = tmp_path / "episode_0000.arrow", tmp_path / "episode_0000.crc32"
    sizes = [int(line.split()[1]) for line in files[sums].splitlines()]
    assert sum(sizes) == len(files[stream])
    last = files[stream][sum(sizes[:-2]) : sum(sizes[:-1])]
    lines = files[sums].splitlines(keepends=True)
    for data, kept in (
        (files[stream][: sum(sizes[:-2])] + files[stream][-sizes[-1] :], [*lines[:-2], lines[-1]]),
        (files[stream][: sum(sizes[:-1])] + last + files[stream][-sizes[-1] :], [*lines[:-1], *lines[-2:]]),
        (files[stream] + b"more", lines),
    ):
        stream.write_bytes(data)
        sums.write_bytes(b"".join(kept))
        with pytest.raises(RecordError, match=r"damaged: it has .* and had 7 rows"):
            read_run(tmp_path)
    sums.unlink()
    with pytest.raises(RecordError, match="damaged"):
        read_run(tmp_path)


def test_any_arrow_reader_opens_a_stream(tmp_path):
    sample(tmp_path, killed=False)
    with pa.ipc.open_stream((tmp_path / "episode_0000.arrow").read_bytes()) as stream:
        assert stream.read_all().column("seq").to_pylist() == [*range(7)]


def test_an_existing_run_is_refused_and_untouched(tmp_path):
    with Recorder(tmp_path, run_meta()) as recorder:
        write_tick(recorder.episode(SHAPE, 10), 0)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(RecordError, match="holds a run already"):
        Recorder(tmp_path, run_meta())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"file: cannot hold a run: .*file is a file"):
        Recorder(tmp_path / "file", run_meta())


@pytest.mark.parametrize(("text", "found"), [
    (None, "no readable run.json"), ("{", "no readable run.json"),
    ('{"format": 99}', "run.json has no 'crc32'"), ("[]", "run.json holds no JSON object"),
])  # fmt: skip
def test_what_is_no_run_is_one_line(tmp_path, text, found):
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(RecordError, match=found):
        read_run(tmp_path)


@pytest.mark.parametrize(("error", "status"), [(RuntimeError, "failed"), (KeyboardInterrupt, "interrupted")])
def test_the_last_word_says_how_a_run_ended(tmp_path, error, status):
    def run():
        with Recorder(tmp_path, run_meta()) as recorder:
            write_tick(recorder.episode(SHAPE, 10), 0)
            recorder.fault(FAULT)
            assert json.loads((tmp_path / "run.json").read_text())["faults"] == [to_builtins(FAULT)]
            raise error

    with pytest.raises(error):
        run()
    run_data = read_run(tmp_path)
    assert run_data.meta.status == status
    assert len(run_data.episodes[0]["seq"]) == 1


@pytest.mark.parametrize(("rows_per_batch", "n"), [(1, 5), (2, 6), (100, 7)])
def test_the_first_number_that_is_not_finite_is_found_in_whatever_batch_it_is(tmp_path, rows_per_batch, n):
    """The reward of row k is -k / 2, and info x is 2 k: one is replaced in row 4 of the second episode."""
    meta = run_meta(plant_spec={"info_units": {"error": "", "x": ""}}, scenario={"loop": {"episodes": 2}})
    with Recorder(tmp_path, meta) as recorder:
        for number in range(2):
            rows = recorder.episode(SHAPE, rows_per_batch)
            for k in range(n):
                write_tick(rows, k, x=np.inf if number and k >= 4 else 2.0 * k)
                rows.flush(k)
    found = read_run(tmp_path).meta.plant_not_finite
    assert (found.episode, found.tick, found.t_s, found.entries) == (1, 4, 0.004, ("info.x",))


def test_a_stream_that_cannot_be_read_is_not_called_damaged(tmp_path):
    with Recorder(tmp_path, run_meta()) as recorder:
        write_tick(recorder.episode(SHAPE, 10), 0)
    (tmp_path / "episode_0000.arrow").unlink()
    (tmp_path / "episode_0000.arrow").mkdir()
    with pytest.raises(RecordError, match=r"episode_0000\.arrow: cannot be read: it is a folder; allowed: a reg"):
        read_run(tmp_path)
