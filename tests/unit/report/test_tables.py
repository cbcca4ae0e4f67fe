"""The overview: units, best values, missing numbers and failed seeds, on made-up cells."""

from __future__ import annotations

from blank import run_meta

from hilbench.report import tables, words
from hilbench.report.data import ReportCell
from hilbench.report.notes import notes
from hilbench.studies.schema import Difference, MapVerdict, Metric

NETWORK = {"network": {"steps_per_tick": 1, "populations": {}, "projections": {}}}


def cell(label: str, mode: str = "realtime", point: dict | None = None, **metrics: Metric) -> ReportCell:
    named = {name.replace("__", "[") + "]" * ("__" in name): metric for name, metric in metrics.items()}
    return ReportCell(
        label=label, scenario="s", controller="c", mode=mode, point=point or {}, seeds=[1, 2], metrics=named
    )


def error(value: float | None, **more: object) -> Metric:
    return Metric(iqm=value, n=2, unit="m", better="lower", **more)


def column(table: tables.Table, title: str) -> tuple[tables.Column, list[tables.TableEntry]]:
    at = [each.title for each in table.columns].index(title)
    return table.columns[at], [row[at] for _, row in table.rows]


def test_a_column_has_one_unit_and_sorts_by_the_number_itself() -> None:
    cells = [cell("a", error_rms=error(0.0034, ci95=(0.003, 0.004))), cell("b", error_rms=error(0.19))]
    heading, entries = column(tables.overview("s", cells, [], None), "error")
    assert heading.unit == "mm"
    assert [(entry.text, entry.sub, entry.sort) for entry in entries] == [("3.40", "3 to 4", 0.0034), ("190", "", 0.19)]


def test_the_best_is_marked_among_comparable_cells_alone() -> None:
    slow, fast = {"loop.delay.s": 0.1}, {"loop.delay.s": 0.0}
    cells = [
        cell("a", point={**slow, "controller.gain": 1}, error_rms=error(0.3)),
        cell("b", point={**slow, "controller.gain": 2}, error_rms=error(0.2)),
        cell("c", point=fast, error_rms=error(0.1)),
        cell("d", mode="delayed", point=slow, error_rms=error(0.01)),
    ]
    _, entries = column(tables.overview("s", cells, [], None), "error")
    assert [entry.best for entry in entries] == [False, True, False, False]


def test_a_loop_that_fell_behind_is_not_ranked_with_those_that_kept_to_the_clock() -> None:
    cells = [cell("a", error_rms=error(0.3)), cell("b", error_rms=error(0.2)), cell("c", error_rms=error(0.1))]
    for each in cells:
        each.title, each.metas = each.label, [run_meta(), run_meta(fell_behind=each.label == "c")]
    _, entries = column(tables.overview("s", cells, [], None), "error")
    assert [entry.best for entry in entries] == [False, True, False]
    [note] = notes(cells)
    assert note.warns
    assert note.text.startswith("c: the loop itself fell behind the clock")


def test_a_backend_that_computes_nothing_is_not_ranked() -> None:
    cells = [cell("a", error_rms=error(0.3)), cell("b", error_rms=error(0.2)), cell("a null", error_rms=error(0.1))]
    cells[2].backend = "null"
    _, entries = column(tables.overview("s", cells, [], None), "error")
    assert [entry.best for entry in entries] == [False, True, False]


def test_an_emulated_device_has_instructions_and_says_that_they_are_no_cycles() -> None:
    counted = {"instructions__p50": Metric(iqm=5000.0, n=1), "instructions__max": Metric(iqm=6000.0, n=1)}
    cells = [cell("m4", mode="lockstep", **counted), cell("numba", mode="lockstep", error_rms=error(0.1))]
    for each in cells:
        each.title = each.label
    cells[0].metas = [run_meta(load_report={"instruction_ns": 256})]
    _, entries = column(tables.overview("s", cells, [], None), "instructions\nmax")
    assert [entry.sort for entry in entries] == [6000.0, None]
    [note] = notes(cells)
    assert not note.warns
    assert note.text.startswith("m4: instructions, not cycles")
    assert notes(cells[1:]) == []


def test_a_row_says_whether_its_map_pays() -> None:
    cells = [cell(label, adaptivity=Metric(iqm=0.5, n=2, better="higher")) for label in ("a", "b", "c")]
    cells[0].map = MapVerdict(pays=True, of_integral=0.23, of_rbf=1.04, said="map pays: ...")
    cells[1].map = MapVerdict(pays=False, of_rbf=1.2, said="map does not pay: ...")
    _, entries = column(tables.overview("s", cells, [], None), "map")
    assert [(entry.text, entry.sub, entry.warn) for entry in entries] == [
        ("pays", "0.230 of integral, 1.04 of rbf", False),
        ("does not pay", f"{words.ABSENT} of integral, 1.20 of rbf", True),
        (words.ABSENT, "", False),
    ]
    assert "map" not in [each.title for each in tables.overview("s", cells[2:], [], None).columns]


def test_a_reference_is_shown_and_never_the_best() -> None:
    oracle = cell("o", error_rms=error(0.001))
    oracle.role = "oracle"
    table = tables.overview("s", [cell("a", error_rms=error(0.3)), cell("b", error_rms=error(0.2))], [oracle], None)
    _, entries = column(table, "error")
    assert [entry.best for entry in entries] == [False, True, False]


