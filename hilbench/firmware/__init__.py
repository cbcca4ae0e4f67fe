"""Firmware: a network as a C program for a Cortex-M4, in Loihi's integers. Sources are beside this file.

It writes files and runs a compiler. Backends and links drive the board.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from hilbench.errors import NetworkError, ScenarioError
from hilbench.firmware._pes import Learnt, learnt_part
from hilbench.firmware._program import n_events_in, program_c
from hilbench.nal.compile.fold import Folded, folded_for
from hilbench.nal.compile.host_part import beside_chip, chip_part
from hilbench.nal.compile.zeros import Inputless, Zeros
from hilbench.nal.loihi import IntegerNetwork
from hilbench.nal.loihi.quantise import from_network
from hilbench.nal.model.codec import pack
from hilbench.nal.model.network import Network
from hilbench.types import Probes

SOURCES = Path(__file__).parent
C_FILES = ("main.c", "wire.c", "network.c", "program.c", "board_mps2.c")
COPIED = ("main.c", "wire.c", "wire.h", "network.c", "network.h", "pes.h", "board.h", "board_mps2.c", "memory.ld")
LEARNING_C = "pes.c"
ELF = "firmware.elf"
COMPILER, SIZE = "arm-none-eabi-gcc", "arm-none-eabi-size"
FLAGS = (
    "-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", "-mcpu=cortex-m4", "-mthumb",
    "-nostartfiles", "-T", "memory.ld",
)  # fmt: skip
"""Doubles are done in software and never fused, so that values become the very biases of backend `loihi`."""
FIXED_FLAGS = ("-mfloat-abi=soft",)
LEARNING_FLAGS = ("-DLEARNS", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
"""A rule multiplies floats for every weight; the FPU does that."""
PACKAGES = {
    COMPILER: "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    SIZE: "binutils-arm-none-eabi",
    "qemu-system-arm": "qemu-system-arm",
}
"""The Debian and Ubuntu packages of each program."""
NEURONS_MAX = 2**16 - 1
NO_POPULATIONS = "this network has no populations; add one with lif or readout"
COMPILE_TIMEOUT_S = 120


class Built(Struct, frozen=True):
    """A firmware and what it takes of its board."""

    folder: str
    flash_bytes: int
    ram_bytes: int
    neurons: int
    synapses: int
    learning: int
    """Weights that change."""
    events_max: int
    """Input events that a TICK may hold."""
    approximated: tuple[str, ...]
    zeros: tuple[Zeros, ...]
    """Of each projection of spikes or events."""
    inputless: tuple[Inputless, ...]


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
    """Write the sources of a firmware and `firmware.elf` into a folder.

    The folder is made or, if it holds a firmware, renewed. Raises NetworkError without a compiler, or for a network
    that a chip of Loihi's kind cannot run or the board cannot hold, and ScenarioError for a folder that holds something
    else. After an error the folder is as it was.

    Parameters
    ----------
    program : Network or IntegerNetwork
        What the firmware runs.
    period_us : int
        The control period, in microseconds.
    folder : Path
        Where the firmware goes.
    probes : Probes, optional
        What the run watches.
    weight_bits : int
        Bits of a weight, 1 to 8.
    largest_value : float
        The largest input value that the biases leave room for.
    """
    tool(COMPILER)
    tool(SIZE)
    _check_folder(folder)
    if isinstance(program, Network):
        made = parts(folded_for(program, "cortexm"), weight_bits, largest_value)
    else:
        made = Parts(program)
    _check(made, period_us)
    text = program_c(made.integers, period_us, probes or Probes(), _hash(program), made.learnt)
    try:
        sizes = _put(folder, text, made.learnt is not None)
    except OSError as error:
        raise ScenarioError(f"{folder}: {error.strerror or error}") from None
    n_learning = made.learnt.n_weights if made.learnt else 0
    n_events = n_events_in(made.integers, period_us)
    return Built(
        str(folder), *sizes, made.n_neurons, made.n_synapses, n_learning, n_events, made.approximated, made.zeros,
        made.inputless,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What a network becomes in firmware."""

    integers: IntegerNetwork
    learnt: Learnt | None = None
    approximated: tuple[str, ...] = ()
    zeros: tuple[Zeros, ...] = ()
    inputless: tuple[Inputless, ...] = ()

    @property
    def n_neurons(self) -> int:
        """Of both parts."""
        n = sum(p.size for p in self.integers.populations.values())
        return n + (self.learnt.n_neurons if self.learnt else 0)

    @property
    def n_synapses(self) -> int:
        """Of both parts."""
        beside = self.learnt.projections if self.learnt else ()
        return sum(p.weights.nnz for p in (*self.integers.projections.values(), *self.integers.value_inputs, *beside))


