"""Where the time of an evaluation of many short runs goes: the ticks themselves, and everything around them, by cause.

    python benchmarks/evaluate.py [--runs 40] [--seconds 1] [--workers 2] [--json FILE]

Two suites, each of so many runs: `arm`, whose learner is compared with a frozen twin, a floor and an oracle, and
`cartpole`, whose controller is a network in a NIR file. `processor time` is what the evaluation held: its duration
times its workers. What no worker worked in is `waiting`; the parent plans, measures and writes meanwhile.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from hilbench.studies import evaluation

ROOT = Path(__file__).parent.parent
NOTES = "HILBENCH_BENCH_NOTES"
"""The variable of the environment that tells the workers where to leave what they measure."""
CAUSES = (
    ("plant", "hilbench.runs.run", "make_plant"),
    ("plant", "hilbench.runs.run", "close_plant"),
    ("controller", "hilbench.runs.run", "checked"),
    ("network file", "hilbench.controllers.network", "read_with_notes"),
    ("link, load", "hilbench.runs.run", "make_agent"),
    ("provenance", "hilbench.runs.run", "provenance"),
    ("digests of sources", "hilbench.runs.sources.Reader", "__call__"),
    ("record", "hilbench.runs.run", "open_recorder"),
    ("record", "hilbench.record.writer.Recorder", "close"),
    ("record", "hilbench.record.rows.EpisodeRows", "flush"),
    ("ticks", "hilbench.loop.loop.Loop", "_run_episode"),
    ("garbage collection", "gc", "collect"),
    ("imports", "builtins", "__import__"),
    ("imports", "importlib", "import_module"),
)
"""Cause, and the function that it is the time in: without that in others of these."""
REST = "the rest of a run"

_spent: Counter[str] = Counter()
_under_way = [perf_counter()]
"""When the innermost cause began, or went on."""
_causes = [REST]


@contextmanager
def caused(cause: str) -> Iterator[None]:
    """Count the time within for a cause, and not for the one around it."""
    _turn()
    _causes.append(cause)
    try:
        yield
    finally:
        _turn()
        _causes.pop()


def _turn() -> None:
    now = perf_counter()
    _spent[_causes[-1]] += now - _under_way[0]
    _under_way[0] = now


def counted(cause: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:
        with caused(cause):
            return function(*args, **kwargs)

    return timed


def watch() -> None:
    """In a worker: count from now on."""
    for cause, where, name in CAUSES:
        module, _, last = where.rpartition(".")
        owner = getattr(importlib.import_module(module), last) if last[:1].isupper() else importlib.import_module(where)
        setattr(owner, name, counted(cause, getattr(owner, name)))


def timed_job(job: Any) -> Any:
    return _noted(evaluation.run_job, job)


def timed_cases(cases: Any) -> Any:
    with caused("measuring"):
        return _noted(evaluation.measure_cases, cases)


def _noted(function: Callable[[Any], Any], task: Any) -> Any:
    """Do a task, and leave what was measured so far for the parent."""
    if not _spent:
        _spent["starting a worker"] = _age_s()
        _under_way[0] = perf_counter()
        with caused("imports"):
            watch()
    _turn() if len(_causes) > 1 else _under_way.__setitem__(0, perf_counter())
    try:
        return function(task)
    finally:
        _turn()
        (Path(os.environ[NOTES]) / f"{os.getpid()}.json").write_text(json.dumps(_spent))


def _age_s() -> float:
    """How long ago this process began."""
    began = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return float(Path("/proc/uptime").read_text().split()[0]) - began


def suites(runs: int, seconds: float) -> dict[str, dict[str, Any]]:
    """The suites by name."""
    common = {"summary": "many short runs", "set": {"loop.duration_s": seconds}}
    load = {"disturbances.load.at_s": seconds / 2, "record.weights_period_s": 0.1}
    arm = {"scenarios": ["arm_payload"], "seeds": [*range(10000, 10000 + runs // 4)]}
    pole = {"scenarios": [str(ROOT / "examples/cartpole/cartpole.toml")], "seeds": [*range(10000, 10000 + runs)]}
    phases = {"phases": {"before": [0.0, seconds / 2], "after": [seconds / 2, seconds]}}
    return {
        "arm": {"name": "arm", **common, **arm, "set": {**common["set"], **load, **phases}},
        "cartpole": {"name": "cartpole", **common, **pole},
    }


def measure(suite: dict[str, Any], workers: int) -> dict[str, Any]:
    """Evaluate a suite; its duration, and processor time by cause."""
    evaluation.run_job, evaluation.measure_cases = timed_job, timed_cases
    with tempfile.TemporaryDirectory() as folder:
        os.environ[NOTES] = folder
        begun = perf_counter()
        summary = evaluation.evaluate(suite, Path(folder) / "out", workers=workers)
        took_s = perf_counter() - begun
        notes = [json.loads(path.read_text()) for path in Path(folder).glob("*.json")]
        runs = len(list((Path(folder) / "out" / "runs").iterdir()))
    failed = [line for entry in summary.cells + summary.references for line in entry.failures]
    if failed:
        raise SystemExit(f"{suite['name']}: {failed[0]}")
    spent: Counter[str] = Counter()
    for found in notes:
        spent.update(found)
    spent["waiting"] = took_s * workers - sum(spent.values())
    ticks_s = spent.pop("ticks")
    return {
        "suite": suite["name"], "runs": runs, "workers": workers, "duration_s": took_s, "ticks_s": ticks_s,
        "outside_s": sum(spent.values()), "causes_s": dict(spent.most_common()),
    }  # fmt: skip


def show(found: dict[str, Any]) -> None:
    """Print one suite's figures."""
    whole = found["duration_s"] * found["workers"]
    print(f"{found['suite']}: {found['runs']} runs on {found['workers']} workers in {found['duration_s']:.2f} s")
    rows = {"processor time": whole, "ticks": found["ticks_s"], "outside ticks": found["outside_s"]}
    for name, spent_s in rows.items():
        print(f"  {name:22s} {spent_s:7.2f} s {spent_s / whole:6.1%} {spent_s / found['runs'] * 1e3:8.1f} ms a run")
    for name, spent_s in found["causes_s"].items():
        print(f"    {name:20s} {spent_s:7.2f} s {spent_s / whole:6.1%} {spent_s / found['runs'] * 1e3:8.1f} ms a run")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=40, help="runs of each suite; four times a whole number")
    parser.add_argument("--seconds", type=float, default=1.0, help="simulated seconds of each run")
    parser.add_argument("--workers", type=int, default=2, help="processes that run them")
    parser.add_argument("--suite", choices=["arm", "cartpole"], help="one of the suites alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here too")
    args = parser.parse_args()
    chosen = [s for name, s in suites(args.runs, args.seconds).items() if args.suite in (None, name)]
    results = []
    for suite in chosen:
        results.append(measure(suite, args.workers))
        show(results[-1])
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
