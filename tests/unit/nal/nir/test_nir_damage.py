"""Damaged files: whatever bytes a file has, reading it gives a network or one line."""

from __future__ import annotations

import subprocess
import sys

import nir
import numpy as np
import pytest
from nir_graphs import STATED, looped

from hilbench.errors import NetworkError
from hilbench.nal import load
from hilbench.nal.nir import from_nir
from hilbench.nal.nir.export import to_nir

# Reads the files that are named on its input, and says after each whether it was a network or a refusal.
READER = """
import resource, sys, time
from pathlib import Path
from hilbench.errors import HilbenchError
from hilbench.nal.nir import packed_file

resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
for line in sys.stdin:
    used_s = int(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (used_s + 3, hard))
    try:
        packed_file(Path(line.strip()), {})
        print("network", flush=True)
    except HilbenchError as error:
        print("refused", str(error).splitlines() == [str(error)], flush=True)
"""


def test_damaged_files_are_refused_or_still_whole(tmp_path, monkeypatch):
    """100 files in one child; where the library crashes or never ends, the next child goes on behind that file."""
    monkeypatch.setattr("hilbench.nal.nir.READ_TIMEOUT_S", 5)
    nir.write(tmp_path / "whole.nir", to_nir(from_nir(looped(), **STATED)))
    raw = (tmp_path / "whole.nir").read_bytes()
    random = np.random.default_rng(2)
    files = [tmp_path / f"{i}.nir" for i in range(100)]
    for i, file in enumerate(files):
        damaged = bytearray(raw)
        for at in random.integers(0, 4000 if i % 2 else len(raw), random.integers(1, 40)):
            damaged[at] = random.integers(0, 256)
        file.write_bytes(damaged[: random.integers(len(raw))] if i % 10 == 0 else damaged)
    outcomes = []
    while len(outcomes) < len(files):
        names = "\n".join(map(str, files[len(outcomes) :]))
        child = subprocess.run([sys.executable, "-c", READER], input=names, capture_output=True, text=True, timeout=60)
        outcomes += child.stdout.splitlines()
        assert child.returncode <= 0, child.stderr
        if child.returncode < 0:
            with pytest.raises(NetworkError, match=r"the reading process ended by|not read within 5 s"):
                load(files[len(outcomes)])
            outcomes.append("crashed")
    assert set(outcomes) <= {"network", "refused True", "crashed"}
    assert outcomes.count("refused True") > 50
