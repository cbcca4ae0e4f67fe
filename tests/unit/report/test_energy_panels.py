"""Joules by origin: each on a scale of its own, and a reason where there are none."""

from __future__ import annotations

from hilbench.report import energy
from hilbench.report.data import ReportCell
from hilbench.studies.schema import Metric


def cell(label: str, **metrics: Metric) -> ReportCell:
    return ReportCell(label=label, title=label, group="arm", scenario="arm", controller="pes", metrics=metrics)


def joules(value: float | None, origin: str = "modelled", **more: object) -> Metric:
    return Metric(iqm=value, unit="J", origin=origin, **more)


CELLS = [
    cell("law", energy_measured=joules(None, "unavailable", note="no meter")),
    cell(
        "a",
        **{
            "energy_measured": joules(2e-3, "measured"),
            "energy_modelled[loihi1]": joules(1e-7, interval=(0.0, 2e-7)),
            "energy_modelled[loihi1 static]": joules(3e-5),
        },
    ),
    cell(
        "b",
        **{"energy_modelled[loihi1]": joules(3e-7, interval=(1e-7, 6e-7)), "energy_modelled[spinnaker1]": joules(0.0)},
    ),
]


def test_every_origin_and_device_has_a_panel_of_its_own() -> None:
    measured, loihi = energy.figures(CELLS, None)
    assert (measured.title, loihi.title) == ("Measured: arm", "Modelled on loihi1: arm")
    assert measured.finding == "2 mJ per decision with a."
    assert loihi.finding == "100 nJ per decision with a, the least, and 300 nJ with b, the most."


def test_static_power_stands_beside_the_events_and_bounds_of_0_reach_the_edge() -> None:
    values = energy.figures(CELLS, None)[1].chart.to_dict()["data"]["values"]
    assert {(row["cell"], row["part"]) for row in values} == {
        ("a", energy.DYNAMIC), ("a", energy.STATIC), ("b", energy.DYNAMIC),
    }  # fmt: skip
    assert all(row["value"] > 0 for row in values)


def test_baselines_share_a_panel() -> None:
    names = {"45 nm ann float32": 4e-7, "45 nm ann int8": 1e-8, "45 nm snn float32": 2e-7}
    (figure,) = energy.figures(
        [cell("a", **{f"energy_modelled[{name}]": joules(j) for name, j in names.items()})], None
    )
    assert figure.title == "Modelled on 45 nm: arm"
    assert figure.finding == "200 nJ per decision with a."
    parts = {row["part"] for row in figure.chart.to_dict()["data"]["values"]}
    assert parts == {"ann float32", "ann int8", "snn float32"}


def test_what_is_unavailable_says_why() -> None:
    assert energy.unavailable(CELLS) == {"energy measured: no meter": ["law"]}
