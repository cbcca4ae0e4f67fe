"""Files of other versions and of strangers: old layouts open, and what is damaged or hostile gives one line."""

from __future__ import annotations

import sys

import h5py
import nir
import numpy as np
import pytest
from network_equality import assert_equal
from nir_graphs import STATED, chain, lif, looped, ones, port, write

from hilbench.errors import NetworkError
from hilbench.nal import load, read
from hilbench.nal import nir as nir_files
from hilbench.nal.model.codec import pack
from hilbench.nal.nir import from_nir, graph, hdf5, packed_file, read_with_notes
from hilbench.nal.nir.export import to_nir

F4 = np.float32


CELL = {"tau": F4([0.1, 0.2]), "r": ones(2), "v_leak": 0 * ones(2)}
EYE = np.eye(2, dtype=F4)
OLD = {
    # Nodes had numbers; neither ports nor thresholds of that name.
    "0.0.1": (
        {
            "nodes": {
                "0": {"type": "Input", "shape": [2]},
                "1": {"type": "Linear", "weights": EYE, "bias": ones(2)},
                "2": {"type": "LIF", "theta": ones(2), **CELL},
                "3": {"type": "LI", **CELL},
            },
            "edges": [[0, 1], [1, 2], [2, 3]],
        },
        ["2", "3"],
    ),
    # One root node; an Output has no shape, IF and CubaLIF no reset and no input weight, a Conv no input shape.
    "0.0.6": (
        {
            "node": {
                "type": "NIRGraph",
                "nodes": {
                    "0": {"type": "Input", "shape": [1, 4, 4]},
                    "1": {
                        "type": "Conv2d", "weight": np.ones((1, 1, 3, 3), F4), "bias": ones(1), "stride": 1,
                        "padding": [0, 0], "dilation": [1, 1], "groups": 1,
                    },
                    "2": {"type": "IF", "r": np.ones((1, 2, 2), F4), "v_threshold": np.ones((1, 2, 2), F4)},
                    "3": {"type": "Flatten", "start_dim": 0, "end_dim": -1},
                    "4": {"type": "Affine", "weight": np.ones((2, 4), F4), "bias": ones(2)},
                    "5": {
                        "type": "CubaLIF", "tau_mem": ones(2), "tau_syn": ones(2), "r": ones(2), "v_leak": 0 * ones(2),
                        "v_threshold": ones(2),
                    },
                    "6": {"type": "Output"},
                },
                "edges": [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [5, 6]],
            }
        },
        ["2", "5", "3_out"],
    ),
    # Nodes and edges by name, a version beside them.
    "0.2": (
        {
            "version": "0.2.0",
            "node": {
                "type": "NIRGraph",
                "nodes": {
                    "input": {"type": "Input", "shape": [2]},
                    "fc": {"type": "Linear", "weight": EYE},
                    "cell": {"type": "LIF", "v_threshold": ones(2), **CELL},
                    "output": {"type": "Output", "shape": [1, 1, 2]},
                },
                "edges": [["fc", "cell"], ["cell", "output"], ["input", "fc"]],
            },
        },
        ["cell"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("version", OLD)
def test_files_of_older_versions_open(tmp_path, version):
    tree, populations = OLD[version]
    write(tmp_path / "old.nir", tree)
    net = read(tmp_path / "old.nir", dt_s=1e-3, integrator="exact", reset="value")
    assert list(net.populations) == populations
    for p in net.populations.values():
        assert p.v_reset is None or not p.v_reset.any()
        assert p.w_in is None or (p.w_in == 1).all()
    assert_equal(from_nir(to_nir(net)), net)


def test_a_file_without_a_profile_says_what_must_be_stated_and_how(tmp_path):
    nir.write(tmp_path / "plain.nir", looped())
    with pytest.raises(
        NetworkError, match=r"plain.nir: no execution profile .* state dt_s .*: hilbench import FILE --dt-s"
    ):
        load(tmp_path / "plain.nir")


def foreign(path, kind: str) -> None:
    if kind == "text":
        path.write_text("hello")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "folder":
        path.mkdir()
    elif kind == "other HDF5":
        write(path, {"numbers": np.ones(3)})
    elif kind == "cut":
        nir.write(path, looped())
        path.write_bytes(path.read_bytes()[:3000])


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("text", "not a readable NIR file"),
        ("empty", "not a readable NIR file"),
        ("cut", "not a readable NIR file"),
        ("other HDF5", "not a NIR file: it holds no group 'node'"),
        ("folder", "this is a folder"),
        ("absent", "no such file"),
    ],
)
def test_a_foreign_file_is_refused_in_one_line(tmp_path, kind, says):
    path = tmp_path / "foreign.nir"
    foreign(path, kind)
    with pytest.raises(NetworkError, match=says) as error:
        load(path)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(path))


