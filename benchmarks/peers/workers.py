"""The driver's side of a worker: start it in its environment, ask it, end it. Nothing waits without a bound."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from threading import Timer
from typing import Any

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)

ANSWERS = ("ready ", "done ", "error ")


class WorkerError(Exception):
    """A worker could not do what it was asked; the text is the reason."""


class Worker:
    """One process that builds one piece of work and runs it again and again."""

    def __init__(self, python: Path, script: Path) -> None:
        if not python.exists():
            make = "python benchmarks/peers/environments.py"
            raise WorkerError(f"its environment {python.parents[1].name} is not there; make it with: {make}")
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in close()
        self._process = subprocess.Popen(
            [str(python), str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
            env=os.environ | ONE_THREAD, start_new_session=True,
        )  # fmt: skip

    def build(self, parameters: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        return self._ask(f"build {json.dumps(parameters)}", timeout_s)

    def run(self, timeout_s: float) -> dict[str, Any]:
        return self._ask("run", timeout_s)

    def _ask(self, line: str, timeout_s: float) -> dict[str, Any]:
        timer = Timer(timeout_s, self._kill)
        timer.start()
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            answer = self._answer()
        except OSError:
            answer = ""
        finally:
            in_time = timer.is_alive()
            timer.cancel()
            timer.join()  # no thread is left behind, however busy the machine
        verb, _, rest = answer.partition(" ")
        if not verb:
            raise WorkerError(self._last_words() if in_time else f"no answer in {timeout_s:g} s")
        if verb == "error":
            raise WorkerError(json.loads(rest))
        return json.loads(rest)

    def _answer(self) -> str:
        """The next line that is an answer; a library may print a banner before its worker can stop it."""
        for line in self._process.stdout:
            if line.startswith(ANSWERS):
                return line
        return ""

    def _last_words(self) -> str:
        self._process.wait(10)
        self._errors.seek(0)
        return (self._errors.read().strip().splitlines() or ["ended without a word"])[-1]

    def _kill(self) -> None:
        """End the worker and all that it started: some peers work in processes of their own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        self._kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            with contextlib.suppress(BrokenPipeError):  # a question that the worker did not read
                pipe.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
