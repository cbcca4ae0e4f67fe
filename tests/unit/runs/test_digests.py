"""The digest of a folder: what counts, what does not, and links that lead anywhere."""

from __future__ import annotations

from pathlib import Path

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


def test_a_digest_is_of_paths_and_contents_wherever_they_lie(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    moved = tmp_path_factory.mktemp("parent") / "moved"
    before = digest(folder, tree(folder))
    folder.rename(moved)
    assert digest(moved, tree(moved)) == before
    (moved / "a/one.py").rename(moved / "a/other.py")
    assert digest(moved, tree(moved)) != before
