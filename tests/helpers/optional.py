"""Plants, and scenarios of the same names, whose recordings come with packages that may not be installed."""

from __future__ import annotations

from importlib.util import find_spec

NEEDS = {"digits": "sklearn", "wrist": "seglearn"}
"""What each reads its recordings from: the extra datasets brings both."""
MISSING = {name: module for name, module in NEEDS.items() if find_spec(module) is None}
