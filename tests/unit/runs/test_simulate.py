"""Open loop: files of inputs, how two backends differ, and the energy of what was counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from hilbench.errors import NetworkError, RecordError
from hilbench.nal import Network, Spikes
from hilbench.nal.compile.target import load_target
from hilbench.nal.feed import feed
from hilbench.runs.feed_files import read_events, read_feed
from hilbench.runs.simulate import compare, energy, simulate, summarise
from hilbench.runs.simulated_tables import tables
from hilbench.runs.simulation_file import ValueDifference, read_simulation, write_simulation
from hilbench.studies.schema import Summary, write_summary


def network() -> Network:
    net = Network(1e-3)
    net.input("x", 2)
    net.input("goal", 1)
    net.input("eye", 8, kind="events")
    net.lif("cells", 3, tau_s=0.02)
    net.connect("x", "cells", np.ones((3, 2)))
    net.connect("goal", "cells", np.ones((3, 1)))
    net.connect("eye", "cells", np.full((3, 8), 9.0))
    net.readout("v", 1, tau_s=0.02)
    net.connect("cells", "v", np.ones((1, 3)))
    return net


ROWS = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


@pytest.mark.parametrize(
    "text",
    [
        "1,2,3\n4,5,6\n",
        "first;second;third\n1;2;3\n4;5;6\n",
        "x[0]\tx[1]\tgoal\n1\t2\t3\n4\t5\t6\n",
        "goal,x[0],x[1]\n3,1,2\n6,4,5\n",
        "\ufeff# x[1] , goal, x[0]\n2,3,1\n5,6,4\n",
        "1 2 3\n\n4 5 6",
    ],
)
def test_columns_of_a_csv_file_are_those_of_the_ports(tmp_path: Path, text: str) -> None:
    """In the ports' order, or in any where the header has the ports' own names."""
    (tmp_path / "x.csv").write_text(text, "utf-8")
    np.testing.assert_array_equal(read_feed(network(), [tmp_path / "x.csv"]).values, ROWS)


def test_values_and_events_may_be_given_together(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", ROWS)
    np.savez(tmp_path / "e.npz", t_us=[0, 1500], address=[7, 0])
    found = read_feed(network(), [tmp_path / "e.npz", tmp_path / "x.npy"])
    np.testing.assert_array_equal(found.values, ROWS)
    assert (found.t_us.tolist(), found.address.tolist(), found.n_periods) == ([0, 1500], [7, 0], 2)


def test_pixels_are_addresses_in_c_order(tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", t_us=[5, 9], x=[1, 0], y=[0, 1], polarity=[1, 0], shape=(2, 2, 2))
    assert read_events(tmp_path / "e.npz")["address"].tolist() == [3, 4]
    np.savez(tmp_path / "out.npz", t_us=[5], x=[2], y=[0], shape=(2, 2))
    with pytest.raises(NetworkError, match=r"found y, x outside of shape \(2, 2\)"):
        read_events(tmp_path / "out.npz")


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("x.csv", "1,2\n", r"x.csv: input: found shape \(1, 2\); allowed: \(n_periods, 3\), columns x\[0\], "),
        ("x.csv", "1,2,3\n1,2,z\n", "x.csv: not a file of numbers: could not convert string 'z'"),
        ("x.csv", "1,2,nan\n", "x.csv: input: row 0, column 2: found nan"),
        ("x.csv", "", "x.csv: not a file of numbers: it is empty"),
        ("x.npy", "no array", "x.npy: not a file of numbers"),
        ("e.npz", "no archive", "e.npz: not a file of events"),
        ("e.npz", {"t_us": [0]}, "e.npz: found arrays t_us; allowed: t_us and address; or t_us, shape, and y, x"),
        ("e.npz", {"t_us": [0], "address": [8]}, "e.npz: events: event 0: found address 8; allowed: 0 to 7"),
        ("e.npz", {"t_us": [9, 3], "address": [0, 0]}, "e.npz: events: event 1: found 3 us after one at 9 us; sort"),
        ("e.npz", {"t_us": [0.5], "address": [0]}, "e.npz: t_us: found a number that is not whole"),
        ("e.npz", {"t_us": [0, 1], "address": [0]}, r"e.npz: address: found \(1,\) int64; allowed: \(n,\) numbers"),
        ("e.aedat", "", "found suffix '.aedat'; allowed: .csv, .npy, .npz"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_one_line(tmp_path: Path, name: str, content, line: str) -> None:
    path = tmp_path / name
    if isinstance(content, dict):
        np.savez(path, **content)
    else:
        path.write_text(content)
    with pytest.raises(NetworkError, match=line) as found:
        read_feed(network(), [path])
    assert "\n" not in str(found.value)
    assert str(found.value).startswith(str(path))


def test_files_that_are_missing_or_given_twice(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"none\.csv: cannot be read: No such file"):
        read_feed(network(), [tmp_path / "none.csv"])
    with pytest.raises(NetworkError, match=r"b\.csv: found a second file of its kind"):
        read_feed(network(), [tmp_path / "a.npy", tmp_path / "b.csv"])


@pytest.fixture(scope="module")
def both() -> list:
    given = feed(network(), np.random.default_rng(0).uniform(0, 1, (300, 3)))
    return simulate(network(), given, {"numba": {}, "reference": {}})


def test_equal_backends_are_said_to_be_equal(both: list) -> None:
    found = compare(*both)
    n = both[0].simulation.counters["spikes"]
    assert n > 20
    assert (found.spikes_equal, found.spikes, found.common_spikes, found.first_difference) == (True, (n, n), n, None)
    assert found.largest_difference is not None
    assert found.largest_difference.difference == 0


def test_the_first_difference_of_spikes_and_the_largest_of_values_are_found(both: list) -> None:
    mine, theirs = both
    fired, values = theirs.simulation.spikes["cells"], theirs.simulation.values["v"].copy()
    keep = np.arange(fired.t_s.size) != 4
    values[17, 0] += 0.25
    less = replace(
        theirs.simulation, spikes={"cells": Spikes(fired.t_s[keep], fired.neuron[keep])}, values={"v": values}
    )
    found = compare(mine, replace(theirs, simulation=less))
    first, largest = found.first_difference, found.largest_difference
    assert (found.spikes_equal, found.common_spikes) == (False, fired.t_s.size - 1)
    assert first is not None
    assert (first.t_s, first.neuron) == (fired.t_s[4], fired.neuron[4])
    assert (first.population, first.backend) == ("cells", "numba")
    assert largest is not None
    assert largest.difference == pytest.approx(0.25)
    assert (largest.port, largest.index, largest.t_s) == ("v", 0, 0.018)


def test_every_call_is_timed(both: list) -> None:
    for each in both:
        timing = each.timing
        assert (timing.steps, timing.steps_per_call) == (300, 1)
        assert 0 < timing.step_p50_us <= timing.step_p99_us
        total_s = each.simulation.tick_ns.sum() * 1e-9
        assert timing.realtime_factor == pytest.approx(0.3 / total_s)
        assert each.load_s > 0


def test_energy_is_counts_times_constants(both: list) -> None:
    done = both[0].simulation
    found, constants = energy(done), load_target("spinnaker2").energy
    wanted = done.counters["synaptic_operations"] * constants.synaptic_operation_j.value
    wanted += done.counters["neuron_updates"] * constants.neuron_update_active_j.value
    for name, field in (("spikes", "spike_j"), ("weight_updates", "weight_update_j")):
        if (constant := getattr(constants, field)) is not None:
            wanted += done.counters[name] * constant.value
    assert found["spinnaker2"].period_j == pytest.approx(wanted / 300)


def test_a_value_that_is_no_number_in_one_backend_is_the_largest_difference(both: list) -> None:
    mine, theirs = both
    values = theirs.simulation.values["v"].copy()
    values[3, 0] = np.nan
    found = compare(mine, replace(theirs, simulation=replace(theirs.simulation, values={"v": values})))
    assert found.largest_difference == ValueDifference(difference=None, port="v", index=0, t_s=0.004)
    (row,) = [row for table in tables(both, [found], {}) for row in table.rows if "of values" in row[0]]
    assert row[1] == "no number: v[0] at 0.004 s"


def test_the_summary_of_a_simulation_comes_back_and_another_version_is_one_line(tmp_path: Path, both: list) -> None:
    said = summarise(tmp_path / "net.nir", both, [compare(*both)], ["a note"], seed=7, learning=True)
    assert said.backends["numba"].spikes == {"cells": both[0].simulation.spikes["cells"].t_s.size}
    assert (said.duration_s, said.seed, said.learning) == (0.3, 7, True)
    write_simulation(tmp_path, said)
    assert read_simulation(tmp_path) == said
    write_simulation(tmp_path, structs.replace(said, format_version=2))
    with pytest.raises(
        RecordError, match=r"summary\.json: simulation version 2; allowed: 1; a newer hilbench wrote it"
    ):
        read_simulation(tmp_path)
    write_summary(tmp_path, Summary(suite="s", format_version=1))
    with pytest.raises(RecordError, match=r"summary\.json: not the summary of a simulation: .*`network`"):
        read_simulation(tmp_path)
    (tmp_path / "summary.json").write_text("[" * 100_000)
    with pytest.raises(RecordError, match=r"summary\.json: not readable as JSON: maximum recursion depth"):
        read_simulation(tmp_path)
