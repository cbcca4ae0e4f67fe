"""The engine against its peers: the same networks, one thread, runs that alternate, the medians of their ratios.

    python benchmarks/engine.py [--quick] [--rows WORD ...] [--json FILE]
    python benchmarks/engine.py --markdown runs/bench/engine.json

Everything goes to runs/bench/engine.json, where `--rows` replaces its own rows alone; `--json` writes it to a second
place. A ratio is hilbench's time by the peer's, so less is better. `docs/performance.md` tells what each row does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from peers import problems, scaling
from peers.comparison import Side, Work, compare
from peers.environments import ROOT, python_of
from peers.tables import markdown, show

from hilbench.runs.provenance import provenance
from hilbench.types import to_builtins

WORKERS = Path(__file__).parent / "peers"
OUT = ROOT / "runs" / "bench"
ALONE: dict[str, Callable[[], Any]] = {"growth": scaling.growth, "large": scaling.large}
"""What has no peer."""


def mine(work: str) -> Side:
    return Side("hilbench", WORKERS / "on_hilbench.py", {"work": work})


def theirs(name: str, library: str, work: str, environment: str, **more: Any) -> Side:
    side = {key: more.pop(key) for key in ("target", "quick") if key in more}
    return Side(name, WORKERS / f"on_{library}.py", {"work": work, **more}, python_of(environment), **side)


BRIAN2 = theirs("brian2", "brian2", "cuba", "peers")
NEST = theirs("nest", "nest", "cuba", "peers")
LOOP = Side("plain numba loop", WORKERS / "on_floor.py", {"work": "cuba"}, quick=True)
WORKS = (
    Work(
        "CUBA 4000 x 80, 1 s", lambda folder: problems.cuba(folder, 4000, 80), mine("cuba"),
        (replace(BRIAN2, target=0.25, quick=True), replace(NEST, target=0.05), LOOP),
    ),
    Work(
        "CUBA 4000 x 80, 1.5 ms delays, 1 s", lambda folder: problems.cuba(folder, 4000, 80, delay_steps=15),
        mine("cuba"), (BRIAN2, NEST),
    ),
    Work(
        "CUBA 20000 x 1000, 0.2 s", lambda folder: problems.cuba(folder, 20_000, 1000, run_ms=200), mine("cuba"),
        (BRIAN2, NEST, replace(LOOP, quick=False)),
    ),
    Work(
        "PES 256, 1 ms step", lambda folder: problems.pes(folder, 256, 2000), mine("pes"),
        (theirs("nengo", "nengo", "pes", "peers", target=1 / 20, quick=True),), n=11, outputs=0.15,
    ),
    Work(
        "LIF 16-256-4, 1 ms step", lambda folder: problems.lif(folder, 2000), mine("lif"),
        (
            theirs("snntorch", "torch", "snntorch", "torch", way="eager", target=1 / 100, quick=True),
            theirs("norse", "torch", "norse", "torch", way="eager", target=1 / 70),
            theirs("brainevent", "brainevent", "lif", "jax"),
            theirs("lava", "lava", "lif", "lava", target=1 / 300),
            theirs("snntorch, compiled", "torch", "snntorch", "torch", way="compiled"),
            theirs("norse, compiled", "torch", "norse", "torch", way="compiled"),
        ), n=11,
    ),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the rows of Brian2, Nengo and snnTorch alone")
    parser.add_argument("--rows", nargs="+", metavar="WORD", help="only what has such a word in its work or peer")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="only print a file's tables for the document")
    args = parser.parse_args()
    if args.markdown:
        print(markdown(json.loads(args.markdown.read_text("utf-8"))))
        return
    works = chosen(WORKS, args.quick, args.rows)
    alone = [name for name in ALONE if (name in args.rows if args.rows else not args.quick)]
    if not works and not alone:
        names = ", ".join([work.name for work in WORKS] + [peer.name for work in WORKS for peer in work.peers])
        parser.error(f"--rows: found {' '.join(args.rows)}; allowed: words of {names}, growth, large")
    result = measure(works, alone)
    save(merged(result, OUT / "engine.json") if args.rows else result, OUT, args.json)
    show(result)


def chosen(works: Sequence[Work], quick: bool, words: list[str] | None) -> list[Work]:
    """The works, each with the peers that are asked for; one without is left out."""

    def wanted(work: Work, peer: Side) -> bool:
        text = f"{work.name} {peer.name}".lower()
        return (peer.quick or not quick) and (not words or any(word.lower() in text for word in words))

    kept = [replace(work, peers=tuple(peer for peer in work.peers if wanted(work, peer))) for work in works]
    return [work for work in kept if work.peers]


def measure(works: Sequence[Work], alone: Sequence[str]) -> dict[str, Any]:
    """The results as `engine.json` holds them."""
    found, rows, load = (
        to_builtins(provenance()),
        [],
        os.getloadavg()[0],
    )  # what else ran here: ratios of a busy machine are rough
    for work in works:
        print(f"{work.name}: {', '.join(peer.name for peer in work.peers)}", file=sys.stderr)
        rows += compare(work)
    host = found["host"] | {"load": load} | {key: found[key] for key in ("package_versions", "commit", "started_at")}
    return {"host": host, "rows": rows} | {name: ALONE[name]() if name in alone else None for name in ALONE}


def merged(result: dict[str, Any], path: Path) -> dict[str, Any]:
    """Some rows' results among those of earlier runs: a row takes its work's and peer's place."""
    if not path.exists():
        return result
    before = json.loads(path.read_text("utf-8"))
    rows = {(row["work"], row["peer"]): row for row in before["rows"] + result["rows"]}
    return {"host": result["host"], "rows": list(rows.values())} | {k: result[k] or before[k] for k in ALONE}


def save(result: dict[str, Any], folder: Path, second: Path | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in filter(None, (folder / "engine.json", second)):
        path.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    if result["growth"]:
        scaling.draw(result["growth"], folder)


if __name__ == "__main__":
    main()