def test_joules_of_two_origins_are_never_ranked() -> None:
    def joules(value: float, origin: str) -> Metric:
        return Metric(iqm=value, n=1, unit="J", better="lower", origin=origin)

    cells = [cell("a", energy_x=joules(1.0, "measured")), cell("b", energy_x=joules(0.5, "modelled"))]
    _, entries = column(tables.overview("s", cells, [], None), "x\nenergy")
    assert [entry.best for entry in entries] == [False, False]


def test_numbers_that_read_the_same_share_the_mark_or_have_none() -> None:
    def best(*values: float) -> list[bool]:
        cells = [cell(str(i), error_rms=error(value)) for i, value in enumerate(values)]
        return [entry.best for entry in column(tables.overview("s", cells, [], None), "error")[1]]

    assert best(0.1001, 0.1002, 0.3) == [True, True, False]
    assert best(0.1001, 0.1002) == [False, False]


def test_spikes_agreed_stand_beside_spikes_where_any_cell_was_compared() -> None:
    compared = cell("a", spikes=Metric(iqm=8.0), spike_agreement=Metric(iqm=0.634, better="higher"))
    _, entries = column(tables.overview("s", [compared, cell("b", spikes=Metric(iqm=8.0))], [], None), "spikes\nagreed")
    assert [entry.text for entry in entries] == ["0.634", "—"]


def test_what_is_missing_says_why_and_has_nothing_to_sort_by() -> None:
    cells = [
        cell("a", adaptivity=Metric(note="the change did not hurt the twin")),
        cell("b", adaptivity=Metric(iqm=1.0)),
    ]
    _, entries = column(tables.overview("s", cells, [], None), "adaptivity")
    assert (entries[0].text, entries[0].sort) == ("—", None)
    assert "hurt" in entries[0].note
    refused = tables.overview("s", cells, [], None).refused
    assert list(refused) == ["adaptivity: the change did not hurt the twin"]


def test_failed_seeds_are_shown() -> None:
    broken = cell("a", error_rms=error(0.1))
    broken.failures = ["seed 2: the device is gone"]
    table = tables.overview("s", [broken, cell("b", error_rms=error(0.1))], [], None)
    _, entries = column(table, "seeds")
    assert (entries[0].text, entries[0].sub, entries[0].warn) == ("1 of 2", "1 failed", True)
    assert table.failed == [": seed 2: the device is gone"]


def test_lateness_is_not_shown_where_the_plant_waits() -> None:
    late = Metric(iqm=0.0, unit="s", better="lower")
    cells = [cell("a", mode="lockstep", latency__p50=late), cell("b", latency__p50=Metric(iqm=0.001, unit="s"))]
    _, entries = column(tables.overview("s", cells, [], None), "latency\np50")
    assert [entry.text for entry in entries] == ["—", "1"]
    assert "lockstep" in entries[0].note
    waiting = tables.overview("s", cells[:1], [], None)
    assert "latency\np50" not in [each.title for each in waiting.columns]


def test_recovery_is_the_mean_and_tells_what_did_not_recover() -> None:
    slow = {
        "recovery_time": Metric(mean=10.0, iqm=3.0, statistic="mean", unit="s"),
        "recovery_censored": Metric(iqm=0.4),
    }
    heading, entries = column(tables.overview("s", [cell("a", **slow), cell("b")], [], None), "recovery")
    assert (heading.unit, entries[0].text, entries[0].sub) == ("s", "10", "40 % did not")


def test_a_difference_names_its_baseline_and_says_what_it_shows() -> None:
    def against(low: float, high: float) -> Metric:
        return error(0.1, difference=Difference(baseline="pid", iqm=(low + high) / 2, ci95=(low, high), n=3))

    cells = [
        cell("pid", error_rms=error(0.2)),
        cell("a", error_rms=against(-0.2, -0.1)),
        cell("b", error_rms=against(-0.1, 0.2)),
    ]
    heading, entries = column(tables.overview("s", cells, [], "pid"), "error, less\npid’s")
    assert heading.unit == "mm"
    assert [entry.text for entry in entries] == ["—", "−150", "+50"]
    assert entries[0].note == "the baseline itself"
    assert entries[1].note == "better"
    assert "no difference" in entries[2].note


def test_metrics_that_a_scenario_asks_for_have_columns_and_missing_ones_a_line() -> None:
    peak = {"m:force_peak": Metric(iqm=2.0, n=2, unit="N"), "latency[max]": Metric(iqm=0.02, n=2, unit="s")}
    cells = [cell("a", error_rms=error(0.1)), cell("b", error_rms=error(0.2))]
    for each in cells:
        each.metrics |= peak | {"left[one]": error(1.0), "left[two]": error(2.0), "unasked": error(3.0)}
        each.metrics_to_show = ["m:force_peak", "left", "latency[max]", "error_rms", "evil:gone"]
        each.title = each.label
    table = tables.overview("s", cells, [], None)
    titles = [each.title for each in table.columns]
    assert titles[-4:] == ["force peak", "left\none", "left\ntwo", "latency\nmax"]
    assert titles.count("error") == 1
    assert column(table, "force peak")[1][0].text == "2"
    assert table.refused == {f"evil:gone: {tables.NOT_COMPUTED}": ["a", "b"]}


def test_a_score_that_some_seeds_have_not_says_of_how_many_it_is() -> None:
    of_one = Metric(iqm=0.7, n=1, better="higher", note="perturbation ineffective")
    found = tables.overview("s", [cell("a", adaptivity=of_one), cell("b", adaptivity=Metric(iqm=0.6, n=2))], [], None)
    _, entries = column(found, "adaptivity")
    assert [entry.sub for entry in entries] == ["1 of 2 seeds", ""]
    assert "over 1 of 2 seeds" in entries[0].note
