"""Starts, calls and ends the process that Lava runs in. Calls have a time limit, and no process is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import weakref
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, Any, NoReturn

from hilbench.errors import NetworkError

WORKER = "hilbench.backends._lava.worker"
STOP_TIMEOUT_S = 5.0
END_TIMEOUT_S = 2.0
TAIL_BYTES = 2000
TAIL_LINES = 2


class Host:
    """The worker process. When it does not answer in time, it is ended with all processes that it started."""

    def __init__(self) -> None:
        self._calls, theirs = Pipe()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - `_end` closes it
        with theirs:
            self._worker = subprocess.Popen(
                (sys.executable, "-m", WORKER, str(theirs.fileno())),
                stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said,
                pass_fds=(theirs.fileno(),), start_new_session=True,
            )  # fmt: skip
        self._finalize = weakref.finalize(self, _end, self._worker, self._calls, self._said)

    def call(self, name: str, *arguments: Any, timeout_s: float) -> Any:
        """Call a method of the worker's Machine. Raises NetworkError with the reason when it fails or takes too long.

        Parameters
        ----------
        name : str
            The method's name, or "build".
        *arguments
            What it is called with.
        timeout_s : float
            How long it may take, in seconds.
        """
        if not self._finalize.alive:
            raise NetworkError("Lava has been stopped after a failure; load the network again")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, EOFError):
            self._calls.send((name, *arguments))
            if not self._calls.poll(timeout_s):
                self._fail(f"Lava did not {name} within {timeout_s:g} s and was stopped")
            well, answer = self._calls.recv()
            return answer if well else self._fail(f"Lava could not {name}: {answer}")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._worker.wait(END_TIMEOUT_S)  # it writes its reason after it has closed the pipe
        self._fail(f"Lava ended in {name}")

    def close(self) -> None:
        """End the worker in order, by force if need be. May be called twice."""
        self._finalize()

    def _fail(self, reason: str) -> NoReturn:
        said = self._tail()
        self._finalize.detach()
        _end(self._worker, self._calls, self._said, ask=False)
        raise NetworkError(f"{reason}{said}")

    def _tail(self) -> str:
        """The last lines that Lava wrote."""
        self._said.seek(0, os.SEEK_END)
        size = self._said.tell()
        data = os.pread(self._said.fileno(), TAIL_BYTES, max(0, size - TAIL_BYTES))
        lines = [line.strip() for line in data.decode(errors="replace").splitlines() if line.strip()]
        return f"; it said: {' | '.join(lines[-TAIL_LINES:])}" if lines else "; it said nothing"


def _end(worker: subprocess.Popen, calls: Connection, said: IO[bytes], ask: bool = True) -> None:
    """End the worker's whole session: politely, then firmly.

    SIGTERM ends all but multiprocessing's tracker, which then frees the memory that the others shared.
    """
    calls.close()
    if ask:
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.wait(STOP_TIMEOUT_S)
    for insist in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, insist)
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.wait(END_TIMEOUT_S)
            break
    worker.wait()
    said.close()
