"""The digest of a folder: what counts, what does not, and links that lead anywhere."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from hilbench.runs.digests import digest, tree


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "a/one.py",
        "a/__pycache__/one.pyc",
        "a/.hidden/x",
        "b/two.toml",
        "out.log",
        "run/run.json",
        "run/t.arrow",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def names(folder: Path, *but: str) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in tree(folder, but)]


def test_sources_count_in_order_and_results_do_not(folder: Path) -> None:
    assert names(folder) == ["a/one.py", "b/two.toml"]
    assert names(folder, "a") == ["b/two.toml"], "left out by its name"


def test_links_are_followed_unless_they_lead_up_or_nowhere(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "three.py").write_text("three")
    for name, target in {
        "a/up": folder,
        "a/itself": folder / "a/itself",
        "a/gone": folder / "gone",
        "c": elsewhere,
    }.items():
        (folder / name).symlink_to(target)
    assert names(folder) == ["a/one.py", "b/two.toml", "c/three.py"]
    through = tmp_path_factory.mktemp("links") / "link"
    through.symlink_to(folder)
    assert names(through) == names(folder), "the folder itself may be a link, and a link below it leads to its target"


def test_folders_that_link_to_each_other_count_once(folder: Path) -> None:
    """Followed as often as there are ways, three folders with five links would have many thousand files."""
    for here, there, name in [("a", "b", "1"), ("b", "a", "1"), ("a", "b", "2"), ("b", "c", "2"), ("c", "a", "1")]:
        (folder / here).mkdir(exist_ok=True)
        (folder / here / name).symlink_to(folder / there)
    assert len(names(folder)) == 2
    assert sorted(path.name for path in tree(folder)) == ["one.py", "two.toml"]
    assert names(folder / "a") == ["1/two.toml", "one.py"], "b by its first link, which leads back to a no more"


def test_what_cannot_be_looked_into_is_no_empty_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To root nothing is forbidden, so the system's refusal is put in its place."""
    listed = os.scandir

    def scandir(path: str) -> Any:
        if Path(path).name == "a":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return listed(path)

    assert tree(folder)
    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(PermissionError):
        tree(folder)


def test_a_digest_is_of_paths_and_contents_wherever_they_lie(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    moved = tmp_path_factory.mktemp("parent") / "moved"
    before = digest(folder, tree(folder))
    folder.rename(moved)
    assert digest(moved, tree(moved)) == before
    (moved / "a/one.py").rename(moved / "a/other.py")
    assert digest(moved, tree(moved)) != before
