"""The plants, as Gymnasium environments: `hilbench:hilbench/NAME-v0` to `gym.make`, which imports this package for it.

Importing this loads neither PyBullet nor any plant. What a plant of one's own is made of is here too, each name loaded
by its first use.
"""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hilbench.envs._bullet import BASE_NAMES, BASE_UNITS, BulletConfig, BulletPlant, Thruster
    from hilbench.envs._picture import Mark, View
    from hilbench.envs._plant import Plant
    from hilbench.envs._schedule import Schedule
    from hilbench.envs._stepped import Shown, SteppedConfig, SteppedPlant

_HOMES = {
    "_plant": ("Plant",),
    "_stepped": ("Shown", "SteppedConfig", "SteppedPlant"),
    "_bullet": ("BASE_NAMES", "BASE_UNITS", "BulletConfig", "BulletPlant", "Thruster"),
    "_picture": ("Mark", "View"),
    "_schedule": ("Schedule",),
}
"""What is loaded by its first use, by file."""
__all__ = [
    "BASE_NAMES",
    "BASE_UNITS",
    "BulletConfig",
    "BulletPlant",
    "Mark",
    "Plant",
    "Schedule",
    "Shown",
    "SteppedConfig",
    "SteppedPlant",
    "Thruster",
    "View",
    "register",
]


def __getattr__(name: str) -> Any:
    for file, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{file}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def register() -> None:
    """Register each plant of this folder with Gymnasium under its `env_id`. Without Gymnasium, do nothing."""
    try:
        import gymnasium
    except ImportError:
        return
    for file in sorted(Path(__file__).parent.glob("[!_]*.py")):
        for name, facts in _plants(file):
            if facts["env_id"] not in gymnasium.registry:
                gymnasium.register(
                    facts["env_id"],
                    entry_point=f"{__name__}.{file.stem}:{name}",
                    max_episode_steps=facts["max_episode_steps"],
                )


def _plants(file: Path) -> list[tuple[str, dict[str, Any]]]:
    """The classes that state an `env_id`, with their literal facts, read without importing the file."""
    found = []
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef):
            facts = {
                line.target.id: ast.literal_eval(line.value)
                for line in node.body
                if isinstance(line, ast.AnnAssign)
                and isinstance(line.target, ast.Name)
                and line.value
                and line.target.id in ("env_id", "max_episode_steps")
            }
            if "env_id" in facts:
                found.append((node.name, facts))
    return found
