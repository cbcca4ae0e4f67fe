"""The driver of the engine benchmarks, on workers that answer what they are told: its arithmetic and what it writes."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
FAKE = f"""
import os, signal, sys
sys.path.insert(0, {str(BENCHMARKS / "peers")!r})
from protocol import serve

def told(answers, **_):
    left = iter(answers)
    return {{"version": "1"}}, lambda: next(left)

def broken(**_):
    raise ValueError("cannot")

def chatty(answers, **_):
    print("a library's banner")
    os.write(2, b"and more\\n")
    return told(answers)

def dies(**_):
    return {{}}, lambda: sys.exit("out of memory")

def hangs(**_):
    return {{}}, signal.pause

print("printed before anything is asked", flush=True)
serve({{"told": told, "broken": broken, "chatty": chatty, "dies": dies, "hangs": hangs}})
"""


@pytest.fixture(scope="module")
def bench() -> Iterator[SimpleNamespace]:
    """The driver and its parts, imported as the script would."""
    sys.path.insert(0, str(BENCHMARKS))
    names = ("engine", "comparison", "tables", "problems", "workers")
    parts = {name: importlib.import_module(name if name == "engine" else f"peers.{name}") for name in names}
    yield SimpleNamespace(**parts)
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def side(bench: SimpleNamespace, tmp_path: Path) -> Any:
    """Makes a side out of what its worker shall answer, the warm-up first."""
    script = tmp_path / "fake.py"
    script.write_text(FAKE)

    def make(name: str, *seconds: float, work: str = "told", spikes: int | None = 100, **more: Any) -> Any:
        counts = {} if spikes is None else {"spikes": spikes}
        answers = [{"seconds": s} | counts for s in seconds]
        return bench.comparison.Side(name, script, {"work": work, "answers": answers}, **more)

    return make


def compare(bench: SimpleNamespace, mine: Any, *peers: Any, n: int = 3) -> list[dict[str, Any]]:
    return bench.comparison.compare(bench.comparison.Work("a work", lambda folder: {"k": 1}, mine, peers, n))


def test_a_row_is_the_median_of_its_rounds_ratios_without_the_warm_up(bench: SimpleNamespace, side: Any) -> None:
    mine, peer = side("hilbench", 99.0, 1.0, 2.0, 6.0), side("other", 77.0, 10.0, 4.0, 8.0, target=0.5)
    (row,) = compare(bench, mine, peer)
    assert row == {
        "work": "a work", "peer": "other", "hilbench_s": 2.0, "peer_s": 8.0, "ratio": 0.5, "target": 0.5, "n": 3,
        "met": True, "why": "", "counts": {"spikes": [100, 100], "outputs": [None, None]}, "facts": {"version": "1"},
    }  # fmt: skip
    assert row["ratio"] != pytest.approx(row["hilbench_s"] / row["peer_s"])


def test_a_target_is_missed_by_a_ratio_above_it_and_absent_where_there_is_none(bench: Any, side: Any) -> None:
    mine = side("hilbench", 1.0, 1.0)
    slow, open_ = side("slow", 1.0, 1.9, target=0.5), side("open", 1.0, 1.9)
    rows = compare(bench, mine, slow, open_, n=1)
    assert [(row["met"], row["ratio"]) for row in rows] == [(False, 1 / 1.9), (None, 1 / 1.9)]


@pytest.mark.parametrize(("spikes", "alike"), [(95, True), (105, True), (94, False), (106, False), (None, False)])
def test_sides_that_fire_differently_have_no_ratio(bench: Any, side: Any, spikes: int | None, alike: bool) -> None:
    (row,) = compare(bench, side("hilbench", 1.0, 1.0), side("other", 1.0, 2.0, spikes=spikes, target=1.0), n=1)
    assert (row["ratio"], row["met"]) == ((0.5, True) if alike else (None, None))
    assert bool(row["why"]) != alike
    assert row["peer_s"] == 2.0


@pytest.mark.parametrize(("outputs", "alike"), [(95, True), (94, False), (0, False)])
def test_outputs_count_where_spikes_agree(bench: Any, outputs: int, alike: bool) -> None:
    mine, theirs = (bench.comparison.Taken(answers={1: {"spikes": 9, "outputs": x}}) for x in (100, outputs))
    assert bool(bench.comparison.unlike(mine, theirs)) != alike
    assert not bench.comparison.unlike(mine, mine)


@pytest.mark.parametrize(("work", "why"), [
    ("broken", "ValueError: cannot"),
    ("dies", "out of memory"),
    ("unknown", "KeyError: 'unknown'"),
])  # fmt: skip
def test_a_peer_that_fails_keeps_its_row_with_the_reason(bench: Any, side: Any, work: str, why: str) -> None:
    bad, good = compare(bench, side("hilbench", 1.0, 1.0), side("bad", work=work), side("good", 1.0, 2.0), n=1)
    assert (bad["why"], bad["ratio"], bad["peer_s"], bad["n"]) == (why, None, None, 0)
    assert (good["why"], good["ratio"]) == ("", 0.5)


def test_a_peer_that_hangs_is_ended(bench: SimpleNamespace, side: Any) -> None:
    hanging = side("bad", work="hangs")
    with bench.workers.Worker(hanging.python, hanging.script) as worker:
        worker.build(hanging.build, 60)
        with pytest.raises(bench.workers.WorkerError, match=r"no answer in 0\.1 s"):
            worker.run(0.1)
    worker.close()


def test_a_missing_environment_is_the_reason(bench: SimpleNamespace, side: Any, tmp_path: Path) -> None:
    python = tmp_path / ".venv-none" / "bin" / "python"
    (row,) = compare(bench, side("hilbench", 1.0, 1.0), side("other", python=python), n=1)
    assert row["why"].startswith("its environment .venv-none is not there; make it with:")
    assert row["hilbench_s"] == 1.0


def test_what_a_library_prints_is_no_answer(bench: SimpleNamespace, side: Any) -> None:
    (row,) = compare(bench, side("hilbench", 1.0, 1.0, work="chatty"), side("other", 1.0, 4.0, work="chatty"), n=1)
    assert (row["ratio"], row["why"]) == (0.25, "")


def test_results_are_written_whole_and_shown(bench: SimpleNamespace, side: Any, tmp_path: Path) -> None:
    work = bench.comparison.Work("a work", lambda _: {}, side("hilbench", 1.0, 1e-6), (side("other", 1.0, 4e-6),), 1)
    result = bench.engine.measure([work], [])
    bench.engine.save(result, tmp_path / "bench", tmp_path / "second.json")
    written = json.loads((tmp_path / "bench" / "engine.json").read_text())
    assert written == result == json.loads((tmp_path / "second.json").read_text())
    assert {"cpu_model", "n_cpus"} <= written["host"].keys()
    lines = bench.tables.markdown(written).splitlines()
    assert "| a work | other | 1 us | 4 us | 0.25 |  |  | 1 | 100, 100 spikes |" in lines


def test_a_terminal_of_80_columns_shows_every_cell_of_every_table(bench: SimpleNamespace) -> None:
    row = {
        "work": "CUBA 4000 x 80, 1.5 ms delays, 1 s", "hilbench_s": 50.6e-3, "peer_s": 0.181, "ratio": 0.00671,
        "target": 0.0143, "met": False, "n": 20, "counts": {"us at p99": [301.4, 268.4]}, "why": "",
    }  # fmt: skip
    rows = [row | {"peer": "snntorch, compiled"}, row | {"peer": "brian2", "work": "another"}]
    points = [{"x": x, "step_us": 12.3456} for x in (1000, 4000, 16_000, 64_000)]
    growth = [{"axis": "synapses per neuron", "exponent": 1.16, "points": points}]
    first, second = bench.tables.tables({"rows": rows, "growth": growth, "large": None})
    lines = bench.tables.text(first).splitlines() + bench.tables.text(second).splitlines()
    assert max(map(len, lines)) <= 80
    shown = " ".join(" ".join(lines).split())
    for cell in ("1.5 ms delays, 1 s (n = 20)", "snntorch, compiled 50.6 ms 181 ms 0.00671 0.0143 missed 301.4, 268.4"):
        assert cell in shown
    assert "synapses per neuron 1.16 1000: 12.3, 4000: 12.3, 1.6e+04: 12.3, 6.4e+04: 12.3" in shown
    with_why = bench.tables.text(first._replace(notes=("no such library; " * 20,)))
    assert max(map(len, with_why.splitlines())) <= 80


def test_some_rows_take_their_own_place_alone(bench: SimpleNamespace, tmp_path: Path) -> None:
    def result(growth: Any, **ratios: float) -> dict[str, Any]:
        rows = [{"work": "a work", "peer": peer, "ratio": ratio} for peer, ratio in ratios.items()]
        return {"host": {}, "rows": rows, "growth": growth, "large": None}

    path = tmp_path / "engine.json"
    assert bench.engine.merged(result(None, a=1.0), path) == result(None, a=1.0)
    path.write_text(json.dumps(result([1], a=1.0, b=2.0)))
    assert bench.engine.merged(result(None, b=3.0, c=4.0), path) == result([1], a=1.0, b=3.0, c=4.0)


def test_quick_and_words_choose_rows_and_every_worker_is_there(bench: SimpleNamespace) -> None:
    works = bench.engine.WORKS
    quick = {peer.name for work in bench.engine.chosen(works, True, None) for peer in work.peers}
    assert quick == {"brian2", "nengo", "snntorch", "plain numba loop"}
    (found,) = bench.engine.chosen(works, False, ["LAVA"])
    assert [peer.name for peer in found.peers] == ["lava"]
    assert all(side.script.is_file() for work in works for side in (work.mine, *work.peers))


def test_targets_of_a_neuron_are_different_neurons_in_rising_order(bench: SimpleNamespace) -> None:
    targets = bench.problems.targets(50, 49)
    assert (targets.min(), targets.max()) == (0, 49)
    assert (targets[:, 1:] > targets[:, :-1]).all()
