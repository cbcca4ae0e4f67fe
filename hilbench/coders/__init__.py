"""Coders: from an observation to a tick's values and events, and from a reply to an action.

What puts several of them side by side is here too, for a controller of your own, each loaded by its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hilbench.coders._ports import PortDecoders, PortEncoders

__all__ = ["PortDecoders", "PortEncoders"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"{__name__}._ports"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
