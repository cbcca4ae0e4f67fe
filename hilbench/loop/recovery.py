"""A device that is lost and comes back: looked for, loaded, given what it had learnt, while the plant goes on.

The loop owns time and says when; everything that waits for a device waits in a thread here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from hilbench.errors import HilbenchError, LinkError, ProtocolError
from hilbench.loop.agent import Agent
from hilbench.record.writer import Recorder
from hilbench.scenario.loop import LoopConfig

PAUSE_S = 0.05
"""Between two attempts."""


class Recovery:
    """Saves an agent's learnt weights on the way, and brings its device back. One loss at a time, each on record."""

    def __init__(self, agent: Agent, config: LoopConfig, recorder: Recorder, now_ns: Callable[[], int]) -> None:
        self._agent, self._config, self._recorder, self._now_ns = agent, config, recorder, now_ns
        self.notes: list[str] = []
        """What was lost and how it came back, a line for each loss."""
        self._loss = ""
        self._every = None if config.snapshot_s is None else max(1, round(config.snapshot_s / config.period_s))
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._since_ns = 0
        self._lost_in = 0  # episode

    @property
    def wanted(self) -> bool:
        """Whether a lost device is to be looked for at all."""
        return self._config.on_loss == "recover"

    def ticked(self, episode: int, k: int) -> None:
        """After tick `k` has been sent: ask for a snapshot when one is due."""
        if self._every is not None and k % self._every == self._every - 1:
            self._agent.link.request_checkpoint(episode, k)

    def reset(self, episode: int, seed: int) -> None:
        """Start an episode. A device that is lost before or at that is waited for: the plant does not move yet."""
        self.ended(wait=True)
        if self._config.carry == "none":
            self._agent.link.kept = None  # what was learnt before does not come back either
        try:
            self._agent.reset(seed, self._config.carry if episode else "none", self._config.catch_up)
        except (LinkError, ProtocolError) as error:
            if not self.wanted:
                raise
            self.begin(episode, 0, seed, error)
            self.ended(wait=True)

    def record(self, episode: int, k: int, error: Exception) -> float:
        """Put what happened at tick `k` on record; its time in s."""
        t_s = k * round(self._config.period_s * 1e9) * 1e-9
        self._recorder.fault(episode=episode, tick=k, t_s=t_s, kind=type(error).__name__, text=str(error))
        return t_s

    def begin(self, episode: int, k: int, seed: int, error: Exception) -> None:
        """Put the loss on record and look for the device from now on."""
        self._lost_in = episode
        t_s = self.record(episode, k, error)
        self._loss = f"episode {episode}, tick {k} ({t_s:.3f} s): {error}"
        self._error, self._since_ns = None, self._now_ns()
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, args=(seed,), name="hilbench-recovery", daemon=True)
        self._thread.start()

    def ended(self, wait: bool) -> bool:
        """Whether the device is there, and no longer looked for. Raises LinkError when it did not come back."""
        if self._thread is None:
            return True
        if not wait and self._thread.is_alive():
            return False
        if not self._came_back():
            raise LinkError(f"the device did not come back within {self._config.recover_s:g} s: {self._error}")
        return True

    def close(self) -> None:
        """Stop looking; an attempt that is under way ends within the link's own time limits."""
        self._stop.set()
        if self._thread is not None and not self._came_back():
            self.notes.append(f"{self._loss}; the device was not back when the run ended")

    def _came_back(self) -> bool:
        """Wait for the search to end; on record, and in a note, how the device came back, if it did."""
        self._thread.join()
        self._thread = None
        if self._error is not None:
            return False
        passed_s = (self._now_ns() - self._since_ns) * 1e-9
        how = f"the device came back after {passed_s:.2f} s, with {self._weights()}"
        self._recorder.recovered(how)
        self.notes.append(f"{self._loss}; {how}")
        return True

    def _weights(self) -> str:
        if (kept := self._agent.link.kept) is None:
            return "new weights"
        of = "" if kept.episode == self._lost_in else f"episode {kept.episode}, "
        return f"the weights of {of}tick {kept.tick}"

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
            agent.link.restore(agent.link.kept.arrays, "weights")
