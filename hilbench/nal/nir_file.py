"""Networks as plain NIR files, with the execution profile in the graph's metadata.

The graph keeps NIR's own meaning, so any NIR tool opens it; what NIR does not say (step, integrator, reset, delays,
rules, ports) is one JSON string under the metadata key `hilbench`. Files are read in a child process with limits,
because a damaged HDF5 file can crash the process that reads it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np
import scipy.sparse
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.errors import NetworkError, ProtocolError, choose
from hilbench.nal.codec import pack, rule_from_dict, rule_to_dict, unpack
from hilbench.nal.network import Network
from hilbench.nal.neurons import Behaviour, Integrator
from hilbench.types import Port

if TYPE_CHECKING:
    import nir

KEY = "hilbench"
MAX_DENSE_ENTRIES = 100_000_000
REFUSED = 3
READ_TIMEOUT_S = 120
READ_MEMORY_BYTES = 8 << 30
# Not `-m`: this module is already imported with its package, and Python would warn on the stream that carries errors.
READ = "import sys; from hilbench.nal.nir_file import read_alone; sys.exit(read_alone(sys.argv[1]))"


class _Synapses(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    delay_steps: Annotated[int, Meta(ge=0)] = 0
    rule: dict[str, Any] | None = None
    stored: Literal["nonzero", "all", "mask"] = "nonzero"
    """Which entries of the dense matrix are synapses; `mask` stands under the key hilbench.mask.NAME."""


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a NIR graph needs beside itself to have one meaning."""

    version: Literal[1] = 1
    dt_s: Annotated[float, Meta(gt=0)]
    integrator: Integrator
    spike_amplitude: Annotated[float, Meta(gt=0)]
    seed: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    populations: dict[str, Behaviour]
    projections: dict[str, _Synapses]


def save(network: Network, path: str | Path) -> None:
    """Write `network` as NIR; the file appears whole or not at all. Raises NetworkError."""
    import nir

    graph = to_nir(network)
    path = Path(path)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.stem}-", dir=path.parent) as folder:
            draft = Path(folder) / "draft.nir"
            nir.write(draft, graph)
            os.replace(draft, path)
    except OSError as error:
        raise NetworkError(f"{path}: cannot be written ({error.strerror or error})") from None


def load(path: str | Path) -> Network:
    """Read a NIR file that carries a hilbench profile.

    Raises NetworkError when the file is missing, damaged, has no profile, or holds nodes this version cannot run.
    """
    path = Path(path)
    if not path.is_file():
        raise NetworkError(f"{path}: no such file")
    try:
        child = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, timeout=READ_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise NetworkError(f"{path}: not read within {READ_TIMEOUT_S} s") from None
    if child.returncode:
        lines = child.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {child.returncode}"]
        why = lines[-1] if child.returncode == REFUSED else f"not a readable NIR file ({lines[-1]})"
        raise NetworkError(f"{path}: {why}")
    try:
        return unpack(child.stdout)
    except ProtocolError as error:
        raise NetworkError(f"{path}: {error}") from None


def to_nir(network: Network) -> nir.NIRGraph:
    """The network as one flat NIR graph. Raises NetworkError for a projection too large to write densely."""
    import nir

    nodes: dict[str, nir.NIRNode] = {}
    edges: list[tuple[str, str]] = []
    for port in network.inputs:
        nodes[port.name] = nir.Input({"input": np.array([port.size])})
    for p in network.populations.values():
        nodes[p.name] = (
            nir.LIF(tau=p.tau_s, r=p.r, v_leak=p.v_leak, v_threshold=p.v_threshold, v_reset=p.v_reset)
            if p.kind == "lif"
            else nir.LI(tau=p.tau_s, r=p.r, v_leak=p.v_leak)
        )
    for p in network.projections.values():
        nodes[p.name] = _weights_node(p)
        edges += [(p.source, p.name), (p.name, p.target)]
    for port in network.outputs:
        name = f"{port.name}_output"
        while name in nodes:
            name += "_"
        nodes[name] = nir.Output({"output": np.array([port.size])})
        edges.append((port.name, name))
    return nir.NIRGraph(nodes, edges, metadata=_metadata(network), type_check=False)


def _weights_node(p: Any) -> nir.NIRNode:
    import nir

    n_target, n_source = p.weights.shape
    if n_target * n_source > MAX_DENSE_ENTRIES:
        raise NetworkError(
            f"projection {p.name!r}: NIR holds dense matrices and {n_target} x {n_source} is too large;"
            f" allowed: {MAX_DENSE_ENTRIES} entries"
        )
    dense = p.weights.toarray()
    return nir.Linear(weight=dense) if p.bias is None else nir.Affine(weight=dense, bias=p.bias)


def _metadata(network: Network) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    synapses = {}
    for p in network.projections.values():
        stored = "nonzero"
        if p.weights.nnz == np.prod(p.weights.shape):
            stored = "all"
        elif not p.weights.data.all():
            stored = "mask"
            ones = np.ones(p.weights.nnz, bool)
            mask = scipy.sparse.csc_array((ones, p.weights.indices, p.weights.indptr), shape=p.weights.shape)
            metadata[f"{KEY}.mask.{p.name}"] = mask.toarray()
        synapses[p.name] = _Synapses(delay_steps=p.delay_steps, rule=rule_to_dict(p.rule), stored=stored)
    profile = Profile(
        dt_s=network.dt_s,
        integrator=network.integrator,
        spike_amplitude=network.spike_amplitude,
        seed=network.seed,
        inputs=network.inputs,
        outputs=network.outputs,
        populations={p.name: p.behaviour for p in network.populations.values()},
        projections=synapses,
    )
    return {KEY: msgspec.json.encode(profile).decode(), **metadata}


