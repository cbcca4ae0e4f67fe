"""Reads a NIR file into nested dicts, within bounds. For a process of its own: a damaged file can crash the library.

The file is read with h5py itself: the reader of the nir library names neither node nor field in what it refuses, takes
no bounds, and cannot read files that older versions of it wrote.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hilbench.errors import NetworkError
from hilbench.nal.nir.graph import MAX_DEPTH, MAX_NODES

if TYPE_CHECKING:
    import h5py

MAX_OBJECTS = 10 * MAX_NODES
MAX_NUMBERS = 100_000_000
"""In one array; that is 400 MB of float32."""


def read_tree(path: Path) -> dict[str, Any]:
    """The graph in a file. Raises NetworkError for what is no NIR, or out of bounds."""
    import h5py

    with h5py.File(path, "r") as file:
        root = "node" if "node" in file else "/"
        if root == "/" and not {"nodes", "edges"} <= set(file):
            raise NetworkError("not a NIR file: it holds no group 'node'")
        tree = _Reader().group(file[root], "", ())
    return tree if root == "node" else {"type": "NIRGraph", **tree}  # before NIR 0.0.6


class _Reader:
    """Counts what it reads."""

    def __init__(self) -> None:
        self.n_objects = 0

    def group(self, group: h5py.Group, where: str, above: tuple[int, ...]) -> dict[str, Any]:
        import h5py

        address = h5py.h5o.get_info(group.id).addr
        if address in above or len(above) > 2 * MAX_DEPTH:
            raise NetworkError(f"{where}: a group within itself, or too deep; allowed: {MAX_DEPTH} graphs deep")
        self.n_objects += len(group)
        if len(group) > MAX_NODES or self.n_objects > MAX_OBJECTS:
            raise NetworkError(f"{where}: {len(group)} entries; allowed: {MAX_NODES} nodes")
        found = {}
        for key in group:
            here = f"{where}/{key}"
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise NetworkError(f"{here}: found a link to elsewhere; allowed: what the file itself holds")
            item = group[key]
            if isinstance(item, h5py.Group):
                found[key] = self.group(item, here, (*above, address))
            elif isinstance(item, h5py.Dataset):
                found[key] = _dataset(item, here)
        return found


def _dataset(item: h5py.Dataset, where: str) -> Any:
    import h5py

    if item.external or item.is_virtual:
        raise NetworkError(f"{where}: found data in another file; allowed: what the file itself holds")
    if item.shape is None:
        return None
    if item.size > MAX_NUMBERS or item.nbytes > 8 * MAX_NUMBERS:
        raise NetworkError(f"{where}: found shape {item.shape} of {item.dtype}; allowed: {MAX_NUMBERS} numbers")
    if item.dtype.kind not in "biufS" and h5py.check_string_dtype(item.dtype) is None:
        raise NetworkError(f"{where}: found {item.dtype}; allowed: numbers and text")
    value = item[()]
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, np.ndarray) else value.item()
