"""The page in a real browser: complete, offline, sortable, and within its size."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_example import SHORT, cell, number, summary, write

from hilbench.cli import main
from hilbench.record.sealed import read_sealed, write_sealed

# The test dependencies bring selenium; without it this file is skipped, so its imports come after that question.
selenium = pytest.importorskip("selenium")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
LATE = SHORT | {"loop.mode": "delayed"}
ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost",
)  # fmt: skip
MARKS = "[class*='mark-'] :is(path, rect, line, text)"


def report(*arguments: str | Path) -> None:
    with pytest.raises(SystemExit) as end:
        main(["report", *map(str, arguments)])
    assert not end.value.code


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything a report can show. Scores and joules are this test's own numbers; the runs are real."""
    folder = tmp_path_factory.mktemp("evaluation")
    pes = cell(folder, "PES", "pes", [1, 2, 3], overrides=SHORT | {"record.spikes": ["neurons"]})
    twin = cell(folder, "PES", "pes", [1], overrides=SHORT | {"loop.freeze_at_s": 1.5}, role="twin")
    live = cell(folder, "live <PES> & co", "pes", [1], overrides=SHORT | {"loop.mode": "realtime", "loop.echo_s": 0.1})
    meta = folder / live["run_folders"][0] / "run.json"
    said = read_sealed(meta)
    write_sealed(meta, said | {"load_report": said["load_report"] | {"instruction_ns": 256}})
    pd = cell(folder, "PD", "pd", [1, 2], failures=["seed 3: </script><b>gone</b>"])
    points = [(delay_s, rate) for delay_s in (0.0, 0.05) for rate in (0.0, 0.02)]
    delayed = [
        cell(folder, "delayed", "pes", [1], {"loop.delay.s": delay_s, "controller.learning_rate": rate}, LATE)
        for delay_s, rate in points
    ]
    pes["reference_folders"] = {"twin": twin["run_folders"], "floor": [None]}
    pes["metrics"]["adaptivity"] = number(0.9, 0.95, 0.97, better="higher")
    pd["metrics"]["adaptivity"] = {"iqm": None, "note": "PD learns nothing"}
    pes["metrics"]["energy_modelled[loihi1]"] = number(1e-7, unit="J", origin="modelled", interval=[5e-8, 2e-7])
    pes["metrics"]["energy_modelled[loihi1 static]"] = number(3e-5, unit="J", origin="modelled", interval=[1e-5, 9e-5])
    pes["metrics"]["energy_measured"] = {"iqm": None, "unit": "J", "origin": "unavailable", "note": "no meter here"}
    return write(folder, summary([pd, pes, live, *delayed], [twin], baseline="PD", suite_summary="A load & an arm."))