def from_nir(graph: nir.NIRGraph) -> Network:
    """The network that a graph with a profile stands for. Raises NetworkError, naming the node."""
    text = (graph.metadata or {}).get(KEY)
    if text is None:
        stated = ", ".join(("dt_s", "integrator", "reset", "spike_amplitude", "delays"))
        raise NetworkError(f"no execution profile in this file; NIR does not state {stated}, and nothing is guessed")
    try:
        profile = msgspec.json.decode(text.encode() if isinstance(text, str) else bytes(text), type=Profile)
    except msgspec.DecodeError as error:
        raise NetworkError(f"profile: {error}") from None
    _check_complete(graph, profile)
    network = Network(profile.dt_s, profile.integrator, profile.spike_amplitude, profile.seed)
    for port in profile.inputs:
        network.input(port.name, port.size, kind=port.kind, units=port.units)
    for name, node in profile.populations.items():
        _add_population(network, name, node, _node(graph, name))
    for name, synapses in profile.projections.items():
        _add_projection(network, name, synapses, graph)
    for port in profile.outputs:
        network.output(port.name, port.name, kind=port.kind, units=port.units)
    return network


def _check_complete(graph: nir.NIRGraph, profile: Profile) -> None:
    """What the profile does not state would be dropped in silence. Ports are not: nir adds some where edges lack."""
    import nir

    stated = [*(port.name for port in profile.inputs), *profile.populations, *profile.projections]
    for name, node in graph.nodes.items():
        if name not in stated and not isinstance(node, nir.Input | nir.Output):
            raise NetworkError(f"node {name!r}: absent from the profile; {choose(name, stated)}")
    neurons = profile.populations.keys() - profile.projections.keys()
    for source, target in graph.edges:
        if source in neurons and target in neurons:
            raise NetworkError(f"edge from {source!r} to {target!r}: allowed: edges through an Affine or a Linear")


def _node(graph: nir.NIRGraph, name: str) -> nir.NIRNode:
    if name not in graph.nodes:
        raise NetworkError(f"node {name!r}: named by the profile, absent from the graph")
    return graph.nodes[name]


def _add_population(network: Network, name: str, stated: Behaviour, node: nir.NIRNode) -> None:
    kinds = {"LIF": "lif", "LI": "li"}
    kind = kinds.get(type(node).__name__)
    if kind is None:
        raise NetworkError(f"node {name!r}: found {type(node).__name__}; allowed: LIF, LI")
    own = {"tau_s": node.tau, "r": node.r, "v_leak": node.v_leak}
    if kind == "lif":
        own |= {"v_threshold": node.v_threshold, "v_reset": 0.0 if node.v_reset is None else node.v_reset}
    network.add(name, kind, int(np.size(node.tau)), **own, **msgspec.structs.asdict(stated))


def _add_projection(network: Network, name: str, stated: _Synapses, graph: nir.NIRGraph) -> None:
    import nir

    node = _node(graph, name)
    if not isinstance(node, nir.Linear | nir.Affine):
        raise NetworkError(f"node {name!r}: found {type(node).__name__}; allowed: Affine, Linear")
    sources = [a for a, b in graph.edges if b == name]
    targets = [b for a, b in graph.edges if a == name]
    if len(sources) != 1 or len(targets) != 1:
        raise NetworkError(f"node {name!r}: {len(sources)} edges in and {len(targets)} out; allowed: one each")
    network.connect(
        sources[0],
        targets[0],
        _masked(np.asarray(node.weight, np.float32), name, stated, graph.metadata),
        bias=getattr(node, "bias", None),
        delay_steps=stated.delay_steps,
        rule=rule_from_dict(stated.rule),
        name=name,
    )


def _masked(dense: NDArray, name: str, stated: _Synapses, metadata: dict[str, Any]) -> scipy.sparse.csc_array:
    if stated.stored == "nonzero":
        return scipy.sparse.csc_array(dense)
    mask = np.ones(dense.shape, bool) if stated.stored == "all" else metadata.get(f"{KEY}.mask.{name}")
    if mask is None or np.shape(mask) != dense.shape:
        raise NetworkError(f"node {name!r}: its synapse mask is missing or has another shape")
    sources, targets = np.nonzero(np.asarray(mask, bool).T)
    starts = np.searchsorted(sources, np.arange(dense.shape[1] + 1))
    return scipy.sparse.csc_array((dense[targets, sources], targets.astype(np.int32), starts), shape=dense.shape)


def read_alone(path: str) -> int:
    """Read one file within limits and write the packed network to standard output; for a process of its own."""
    import resource

    import nir

    resource.setrlimit(resource.RLIMIT_CPU, (READ_TIMEOUT_S, READ_TIMEOUT_S))
    resource.setrlimit(resource.RLIMIT_AS, (READ_MEMORY_BYTES, READ_MEMORY_BYTES))
    try:
        packed = pack(from_nir(nir.read(path, type_check=False)))
    except NetworkError as error:
        sys.stderr.write(str(error))
        return REFUSED
    sys.stdout.buffer.write(packed)
    return 0
