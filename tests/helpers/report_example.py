"""Evaluations to report on: short real runs, summarised as `hilbench evaluate` does, with numbers of tests' own."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats

from hilbench.metrics import measure
from hilbench.record.reader import read_run
from hilbench.runs.provenance import provenance
from hilbench.runs.run import run
from hilbench.scenario.files import load
from hilbench.types import to_builtins

SHORT = {"loop.duration_s": 3.0, "disturbances.load.at_s": 1.5}
SHORT |= {"phases.before": [0.5, 1.5], "phases.late after": [2.5, 3.0], "score.change": "load"}


def summary(cells: Iterable[dict], references: Iterable[dict] = (), **more: Any) -> dict[str, Any]:
    """A summary as `hilbench evaluate` writes it."""
    whole = {"format_version": 2, "suite": "example", "suite_summary": "An arm that gets a load.", "status": "done"}
    return (
        whole | {"provenance": to_builtins(provenance()), "cells": list(cells), "references": list(references)} | more
    )


def write(folder: Path, found: Mapping[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "summary.json").write_text(json.dumps(found), "utf-8")
    return folder


def cell(
    folder: Path,
    label: str,
    controller: str,
    seeds: Iterable[int] = (10000,),
    point: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] = SHORT,
    **more: Any,
) -> dict[str, Any]:
    """Run a cell's seeds and summarise them."""
    runs, measures = [], []
    for seed in seeds:
        settings = {**overrides, **(point or {}), "loop.seed": seed}
        name = f"runs/{label}__s{seed}__{zlib.crc32(repr(settings).encode()):08x}".replace(" ", "_")
        scenario = load("arm_payload", settings, controller)
        run(scenario, folder / name)
        runs.append(name)
        measures.append(measure(read_run(folder / name)))
    return {
        "label": label, "scenario": scenario.name, "controller": controller, "backend": scenario.chosen.backend.kind,
        "link": scenario.link.kind, "mode": scenario.loop.mode, "point": dict(point or {}), "seeds": list(seeds),
        "run_folders": runs, "reference_folders": {}, "failures": [],
        "command": f"hilbench run arm_payload --controller {controller} --seed {next(iter(seeds))}",
        "metrics": {name: over_seeds([m[name] for m in measures if name in m]) for name in measures[0]},
    } | more  # fmt: skip


def over_seeds(measures: list[dict]) -> dict[str, Any]:
    values = np.array([m["value"] for m in measures], float)
    return {**measures[0], **number(*values)}


def number(*values: float, unit: str | None = None, better: str | None = None, **more: Any) -> dict[str, Any]:
    """A metric over seeds."""
    known = [value if np.isfinite(value) else None for value in map(float, values)]
    middle = None if None in known else float(scipy.stats.trim_mean(values, 0.25))
    found = {"iqm": middle, "n": len(values), "values": known}
    found["ci95"] = [float(min(values)), float(max(values))] if len(values) > 2 and middle is not None else None
    return found | ({"unit": unit} if unit else {}) | ({"better": better} if better else {}) | more
