"""Latencies of a link, one way at a time, from a record and from a text file."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.errors import RecordError, ScenarioError
from hilbench.record.reader import read_run
from hilbench.record.sealed import read_sealed, write_sealed
from hilbench.record.traces import link_latencies_s
from hilbench.runs.run import run
from hilbench.scenario import files as scenarios


@pytest.fixture
def recorded(tmp_path):
    run(scenarios.load("arm_payload", {"loop.duration_s": 0.05, "link.kind": "zmq"}, "pd"), tmp_path / "run")
    return tmp_path / "run"


def both_s(folder):
    episode = read_run(folder).episodes[0]
    return (episode["arrived_ns"] - episode["encoded_ns"] - episode["compute_ns"]) * 1e-9


def test_a_run_tells_both_ways_apart_and_neither_holds_the_computation(recorded):
    out_s, back_s = (link_latencies_s(recorded, way) for way in ("to_device", "to_plant"))
    assert len(out_s) == len(back_s) == 50
    assert min(out_s.min(), back_s.min()) > 0
    assert np.allclose(out_s + back_s, both_s(recorded), rtol=0, atol=1e-12)


def test_ways_that_cannot_be_told_apart_have_half_each(recorded):
    write_sealed(recorded / "run.json", read_sealed(recorded / "run.json") | {"device_shares_clock": False})
    for way in ("to_device", "to_plant"):
        assert np.allclose(link_latencies_s(recorded, way), both_s(recorded) / 2, rtol=0, atol=1e-12)


def test_a_device_that_counts_instructions_tells_nothing_of_its_link(recorded):
    meta = read_sealed(recorded / "run.json")
    meta["load_report"]["instruction_ns"] = 256
    write_sealed(recorded / "run.json", meta)
    with pytest.raises(ScenarioError, match="counts instructions"):
        link_latencies_s(recorded, "to_plant")


def test_a_text_file_has_a_latency_on_every_line(tmp_path):
    path = tmp_path / "pings"
    path.write_text("0.001\n2e-3\n0\n")
    assert link_latencies_s(path, "to_plant").tolist() == [0.001, 0.002, 0.0]


@pytest.mark.parametrize(
    ("text", "wanted"), [("", "a latency, in s, on every line"), ("1 ms", "'ms'"), ("-1", "from 0"), ("nan", "from 0")]
)
def test_a_file_that_is_no_trace_is_refused(tmp_path, text, wanted):
    path = tmp_path / "pings"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=wanted):
        link_latencies_s(path, "to_plant")


def test_no_run_is_no_trace(tmp_path):
    with pytest.raises(RecordError, match="no readable run"):
        link_latencies_s(tmp_path / "nowhere", "to_plant")
