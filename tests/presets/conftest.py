"""Frameworks are imported where they are installed, and must be where CI says so."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def framework():
    """Imports a framework's module. Skips the test without it, and fails it where HILBENCH_REQUIRE asks for it."""

    def get(name: str) -> ModuleType:
        try:
            return importlib.import_module(name)
        except ImportError as error:
            if "frameworks" in os.environ.get("HILBENCH_REQUIRE", ""):
                pytest.fail(f"HILBENCH_REQUIRE asks for frameworks, but {name} does not load: {error}")
            pytest.skip(f"{name} is not installed ({error}); see docs/presets.md")

    return get
