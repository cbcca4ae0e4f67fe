"""Coders: from an observation to a tick's values and events, and from a reply to an action.

What puts several of them side by side is here too, and what sensors and disturbances share with them, each loaded by
its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hilbench.coders._blindfold import Blindfold
    from hilbench.coders._crossings import Crossings
    from hilbench.coders._grid import disc_grid
    from hilbench.coders._names import columns_of, spread
    from hilbench.coders._pooling import PoolConfig, Pooled
    from hilbench.coders._ports import PortDecoders, PortEncoders
    from hilbench.coders._spikes import events_at, repeats
    from hilbench.coders._tables import port_decoders, port_encoders

__all__ = [
    "Blindfold", "Crossings", "PoolConfig", "Pooled", "PortDecoders", "PortEncoders", "columns_of", "disc_grid",
    "events_at", "port_decoders", "port_encoders", "repeats", "spread",
]  # fmt: skip
_HOMES = {
    "_blindfold": ("Blindfold",),
    "_crossings": ("Crossings",),
    "_grid": ("disc_grid",),
    "_names": ("columns_of", "spread"),
    "_pooling": ("PoolConfig", "Pooled"),
    "_ports": ("PortDecoders", "PortEncoders"),
    "_spikes": ("events_at", "repeats"),
    "_tables": ("port_decoders", "port_encoders"),
}
"""What is loaded by its first use, by file."""


def __getattr__(name: str) -> Any:
    for file, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{file}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
