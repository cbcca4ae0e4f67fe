"""Agreement of a run's spikes with the reference: counted right, written whole, refused where there are none."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.errors import RecordError
from hilbench.metrics import measure
from hilbench.record.layout import AGREEMENT
from hilbench.record.reader import read_run
from hilbench.record.sealed import write_sealed
from hilbench.runs.agreement import _counts, compare_spikes
from hilbench.runs.run import run
from hilbench.scenario import files as scenarios
from hilbench.types import EVENT

SHORT = {"loop.duration_s": 0.05, "record.spikes": ["neurons"]}


def record(folder, **overrides):
    return run(scenarios.load("cartpole_ladder", SHORT | overrides), folder)


def test_equal_spikes_are_matched_one_to_one():
    mine = np.array([(0, 1), (0, 1), (1000, 2), (2000, 3)], EVENT)
    theirs = np.array([(0, 1), (1000, 2), (1000, 3)], EVENT)
    assert _counts(mine, theirs) == (4, 3, 2)
    assert _counts(mine[:0], theirs[:0]) == (0, 0, 0)


def test_numba_agrees_wholly_and_integers_do_not(tmp_path):
    """The reference's spikes are numba's; Loihi's integers are near, and elsewhere now and then."""
    record(tmp_path / "numba")
    found = compare_spikes(tmp_path / "numba")
    assert found.agreed_spikes == found.run_spikes == found.reference_spikes > 100
    assert measure(read_run(tmp_path / "numba"), {})["spike_agreement"]["value"] == 1.0
    record(tmp_path / "loihi", **{"backend.kind": "loihi"})
    found = compare_spikes(tmp_path / "loihi")
    assert 0 < found.agreed_spikes < found.run_spikes
    share = measure(read_run(tmp_path / "loihi"), {})["spike_agreement"]["value"]
    assert share == 2 * found.agreed_spikes / (found.run_spikes + found.reference_spikes)


def test_a_run_without_spikes_is_refused(tmp_path):
    record(tmp_path, **{"record.spikes": []})
    with pytest.raises(RecordError, match=r"name populations in record\.spikes"):
        compare_spikes(tmp_path)
    assert not (tmp_path / AGREEMENT).exists()


def test_a_damaged_file_is_named(tmp_path):
    record(tmp_path)
    write_sealed(tmp_path / AGREEMENT, {"format_version": 5, "reference_backend": "reference"})
    with pytest.raises(RecordError, match=r"agreement\.json: not what a whole run says: .*`run_spikes`"):
        read_run(tmp_path)
