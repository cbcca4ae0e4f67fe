"""A link without a wire: the backend runs in the loop's own process."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from time import monotonic_ns, sleep
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.bridge.device.session import Session, build_backend
from hilbench.errors import LinkError, NetworkError
from hilbench.types import (
    NO_EVENTS,
    NO_VALUES,
    Carry,
    Events,
    Link,
    LoadReport,
    Probes,
    Program,
    Reply,
    States,
    Tick,
    Values,
)
from hilbench.types.ticks import copied


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the link in process."""

    timeout_s: Annotated[float, Meta(gt=0, le=1e6)] = 5.0
    """How long a loop on the virtual clock waits for a reply."""


class InProcess(Link):
    """Runs the backend inside `send`, so a loop pays for the step and for nothing else."""

    Config = Config
    same_clock = True
    """Whether `recv_ns` of a Reply and this process's monotonic clock may be subtracted."""

    def __init__(self, config: Struct, backend_kind: str, backend_config: dict[str, Any]) -> None:
        self.config = config
        self._session: Session | None = Session(build_backend(backend_kind, backend_config))
        self._replies: deque[Reply] = deque()
        self._newest: Reply | None = None  # the backend's own, not yet received
        self._values: Values | None = None  # the arrays of the last tick, which fit the program
        self._modulators: Values | None = None
        self._echo, self._echoes = 0, deque[int]()

    def load(self, program: Program, period_us: int, probes: Probes) -> LoadReport:
        """Raises NetworkError when the backend cannot run the program."""
        self._forget()
        self._values = self._modulators = None
        return self._open().load(program, period_us, probes)

    def reset(self, seed: int, carry: Carry, catch_up: int) -> None:
        """Start an episode; replies of the last one are forgotten."""
        self._forget()
        self._open().reset(seed, carry, catch_up)

    def send(self, tick: Tick) -> None:
        """Run the tick. Raises ProtocolError for one the program does not take, and whatever the backend raises."""
        recv_ns = monotonic_ns()
        if (session := self._session) is None:
            session = self._open()
        values, modulators = tick.values, tick.modulators
        if values is not self._values or modulators is not self._modulators or tick.events.size:
            session.check(tick)
            self._values, self._modulators = values, modulators
        if self._newest is not None:  # the backend is about to write over it
            self._replies.append(_copy(self._newest))
            self._newest = None
        self._newest = session.tick(tick, recv_ns)

    def receive(self, timeout_ns: int) -> Reply | None:
        """The oldest reply not yet received, or None after waiting for what cannot come."""
        if self._replies:
            return self._replies.popleft()
        if (reply := self._newest) is not None:
            self._newest = None
            return reply
        self._open()
        if timeout_ns > 0:
            sleep(timeout_ns * 1e-9)
        return None

    def send_echo(self, n_bytes: int) -> int:
        """There is no wire: it is back at once."""
        self._open()
        self._echo += 1
        self._echoes.append(self._echo)
        return self._echo

    def receive_echo(self, timeout_ns: int) -> int | None:
        """The oldest not yet received, or None after waiting for what cannot come."""
        self._open()
        if self._echoes:
            return self._echoes.popleft()
        if timeout_ns > 0:
            sleep(timeout_ns * 1e-9)
        return None

    def snapshot(self) -> States:
        return self._open().snapshot()

    def request_checkpoint(self, received: Callable[[States], None]) -> None:
        """A backend that cannot take a snapshot gives none."""
        with contextlib.suppress(NetworkError):
            super().request_checkpoint(received)

    def restore(self, arrays: Mapping[str, NDArray[Any]], carry: Carry) -> None:
        self._open().restore(arrays, carry)

    def close(self) -> None:
        """Let the backend go."""
        self._session = None
        self._forget()

    def _forget(self) -> None:
        self._replies.clear()
        self._newest = None

    def _open(self) -> Session:
        if self._session is None:
            raise LinkError("the link in process is closed; build a new one")
        return self._session


def _copy(reply: Reply) -> Reply:
    """A Reply that outlives the backend's next step, in the number types of the wire."""
    return Reply(
        seq=reply.seq,
        t_ns=reply.t_ns,
        prev_seq=reply.prev_seq,
        recv_ns=reply.recv_ns,
        compute_ns=reply.compute_ns,
        counters=reply.counters.copy(),
        energy_j=reply.energy_j,
        events=_events(reply.events),
        values=np.array(reply.values, np.float32),
        probe_events=_events(reply.probe_events),
        probe_values=np.array(reply.probe_values, np.float32) if len(reply.probe_values) else NO_VALUES,
    )


def _events(events: Events) -> Events:
    return copied(events) if len(events) else NO_EVENTS
