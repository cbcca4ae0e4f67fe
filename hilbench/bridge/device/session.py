"""What a device does with messages, whatever the link: counts ticks, bridges gaps, reads the clock around a step.

It must not know frames' bytes or sockets.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic_ns
from typing import Any

from numpy.typing import NDArray

from hilbench import plugins
from hilbench.bridge.protocol.handshakes import check_reset
from hilbench.bridge.protocol.states import Status
from hilbench.bridge.protocol.ticks import check_tick
from hilbench.bridge.protocol.wire import Code, FrameError, Sizes
from hilbench.settings import to_config
from hilbench.types import Backend, Carry, LoadReport, Probes, Program, Reply, States, Tick


def build_backend(kind: str, settings: dict[str, Any]) -> Backend:
    """The backend plug-in `kind` with its Config from `settings`. Raises PluginError or ScenarioError.

    Parameters
    ----------
    kind : str
        Its name.
    settings : dict
        The fields of its Config.
    """
    backend = plugins.get("backends", kind)
    return backend(to_config(backend.Config, settings, "backend", kind))


class Session:
    """Owns one Backend and the count of its ticks."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._last_seq = -1
        self._prev_seq = -1
        self._catch_up = 0
        self._started = False
        self._ticks = 0
        self.sizes: Sizes | None = None
        """What the loaded program allows; None before the first load."""
        self.dropped = 0
        """Ticks not above the last one, since the last reset."""
        self.slip = 0
        """Periods that were jumped over with states held, since the last reset."""

    def load(self, program: Program, period_us: int, probes: Probes) -> LoadReport:
        """Give the backend a program. Raises NetworkError or ProtocolError; nothing is loaded then.

        Parameters
        ----------
        program, period_us, probes
            As in `Backend.load`.
        """
        self.unload()
        sizes = Sizes.of(program, period_us)
        report = self._backend.load(program, period_us, probes)
        self.sizes = sizes
        return report

    def unload(self) -> None:
        """Take neither tick nor reset until the next load."""
        self.sizes, self._started = None, False

    def reset(self, seed: int, carry: Carry, catch_up: int) -> None:
        """Start an episode: ticks count from 0 again. Raises ProtocolError before a load.

        Parameters
        ----------
        seed, carry, catch_up
            As in `Link.reset`.
        """
        check_reset(seed, carry, catch_up)
        self._need_program("RESET")
        self.end()
        self._backend.reset(seed, carry)
        self._last_seq = self._prev_seq = -1
        self._catch_up, self._started = catch_up, True
        self.dropped = self.slip = self._ticks = 0

    def tick(self, tick: Tick, recv_ns: int) -> Reply | None:
        """Run one tick; None when its `seq` is not above the last one.

        The Reply belongs to the backend and holds until the next tick. `compute_ns` counts the periods that a gap
        made the backend catch up, too; a backend with a time of its own says it itself. A tick whose step raises counts
        as run: it is never run again.

        Parameters
        ----------
        tick : Tick
            What the plant sent.
        recv_ns : int
            When it arrived, in nanoseconds of this process's monotonic clock.
        """
        if not self._started:
            raise FrameError(Code.STATE, "TICK before an episode has started; RESET first")
        seq = tick.seq
        if seq <= self._last_seq:
            self.dropped += 1
            return None
        start_ns = monotonic_ns()
        gap, self._last_seq = seq - self._last_seq - 1, seq
        self._ticks += 1
        if gap:
            self._bridge(gap)
        reply = self._backend.step(tick)
        if not self._backend.own_time:
            reply.compute_ns = monotonic_ns() - start_ns
        reply.seq, reply.t_ns, reply.recv_ns = seq, tick.t_ns, recv_ns
        reply.prev_seq, self._prev_seq = self._prev_seq, seq
        return reply

    def snapshot(self) -> States:
        """Copies of all that changes in the backend. Raises NetworkError where it cannot."""
        self._need_program("SNAPSHOT")
        return self._backend.snapshot()

    def restore(self, arrays: Mapping[str, NDArray[Any]], carry: Carry) -> None:
        """Put a snapshot back; ticks go on counting. Raises NetworkError, and changes nothing, when it does not fit.

        Parameters
        ----------
        arrays, carry
            As in `Backend.restore`.
        """
        self._need_program("RESTORE")
        self._backend.restore(arrays, carry)

    def status(self, refused: int, broken: int) -> Status:
        """What has been counted since the last reset, with the device's own counts.

        Parameters
        ----------
        refused : int
            Frames answered with an ERROR since the device started.
        broken : int
            Frames since then that were dropped because their bytes were wrong.
        """
        return Status(self._ticks, self.dropped, self.slip, refused, broken)

    def end(self) -> None:
        """Take no tick until the next reset. The program and what it has learnt stay."""
        self._started = False

    def check(self, tick: Tick) -> None:
        """Raise ProtocolError when the loaded program does not take this tick."""
        if (sizes := self.sizes) is None:
            sizes = self._need_program("TICK")
        check_tick(tick, sizes)

    def _need_program(self, what: str) -> Sizes:
        if self.sizes is None:
            raise FrameError(Code.STATE, f"{what} before a program is loaded; LOAD one first")
        return self.sizes

    def _bridge(self, gap: int) -> None:
        run = min(gap, self._catch_up)
        self.slip += gap - run
        if run:
            self._backend.advance(run)
