"""Firmware: a network as a C program for a Cortex-M4, in Loihi's integers. Sources are beside this file.

It writes files and runs a compiler; how a board is driven is the backends' and the links' matter.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from msgspec import Struct

from hilbench.errors import NetworkError, ScenarioError
from hilbench.firmware._program import n_events_in, program_c
from hilbench.nal.codec import pack
from hilbench.nal.loihi import IntegerNetwork
from hilbench.nal.loihi.quantise import from_network
from hilbench.nal.network import Network
from hilbench.types import Probes

SOURCES = Path(__file__).parent
C_FILES = ("main.c", "wire.c", "network.c", "program.c", "board_mps2.c")
COPIED = ("main.c", "wire.c", "wire.h", "network.c", "network.h", "board.h", "board_mps2.c", "memory.ld")
ELF = "firmware.elf"
COMPILER = "arm-none-eabi-gcc"
FLAGS = (
    "-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-mcpu=cortex-m4", "-mthumb",
    "-mfloat-abi=soft", "-nostartfiles", "-T", "memory.ld",
)  # fmt: skip
"""Doubles are done in software and never fused, so that values become the very biases of backend `loihi`."""
PACKAGES = {
    COMPILER: "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "qemu-system-arm": "qemu-system-arm",
}
"""What Debian and Ubuntu call what brings a program."""
NEURONS_MAX = 2**16 - 1
COMPILE_TIMEOUT_S = 120


class Built(Struct, frozen=True):
    """A firmware and what it takes of its board."""

    folder: str
    flash_bytes: int
    ram_bytes: int
    neurons: int
    synapses: int
    events_max: int
    """Input events that a TICK may hold."""
    approximated: tuple[str, ...]


def tool(name: str) -> str:
    """Where a program is. Raises NetworkError with the Debian packages that bring it."""
    if (found := shutil.which(name)) is None:
        raise NetworkError(f"{name} is not installed; on Debian or Ubuntu: apt install {PACKAGES[name]}")
    return found


def build(
    program: Network | IntegerNetwork,
    period_us: int,
    folder: Path,
    *,
    probes: Probes | None = None,
    weight_bits: int = 8,
    largest_value: float = 1.0,
) -> Built:
    """Write the sources of a firmware and `firmware.elf` into a folder, which is made or, if it holds one, renewed.

    Raises NetworkError for a network that a chip of Loihi's kind cannot run or the board cannot hold, or without a
    compiler, ScenarioError for a folder with something else in it; the folder is then as it was.
    """
    tool(COMPILER)
    _check_folder(folder)
    net, approximated = program, []
    if isinstance(program, Network):
        net, approximated = from_network(program, weight_bits, largest_value)
    _check(net, period_us)
    text = program_c(net, period_us, probes or Probes(), _hash(program))
    try:
        flash_bytes, ram_bytes = _put(folder, text)
    except OSError as error:
        raise ScenarioError(f"{folder}: {error.strerror or error}") from None
    return Built(
        str(folder),
        flash_bytes,
        ram_bytes,
        sum(p.size for p in net.populations.values()),
        sum(p.weights.nnz for p in (*net.projections.values(), *net.value_inputs)),
        n_events_in(net, period_us),
        tuple(approximated),
    )


def _put(folder: Path, text: str) -> tuple[int, int]:
    """Make the folder beside its place and move it there whole; bytes of flash and RAM."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".firmware-", dir=folder.parent) as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        for name in COPIED:
            shutil.copyfile(SOURCES / name, new / name)
        (new / "program.c").write_text(text, "utf-8")
        _compile(new)
        sizes = _sizes(new / ELF)
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        new.rename(folder)
    return sizes


def _hash(program: Network | IntegerNetwork) -> bytes:
    """What HELLO tells, so that a plant's side knows its own network: that of docs/protocol.md.

    An integer network does not travel, and has none.
    """
    return hashlib.blake2b(pack(program), digest_size=16).digest() if isinstance(program, Network) else bytes(16)


def _check_folder(folder: Path) -> None:
    if folder.is_dir() and (not any(folder.iterdir()) or (folder / "program.c").is_file()):
        return
    if folder.exists():
        raise ScenarioError(f"{folder}: found something other than a firmware; allowed: a new or an empty folder")


def _check(net: IntegerNetwork, period_us: int) -> None:
    if not net.populations:
        raise NetworkError("this network has no populations; add one with lif or readout")
    if period_us <= 0 or period_us % net.dt_us:
        text = f"is no multiple of the network step of {net.dt_us} us"
        raise NetworkError(f"the control period of {period_us} us {text}")
    n = sum(p.size for p in net.populations.values())
    if n > NEURONS_MAX:
        raise NetworkError(f"the network has {n} neurons; allowed on a Cortex-M: {NEURONS_MAX}")


def _compile(folder: Path) -> None:
    command = (tool(COMPILER), *FLAGS, "-o", ELF, *C_FILES, "-lc", "-lgcc")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S)
    if done.returncode == 0:
        return
    over = re.findall(r"region `(\w+)' overflowed by (\d+) bytes", done.stderr)
    if over:
        lines = (f"{memory} overflows by {n} bytes" for memory, n in over)
        raise NetworkError(f"the network does not fit on the board: {', '.join(lines)}; allowed: what memory.ld states")
    first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip())
    raise NetworkError(f"{COMPILER}: {first}; is {PACKAGES[COMPILER]} installed whole?")


def _sizes(elf: Path) -> tuple[int, int]:
    """Bytes of flash and of RAM, the stack among them."""
    command = (tool(COMPILER).removesuffix("gcc") + "size", elf)
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=COMPILE_TIMEOUT_S)
    text, data, bss = map(int, done.stdout.splitlines()[1].split()[:3])
    return text + data, data + bss
