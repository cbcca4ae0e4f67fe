"""Where and with what a run was made: package versions, commit, host."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

from hilbench.machine.packages import installed_version
from hilbench.plugins import PACKAGE
from hilbench.record.meta import Host, Provenance

PACKAGES = (
    "hilbench", "numpy", "numba", "scipy", "pyzmq", "msgspec", "gymnasium", "pybullet", "mujoco", "pyarrow", "nir",
)  # fmt: skip


def provenance() -> Provenance:
    """Versions, code state and host facts, as `run.json` keeps them: those that this process has found first."""
    return Provenance(
        package_versions={**_versions()},
        commit=_commit(),
        host=_host(),
        started_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        arguments=tuple(sys.argv[1:]),
    )


@cache
def _versions() -> dict[str, str | None]:
    return {"python": platform.python_version(), **{name: installed_version(name) for name in PACKAGES}}


@cache
def _host() -> Host:
    return Host(system=platform.platform(), architecture=platform.machine(), cpu_model=_cpu(), n_cpus=os.cpu_count())


@cache
def _commit() -> str | None:
    """The checkout's commit, with + when files differ from it; None outside a checkout."""
    root = PACKAGE.parent
    if not (root / ".git").exists():
        return None
    try:
        git = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
        return subprocess.run(git, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _cpu() -> str:
    """The processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