def parts(folded: Folded, weight_bits: int, largest_value: float) -> Parts:
    """A network without relays as its integers and the readouts that learn.

    Raises NetworkError for what the firmware cannot run.

    Parameters
    ----------
    folded : Folded
        The network, without relays, and what folding them made approximate.
    weight_bits : int
        Bits of a weight, 1 to 8.
    largest_value : float
        The largest input value that the biases leave room for.
    """
    network = folded.network
    if not network.populations:
        raise NetworkError(NO_POPULATIONS)
    beside = beside_chip(network, "cortexm")
    learnt = learnt_part(network, beside)
    made = from_network(chip_part(network, beside), weight_bits, largest_value)
    lines = (*folded.lines, *made.lines, *(learnt.lines() if learnt else ()))
    return Parts(made.integers, learnt, lines, tuple(made.zeros), tuple(made.inputless))


def _put(folder: Path, text: str, learns: bool) -> tuple[int, int]:
    """Make the folder beside its place and move it there whole; bytes of flash and RAM."""
    folder = folder.resolve()  # a symbolic link stays, and what it leads to is replaced
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".firmware-", dir=folder.parent) as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        for name in (*COPIED, *((LEARNING_C,) if learns else ())):
            shutil.copyfile(SOURCES / name, new / name)
        (new / "program.c").write_text(text, "utf-8")
        _compile(new, learns)
        sizes = _sizes(new / ELF)
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        new.rename(folder)
    return sizes


def _hash(program: Network | IntegerNetwork) -> bytes:
    """The program hash that HELLO carries (docs/protocol.md), by which the plant's side knows its network.

    An integer network does not travel, and has none.
    """
    return hashlib.blake2b(pack(program), digest_size=16).digest() if isinstance(program, Network) else bytes(16)


def _check_folder(folder: Path) -> None:
    if folder.is_dir() and (not any(folder.iterdir()) or (folder / "program.c").is_file()):
        return
    if folder.exists():
        raise ScenarioError(f"{folder}: found something other than a firmware; allowed: a new or an empty folder")


def _check(made: Parts, period_us: int) -> None:
    if not made.integers.populations:
        raise NetworkError(NO_POPULATIONS)
    if period_us <= 0 or period_us % made.integers.dt_us:
        text = f"is no multiple of the network step of {made.integers.dt_us} us"
        raise NetworkError(f"the control period of {period_us} us {text}")
    if made.n_neurons > NEURONS_MAX:
        raise NetworkError(f"the network has {made.n_neurons} neurons; allowed on a Cortex-M: {NEURONS_MAX}")


def _compile(folder: Path, learns: bool) -> None:
    flags, more = (LEARNING_FLAGS, (LEARNING_C,)) if learns else (FIXED_FLAGS, ())
    command = (tool(COMPILER), *FLAGS, *flags, "-o", ELF, *C_FILES, *more, "-lc", "-lgcc")
    done = subprocess.run(command, cwd=folder, capture_output=True, errors="replace", timeout=COMPILE_TIMEOUT_S)
    if done.returncode == 0:
        return
    over = re.findall(r"region `(\w+)' overflowed by (\d+) bytes", done.stderr)
    if over:
        have = dict(re.findall(r"(\w+) \(\w+\) : .*LENGTH = (\w+)", (SOURCES / "memory.ld").read_text("utf-8")))
        lines = (f"{memory} of {have[memory]} bytes overflows by {n}" for memory, n in over)
        raise NetworkError(f"the network does not fit on the board: {', '.join(lines)} bytes (memory.ld)")
    first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip())
    raise NetworkError(f"{COMPILER}: {first}; is {PACKAGES[COMPILER]} installed whole?")


def _sizes(elf: Path) -> tuple[int, int]:
    """Bytes of flash and of RAM, the stack among them."""
    command = (tool(SIZE), elf)
    done = subprocess.run(command, capture_output=True, errors="replace", check=True, timeout=COMPILE_TIMEOUT_S)
    text, data, bss = map(int, done.stdout.splitlines()[1].split()[:3])
    return text + data, data + bss
