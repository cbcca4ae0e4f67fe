"""A device that is lost and comes back: it is looked for, loaded, and given what it had learnt, while the plant goes on.

The loop owns time and says when; everything that waits for a device waits in a thread here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic_ns

from hilbench.agent import Agent
from hilbench.errors import HilbenchError
from hilbench.loop_config import LoopConfig

PAUSE_S = 0.05
"""Between two attempts."""


class Recovery:
    """Saves an agent's learnt weights on the way, and brings its device back. One loss at a time."""

    def __init__(self, agent: Agent, config: LoopConfig, now_ns: Callable[[], int] = monotonic_ns) -> None:
        self._agent, self._config, self._now_ns = agent, config, now_ns
        self._every = None if config.snapshot_s is None else max(1, round(config.snapshot_s / config.period_s))
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._since_ns = 0
        self._saved_at: int | None = None

    @property
    def wanted(self) -> bool:
        """Whether a lost device is to be looked for at all."""
        return self._config.on_loss == "recover"

    @property
    def running(self) -> bool:
        """Whether the device is being looked for: the link is not to be touched meanwhile."""
        return self._thread is not None

    def ticked(self, k: int) -> None:
        """After tick `k` has been sent: ask for a snapshot when one is due."""
        if self._every is not None and k % self._every == self._every - 1:
            self._agent.link.keep_snapshot()
            self._saved_at = k

    def begin(self, seed: int) -> None:
        """Look for the device from now on."""
        self._error, self._since_ns = None, self._now_ns()
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, args=(seed,), name="hilbench-recovery", daemon=True)
        self._thread.start()

    def ended(self, wait: bool) -> str | None:
        """Say, once, how the device came back; None while it is looked for. Raises its error when it did not."""
        if self._thread is None or (not wait and self._thread.is_alive()):
            return None
        self._thread.join()
        self._thread = None
        if self._error is not None:
            raise self._error
        passed_s = (self._now_ns() - self._since_ns) * 1e-9
        what = "with new weights" if self._agent.link.kept is None else f"with the weights of tick {self._saved_at}"
        return f"the device came back after {passed_s:.2f} s, {what}"

    def close(self) -> None:
        """Stop looking; an attempt that is under way ends within the link's own time limits."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self, seed: int) -> None:
        until_ns = self._since_ns + round(self._config.recover_s * 1e9)
        while True:
            try:
                self._attempt(seed)
            except Exception as error:
                self._error = error
                refused = not isinstance(error, HilbenchError)
                if refused or self._now_ns() >= until_ns or self._stop.wait(PAUSE_S):
                    return
            else:
                self._error = None
                return

    def _attempt(self, seed: int) -> None:
        agent = self._agent
        agent.link.abandon()
        agent.load()
        agent.link.reset(seed, "none", self._config.catch_up)
        if agent.link.kept is not None:
            agent.link.restore(agent.link.kept, "weights")
