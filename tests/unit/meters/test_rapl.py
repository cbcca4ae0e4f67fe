"""RAPL counters in a made-up tree of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from hilbench.meters.rapl import Rapl, RaplConfig


def tree(root: Path, **domains: int) -> Path:
    """Domains by name at this many microjoules, each with a range of 1000."""
    for number, (name, energy_uj) in enumerate(domains.items()):
        folder = root / f"intel-rapl:{number}"
        folder.mkdir()
        (folder / "name").write_text(f"{name.replace('_', '-')}\n")
        (folder / "energy_uj").write_text(f"{energy_uj}\n")
        (folder / "max_energy_range_uj").write_text("1000\n")
    return root


def rapl(root: Path) -> Rapl:
    return Rapl(RaplConfig(root=str(root)))


def test_packages_add_up_and_nothing_else_counts(tmp_path):
    tree(tmp_path, package_0=100, psys=100, core=100, package_1=500)
    meter = rapl(tmp_path)
    assert meter.unavailable() is None
    assert meter.domains() == ("package-0", "package-1")
    assert meter.read_j() == 0
    for number, now_uj in ((0, 150), (1, 900), (2, 800), (3, 507)):
        (tmp_path / f"intel-rapl:{number}" / "energy_uj").write_text(str(now_uj))
    assert meter.read_j() == pytest.approx(57e-6)


def test_a_counter_that_begins_again_is_followed(tmp_path):
    counter = tree(tmp_path, package_0=990) / "intel-rapl:0" / "energy_uj"
    meter = rapl(tmp_path)
    meter.read_j()
    for now_uj, total_j in (("5", 15e-6), ("5", 15e-6), ("905", 915e-6), ("1", 1011e-6)):
        counter.write_text(now_uj)
        assert meter.read_j() == pytest.approx(total_j)


def test_what_cannot_be_read_says_why(tmp_path, monkeypatch):
    assert "absent" in rapl(tmp_path / "none").unavailable()
    assert "no processor package" in rapl(tree(tmp_path, psys=1)).unavailable()
    (tmp_path / "intel-rapl:0" / "name").write_text("package-0")
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("nonsense")
    assert "cannot be read" in rapl(tmp_path).unavailable()

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    meter = rapl(tmp_path)
    monkeypatch.setattr(Path, "read_text", refuse)  # the tests may run as root, who may read everything
    assert meter.unavailable() == f"{tmp_path}/intel-rapl:0/energy_uj may be read by root alone"
