"""A disk that fills up: one line with path and cause, what was whole stays, and the run says that it failed."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from recorded_rows import SHAPE, check, run_meta, write_reply, write_tick

from hilbench.cli import guard
from hilbench.errors import RecordError
from hilbench.files import write_whole
from hilbench.loop.loop import BATCH_ROWS
from hilbench.record.reader import read_run
from hilbench.record.sealed import RESERVE_BYTES
from hilbench.record.writer import Recorder
from hilbench.studies.evaluation import evaluate

pytestmark = pytest.mark.timeout(200)
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def room(tmp_path, monkeypatch):
    """Takes so many more bytes into this test's streams: a part of what does not fit, as a disk does, then nothing."""
    left, write = [0], os.write

    def limited(descriptor, data):
        if not os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(tmp_path)):
            return write(descriptor, data)
        if not left[0]:
            raise FULL
        n = write(descriptor, data[: left[0]])
        left[0] -= n
        return n

    monkeypatch.setattr(os, "write", limited)
    return left


def recorded(folder, n=35):
    with Recorder(folder, run_meta()) as recorder:
        rows = recorder.episode(SHAPE, 10)
        for k in range(n):
            write_tick(rows, k)
            write_reply(rows, k)
            rows.flush(k + 1)


def test_whole_batches_stay_and_the_run_has_failed(tmp_path, room):
    room[0] = 10**6
    recorded(tmp_path / "whole")
    whole = 10**6 - room[0]
    seen = []
    for number, n_bytes in enumerate([0, 1, *range(whole // 20, whole, whole // 20), whole - 1]):
        room[0], folder = n_bytes, tmp_path / str(number)
        with pytest.raises(OSError, match="No space left") as full:
            recorded(folder)
        assert full.value.filename == str(folder / "episode_0000.arrow")
        run = read_run(folder)
        assert run.meta.status == "failed"
        seen.append(len(run.episodes[0]["seq"]) if run.episodes else 0)
        if seen[-1]:
            check(run.episodes[0], seen[-1], np.ones(seen[-1], bool))
        totals = run.meta.streams["episode_0000.arrow"]
        assert (totals.rows, totals.bytes) == (seen[-1], (folder / "episode_0000.arrow").stat().st_size)
        assert not (folder / ".reserve").exists()
    assert seen == sorted(seen)
    assert set(seen) == {0, 10, 20, 30, 35}  # 35: all rows fit, but not the stream's end


def test_the_last_word_has_room_of_its_own(tmp_path):
    with Recorder(tmp_path, run_meta()):
        assert os.stat(tmp_path / ".reserve").st_blocks * 512 >= RESERVE_BYTES


def test_a_file_that_cannot_be_replaced_stays_as_it_was(tmp_path, monkeypatch):
    write_whole(tmp_path / "a", b"old")

    def full(path, *_):
        path.touch()
        raise FULL

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left") as error:
        write_whole(tmp_path / "a", b"new")
    assert error.value.filename == str(tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_no_room_ends_with_1_and_a_mistake_with_2(capsys):
    def refused(error):
        def command():
            try:
                raise error
            except OSError:
                raise RecordError("x: cannot hold the report") from None

        return command

    for command, code in ((refused(FULL), 1), (refused(OSError(errno.EACCES, "no")), 2)):
        with pytest.raises(SystemExit) as end:
            guard(command)
        assert (end.value.code, capsys.readouterr().err) == (code, "hilbench: x: cannot hold the report\n")


def limited_files() -> None:
    """In a child: no file of more than 1.2 MB, which says `File too large` where a disk says that it is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_200_000, 1_200_000))


def test_a_run_on_a_full_disk_is_one_line(tmp_path):
    command = [sys.executable, "-m", "hilbench", "run", "arm_payload", "--loop.duration_s", "9", "--out", "r"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=150, preexec_fn=limited_files)
    said = [line for line in done.stderr.splitlines() if "kernels" not in line]  # their cache is on that disk too
    assert (done.returncode, said) == (1, ["hilbench: r/episode_0000.arrow: File too large"])
    run = read_run(tmp_path / "r")
    assert (run.meta.status, len(run.episodes[0]["seq"])) == ("failed", BATCH_ROWS)


SUITE = {
    "name": "full",
    "summary": "the second point does not fit",
    "scenarios": ["arm_payload"],
    "controllers": ["pd"],
    "seeds": [1],
    "scored": False,
}


def test_an_evaluation_on_a_full_disk_keeps_what_it_has(tmp_path):
    (tmp_path / "suite.toml").write_text("\n".join(f"{k} = {json.dumps(v)}" for k, v in SUITE.items()))
    with open(tmp_path / "suite.toml", "a") as file:
        file.write('\n[axes]\n"loop.duration_s" = [0.05, 9.0]\n')
    command = [sys.executable, "-m", "hilbench", "evaluate", "suite.toml", "--out", "e", "--workers", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=180, preexec_fn=limited_files)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "File too large: 'e/runs/" in done.stderr.splitlines()[-1]
    cells = json.loads((tmp_path / "e" / "summary.json").read_text())["cells"]
    assert [len(cell["failures"]) for cell in cells] == [0, 1]
    assert cells[0]["metrics"]["error_rms"]["n"] == 1
    seen = []
    evaluate(tmp_path / "suite.toml", tmp_path / "e", seen.append, 1)
    assert sorted(step.status for step in seen) == ["done", "was there"]
