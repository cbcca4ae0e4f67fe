"""The folder that `hilbench simulate` leaves: whole or not at all, and readable by its documented names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hilbench.errors import RecordError
from hilbench.nal import Network
from hilbench.nal.feed import feed
from hilbench.report import open_loop
from hilbench.runs.simulate import Simulated, simulate
from hilbench.runs.simulated_tables import tables
from hilbench.runs.simulation_file import SimulationSummary, read_simulation

SUMMARY = SimulationSummary(network="a <net>", dt_s=1e-3, period_s=1e-3, duration_s=2.0, backends={})


@pytest.fixture(scope="module")
def found() -> list[Simulated]:
    net = Network(1e-3)
    net.input("x", 1)
    net.lif("cells", 100, tau_s=0.02)
    net.connect("x", "cells", np.linspace(0.5, 9, 100)[:, None])
    net.readout("v", 9, tau_s=0.02)
    net.connect("cells", "v", np.ones((9, 100)))
    given = feed(net, np.ones((2000, 1)))
    return simulate(net, given, {"numba": {}, "reference": {}}, membranes=["cells"])


def test_the_folder_has_arrays_figures_a_page_and_a_summary(tmp_path: Path, found: list[Simulated]) -> None:
    out = tmp_path / "deep" / "out"
    open_loop.write(out, "a <net>", found, SUMMARY, tables(found, [], {}))
    drawn = {f"{name}.{suffix}" for name in ("spikes_cells_numba", "values_v_numba", "values_membrane_of_cells_numba")
             for suffix in ("svg", "png")}  # fmt: skip
    assert {path.name for path in out.iterdir()} == drawn | {"index.html", "summary.json", "numba.npz", "reference.npz"}
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert read_simulation(out) == SUMMARY
    done = found[0].simulation
    with np.load(out / "numba.npz") as arrays:
        assert set(arrays) == {"t_s", "spikes/cells/t_s", "spikes/cells/neuron", "values/v", "membranes/cells"}
        np.testing.assert_array_equal(arrays["spikes/cells/neuron"], done.spikes["cells"].neuron)
        assert arrays["values/v"].shape == (2000, 9)
    page = (out / "index.html").read_text()
    assert "a &lt;net&gt;" in page
    assert page.count("<svg") == 3
    assert "<script" not in page
    n = done.spikes["cells"].t_s.size
    assert n > 6000
    assert "are drawn, of 60 neurons that are spread evenly" in page


def test_an_interruption_leaves_nothing(
    tmp_path: Path, found: list[Simulated], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(open_loop, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_loop.write(tmp_path / "out", "net", found, SUMMARY, [])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_left_alone(tmp_path: Path, found: list[Simulated]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RecordError, match="holds files already; give another folder"):
        open_loop.write(tmp_path, "net", found, SUMMARY, [])
    with pytest.raises(RecordError, match=r"mine\.txt is a file"):
        open_loop.ensure_free(tmp_path / "mine.txt" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
