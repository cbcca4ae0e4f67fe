"""The plants of this folder in Gymnasium's registry, found without importing one."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any


@cache
def register() -> None:
    """Register each plant of this folder with Gymnasium under its `env_id`, once. Without Gymnasium, do nothing."""
    try:
        import gymnasium
    except ImportError:
        return
    for file in sorted(Path(__file__).parent.glob("[!_]*.py")):
        for name, facts in _plants(file):
            if facts["env_id"] not in gymnasium.registry:
                gymnasium.register(
                    facts["env_id"],
                    entry_point=f"{__package__}.{file.stem}:{name}",
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