def edited(change) -> nir.NIRGraph:
    found = looped()
    change(found)
    return found


def put(name: str, node) -> object:
    return lambda g: g.nodes.__setitem__(name, node)


def stranger() -> nir.NIRNode:
    class Izhikevich(nir.LI):
        """A type that NIR does not have."""

    return Izhikevich(tau=ones(2), r=ones(2), v_leak=ones(2))


WRONG = {
    "unknown node": (put("n1", stranger()), "node 'n1': found type 'Izhikevich'; allowed: Affine, AvgPool2d"),
    "dangling edge": (
        lambda g: g.edges.append(("n1", "n9")),
        "edge at 'n9': no such node; allowed: back, in, n0, n1, out",
    ),
    "edge twice": (lambda g: g.edges.append(("n0", "n1")), "the edge from 'n0' to 'n1' stands twice"),
    "edge into an input": (lambda g: g.edges.append(("n1", "in")), "from 'n1' to 'in': nothing leads to an Input"),
    "NaN weights": (put("n0", nir.Linear(np.full((2, 2), np.nan))), "node 'n0': weight: found NaN, infinity"),
    "float64 too large": (put("n0", nir.Linear(np.full((2, 2), 1e300))), "node 'n0': weight: .* float32"),
    "words": (put("n0", nir.Linear(np.array([["a", "b"]] * 2))), "node 'n0': weight: found <U1; allowed: numbers"),
    "shapes": (put("n0", nir.Linear(np.ones((3, 2)))), r"node 'n0' gives shape \(3,\) and node 'n1' takes \(2,\)"),
    "shape of nothing": (put("n0", nir.Linear(np.ones((0, 2)))), r"node 'n0': weight: found shape \(0, 2\)"),
    "threshold": (
        put("n1", lif(v_threshold=-ones(2))),
        "node 'n1': v_threshold: found -1, neuron 0 would fire for ever",
    ),
    "tau": (put("n1", lif(tau=np.float32([0.1, 0]))), "'n1': tau_s: found 0.0; allowed: more than 0 s"),
    "output shape": (put("out", port(nir.Output, 3)), r"node 'n1' gives shape \(2,\) and node 'out' takes \(3,\)"),
    "port without bounds": (put("in", port(nir.Input, 10**12)), "'in'"),
    "port of nothing": (
        put("in", port(nir.Input, -2)),
        r"node 'in': shape: found \[-2\]; allowed: whole numbers from 1",
    ),
    "matrix that nothing leads to": (lambda g: g.edges.remove(("in", "n0")), "node 'n0': no edge leads to this Linear"),
    "matrix that leads nowhere": (lambda g: g.edges.remove(("n0", "n1")), "node 'n0': no edge leads away"),
    "output of nothing": (lambda g: g.edges.remove(("n1", "out")), "node 'out': no edge leads to this Output"),
    "pool of a vector": (
        put("n0", nir.AvgPool2d(ones(2), ones(2), 0 * ones(2))),
        r"'n0': found an input of shape \(2,\)",
    ),
    "bias": (put("n0", nir.Affine(np.ones((2, 2)), ones(3))), r"node 'n0': bias: found shape \(3,\); allowed: \(2,\)"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_a_graph_is_one_line_that_names_the_node(what):
    change, says = WRONG[what]
    with pytest.raises(NetworkError, match=says) as error:
        from_nir(edited(change), **STATED)
    assert "\n" not in str(error.value)


def image(**more) -> nir.NIRGraph:
    fields = {"input_shape": (4, 4), "weight": np.ones((2, 2, 3, 3)), "stride": 1, "padding": 0, "dilation": 1}
    conv = nir.Conv2d(**fields | {"groups": 1, "bias": ones(2)})
    for key, value in more.items():
        setattr(conv, key, value)
    return chain(conv, n_in=(2, 4, 4), n_out=(2, 2, 2))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"stride": 0}, "node 'n0': stride: found 0; allowed: whole numbers from 1"),
        ({"stride": (1, 1, 1)}, "stride: found"),
        ({"padding": "some"}, "padding: found 'some'; allowed: whole numbers from 0, 'same' or 'valid'"),
        ({"padding": "same", "stride": 2}, r"padding 'same' with stride \[2, 2\]"),
        ({"dilation": 9}, r"kernel \[3, 3\] is larger than its input \[4, 4\]"),
        ({"groups": 3}, "weight: found shape .* in 3 groups"),
        ({"groups": 0}, "groups: found 0"),
        ({"stride": 1.5}, "stride: found '1.5'; allowed: whole numbers"),
        (
            {"weight": np.ones((2, 3, 3))},
            r"weight: found shape \(2, 3, 3\); allowed: \(outputs, inputs, height, width\)",
        ),
        ({"bias": ones(3)}, r"node 'n0': bias: found shape \(3,\); allowed: \(2,\)"),
        ({"input_shape": (5, 5)}, r"node 'in' gives shape \(2, 4, 4\) and node 'n0' takes \(2, 5, 5\)"),
    ],
)
def test_a_convolution_that_cannot_be_names_what_is_wrong(more, says):
    from_nir(image(), dt_s=1e-3)
    with pytest.raises(NetworkError, match=says):
        from_nir(image(**more), dt_s=1e-3)


