"""The kernel cache: whatever is wrong with a disk, kernels run, and one line says what happened."""

from __future__ import annotations

import logging
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

import hilbench
from hilbench.compiled import kept
from hilbench.compiled.cache import cache_folder

SMALL = """
import sys
from pathlib import Path
from hilbench.compiled.cache import disk_cache
with disk_cache():
    from small import twice
print(twice(21), sum(twice.stats.cache_hits.values()), sum(twice.stats.cache_misses.values()))
"""
FUNCTION = """
from numba import njit

@njit("int64(int64)", cache=True)
def twice(x):
    return 2 * x
"""
HIT, MISS = "42 1 0", "42 0 1"


@pytest.fixture
def start(tmp_path):
    """Compiles a small function in a process of its own; gives what it printed, and its warnings."""
    (tmp_path / "small.py").write_text(FUNCTION)
    places = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path / "temporary")}
    places["PYTHONDONTWRITEBYTECODE"] = "1"  # where files may not grow, Python leaves bytecode that is cut short
    (tmp_path / "temporary").mkdir()
    paths = [str(tmp_path), str(Path(hilbench.__file__).parents[1])]

    def run(script=SMALL, **variables) -> tuple[str, str]:
        here = os.environ | places | {"PYTHONPATH": os.pathsep.join(paths)} | variables
        command = (sys.executable, "-c", script)
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=here, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip(), done.stderr

    return run


def files(folder: Path, ending: str) -> list[Path]:
    return sorted(folder.rglob(f"*.{ending}"))


def test_kernels_are_kept_and_only_compiling_them_is_told(start, tmp_path):
    assert start() == (MISS, "compiling kernels, about 30 s\n")
    assert start() == (HIT, "")
    assert len(files(tmp_path / "cache", "nbc")) == 1
    assert not files(tmp_path / "temporary", "nbc")


def test_kernels_of_another_processor_are_left_alone(start, tmp_path):
    start()
    assert start(NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="")[0] == MISS
    assert len(files(tmp_path / "cache", "nbc")) == 2
    assert start()[0] == HIT


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
def test_a_damaged_file_is_told_and_made_anew(start, tmp_path, ending):
    start()
    (damaged,) = files(tmp_path / "cache", ending)
    damaged.write_bytes(damaged.read_bytes()[:20])
    found, said = start()
    assert found == MISS
    assert "damaged" in said
    assert said.count("\n") == 2
    assert start() == (HIT, "")


LIMITED = """
import resource
from hilbench.compiled import cache
cache.ROOM_BYTES = {room}
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
"""
"""No file may have more than 100 bytes then: what a full disk and a quota do."""


def test_without_room_anywhere_what_is_there_is_used_and_nothing_stops(start, tmp_path):
    found, said = start(LIMITED.format(room=1 << 20) + SMALL)
    assert found == MISS
    assert "cannot keep compiled kernels" in said
    assert "each start compiles what is missing" in said
    start()
    assert start(LIMITED.format(room=1 << 20) + SMALL)[0] == HIT


def test_a_disk_that_fills_up_while_kernels_are_written(start, tmp_path):
    found, said = start(LIMITED.format(room=1) + SMALL)
    assert found == MISS
    assert "cannot keep compiled kernels" in said
    assert start()[0] == MISS
    assert start()[0] == HIT


def test_a_cache_that_cannot_be_written_to_is_copied_for_all_later_starts(start, tmp_path):
    """A disk without room for one user: root, who runs tests too, may write to any folder."""
    cache = tmp_path / "cache"
    start()
    refuse = (
        "from hilbench.compiled import cache\n"
        "check = cache._check_room\n"
        "def refuse(folder):\n"
        f"    if str(folder).startswith({str(cache)!r}):\n"
        "        raise OSError(30, 'Read-only file system')\n"
        "    check(folder)\n"
        "cache._check_room = refuse\n"
    )
    before = files(cache, "nb?")
    for _ in range(2):
        found, said = start(refuse + SMALL)
        assert found == HIT
        assert said.count("\n") == 1
        assert "(Read-only file system): they are kept in" in said
    assert files(cache, "nb?") == before
    assert [file.name for file in files(tmp_path / "temporary", "nb?")] == [file.name for file in before]


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A temporary folder of this test's own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    cache_folder.cache_clear()
    yield folder
    cache_folder.cache_clear()


@pytest.fixture
def homeless(monkeypatch):
    """A user without HOME and without an entry in the user database."""

    def nobody(uid):
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_a_user_without_a_home_has_a_folder_that_later_starts_find(temporary, homeless, caplog):
    found = cache_folder("", "key")
    assert found.parent.parent == temporary / f"hilbench-{os.getuid()}"
    assert found.parent.parent.stat().st_mode & 0o777 == 0o700
    assert "no home folder" in caplog.text
    cache_folder.cache_clear()
    assert cache_folder("", "key") == found


def test_each_key_has_a_folder_of_its_own(temporary, tmp_path):
    one, two = (cache_folder(str(tmp_path / "cache"), key) for key in ("one", "two"))
    assert one != two
    assert one.is_dir()
    assert tmp_path / "cache" in one.parents


@pytest.mark.parametrize("place", ["cache/hilbench", "cache"])
def test_a_file_in_the_way_of_the_cache(temporary, tmp_path, place):
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("")
    assert temporary in cache_folder(str(tmp_path / "cache"), "key").parents


@pytest.mark.parametrize("attack", ["open to all", "a link"])
def test_a_temporary_folder_that_others_can_write_to_is_not_read(temporary, homeless, tmp_path, attack, caplog):
    """A compiled kernel is code: whoever writes it runs it."""
    theirs = temporary / f"hilbench-{os.getuid()}"
    if attack == "a link":
        (tmp_path / "elsewhere").mkdir()
        theirs.symlink_to(tmp_path / "elsewhere")
    else:
        theirs.mkdir()
        theirs.chmod(0o777)
    assert cache_folder("", "key") is None
    assert "each start compiles what is missing" in caplog.text
    assert not list(theirs.iterdir())


def test_without_a_folder_a_function_is_compiled_and_told_once(temporary, caplog):
    from numba import njit

    kept._tell.cache_clear()
    with kept.kept_in(None):
        for function in (lambda x: x + 1, lambda x: x + 2):
            assert njit("int64(int64)", cache=True)(function)(1) == function(1)
    assert [record.message for record in caplog.records] == ["compiling kernels, about 30 s"]
    assert all(record.levelno == logging.WARNING for record in caplog.records)
