"""NAL, the neuromorphic abstraction layer: networks of spiking neurons, and the NIR files that they are kept in.

Each name below is loaded by its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hilbench.nal.model.learnt import learnt
    from hilbench.nal.model.network import Network
    from hilbench.nal.model.neurons import Population
    from hilbench.nal.model.projection import Projection
    from hilbench.nal.nir import load, read, save
    from hilbench.nal.open_loop import Simulation, Spikes, run

_HOMES = {
    "model.learnt": ("learnt",),
    "model.network": ("Network",),
    "model.neurons": ("Population",),
    "model.projection": ("Projection",),
    "nir": ("load", "read", "save"),
    "open_loop": ("Simulation", "Spikes", "run"),
}
"""The names of each module below this package."""
__all__ = ["Network", "Population", "Projection", "Simulation", "Spikes", "learnt", "load", "read", "run", "save"]


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
