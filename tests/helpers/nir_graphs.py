"""Small NIR graphs made by hand, and files of them: written as any version lays them out, read in this process."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import h5py
import msgspec
import nir
import numpy as np
from random_graphs import DT_S

from hilbench.nal import Network
from hilbench.nal.model.codec import unpack
from hilbench.nal.nir import packed_file

STATED = {"dt_s": DT_S, "integrator": "euler", "reset": "subtract", "recurrent_delay": 1}


def ones(n: int) -> np.ndarray:
    return np.ones(n, np.float32)


def lif(n: int = 2, **more) -> nir.LIF:
    fields = {"tau": ones(n) / 64, "r": ones(n), "v_leak": 0 * ones(n), "v_threshold": ones(n), "v_reset": 0 * ones(n)}
    return nir.LIF(**fields | more)


def port(kind, *shape: int):
    return kind({"input" if kind is nir.Input else "output": np.array(shape)})


def chain(*nodes: nir.NIRNode, n_in=(2,), n_out=(2,)) -> nir.NIRGraph:
    """Input, these nodes as n0, n1, ..., Output."""
    named = {"in": port(nir.Input, *n_in)} | {f"n{i}": node for i, node in enumerate(nodes)}
    named["out"] = port(nir.Output, *n_out)
    names = list(named)
    return nir.NIRGraph(named, list(pairwise(names)), type_check=False)


def looped(back: nir.NIRNode | None = None) -> nir.NIRGraph:
    weight = np.array([[3, 1], [0, 2]], np.float32)
    graph = chain(nir.Linear(weight), lif())
    graph.nodes["back"] = back or nir.Affine(weight / 2, ones(2) / 4)
    graph.edges += [("n1", "back"), ("back", "n1")]
    return graph


def write(path, tree: dict) -> None:
    """Nested dicts as HDF5, as every version of NIR does it."""

    def fill(group: h5py.Group, fields: dict) -> None:
        for key, value in fields.items():
            if isinstance(value, dict):
                fill(group.create_group(key), value)
            else:
                group.create_dataset(key, data=value)

    with h5py.File(path, "w") as file:
        fill(file, tree)


def read(path: Path, stated: dict) -> tuple[Network, list[str]]:
    """As `read_with_notes` has it, without a process of its own."""
    packed, notes = msgspec.msgpack.decode(packed_file(path, stated), type=tuple[bytes, list[str]])
    return unpack(packed), notes
