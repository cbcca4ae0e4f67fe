"""What is checked before a commit is what `make lint` checks."""

from __future__ import annotations

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def test_the_hooks_run_what_make_lint_runs() -> None:
    _, _, rule = (ROOT / "Makefile").read_text("utf-8").partition("\nlint: ")
    recipe = rule.split("\n\n")[0].splitlines()[1:]
    commands = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe]
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert [hook["entry"] for hook in hooks] == commands
    assert {repo["repo"] for repo in config["repos"]} == {"local"}, "nothing is downloaded"
    assert all(hook["always_run"] and not hook["pass_filenames"] for hook in hooks)
    assert any(command.endswith("/mypy") for command in commands)
