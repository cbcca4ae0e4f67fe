"""Engines and devices that run a Program; a file or folder each.

The checks that every backend of networks makes are here too, for one of your own, each loaded by its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hilbench.backends._network import (
        all_or_nothing,
        check_snapshot,
        detached,
        n_probe_values,
        probe_ticks,
        runnable,
    )

__all__ = ["all_or_nothing", "check_snapshot", "detached", "n_probe_values", "probe_ticks", "runnable"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"{__name__}._network"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
