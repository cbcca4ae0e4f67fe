"""How long a report of many cells takes to build and to open, and how large it is.

Every row has its own label; the runs behind them are the same few. `open` is from the start of the navigation until the
load event has passed and every chart is drawn, in headless Chromium; the median of the rounds.

    python benchmarks/report.py [--cells 200] [--rounds 5] [--json]
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from hilbench.metrics import measure
from hilbench.record.reader import read_run
from hilbench.report.page import write
from hilbench.runs.provenance import provenance
from hilbench.runs.run import run
from hilbench.scenario.files import load
from hilbench.studies.schema import Summary, write_summary
from hilbench.types import to_builtins

TARGETS = {"open_s": 3.0, "size_mb": 8.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=200, help="rows of the evaluation")
    parser.add_argument("--rounds", type=int, default=5, help="times that the page is opened")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measured(Path(folder), args.cells, args.rounds)
    if args.json:
        print(json.dumps(result))
        return
    for name, figure in result.items():
        print(f"{name:10} {figure:8.2f}" + (f"   target {TARGETS[name]:g}" if name in TARGETS else ""))


def measured(folder: Path, n_cells: int, rounds: int) -> dict[str, float]:
    evaluation(folder, n_cells)
    start, page = perf_counter(), folder / "report.html"
    write([folder], page)
    built_s = perf_counter() - start
    return {"build_s": built_s, "size_mb": page.stat().st_size / 1e6, "open_s": opening_s(page, rounds)}


def evaluation(folder: Path, n_cells: int) -> None:
    """A summary of `n_cells` cells in five scenarios, over four kinds of run: 30 s long, with spikes and twins."""
    recorded = {"loop.duration_s": 30.0, "score.change": "load", "record.spikes": ["neurons"]}
    real_time = {"loop.mode": "realtime", "loop.duration_s": 5.0, "score.change": "load"}
    kinds = {
        "pd": ("pd", {"loop.duration_s": 30.0, "score.change": "load"}),
        "pes": ("pes", recorded),
        "twin": ("pes", recorded | {"loop.freeze_at_s": 20.0}),
        "live": ("pes", real_time),
    }
    cells = {name: _cell(folder, name, *kind) for name, kind in kinds.items()}
    rows = []
    for i in range(n_cells):
        row = dict(cells[("pd", "pes", "pes", "live")[i % 4]])
        references = {"twin": cells["twin"]["run_folders"]} if row["label"] == "pes" else {}
        rows.append(row | {"label": f"{row['label']} {i}", "scenario": f"arm {i % 5}", "reference_folders": references})
    whole = {"suite": "many", "suite_summary": "Many cells.", "status": "done", "cells": rows}
    write_summary(folder, msgspec.convert(whole | {"provenance": to_builtins(provenance())}, Summary))


def _cell(folder: Path, name: str, controller: str, settings: dict[str, Any]) -> dict[str, Any]:
    """A cell of five seeds that all have the same run."""
    scenario = load("arm_payload", settings, controller)
    run(scenario, folder / name)
    found = measure(read_run(folder / name))
    metrics = {key: {**m, "iqm": m["value"], "values": [m["value"]] * 5} for key, m in found.items()}
    return {
        "label": name, "scenario": "arm", "controller": controller, "backend": scenario.chosen.backend.kind,
        "link": "inprocess", "mode": scenario.loop.mode, "seeds": [0, 1, 2, 3, 4], "run_folders": [name] * 5,
        "metrics": metrics, "command": f"hilbench run arm_payload --controller {controller} --seed 0",
    }  # fmt: skip


def opening_s(page: Path, rounds: int) -> float:
    """Seconds from the navigation's start until everything is drawn, by the browser's own clock."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        taken = []
        for _ in range(rounds):
            driver.get(page.resolve().as_uri())
            WebDriverWait(driver, 60).until(lambda d: d.execute_script("return document.documentElement.dataset.drawn"))
            drawn_ms = float(driver.execute_script("return document.documentElement.dataset.drawn"))
            loaded_ms = driver.execute_script("return performance.getEntriesByType('navigation')[0].loadEventEnd")
            taken.append(max(drawn_ms, loaded_ms) / 1e3)
        return statistics.median(taken)
    finally:
        driver.quit()


if __name__ == "__main__":
    main()