def tree(**nodes) -> dict:
    """A file's content: these nodes and what must be there."""
    return {"node": {"type": "NIRGraph", "nodes": nodes, "edges": np.empty((0, 2), "S1")}}


def hostile(path, kind: str) -> None:
    write(
        path, tree(a={"type": "Scale"} if kind not in ("numbers", "triples") else {"type": "Scale", "scale": ones(2)})
    )
    with h5py.File(path, "r+") as file:
        node = file["node/nodes/a"]
        if kind == "declared without bounds":
            node.create_dataset("scale", shape=(10**12,), dtype="f4", chunks=(1000,))
        elif kind == "a long text":
            node.create_dataset("scale", shape=(), dtype="S2000000000")
        elif kind == "a graph within itself":
            file["node/nodes/b"] = file["node"]
        elif kind == "another file":
            node["scale"] = h5py.ExternalLink("/etc/passwd", "/x")
        elif kind == "a soft link":
            node["scale"] = h5py.SoftLink("/version")
        elif kind == "data elsewhere":
            node.create_dataset("scale", shape=(4,), dtype="u1", external=[("/etc/passwd", 0, 4)])
        elif kind == "a reference":
            node["scale"] = file["node"].ref
        elif kind == "a compound":
            node["scale"] = np.zeros(2, [("a", "f4"), ("b", "f4")])
        elif kind == "deep":
            group = file["node/nodes"]
            for _ in range(40):
                group = group.create_group("g")
                group["type"], group["edges"] = "NIRGraph", np.empty((0, 2), "S1")
                group = group.create_group("nodes")
        elif kind == "a type that is an array":
            del node["type"]
            node["type"] = np.ones(3)
        elif kind == "numbers":
            del file["node/edges"]
            file["node/edges"] = 3.5
        elif kind == "triples":
            del file["node/edges"]
            file["node/edges"] = np.array([[b"a", b"a", b"a"]])


HOSTILE = {
    "declared without bounds": r"/nodes/a/scale: found shape \(1000000000000,\) of float32; allowed: 100000000 numbers",
    "a long text": "/nodes/a/scale: found shape",
    "a graph within itself": "/nodes/b: a group within itself",
    "another file": "/nodes/a/scale: found a link to elsewhere",
    "a soft link": "/nodes/a/scale: found a link to elsewhere",
    "data elsewhere": "/nodes/a/scale: found data in another file",
    "a reference": "/nodes/a/scale: found object; allowed: numbers and text",
    "a compound": "/nodes/a/scale: found .*; allowed: numbers and text",
    "deep": "too deep; allowed: 16 graphs deep",
    "a type that is an array": "node 'a': found type",
    "numbers": "edges: found 3.5; allowed",
    "triples": "edges: found .*; allowed: pairs of names",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_in_one_line(tmp_path, kind):
    path = tmp_path / "hostile.nir"
    hostile(path, kind)
    with pytest.raises(NetworkError, match=HOSTILE[kind]) as error:
        packed_file(path, STATED)
    assert "\n" not in str(error.value)


def test_more_nodes_than_are_allowed_are_refused_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "MAX_NODES", 20)
    write(tmp_path / "many.nir", tree(**{f"n{i}": {"type": "I", "r": ones(1)} for i in range(21)}))
    with pytest.raises(NetworkError, match="/nodes: 21 entries; allowed: 20 nodes"):
        packed_file(tmp_path / "many.nir", STATED)
    monkeypatch.setattr(graph, "MAX_NODES", 2)
    with pytest.raises(NetworkError, match="more than 2 nodes"):
        from_nir(looped(), **STATED)


