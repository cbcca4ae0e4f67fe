"""A file is replaced whole, whatever its path leads to, and nothing but a regular file is."""

from __future__ import annotations

import os
import re
import socket
import stat
import threading
from pathlib import Path

import pytest

from hilbench.files import kind_of, regular, signature, write_whole

pytestmark = pytest.mark.timeout(60)


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path):
    there, link = tmp_path / "folder" / "there", tmp_path / "link"
    there.parent.mkdir()
    link.symlink_to(there)
    for data in (b"first", b"second"):  # before the file is there, and when it is
        write_whole(link, data)
        assert link.is_symlink()
        assert there.read_bytes() == data
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder", "link", "there"]


def test_a_pipe_is_written_into_and_stays_one(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_whole(pipe, b"whole")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    reader.join()
    assert read == [b"whole"]


def test_a_pipe_that_nobody_reads_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("hilbench.files.READER_S", 0.0)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=r"nobody has read this pipe within 0 s: .*pipe'"):
        write_whole(tmp_path / "pipe", b"whole")


@pytest.fixture
def odd(tmp_path):
    """Paths that lead to no regular file, with what they are called."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
    names = {"pipe": "a pipe (FIFO)", "link": "a pipe (FIFO)", "folder": "a folder", "socket": "a socket"}
    return {tmp_path / name: kind for name, kind in names.items()} | {Path(os.devnull): "a character device"}


def test_what_is_no_regular_file_is_named_and_not_opened(odd, tmp_path):
    for path, kind in odd.items():
        assert kind_of(path) == kind
        with pytest.raises(OSError, match=re.escape(f"it is {kind}; allowed: a regular file: '{path}'")):
            regular(path)
    (tmp_path / "file").write_text("one")
    for path in (tmp_path / "file", tmp_path / "none", tmp_path / ("x" * 300), Path("a\0b")):
        assert kind_of(path) is None
        assert regular(path) is path  # to open it says what is wrong


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError) as caught:
        write_whole(tmp_path, b"")
    assert caught.value.filename == str(tmp_path)
    assert not list(tmp_path.iterdir())


def aged(path, seconds=10.0):
    """Make a file look as if it had been left alone for a while, as far as its own time says."""
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def test_a_file_changed_just_now_has_no_signature_and_one_left_alone_has_its_own(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("one")
    assert signature(path) is None
    monkeypatch.setattr("hilbench.files.SETTLED_NS", 0)
    before = signature(path)
    assert before is not None
    assert signature(path) == before
    path.write_text("two")  # as long as before
    aged(path, 0.001)  # the file's own time may be put back, but not that of its change
    assert signature(path) != before
    with pytest.raises(FileNotFoundError):
        signature(tmp_path / "another")
