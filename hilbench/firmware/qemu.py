"""QEMU in place of a board: a firmware that runs on this machine, its serial line a Unix socket.

It counts instructions and not cycles: with `-icount shift=N` each instruction takes 2^N ns of the board's time. There
is no pipeline, no cache and no wait state in it.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from hilbench.errors import LinkError
from hilbench.firmware import tool

QEMU = "qemu-system-arm"
STOP_TIMEOUT_S = 2.0
SOCKET = "uart"


@contextmanager
def emulated(elf: Path, folder: Path, machine: str, icount_shift: int, timeout_s: float) -> Iterator[str]:
    """A running firmware and the address of its serial line. It ends with the context.

    Raises NetworkError where QEMU is missing, LinkError when it does not start.

    Parameters
    ----------
    elf : Path
        The firmware.
    folder : Path
        Where the socket of the serial line is made.
    machine : str
        QEMU's name of the board.
    icount_shift : int
        An instruction takes 2 to this power ns of the board's time.
    timeout_s : float
        How long QEMU may take to start, in seconds.
    """
    command = (
        *_with_parent(), tool(QEMU), "-machine", machine, "-kernel", str(elf), "-display", "none", "-qmp", "stdio",
        "-icount", f"shift={icount_shift}", "-serial", f"unix:{folder / SOCKET},server=on,wait=off",
    )  # fmt: skip
    with (folder / "stderr").open("w+b") as stderr:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True
        )
        try:
            if not _answers(process, timeout_s):
                stderr.seek(0)
                said = stderr.read(2000).decode(errors="replace").strip().replace("\n", " ")
                raise LinkError(f"{QEMU} did not start within {timeout_s:g} s{': ' if said else ''}{said}")
            yield f"stream://{folder / SOCKET}"
        finally:
            _end(process)


def _with_parent() -> tuple[str, ...]:
    """What makes QEMU end when this process is killed and cannot end it, where util-linux has it."""
    return ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()


def _answers(process: subprocess.Popen, timeout_s: float) -> bool:
    """Whether QEMU has come up: it answers on its monitor once its serial line listens."""
    to_monitor, from_monitor = _monitor(process)
    to_monitor.write(b'{"execute": "qmp_capabilities"}\n')
    to_monitor.flush()
    said = b""
    while select.select([from_monitor], (), (), timeout_s)[0]:
        data = os.read(from_monitor.fileno(), 4096)
        said += data
        *lines, _ = said.split(b"\n")
        if not data or any("return" in json.loads(line) for line in lines if line.strip()):
            return bool(data)
    return False


def _monitor(process: subprocess.Popen) -> tuple[IO[bytes], IO[bytes]]:
    """The pipes to and from QEMU's monitor."""
    assert process.stdin is not None  # it is started with both pipes
    assert process.stdout is not None
    return process.stdin, process.stdout


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in _monitor(process):
        pipe.close()
