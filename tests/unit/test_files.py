"""A file is replaced whole, whatever its path leads to, and nothing but a regular file is."""

from __future__ import annotations

import os
import stat
import threading

import pytest

from hilbench.files import write_whole

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


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError) as caught:
        write_whole(tmp_path, b"")
    assert caught.value.filename == str(tmp_path)
    assert not list(tmp_path.iterdir())
