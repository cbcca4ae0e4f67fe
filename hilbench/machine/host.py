"""What this machine has and allows: CPU governor, priority, locked memory, extras, serial ports, meters, tools.

Every probe answers with Facts; where the system does not tell, the Fact says so. Probes that would change the process
run in a child process.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from msgspec import Struct

from hilbench.bridge.environments import python_of
from hilbench.errors import LinkError
from hilbench.machine.packages import installed_version
from hilbench.machine.realtime_setup import memory_refusal

TOOLS = {"QEMU for Arm": "qemu-system-arm", "Arm compiler": "arm-none-eabi-gcc"}
CHILD_TIMEOUT_S = 20.0
LIMITS_FILE = "/etc/security/limits.conf"

_TRY = """import os, sys
try:
    exec(sys.argv[1])
    print("permitted")
except OSError as error:
    print("refused:", error.strerror)"""
_FIFO = "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))"
_PIN = "os.sched_setaffinity(0, os.sched_getaffinity(0))"
_LOCK = """import ctypes
if ctypes.CDLL(None, use_errno=True).mlockall(3):  # what is mapped now and later: 1 | 2 in Linux's mman.h
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))"""
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)[^;]*;.*\bextra\s*==\s*['\"]([^'\"]+)['\"]")


class Fact(Struct, frozen=True):
    """One thing found out about the machine."""

    name: str
    found: str
    advice: str = ""
    """How to fix it, where that is possible."""


def facts() -> list[Fact]:
    """All facts that this module can find out."""
    priority, pinning = priority_fact(tried(_FIFO)), pinning_fact(tried(_PIN))
    memory = memory_fact(f"refused: {why}" if (why := memory_refusal()) else tried(_LOCK))
    return [governor(), priority, pinning, memory, *extras(), serial_ports(), rapl(), lava(), *tools()]


def governor(root: Path = Path("/sys/devices/system/cpu")) -> Fact:
    """Which governor sets the processors' frequency."""
    name = "CPU governor"
    try:
        found = sorted({path.read_text("ascii").strip() for path in root.glob("cpu*/cpufreq/scaling_governor")})
    except OSError as error:
        return Fact(name, f"unknown: {error}")
    if not found:
        return Fact(name, "unknown: the system shows none, as most virtual machines")
    advice = "" if found == ["performance"] else "governor: sudo cpupower frequency-set -g performance"
    return Fact(name, ", ".join(found), advice)


def tried(code: str) -> str:
    """Run a statement in a Python process of its own: "permitted", "refused: ..." or "unknown: ..."."""
    try:
        command = [sys.executable, "-I", "-c", _TRY, code]
        done = subprocess.run(command, capture_output=True, text=True, timeout=CHILD_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        return f"unknown: {error}"
    return done.stdout.strip() or f"unknown: {(done.stderr.strip().splitlines() or ['the child said nothing'])[-1]}"


def priority_fact(answer: str) -> Fact:
    """Whether a process may have real-time priority."""
    mend = f"priority: add the line 'USER - rtprio 80' to {LIMITS_FILE}, log in again, set loop.realtime_priority"
    return Fact("priority (SCHED_FIFO)", answer, mend if answer.startswith("refused") else "")


def pinning_fact(answer: str) -> Fact:
    """Whether a process may choose its processors, and which there are."""
    if not hasattr(os, "sched_getaffinity"):
        return Fact("CPU pinning", answer)
    return Fact("CPU pinning", f"{answer}; CPUs {', '.join(map(str, sorted(os.sched_getaffinity(0))))}")


def memory_fact(answer: str) -> Fact:
    """Whether a process may lock its memory, so that none of it is paged out."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
        told = "unlimited" if limit == resource.RLIM_INFINITY else f"{limit / 2**20:g} MiB"
    except ImportError:
        told = "unknown: no such limit on this system"
    mend = f"locked memory: add the line 'USER - memlock unlimited' to {LIMITS_FILE} and log in again"
    return Fact("locked memory", f"{answer}; limit {told}", mend if answer.startswith("refused") else "")


def extras(requirements: list[str] | None = None) -> list[Fact]:
    """Which packages of each extra are installed; of hilbench's own extras when no requirements are given."""
    try:
        stated = metadata.requires("hilbench") if requirements is None else requirements
    except metadata.PackageNotFoundError:
        return [Fact("extras", "unknown: hilbench runs from a folder and is not installed")]
    packages: dict[str, list[str]] = {}
    for package, extra in filter(None, map(_of_extra, stated or ())):
        packages.setdefault(extra, []).append(package)
    return [_extra(extra, sorted(names)) for extra, names in sorted(packages.items())]


def _of_extra(requirement: str) -> tuple[str, str] | None:
    """A requirement's package and its extra; None for the extra `all`, which only joins the others."""
    found = _REQUIREMENT.match(requirement)
    return (found[1], found[2]) if found and found[1] != "hilbench" and found[2] != "all" else None


def _extra(extra: str, names: list[str]) -> Fact:
    versions = {name: installed_version(name) for name in names}
    present = [f"{name} {version}" for name, version in versions.items() if version]
    missing = [name for name, version in versions.items() if not version]
    found = ", ".join(present) + ("; " if present and missing else "")
    found += f"missing: {', '.join(missing)}" if missing else ""
    return Fact(f"extra {extra}", found, f'extra {extra}: pip install "hilbench[{extra}]"' if missing else "")


def serial_ports(dev: Path = Path("/dev")) -> Fact:
    """The serial ports that boards appear as, and whether this user may open them."""
    ports = sorted([*dev.glob("ttyACM*"), *dev.glob("ttyUSB*")])
    closed = [port for port in ports if not os.access(port, os.R_OK | os.W_OK)]
    found = ", ".join(f"{port} (no permission)" if port in closed else str(port) for port in ports)
    advice = "serial ports: sudo usermod -aG dialout USER, then log in again" if closed else ""
    return Fact("serial ports", found or "none", advice)


def rapl(root: Path = Path("/sys/class/powercap")) -> Fact:
    """Whether the processor's own energy counters can be read."""
    zones = sorted(root.glob("*/energy_uj"))
    if not zones:
        return Fact("RAPL", "none: the system shows no energy counter, as most virtual machines")
    try:
        for zone in zones:
            int(zone.read_text("ascii"))
    except (OSError, ValueError) as error:
        return Fact("RAPL", f"not readable: {error}", f"RAPL, until the next boot: sudo chmod a+r {root}/*/energy_uj")
    return Fact("RAPL", f"readable: {', '.join(zone.parent.name for zone in zones)}")


def lava() -> Fact:
    """Whether the Python environment for Lava is installed."""
    try:
        return Fact("Lava", f"installed: {python_of('lava')}; `hilbench doctor --lava` times it")
    except LinkError as error:
        return Fact("Lava", f"not ready: {error}")


def tools() -> list[Fact]:
    """Whether the programs are there that some backends need."""
    return [Fact(f"{what} ({program})", "found" if _runs(program) else "not found") for what, program in TOOLS.items()]


def _runs(program: str) -> bool:
    """Whether a program is on PATH and starts: a version manager's stand-in may be there without the program."""
    try:
        path = shutil.which(program)
        return (
            path is not None
            and not subprocess.run(
                [path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=CHILD_TIMEOUT_S
            ).returncode
        )
    except (OSError, subprocess.SubprocessError):
        return False