@pytest.fixture(scope="module")
def page(evaluation: Path) -> Path:
    report(evaluation, "-o", evaluation / "new" / "report.html")
    return evaluation / "new" / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium that can reach no host."""
    if not (CHROMIUM and DRIVER):
        if "chromium" in os.environ.get("HILBENCH_REQUIRE", ""):
            pytest.fail("HILBENCH_REQUIRE names chromium, but chromium or chromedriver is not installed")
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


def opened(browser: Any, page: Path, width: int = 1200) -> Any:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.as_uri())
    WebDriverWait(browser, 60).until(lambda b: b.execute_script("return document.documentElement.dataset.drawn"))
    return browser


@pytest.mark.parametrize("width", [1200, 400])
def test_every_chart_is_drawn_offline_and_without_an_error(browser: Any, page: Path, width: int) -> None:
    opened(browser, page, width)
    figures = browser.find_elements(By.CSS_SELECTOR, "figure")
    assert len(figures) >= 7
    for figure in figures:
        plot = figure.find_element(By.CLASS_NAME, "plot")
        assert plot.get_attribute("role") == "img"
        assert re.search(r"\d", plot.get_attribute("aria-label")), "the finding has its numbers in words"
        assert plot.find_elements(By.CSS_SELECTOR, f"svg {MARKS}"), plot.get_attribute("aria-label")
        assert figure.find_element(By.TAG_NAME, "figcaption").text
    names = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in names if not name.startswith("data:")] == []
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width, "the page itself scrolls"


def test_the_page_names_no_other_file_and_forbids_every_request(page: Path) -> None:
    text = page.read_text("utf-8")
    markup = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert re.findall(r"(?:src|href)=\"(?!#|data:)[^\"]*\"", markup) == []
    assert not re.search(r"<script[^>]*\ssrc|@import|url\(", markup)
    assert "default-src 'none'" in text
    assert "<b>gone</b>" not in text, "text of a run is never markup"
    assert text.count("window.vegaEmbed") == 1
    assert os.listdir(page.parent) == ["report.html"]


def test_what_was_found_is_in_words(browser: Any, page: Path) -> None:
    said = opened(browser, page).find_element(By.TAG_NAME, "body").text
    for text in ("A load & an arm.", "live <PES> & co", "best adaptivity", "0.940", "1 failed", "seed 3: </script>",
                 "no meter here", "hilbench run arm_payload --controller pes",
                 "frozen at the change", "No fault is on record", "co: instructions, not cycles",
                 "link and emulator"):  # fmt: skip
        assert text in said, text


def column(browser: Any, number: int) -> list[str | None]:
    rows = "[...document.querySelector('.overview tbody').rows]"
    return browser.execute_script(f"return {rows}.map(r => r.cells[arguments[0]].dataset.sort ?? null)", number)


@pytest.mark.parametrize("by", ["click", "keyboard"])
def test_numbers_sort_as_numbers_both_ways_with_the_missing_last(browser: Any, page: Path, by: str) -> None:
    headings = opened(browser, page).find_elements(By.CSS_SELECTOR, ".overview thead th")
    place = next(i for i, heading in enumerate(headings) if "after" in heading.text)
    scored = next(i for i, heading in enumerate(headings) if "adaptivity" in heading.text)

    def press(number: int) -> str:
        button = headings[number].find_element(By.TAG_NAME, "button")
        button.click() if by == "click" else button.send_keys(Keys.ENTER)
        return headings[number].get_attribute("aria-sort")

    before = column(browser, place)
    numbers = sorted(float(value) for value in before if value is not None)
    assert len(set(numbers)) > 3
    assert press(place) == "ascending"
    assert [float(value) for value in column(browser, place)] == numbers
    assert press(place) == "descending"
    assert [float(value) for value in column(browser, place)] == numbers[::-1]
    for direction in ("ascending", "descending"):
        assert press(scored) == direction
        found = column(browser, scored)
        assert float(found[0]) == pytest.approx(0.94)
        assert found[1:] == [None] * (len(before) - 1)
    assert headings[place].get_attribute("aria-sort") == "none"
    assert press(0) == "ascending"
    names = column(browser, 0)
    assert names == sorted(names, key=str.lower)


def test_figures_are_written_as_svg_and_png(evaluation: Path, tmp_path: Path) -> None:
    report(evaluation, "-o", tmp_path / "report.html", "--figures", tmp_path / "figures")
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert "error_arm_payload.svg" in names
    assert {name.rpartition(".")[0] for name in names if name.endswith(".png")} == {
        name.rpartition(".")[0] for name in names if name.endswith(".svg")
    }
    assert (tmp_path / "figures" / "error_arm_payload.svg").read_text().count("<path") > 10


def test_two_hundred_cells_stay_below_8_mb(evaluation: Path, tmp_path: Path) -> None:
    """The same few runs again and again, under other labels and in other scenarios."""
    raw = json.loads((evaluation / "summary.json").read_text())
    cells = []
    for i in range(200):
        each = copy.deepcopy(raw["cells"][i % 3])
        each |= {"label": f"{each['label']} {i}", "scenario": f"arm {i % 5}"}
        each["run_folders"] = [str(evaluation / run) for run in each["run_folders"]]
        each["reference_folders"] = {}
        cells.append(each)
    write(tmp_path, raw | {"cells": cells, "references": []})
    report(tmp_path, "-o", tmp_path / "report.html")
    assert 1e6 < (tmp_path / "report.html").stat().st_size < 8e6
