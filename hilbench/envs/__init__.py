"""The plants, as Gymnasium environments: `hilbench:hilbench/NAME-v0` to `gym.make`, which imports this package for it.

Importing this loads neither PyBullet nor any plant. What a plant of one's own is made of is here too, each name loaded
by its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hilbench.envs._registry import register

if TYPE_CHECKING:
    from hilbench.envs._bullet import BASE_NAMES, BASE_UNITS, BulletConfig, BulletPlant, Thruster
    from hilbench.envs._picture import Mark, View
    from hilbench.envs._plant import Plant
    from hilbench.envs._schedule import Schedule
    from hilbench.envs._stepped import Shown, SteppedConfig, SteppedPlant
    from hilbench.envs._stream import StreamConfig, StreamPlant
    from hilbench.envs._wheels import WHEELED_NAMES, WHEELED_UNITS, WHEELS, WheeledConfig, WheeledPlant

_HOMES = {
    "_plant": ("Plant",),
    "_stepped": ("Shown", "SteppedConfig", "SteppedPlant"),
    "_bullet": ("BASE_NAMES", "BASE_UNITS", "BulletConfig", "BulletPlant", "Thruster"),
    "_picture": ("Mark", "View"),
    "_schedule": ("Schedule",),
    "_stream": ("StreamConfig", "StreamPlant"),
    "_wheels": ("WHEELED_NAMES", "WHEELED_UNITS", "WHEELS", "WheeledConfig", "WheeledPlant"),
}
"""What is loaded by its first use, by file."""
__all__ = [
    "BASE_NAMES",
    "BASE_UNITS",
    "WHEELED_NAMES",
    "WHEELED_UNITS",
    "WHEELS",
    "BulletConfig",
    "BulletPlant",
    "Mark",
    "Plant",
    "Schedule",
    "Shown",
    "SteppedConfig",
    "SteppedPlant",
    "StreamConfig",
    "StreamPlant",
    "Thruster",
    "View",
    "WheeledConfig",
    "WheeledPlant",
    "register",
]


def __getattr__(name: str) -> Any:
    for file, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{file}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
