"""What loading a program costs: decoding, checking and laying out, against the number of its populations.

Each population is one neuron. `joined` ones have a projection each from the one before, and an input. The kernels are
compiled, and the modules imported, by a small program before. Times are of this process, one run each.

    python benchmarks/load.py [--populations 100000] [--backend numba] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from peers.environments import ROOT

from hilbench import plugins
from hilbench.nal.model.codec import pack, unpack
from hilbench.nal.model.network import Network
from hilbench.runs.provenance import provenance
from hilbench.types import Probes, to_builtins

OUT = ROOT / "runs" / "bench"
MOST_S = 10.0
"""For 100 000 populations."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--populations", type=int, default=100_000, help="how many at most; a half and a quarter too")
    parser.add_argument("--backend", default="numba", help="which backend loads them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here too")
    args = parser.parse_args()
    result = measure(args.populations, args.backend)
    OUT.mkdir(parents=True, exist_ok=True)
    for path in filter(None, (OUT / "load.json", args.json)):
        path.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    for row in result["rows"]:
        what = "joined" if row["joined"] else "apart"
        print(f"{row['populations']:7d} {what:6s} decode {row['decode_s']:6.2f} s, load {row['load_s']:6.2f} s")


def measure(most: int, backend: str) -> dict[str, Any]:
    """The results as `load.json` holds them."""
    found, load = to_builtins(provenance()), os.getloadavg()[0]
    once(10, True, backend)
    rows = [once(n, joined, backend) for joined in (False, True) for n in (most // 4, most // 2, most)]
    return {"provenance": found, "load": load, "backend": backend, "most_s": MOST_S, "rows": rows}


def once(n: int, joined: bool, backend: str) -> dict[str, Any]:
    program, kind = packed(n, joined), plugins.get("backends", backend)
    begun = perf_counter()
    network = unpack(program)
    decoded = perf_counter()
    kind(kind.Config()).load(network, 1000, Probes())
    ended = perf_counter()
    return {
        "populations": n, "joined": joined, "bytes": len(program), "decode_s": decoded - begun,
        "load_s": ended - decoded,
    }  # fmt: skip


def packed(n: int, joined: bool) -> bytes:
    net = Network(1e-3)
    net.input("x", 1)
    for i in range(n):
        net.lif(f"p{i}", 1, tau_s=0.02)
        if joined:
            net.connect(f"p{i - 1}" if i else "x", f"p{i}", np.ones((1, 1)), bulk=True)
    net.output("spikes", "p0")
    return pack(net)


if __name__ == "__main__":
    main()
