"""A device that is lost and comes back: looked for, loaded, given what it had learnt, while the plant goes on.

The loop owns time and says when. What waits for a device waits in a thread of its own, which starts here.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import NamedTuple

from hilbench.errors import HilbenchError, LinkError, ProtocolError
from hilbench.loop.agent import Agent
from hilbench.loop.clock import Clock
from hilbench.record.meta import Fault
from hilbench.record.writer import Recorder
from hilbench.scenario.loop import LoopConfig
from hilbench.types import States

PAUSE_S = 0.05
"""Between two attempts."""
LOST = (LinkError, ProtocolError)
"""What a link raises when its device is lost."""


class Checkpoint(NamedTuple):
    """A snapshot, and when it was asked for: after that tick of that episode had been sent."""

    arrays: States
    episode: int
    tick: int


class Recovery:
    """Saves an agent's learnt weights on the way, and brings its device back. One loss at a time, each on record."""

    def __init__(self, agent: Agent, config: LoopConfig, recorder: Recorder, clock: Clock) -> None:
        self._agent, self._config, self._recorder, self._clock = agent, config, recorder, clock
        self.notes: list[str] = []
        """What was lost and how it came back, a line for each loss."""
        self._checkpoint: Checkpoint | None = None  # the newest one received
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
        """After a tick has been sent: ask for a checkpoint when one is due.

        Parameters
        ----------
        episode : int
            Number of the episode.
        k : int
            Number of the tick.
        """
        if self._every is not None and k % self._every == self._every - 1:
            self._agent.link.request_checkpoint(partial(self._received, episode, k))

    def _received(self, episode: int, k: int, arrays: States) -> None:
        self._checkpoint = Checkpoint(arrays, episode, k)

    def reset(self, episode: int, seed: int) -> None:
        """Start an episode. A device that is lost before or at that is waited for: the plant does not move yet.

        Parameters
        ----------
        episode : int
            Number of the episode.
        seed : int
            Its seed.
        """
        self._wait()
        if self._config.carry == "none":
            self._checkpoint = None  # what was learnt before does not come back either
        try:
            self._agent.reset(seed, self._config.carry if episode else "none", self._config.catch_up)
        except LOST as error:
            if not self.wanted:
                raise
            self.begin(episode, 0, seed, error)
            self._wait()

    def record(self, episode: int, k: int, error: Exception) -> float:
        """Put a loss on record; the plant's time at it, in seconds.

        Parameters
        ----------
        episode : int
            Number of the episode.
        k : int
            The tick at which it happened.
        error : Exception
            What the link raised.
        """
        t_s = k * round(self._config.period_s * 1e9) * 1e-9
        self._recorder.fault(Fault(episode=episode, tick=k, t_s=t_s, error=type(error).__name__, message=str(error)))
        return t_s

    def begin(self, episode: int, k: int, seed: int, error: Exception) -> None:
        """Put the loss on record and look for the device from now on.

        Parameters
        ----------
        episode : int
            Number of the episode.
        k : int
            The tick at which it happened.
        seed : int
            The episode's seed, for the device that comes back.
        error : Exception
            What the link raised.
        """
        self._lost_in = episode
        t_s = self.record(episode, k, error)
        self._loss = f"episode {episode}, tick {k} ({t_s:.3f} s): {error}"
        self._error, self._since_ns = None, self._clock.now_ns()
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, args=(seed,), name="hilbench-recovery", daemon=True)
        self._thread.start()

    def ended(self) -> bool:
        """Whether the device is there, and no longer looked for. On a virtual clock the plant waits for it.

        Raises LinkError when it did not come back.
        """
        if self._thread is None:
            return True
        self._clock.pause_for(self._thread.join, None)  # without a time limit
        if self._thread.is_alive():
            return False
        self._wait()
        return True

    def _wait(self) -> None:
        """Wait for the search to end, if there is one. Raises LinkError when the device did not come back."""
        if self._thread is not None and not self._came_back(self._thread):
            raise LinkError(f"the device did not come back within {self._config.recover_s:g} s: {self._error}")

    def close(self) -> None:
        """Stop looking; an attempt that is under way ends within the link's own time limits."""
        self._stop.set()
        if self._thread is not None and not self._came_back(self._thread):
            self.notes.append(f"{self._loss}; the device was not back when the run ended")

    def _came_back(self, search: threading.Thread) -> bool:
        """Wait for the search to end; on record, and in a note, how the device came back, if it did."""
        search.join()
        self._thread = None
        if self._error is not None:
            return False
        passed_s = (self._clock.now_ns() - self._since_ns) * 1e-9
        how = f"the device came back after {passed_s:.2f} s, with {self._weights()}"
        self._recorder.recovered(how)
        self.notes.append(f"{self._loss}; {how}")
        return True

    def _weights(self) -> str:
        if (kept := self._checkpoint) is None:
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
                if refused or self._clock.now_ns() >= until_ns or self._stop.wait(PAUSE_S):
                    return
            else:
                self._error = None
                return

    def _attempt(self, seed: int) -> None:
        agent = self._agent
        agent.link.abandon()
        agent.load()
        agent.link.reset(seed, "none", self._config.catch_up)
        if self._checkpoint is not None:
            agent.link.restore(self._checkpoint.arrays, "weights")
