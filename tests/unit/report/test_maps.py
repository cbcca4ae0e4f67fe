"""Which learning rates are stable at a delay, on made-up cells."""

from __future__ import annotations

from hilbench.report import maps
from hilbench.report.data import ReportCell
from hilbench.studies.schema import Metric

ERROR = "error_rms[5-10 s after]"


def cell(
    errors_m: list[float | None], failed: tuple[str, ...] = (), delay_s: float = 0.0, rate: float = 0.0
) -> ReportCell:
    known = [error for error in errors_m if error is not None]
    metrics = {ERROR: Metric(iqm=known[0], values=tuple(errors_m), n=len(known), unit="m")} if known else {}
    point = {"loop.delay.s": delay_s, "controller.learning_rate": rate}
    return ReportCell(
        label="PES", scenario="arm", controller="pes", point=point, failures=list(failed), metrics=metrics
    )


def test_a_rate_is_stable_when_every_seed_is_at_most_a_quarter_of_its_idle_error() -> None:
    rows = maps.rows_of([cell([0.2, 0.4]), cell([0.05, 0.1], rate=0.01), cell([0.05, 0.11], rate=0.02)], ERROR)
    assert [row["stable"] for row in rows] == [False, True, False]
    assert [row["error"] for row in rows] == [0.2, 0.05, 0.05]


def test_a_failed_seed_is_not_stable_and_stops_nothing() -> None:
    cells = [
        cell([0.2, 0.4]),
        cell([0.01], failed=("seed 2: gone",), rate=0.01),
        cell([], failed=("seed 1: gone", "seed 2: gone"), rate=0.02),
        cell([0.01, None], rate=0.05),
        cell([0.4], failed=("seed 1: gone",), delay_s=0.005),
        cell([0.01, 0.01], delay_s=0.005, rate=0.01),
        cell([0.01, 0.01], delay_s=0.007, rate=0.01),
    ]
    rows = maps.rows_of(cells, ERROR)
    assert not any(row["stable"] for row in rows)
    assert rows[2]["error"] is None
    assert maps.largest_stable(rows) == {0.0: 0.0, 5.0: 0.0, 7.0: 0.0}


def test_the_largest_stable_rate_lies_below_the_first_unstable_one() -> None:
    def rows(delay_ms: float, *stable: bool) -> list[dict]:
        return [{"delay_ms": delay_ms, "rate": 0.1 * i, "stable": found} for i, found in enumerate(stable)]

    island = rows(5.0, False, True, True, False, True)
    found = maps.largest_stable(rows(0.0, False, True, True) + island[::-1] + rows(9.0, False, False, True))
    assert found == {0.0: 0.2, 5.0: 0.2, 9.0: 0.0}


def test_the_chart_has_a_square_per_error_and_a_cross_on_what_is_not_stable() -> None:
    rows = [{"delay_ms": d, "rate": 0.1, "error": 1.0 + d, "stable": d == 0} for d in (0.0, 5.0)]
    rows.append({"delay_ms": 9.0, "rate": 0.1, "error": None, "stable": False})
    drawn = maps.delay_map(rows, "error (mm)").to_dict()
    assert [row["text"] for row in drawn["data"]["values"]] == ["1", "6 ×"]
    line = maps.stable_line({0.0: 0.1, 5.0: 0.0}).to_dict()
    assert line["data"]["values"] == [{"delay_ms": 0.0, "rate": 0.1}]


def test_only_cells_that_vary_delay_and_rate_have_a_map() -> None:
    assert maps.figures([ReportCell(label="a", scenario="arm", controller="pes", point={"loop.delay.s": 0.1})]) == []
