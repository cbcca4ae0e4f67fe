"""A link to a network whose time is not the plant's: it runs a number of its own steps in each control period."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from hilbench.types import Carry, Events, Link, LoadReport, Probes, Program, Reply, States, Tick
from hilbench.types.ticks import copied


class NetworkTimeLink(Link):
    """Puts events into the network's steps on their way out, and into the plant's time on their way back.

    Of n steps in a period of T us, an event at t us falls into step t n // T, and a spike of step s comes out at the
    first microsecond that falls into it. To the device a period is n steps long.

    Parameters
    ----------
    link : Link
        What carries the ticks; this one closes it.
    n_steps : int
        Network steps in a control period.
    dt_us : int
        The network's own step, in microseconds.
    """

    def __init__(self, link: Link, n_steps: int, dt_us: int) -> None:
        self._link, self._n, self._dt_us = link, n_steps, dt_us
        self.config, self.same_clock = link.config, link.same_clock

    def load(self, program: Program, period_us: int, probes: Probes) -> LoadReport:
        """Load the program with a period of n of its own steps; probes keep counting ticks."""
        self._period_us = period_us
        own_us = self._n * self._dt_us
        own_s = round(probes.weights_period_s * 1e6 / period_us * own_us) * 1e-6
        starts = np.arange(self._n, dtype=np.int64) * period_us
        self._first_us = (-(-starts // self._n)).astype(np.uint32)  # of each step, in the plant's time
        return self._link.load(program, own_us, structs.replace(probes, weights_period_s=own_s))

    def send(self, tick: Tick) -> None:
        """Send a copy of the tick whose events lie in the network's steps."""
        if tick.events.size:
            step = tick.events["t_us"].astype(np.int64) * self._n // self._period_us
            tick = replace(tick, events=self._at(tick.events, (step * self._dt_us).astype(np.uint32)))
        self._link.send(tick)

    def receive(self, timeout_ns: int) -> Reply | None:
        """The next reply, with its spikes in the plant's time."""
        if (reply := self._link.receive(timeout_ns)) is not None:
            for name in ("events", "probe_events"):
                if (events := getattr(reply, name)).size:
                    setattr(reply, name, self._at(events, self._first_us[events["t_us"] // self._dt_us]))
        return reply

    @staticmethod
    def _at(events: Events, t_us: NDArray[np.uint32]) -> Events:
        moved = copied(events)
        moved["t_us"] = t_us
        return moved

    def reset(self, seed: int, carry: Carry, catch_up: int) -> None:
        self._link.reset(seed, carry, catch_up)

    def send_echo(self, n_bytes: int) -> int | None:
        return self._link.send_echo(n_bytes)

    def receive_echo(self, timeout_ns: int) -> int | None:
        return self._link.receive_echo(timeout_ns)

    def alive(self) -> bool:
        return self._link.alive()

    def snapshot(self) -> States:
        return self._link.snapshot()

    def restore(self, arrays: Mapping[str, NDArray[Any]], carry: Carry) -> None:
        self._link.restore(arrays, carry)

    def request_checkpoint(self, received: Callable[[States], None]) -> None:
        self._link.request_checkpoint(received)

    def tally(self) -> dict[str, int]:
        return self._link.tally()

    def abandon(self) -> None:
        self._link.abandon()

    def close(self) -> None:
        self._link.close()

    def __str__(self) -> str:
        return str(self._link)
