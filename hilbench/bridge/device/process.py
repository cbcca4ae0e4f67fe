"""A device process on this machine: start it, notice its end, end it.

It must not know frames or sockets. The device ends when its standard input closes, so it never outlives its plant.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from time import monotonic
from typing import Any

import msgspec

from hilbench import modules, plugins
from hilbench.bridge.environments import python_of
from hilbench.errors import LinkError, PluginError

COMMAND = (sys.executable, "-m", "hilbench", "serve")
STOP_TIMEOUT_S = 2.0
TAIL_BYTES = 2000
TAIL_LINES = 3
SAYS = "hilbench: "
"""How the command line starts a line for a person."""
log = logging.getLogger(__name__)
_READY = re.compile(rb"hilbench: serving \S+ on (\S+) \(pid \d+\)")


def scheduling() -> Callable[[int], None]:
    """What gives another process the priority and the processors that this one has now.

    A device that is started anew in the middle of a run must not inherit the loop's.
    """
    if not hasattr(os, "sched_getscheduler"):
        return lambda pid: None
    policy, param, cpus = os.sched_getscheduler(0), os.sched_getparam(0), os.sched_getaffinity(0)

    def give(pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has ended at once; `check` says why
            os.sched_setscheduler(pid, policy, param)
            os.sched_setaffinity(pid, cpus)

    return give


class DeviceProcess:
    """`hilbench serve` as a child that listens on `bind`."""

    def __init__(
        self,
        kind: str,
        settings: dict[str, Any],
        timeout_s: float,
        bind: str,
        schedule: Callable[[int], None] | None = None,
    ) -> None:
        """Start it, `schedule` it by its pid, and wait for its address.

        Raises LinkError with the end of its stderr when it does not come up, or when it needs an environment that has
        not been installed.
        """
        command = [
            *_command(kind),
            *("--backend", kind, "--bind", bind, "--exit-with-stdin"),
            *("--config", msgspec.json.encode(settings).decode()),
            *("--load-timeout-s", repr(float(timeout_s))),
            *_modules(),
        ]
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - close() closes it
        self._passed_on = 0
        # A session of its own: Ctrl-C reaches the plant alone, which then ends the device in order.
        self._popen = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr, start_new_session=True
        )
        self.pid = self._popen.pid
        stdin, stdout = self._popen.stdin, self._popen.stdout
        assert stdin is not None, "it is a pipe"
        assert stdout is not None, "it is a pipe"
        self._stdin, self._stdout = stdin, stdout
        try:
            if schedule is not None:
                schedule(self.pid)
            self.address = self._read_address(timeout_s)
        except BaseException:
            self.close()
            raise

    def check(self, wait_s: float = 0.0) -> None:
        """Raise LinkError when the process has ended, with its exit code and the end of its stderr.

        One that is about to end, as its closed connection says, has `wait_s` for it.
        """
        if wait_s:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(wait_s)
        if (code := self._popen.poll()) is not None:
            raise LinkError(f"the device process (pid {self.pid}) {_ended(code)}{self._tail()}")

    def pass_on(self) -> None:
        """Log what the device has printed for a person since the last call, as that it compiles kernels."""
        new = os.pread(self._stderr.fileno(), TAIL_BYTES, self._passed_on)
        whole = new[: new.rfind(b"\n") + 1]
        self._passed_on += len(whole) or len(new) // TAIL_BYTES * TAIL_BYTES
        for line in whole.decode(errors="replace").splitlines():
            if line.startswith(SAYS) and line.isprintable():
                log.warning("the device: %s", line.removeprefix(SAYS))

    def close(self) -> None:
        """End the process: politely, then firmly. May be called twice."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        for insist in (self._popen.terminate, self._popen.kill):
            try:
                self._popen.wait(STOP_TIMEOUT_S)
                break
            except subprocess.TimeoutExpired:
                insist()
        else:
            self._popen.wait()
        self._stdout.close()
        self._stderr.close()

    def _read_address(self, timeout_s: float) -> str:
        deadline, text = monotonic() + timeout_s, b""
        while b"\n" not in text:
            if not select.select((self._stdout,), (), (), max(0.0, deadline - monotonic()))[0]:
                raise LinkError(
                    f"the device process (pid {self.pid}) did not serve within {timeout_s:g} s{self._tail()}"
                )
            text += self._read()
        if (found := _READY.match(text)) is None:
            line = text.splitlines()[0].decode(errors="replace")
            raise LinkError(f"the device process (pid {self.pid}) announced no address but {line!r}{self._tail()}")
        return os.fsdecode(found[1])

    def _read(self) -> bytes:
        if piece := os.read(self._stdout.fileno(), 4096):
            return piece
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(STOP_TIMEOUT_S)
        self.check()
        raise LinkError(f"the device process (pid {self.pid}) closed its output{self._tail()}")

    def _tail(self) -> str:
        size = os.fstat(self._stderr.fileno()).st_size
        # pread leaves alone the file position, which the child shares.
        data = os.pread(self._stderr.fileno(), TAIL_BYTES, max(0, size - TAIL_BYTES))
        lines = [line.strip() for line in data.decode(errors="replace").splitlines() if line.strip()]
        return f"; it said: {' | '.join(lines[-TAIL_LINES:])}" if lines else "; it said nothing"


def _modules() -> tuple[str, ...]:
    """What the device may import, besides plug-ins: what this process may."""
    found = modules.allowed()
    return ("--modules", msgspec.json.encode(found).decode()) if found else ()


def _command(kind: str) -> tuple[str, ...]:
    """COMMAND, in the environment that a backend's device needs. Raises LinkError when that is not installed."""
    try:
        plugins.find("backends", kind)
    except PluginError:  # the device says so itself
        return COMMAND
    environment = plugins.get("backends", kind).environment
    return COMMAND if environment is None else (str(python_of(environment)), *COMMAND[1:])


def _ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name} (exit code {code})"
    except ValueError:
        return f"was ended by signal {-code} (exit code {code})"
