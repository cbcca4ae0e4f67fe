"""Lava stands in an environment of its own, which `hilbench device install lava` makes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hilbench.bridge.environments import python_of
from hilbench.errors import LinkError


@pytest.fixture(scope="session")
def lava_python() -> Path:
    """The Python that has Lava. Skips without it, and fails where HILBENCH_REQUIRE asks for lava."""
    try:
        return python_of("lava")
    except LinkError as error:
        if "lava" in os.environ.get("HILBENCH_REQUIRE", ""):
            pytest.fail(f"HILBENCH_REQUIRE asks for lava, but {error}")
        pytest.skip(str(error))
