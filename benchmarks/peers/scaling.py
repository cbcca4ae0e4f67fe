"""hilbench alone: how its time grows with neurons, synapses and rate, and what a large network takes."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
from peers import problems
from peers.comparison import BUILD_TIMEOUT_S, RUN_TIMEOUT_S
from peers.workers import Worker

ON_HILBENCH = Path(__file__).with_name("on_hilbench.py")
RUN_MS, ROUNDS = 200.0, 5
BYTES_PER_SYNAPSE = 8.0
"""What a large static network may hold."""
AXES: dict[str, list[dict[str, Any]]] = {
    "neurons": [{"n": n, "k": 80} for n in (1000, 4000, 16_000, 64_000)],
    "synapses per neuron": [{"n": 4000, "k": k} for k in (20, 80, 320, 1280)],
    "rate, Hz": [{"n": 4000, "k": 80, "v_leak_mv": v} for v in (-49.0, -45.0, -35.0, -10.0)],
}


def growth() -> list[dict[str, Any]]:
    """Per axis its points (x, us per step) and the exponent of a power law through them."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Worker(Path(sys.executable), ON_HILBENCH) as worker:
        return [_axis(axis, points, Path(folder), worker) for axis, points in AXES.items()]


def _axis(axis: str, points: list[dict[str, Any]], folder: Path, worker: Worker) -> dict[str, Any]:
    found = []
    for point in points:
        problem = problems.cuba(folder, run_ms=RUN_MS, **point)
        worker.build(problem | {"work": "cuba"}, BUILD_TIMEOUT_S)
        answers = [worker.run(RUN_TIMEOUT_S) for _ in range(ROUNDS)]
        rate_hz = answers[0]["spikes"] / problem["n"] / (RUN_MS * 1e-3)
        step_us = statistics.median(a["seconds"] for a in answers) / (RUN_MS / problem["dt_ms"]) * 1e6
        x = {"neurons": point["n"], "synapses per neuron": point["k"], "rate, Hz": rate_hz}[axis]
        found.append({"x": x, "step_us": step_us, "rate_hz": rate_hz})
    slope = np.polyfit(np.log([p["x"] for p in found]), np.log([p["step_us"] for p in found]), 1)[0]
    return {"axis": axis, "points": found, "exponent": float(slope)}


def large(n: int = 100_000, k: int = 1000) -> dict[str, Any]:
    """Build time, memory per synapse and time per step of n neurons with k synapses each."""
    with Worker(Path(sys.executable), ON_HILBENCH) as worker:
        facts = worker.build({"work": "large", "n": n, "k": k, "run_ms": 100.0}, BUILD_TIMEOUT_S)
        answers = [worker.run(RUN_TIMEOUT_S) for _ in range(ROUNDS)]
    step_s = statistics.median(a["seconds"] for a in answers) / 1000
    return {
        "neurons": n, **facts, "step_s": step_s, "rate_hz": answers[0]["spikes"] / n / 0.1, "n": ROUNDS,
        "target_bytes_per_synapse": BYTES_PER_SYNAPSE, "met": facts["held_bytes_per_synapse"] <= BYTES_PER_SYNAPSE,
    }  # fmt: skip


def draw(found: list[dict[str, Any]], folder: Path) -> None:
    """growth.svg and growth.png: one chart per axis, both scales logarithmic."""
    charts = [_chart(axis) for axis in found]
    whole = alt.hconcat(*charts).configure_view(stroke=None)
    for kind in ("svg", "png"):
        whole.save(str(folder / f"growth.{kind}"), ppi=200)


def _chart(axis: dict[str, Any]) -> alt.Chart:
    return (
        alt.Chart(alt.Data(values=axis["points"]), title=f"exponent {axis['exponent']:.2f}", width=200, height=180)
        .mark_line(point=True)
        .encode(
            alt.X("x:Q", title=axis["axis"]).scale(type="log"),
            alt.Y("step_us:Q", title="time per step, us").scale(type="log"),
        )
    )
