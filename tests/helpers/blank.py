"""What `run.json` says of a run that never was, for tests that need some of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hilbench.record.meta import RunMeta

NUMBA = {"kind": "numba"}
BLANK: dict[str, Any] = {
    "scenario": {
        "name": "made up", "controller": "one", "controllers": {"one": {"kind": "none", "backend": NUMBA}},
        "plant": {"kind": "none"}, "loop": {}, "link": {"kind": "inprocess"}, "backend": NUMBA,
    },
    "plant_spec": {
        "obs_names": [], "obs_units": [], "action_names": [], "action_units": [], "action_low": [], "action_high": [],
        "safe_action": [], "physics_step_s": 0.001, "info_units": {}, "error": "", "parameters": {},
    },
    "load_report": {"backend": "numba"},
    "sources": {"code_sha256": {}, "library_versions": {}, "file_sha256": {}},
    "provenance": {"package_versions": {}, "host": {"system": "none", "architecture": "none"}, "started_at": ""},
}  # fmt: skip


def run_meta(**more: Any) -> RunMeta:
    """A RunMeta with these entries, plain or typed; tables are laid over those of BLANK."""
    return msgspec.convert(laid_over(BLANK, msgspec.to_builtins(more)), RunMeta)


def laid_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(under.get(key), dict)
        found[key] = laid_over(under[key], value) if both else value
    return found


def with_meta(run: Any, **more: Any) -> None:
    """Lay entries over what a RunData says of its run, in place."""
    object.__setattr__(run, "meta", msgspec.convert(laid_over(msgspec.to_builtins(run.meta), more), RunMeta))
