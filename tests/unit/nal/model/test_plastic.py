"""Rules put on a finished network, and what a run has learnt given to the next."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.errors import NetworkError
from hilbench.nal import Network
from hilbench.nal.model.learnt import learnt, read_learnt, write_learnt
from hilbench.nal.model.plastic import with_rules
from hilbench.nal.rules.homeostatic import Homeostatic
from hilbench.nal.rules.pes import PES


def network(weights):
    net = Network(0.001, seed=1)
    net.lif("neurons", 3, tau_s=0.02)
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


def test_a_controller_that_learns_nothing_leaves_no_file(tmp_path):
    assert write_learnt(tmp_path, {"v": np.zeros(3)}, None, 7) == []
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no zip", b"\x93NUMPY"])
def test_a_file_that_is_none_is_refused_in_a_line(tmp_path, data):
    (tmp_path / "learnt.npz").write_bytes(data)
    with pytest.raises(NetworkError, match=r"learnt\.npz is not readable .*; allowed: the folder of a run with"):
        read_learnt(tmp_path)
