"""Parts of the latency and percentile curves from made-up samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from blank import run_meta

from hilbench.metrics.latency_breakdown import parts_s
from hilbench.record.data import RunData
from hilbench.record.histogram import counted
from hilbench.report import latency_breakdown, words
from hilbench.report.data import ReportCell

US = 1000
N = 2000


class Made(ReportCell, kw_only=True):
    """A cell whose runs are at hand."""

    made: list

    def read(self, columns, role=None):
        return self.made


def run(compute_us, same_clock=True):
    """Ticks whose parts are 1, 2, 3, `compute_us`, 4, 5 and 6 us."""
    order = ("scheduled", "captured", "encoded", "received", "computed", "arrived", "decoded", "applied")
    steps = np.array(
        [np.zeros(N), *(np.full(N, us) for us in (1, 2, 3)), compute_us, *(np.full(N, us) for us in (4, 5, 6))]
    )
    at = dict(zip(order, (np.cumsum(steps, 0) * US).astype(np.int64), strict=True))
    episode = {f"{name}_ns": stamps for name, stamps in at.items()}
    episode |= {
        "compute_ns": (compute_us * US).astype(np.int64),
        "answered": np.ones(N, bool),
        "applied_step": np.arange(N),
    }
    return RunData(run_meta(device_shares_clock=same_clock), [episode])


def cell(title, *runs, metas=()):
    return Made(label=title, title=title, scenario="s", controller="c", made=list(runs), metas=list(metas))


def bars(figure):
    return {(row["ticks"], row["part"]): row["ms"] for row in figure.chart.to_dict(validate=False)["data"]["values"]}


def test_bars_are_the_means_of_usual_and_of_slow_ticks():
    compute_us = np.where(np.arange(N) < 20, 979.0, 79.0)  # the slowest 1 % take 1 ms
    [figure], [row] = latency_breakdown.figures([cell("zmq", run(compute_us))])
    found = bars(figure)
    assert found["zmq, middle half", "compute"] == pytest.approx(0.079)
    assert found["zmq, slowest 1 %", "compute"] == pytest.approx(0.979)
    assert found["zmq, slowest 1 %", "link back"] == pytest.approx(0.004)
    assert sum(ms for (ticks, _), ms in found.items() if "slow" in ticks) == pytest.approx(1.0)
    assert row.parts["link out"] == ("3", "3")
    assert "most of it compute" in figure.finding


def test_without_one_clock_the_link_is_one_part():
    [figure], [row] = latency_breakdown.figures([cell("board", run(np.full(N, 79.0), same_clock=False))])
    assert {part for _, part in bars(figure)} == {"observe", "encode", "link", "compute", "decode", "apply"}
    assert row.parts["link"] == ("7", "7")


@pytest.mark.parametrize("report", [{"instruction_ns": 256}, {}], ids=["said", "plain from its numbers"])
def test_an_emulators_count_is_no_part_of_the_latency(report):
    """Its device says 979 us of a clock of its own; from the encoded tick to the reply it took 86."""
    emulated = replace(run(np.full(N, 79.0)), meta=run_meta(load_report=report, device_shares_clock=True))
    emulated.episodes[0]["compute_ns"][:] = 979 * US
    _, [row] = latency_breakdown.figures([cell("m4", emulated)])
    assert list(row.parts) == ["observe", "encode", "link and emulator", "decode", "apply"]
    assert row.parts["link and emulator"] == ("86", "86")


def test_runs_on_other_clocks_do_not_mix():
    one, other = run(np.full(N, 79.0)), run(np.full(N, 79.0), same_clock=False)
    _, [row] = latency_breakdown.figures([cell("both", one, other)])
    assert list(row.parts) == list(parts_s(one))


def test_curves_join_the_histograms_of_all_seeds():
    fast, slow = counted(np.full(9000, 100 * US)), counted(np.full(1000, 1000 * US))
    metas = [run_meta(histograms_ns={"latency": each, "link_echo": {}}) for each in (fast, slow)]
    [figure], rows = latency_breakdown.figures([cell("zmq", metas=metas)])
    assert rows == []
    values = figure.chart.to_dict(validate=False)["data"]["values"]
    at = np.array([[row["share"], row["ms"]] for row in values])
    assert at[at[:, 0] < 90, 1] == pytest.approx(0.1, rel=1 / 256)
    assert at[at[:, 0] > 90.1, 1] == pytest.approx(1.0, rel=1 / 256)
    assert at[-1, 0] == pytest.approx(99.9), "ten of 10000 are slower"
    assert figure.finding == f"zmq: 99.9 % of {words.figure(10_000)} ticks within 1.00 ms."


def test_cells_of_several_scenarios_keep_their_own_numbers_though_their_titles_are_alike():
    cells = [cell("pes", run(np.full(N, us))) for us in (10.0, 30.0)]
    for each, group in zip(cells, ("arm", "lane"), strict=True):
        each.whole = f"{each.title} in {group}"
    [figure], rows = latency_breakdown.figures(cells)
    assert [row.cell for row in rows] == ["pes in arm", "pes in lane"]
    found = bars(figure)
    assert found["pes in arm, middle half", "compute"] == pytest.approx(0.01)
    assert found["pes in lane, middle half", "compute"] == pytest.approx(0.03)


def test_every_curve_has_a_colour_of_its_own_and_cells_that_compute_come_first():
    metas = [run_meta(histograms_ns={"latency": counted(np.full(100, US)), "link_echo": {}})]
    cells = [cell(f"null {i}", metas=metas) for i in range(2)] + [cell(f"lif {i}", metas=metas) for i in range(6)]
    for each in cells[:2]:
        each.backend = "null"
    [figure], _ = latency_breakdown.figures(cells)
    colour = figure.chart.to_dict(validate=False)["encoding"]["color"]["scale"]
    assert colour["domain"] == [*(f"lif {i}" for i in range(6)), "null 0"]
    assert len(set(colour["range"])) == 7
    assert figure.note.endswith("7 of 8 cells are drawn.")


def test_cells_without_stamps_and_histograms_are_left_out():
    bare = RunData(run_meta(), [{"answered": np.ones(3, bool)}])
    assert latency_breakdown.figures([cell("old", bare, metas=[run_meta()])]) == ([], [])
