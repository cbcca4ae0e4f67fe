"""Rules put on a finished network, and what a run has learnt given to the next."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from hilbench.errors import NetworkError
from hilbench.nal import Network
from hilbench.nal.model.learnt import check_fits, learnt, read_learnt, write_learnt
from hilbench.nal.model.plastic import with_rules
from hilbench.nal.rules.homeostatic import Homeostatic
from hilbench.nal.rules.pes import PES


def network(weights, dt_s=0.001, spike_amplitude=1.0, tau_s=0.02, refractory_s=0.0):
    net = Network(dt_s, spike_amplitude=spike_amplitude, seed=1)
    net.lif("neurons", 3, tau_s=tau_s, refractory_s=refractory_s)
    net.readout("out", 2, tau_s=0.005)
    net.connect("neurons", "out", weights, name="decoders")
    return net


WEIGHTS = np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 3.0]])


def test_a_rule_comes_onto_the_synapses_there_are_and_brings_its_modulator():
    before = network(WEIGHTS)
    after = with_rules(before, {"decoders": PES(modulator="error", learning_rate=0.1)})
    assert after.projections["decoders"].rule.learning_rate == 0.1
    assert after.projections["decoders"].weights.nnz == 3
    assert [(port.name, port.size) for port in after.modulators] == [("error", 2)]
    assert before.projections["decoders"].rule is None
    assert before.modulators == ()


def test_weights_of_0_are_synapses_where_that_is_stated():
    after = with_rules(network(WEIGHTS), {"decoders": PES(modulator="error")}, ["decoders"])
    assert after.projections["decoders"].weights.nnz == 6
    np.testing.assert_array_equal(after.projections["decoders"].weights.toarray(), WEIGHTS)


def test_a_threshold_rule_comes_onto_a_population():
    after = with_rules(network(WEIGHTS), {"neurons": Homeostatic(target_rate_hz=5.0)})
    assert after.populations["neurons"].rule.target_rate_hz == 5.0


@pytest.mark.parametrize(
    ("weights", "rules", "every", "words"),
    [
        (WEIGHTS, {"decodes": PES(modulator="e")}, (), "rules.decodes: no projection or population of this name; "),
        (0 * WEIGHTS, {"decoders": PES(modulator="e")}, (), "rules.decoders: found no weight but 0; allowed: synapses"),
        (WEIGHTS, {"neurons": PES(modulator="e")}, (), "rules.neurons: PES changes weights; allowed: a rule that"),
    ],
)
def test_what_no_rule_can_stand_on_is_refused_by_name(weights, rules, every, words):
    with pytest.raises(NetworkError) as found:
        with_rules(network(weights), rules, every)
    assert str(found.value).startswith(words)


def test_what_was_learnt_is_written_and_read_again(tmp_path):
    snapshot = {
        "weights/decoders": np.float32([4, 5, 6]), "thresholds/neurons": np.float32([1, 2, 3]), "v": np.zeros(3),
    }  # fmt: skip
    ran = network(WEIGHTS)
    assert write_learnt(tmp_path, snapshot, ran, 7) == ["thresholds/neurons", "weights/decoders"]
    found, seed, told = read_learnt(tmp_path)
    assert seed == 7
    assert told.keys() == {*ran.projections, *ran.populations}
    assert found.keys() == {"weights/decoders", "thresholds/neurons"}
    after = learnt(
        with_rules(network(WEIGHTS), {"decoders": PES(modulator="error")}), found | {"thresholds/neurons": np.zeros(3)}
    )
    np.testing.assert_array_equal(after.projections["decoders"].weights.toarray(), [[4, 0, 5], [0, 0, 6]])


def written(tmp_path, ran):
    write_learnt(tmp_path, {"weights/decoders": np.float32([4, 5, 6])}, ran, 7)
    return read_learnt(tmp_path)


PES_ON = {"decoders": PES(modulator="error")}


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: network(WEIGHTS), None),
        (lambda: network(2 * WEIGHTS), None),  # they are learnt
        (lambda: network(WEIGHTS[:, ::-1]), "decoders"),  # as many synapses, elsewhere
        (lambda: network(WEIGHTS, dt_s=0.0005), "decoders"),
        (lambda: network(WEIGHTS, spike_amplitude=2.0), "decoders"),
        (lambda: network(WEIGHTS, tau_s=0.0201), "neurons"),
        (lambda: network(WEIGHTS, refractory_s=0.002), "neurons"),
    ],
)
def test_what_was_learnt_by_other_neurons_is_told_apart(tmp_path, make, part):
    kept, other = written(tmp_path, with_rules(network(WEIGHTS), PES_ON)), with_rules(make(), PES_ON)
    if part is None:
        return check_fits(kept, other)
    with pytest.raises(NetworkError, match=f"'{part}' is not as it was where this was learnt; allowed: "):
        check_fits(kept, other)


def test_rounding_is_no_difference(tmp_path):
    kept = written(tmp_path, with_rules(network(WEIGHTS), PES_ON))
    same = with_rules(network(WEIGHTS, tau_s=0.02 * (1 + 1e-7)), PES_ON)
    check_fits(kept, same)


@pytest.mark.parametrize(
    "change",
    [{"seed": np.array(2.7)}, {"seed": np.array(-3)}, {"seed": np.array(np.inf)}, {"drawn/out": np.ones(4) * 1j},
     {"drawn/out": np.ones(5)}, {"drawn/out": np.array(["a"] * 4)}],
)  # fmt: skip
def test_numbers_that_no_run_writes_are_refused_in_a_line(tmp_path, change):
    kept = {"weights/decoders": np.float32([4, 5, 6]), "seed": np.uint64(7)}
    np.savez_compressed(tmp_path / "learnt.npz", **{**kept, **change})
    with pytest.raises(NetworkError, match=r"learnt\.npz is not readable .*; allowed: the folder of a run with"):
        read_learnt(tmp_path)


def test_a_damaged_file_is_refused_in_a_line(tmp_path):
    written(tmp_path, network(WEIGHTS))
    whole = (tmp_path / "learnt.npz").read_bytes()
    for place in range(0, len(whole), 7):
        (tmp_path / "learnt.npz").write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with contextlib.suppress(NetworkError):
            read_learnt(tmp_path)


def test_a_controller_that_learns_nothing_leaves_no_file(tmp_path):
    assert write_learnt(tmp_path, {"v": np.zeros(3)}, None, 7) == []
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no zip", b"\x93NUMPY"])
def test_a_file_that_is_none_is_refused_in_a_line(tmp_path, data):
    (tmp_path / "learnt.npz").write_bytes(data)
    with pytest.raises(NetworkError, match=r"learnt\.npz is not readable .*; allowed: the folder of a run with"):
        read_learnt(tmp_path)
