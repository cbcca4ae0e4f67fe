"""What importing and compiling a convolutional network takes: 8970 neurons behind an event camera of 34 x 34 pixels.

    python benchmarks/convolution.py [--neurons IF] [--rounds 3] [--json FILE]

The network is of the kind that the NIR paper (Pedersen et al. 2024, doi:10.1038/s41467-024-52259-9) classifies N-MNIST
with: three convolutions of 16, 16 and 8 channels, two sums over 2 x 2, and two linear layers; its weights are random.
`import` and `compile` are the commands, each in a process of its own; `in process` is compiling alone, when all is
imported. `libraries` is a Python process that imports what the process that reads a network needs of others, and does
nothing: no command can be faster. Times are medians, memory is the largest of the command's processes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import nir
import numpy as np

from hilbench.nal import load
from hilbench.nal.compile.report import compile_network
from hilbench.nal.compile.target import load_target, targets

LIBRARIES = ("-c", "import h5py, msgspec, scipy.sparse")
STATED = ("--dt-s", "1e-3", "--integrator", "euler", "--reset", "zero", "--inputs", "events")
SIDES = (34, 34)


def graph(kind: str) -> nir.NIRGraph:
    """The network, with neurons of one kind: IF or LIF."""
    random = np.random.default_rng(0)

    def scaled(*shape: int) -> np.ndarray:
        return random.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32)

    def convolution(n_out: int, n_in: int, kernel: int, stride: int, sides: tuple[int, int]) -> nir.Conv2d:
        bias = random.normal(0, 0.1, n_out).astype(np.float32)
        return nir.Conv2d(sides, scaled(n_out, n_in, kernel, kernel), stride, 1, 1, 1, bias)

    def neurons(*shape: int) -> nir.NIRNode:
        one = np.ones(shape, np.float32)
        leak = {} if kind == "IF" else {"tau": 0.02 * one, "v_leak": 0 * one}
        return getattr(nir, kind)(r=one, v_threshold=one, v_reset=0 * one, **leak)

    def pool() -> nir.SumPool2d:
        return nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))

    layers = [
        convolution(16, 2, 5, 2, SIDES), neurons(16, 16, 16), convolution(16, 16, 3, 1, (16, 16)), neurons(16, 16, 16),
        pool(), convolution(8, 16, 3, 1, (8, 8)), neurons(8, 8, 8), pool(),
        nir.Flatten({"input": np.array([8, 4, 4])}, 0, -1), nir.Linear(scaled(256, 128)), neurons(256),
        nir.Linear(scaled(10, 256)), neurons(10),
    ]  # fmt: skip
    nodes = {"input": nir.Input({"input": np.array([2, *SIDES])})} | {str(i): layer for i, layer in enumerate(layers)}
    nodes["output"] = nir.Output({"output": np.array([10])})
    return nir.NIRGraph(nodes, list(pairwise(nodes)))


def command(*arguments: str) -> dict[str, float]:
    """How long Python takes for its arguments, and the memory of its largest process."""
    begun = perf_counter()
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 1):  # 1: it breaks a limit of the target's
        raise SystemExit(f"python {' '.join(arguments)}: exit code {child.returncode}")
    took_s = perf_counter() - begun
    return {"s": took_s, "cpu_s": used.ru_utime + used.ru_stime, "mb": used.ru_maxrss / 1024}


def repeated(rounds: int, *arguments: str) -> dict[str, float]:
    """The median of several calls of a command."""
    found = [command(*arguments) for _ in range(rounds)]
    return {name: median(each[name] for each in found) for name in found[0]}


def measure(kind: str, rounds: int) -> dict[str, Any]:
    """Seconds and megabytes of the import, and of compiling for each target."""
    with tempfile.TemporaryDirectory() as folder:
        raw, ready = Path(folder) / "raw.nir", Path(folder) / "ready.nir"
        nir.write(raw, graph(kind))
        hilbench = ("-m", "hilbench")
        result: dict[str, Any] = {
            "libraries": repeated(rounds, *LIBRARIES),
            "import": repeated(rounds, *hilbench, "import", str(raw), *STATED, "--out", str(ready)),
        }
        network = load(ready)
        for name in targets():
            found = repeated(rounds, *hilbench, "compile", str(ready), "--target", name)
            begun = perf_counter()
            compile_network(network, name, load_target(name))
            result[name] = found | {"in_process_s": perf_counter() - begun}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", choices=["IF", "LIF"], default="IF", help="which kind")
    parser.add_argument("--rounds", type=int, default=3, help="calls of each command")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here too")
    args = parser.parse_args()
    result = measure(args.neurons, args.rounds)
    for name, found in result.items():
        alone = f", in process {found['in_process_s']:5.2f} s" if "in_process_s" in found else ""
        what = f"{name:11s} {found['s']:5.2f} s, processor {found['cpu_s']:5.2f} s, {found['mb']:4.0f} MB"
        print(what + alone)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