def test_a_reader_that_dies_is_one_line(tmp_path, monkeypatch):
    nir.write(tmp_path / "net.nir", looped())
    monkeypatch.setattr("hilbench.nal.nir.READ", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(
        NetworkError, match=r"net.nir: not a readable NIR file \(the reading process ended by SIGSEGV\)$"
    ):
        load(tmp_path / "net.nir")


def test_a_fault_of_our_own_does_not_pass_for_one_of_the_file(tmp_path, monkeypatch):
    nir.write(tmp_path / "net.nir", looped())
    code = "import sys, hilbench.nal.nir as n; n._packed = lambda *_: [][1]; n.read_alone(sys.argv[1])"
    monkeypatch.setattr("hilbench.nal.nir.READ", code)
    with pytest.raises(NetworkError, match=r"net.nir: hilbench failed: IndexError: list index out of range$"):
        load(tmp_path / "net.nir")


@pytest.mark.parametrize("module", ["h5py", "hilbench", "msgspec"])
@pytest.mark.parametrize("with_p", [True, False])
def test_nothing_in_the_working_directory_is_run(tmp_path, monkeypatch, module, with_p):
    nir.write(tmp_path / "net.nir", to_nir(from_nir(looped(), **STATED)))
    (tmp_path / f"{module}.py").write_text("raise SystemExit('this was run')")
    monkeypatch.chdir(tmp_path)
    if not with_p:  # as before Python 3.11
        monkeypatch.setattr("hilbench.nal.nir.SAFE", ())
    load("net.nir")


@pytest.mark.parametrize("metadata", ["words", 3.5])
def test_metadata_that_is_no_group_is_refused(tmp_path, metadata):
    write(tmp_path / "net.nir", tree(a={"type": "Scale", "scale": ones(2)}))
    with h5py.File(tmp_path / "net.nir", "r+") as file:
        file["node/metadata"] = metadata
    with pytest.raises(NetworkError, match=r"metadata: found .*; allowed: a group"):
        packed_file(tmp_path / "net.nir", STATED)


def test_metadata_of_a_node_may_be_an_array(tmp_path):
    nir.write(tmp_path / "net.nir", chain(lif()))
    with h5py.File(tmp_path / "net.nir", "r+") as file:
        file["node/nodes/n0/metadata"] = ones(3)
    _, notes = read_with_notes(tmp_path / "net.nir", STATED)
    assert "metadata is not kept: n0" in notes


def test_a_file_that_has_not_changed_is_read_once_for_each_set_of_statements(tmp_path, monkeypatch):
    path, asked = tmp_path / "net.nir", []
    ask = nir_files._ask_child
    monkeypatch.setattr(nir_files, "_ask_child", lambda *given: asked.append(given[0]) or ask(*given))
    monkeypatch.setattr("hilbench.files.SETTLED_NS", 0)
    nir.write(path, looped())
    first, again = (read(path, **STATED) for _ in range(2))
    assert len(asked) == 1
    assert pack(first) == pack(again)
    assert first is not again, "whoever changes one network leaves the other alone"
    assert read(path, **{**STATED, "reset": "zero"}).populations["n1"].behaviour.reset == "zero"
    assert len(asked) == 2
    nir.write(path, looped(nir.Linear(2 * np.eye(2, dtype=np.float32))))
    assert pack(read(path, **STATED)) != pack(first)
    assert len(asked) == 3
    monkeypatch.setattr(nir_files, "KEPT_BYTES", 0)
    read(path, **STATED)
    assert len(asked) == 4, "the answers together are larger than what is kept"


def test_a_file_changed_just_now_is_read_again(tmp_path, monkeypatch):
    path = tmp_path / "net.nir"
    monkeypatch.setattr("hilbench.files.SETTLED_NS", 3_600_000_000_000)
    for factor in (1, 2):
        nir.write(path, looped(nir.Linear(factor * np.eye(2, dtype=np.float32))))
        assert read(path, **STATED).projections["back"].weights.max() == factor


def test_modules_that_are_needed_next_are_imported_while_the_file_is_read(tmp_path, monkeypatch):
    (tmp_path / "needed_next.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    nir.write(tmp_path / "net.nir", looped())
    read_with_notes(tmp_path / "net.nir", STATED, ("needed_next",))
    assert sys.modules.pop("needed_next").__file__ == str(tmp_path / "needed_next.py")
