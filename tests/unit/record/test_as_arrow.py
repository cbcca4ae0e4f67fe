"""Arrays on their way to Arrow: byte for byte what `pa.array` makes of them, and without pandas."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

import hilbench
from hilbench.record.arrays import as_arrow, as_numpy

SOME = np.array([[0.0, 1.5], [-2.0, np.nan], [3.0, np.inf]] * 7)


def written(values: pa.Array) -> bytes:
    """A stream with this one column."""
    batch, sink = pa.record_batch({"x": values}), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write(batch)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    "values",
    [
        SOME[:, 0],
        SOME.ravel(),
        SOME.astype(np.float32).ravel(),
        np.arange(-4, 5),
        np.arange(9, dtype=np.uint64) + 2**63,
        np.arange(9, dtype=np.int32),
        np.arange(9, dtype=np.uint8),
        np.arange(19) % 3 == 0,
        np.zeros(0, np.uint64),
        np.zeros(0, bool),
    ],
    ids=lambda values: f"{values.dtype} {values.shape}",
)
def test_it_is_what_arrow_makes_of_it(values: NDArray) -> None:
    found = as_arrow(values)
    assert (found.type, len(found), found.null_count) == (pa.array(values).type, values.size, 0)
    assert written(found) == written(pa.array(values))


@pytest.mark.parametrize("cut", [slice(None), slice(3, 11), slice(8, 8)])
@pytest.mark.parametrize(
    "values", [SOME[:, 0], SOME.astype(np.float32).ravel(), np.arange(40), np.arange(40) % 3 == 0], ids=str
)
def test_it_comes_back_as_arrow_gives_it(values: NDArray, cut: slice) -> None:
    column = pa.array(values)[cut]
    found, wanted = as_numpy(column), column.to_numpy(zero_copy_only=False)
    assert (found.dtype, found.flags.writeable) == (wanted.dtype, wanted.flags.writeable)
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(found, values[cut])


def test_every_kind_of_number_comes_back_as_itself() -> None:
    kinds = [np.dtype(kind) for kind in ("bool", "int8", "int64", "uint8", "uint16", "uint64", "f2", "f4", "f8")]
    assert [as_numpy(pa.array(np.ones(3, kind))).dtype for kind in kinds] == kinds


def test_what_is_missing_is_no_number() -> None:
    np.testing.assert_array_equal(as_numpy(pa.array([1.5, None, 2.5])), [1.5, np.nan, 2.5])


def test_a_run_is_recorded_and_read_without_importing_pandas(tmp_path: Path) -> None:
    (tmp_path / "pandas.py").write_text("print('imported')")
    code = "import hilbench; hilbench.run('cartpole_ladder', 'run', overrides={'loop.duration_s': 0.05})"
    code += "; hilbench.measure(hilbench.read_run('run'))"
    path = os.pathsep.join([str(tmp_path), str(Path(hilbench.__file__).parents[1])])
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (tmp_path / "run" / "run.json").is_file()
