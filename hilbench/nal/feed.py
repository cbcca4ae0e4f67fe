"""What a network is fed in open loop: numbers and events of its ports, checked, and cut into ticks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hilbench.errors import NetworkError, allowed_hint
from hilbench.nal.model.network import Network
from hilbench.settings import whole_steps
from hilbench.types import EVENT, NO_EVENTS, Port, Tick, size_of

MODULATOR = "modulator"
PERIODS_MAX = 100_000_000
BLOCK = 65_536
"""Ticks whose events are looked up at a time."""
TICK_STEPS = 100
"""Network steps that one call of a backend runs at most, where more than a control period may pass in it."""
TICK_SPIKES = 1 << 22
"""Spikes that a backend must have room for in one call, where more than a control period may pass in it."""


@dataclass(frozen=True, eq=False)
class Feed:
    """All that a network gets, from 0 s to the end of the last period."""

    period_us: int
    n_periods: int
    values: NDArray[np.float32]
    """(n_periods, n_values) Held over a period."""
    modulators: NDArray[np.float32]
    """(n_periods, n_modulators)"""
    t_us: NDArray[np.int64]
    """(n_events,) Since the start; they never fall."""
    address: NDArray[np.uint32]
    """(n_events,) Addresses of the event ports, side by side."""

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return self.n_periods * self.period_us / 1e6

    def periods_per_tick(self, network: Network) -> int:
        """How many periods one call of a backend may run: more than 1 where nothing changes or is read between them.

        It divides the number of periods, so that every call is as long.
        """
        if self.values.size or self.modulators.size or size_of(network.outputs, "values"):
            return 1
        steps = self.period_us // network.dt_us
        neurons = sum(p.size for p in network.populations.values())
        most = min(TICK_STEPS, TICK_SPIKES // max(neurons, 1), (2**32 - 1) // network.dt_us) // steps
        return next(n for n in range(max(1, min(most, self.n_periods)), 0, -1) if self.n_periods % n == 0)

    def ticks(self, periods_per_tick: int, learning: bool) -> Iterator[Tick]:
        """The ticks, one after the other in the same object.

        Parameters
        ----------
        periods_per_tick : int
            Periods that each of them stands for; their values are those of the first.
        learning : bool
            Whether weights may change.
        """
        tick_us, n_ticks = self.period_us * periods_per_tick, self.n_periods // periods_per_tick
        events = np.zeros(self.t_us.size, EVENT)
        events["t_us"], events["address"] = self.t_us % tick_us, self.address
        tick = Tick(learning=learning)
        for block in range(0, n_ticks, BLOCK):
            seqs = range(block, min(block + BLOCK, n_ticks))
            bounds = np.searchsorted(self.t_us, np.arange(seqs.start, seqs.stop + 1) * tick_us).tolist()
            for seq, (first, end) in zip(seqs, pairwise(bounds), strict=True):
                row = seq * periods_per_tick
                tick.seq, tick.t_ns = seq, seq * tick_us * 1000
                tick.values, tick.modulators = self.values[row], self.modulators[row]
                tick.events = events[first:end] if end > first else NO_EVENTS
                yield tick


def feed(
    network: Network,
    inputs: Any,
    *,
    events: Any = None,
    period_s: float | None = None,
    duration_s: float | None = None,
    modulators: Any = None,
) -> Feed:
    """What these inputs are to this network. Raises NetworkError or ScenarioError for what does not fit.

    Parameters
    ----------
    network : Network
        What is fed.
    inputs, modulators : array_like, dict or None
        As in `hilbench.nal.run`.
    events : pair or array, optional
        Events of all event ports, where `inputs` are numbers of all value ports.
    period_s : float, optional
        How long a row of values is held, a whole number of network steps; one network step when absent.
    duration_s : float, optional
        How long the network runs; as long as the inputs last when absent.
    """
    steps = 1 if period_s is None else whole_steps(period_s, network.dt_s, "period_s", "network steps")
    period_us = steps * network.dt_us
    if period_us >= 2**32:
        raise NetworkError(f"period_s: found {period_us / 1e6:g} s; allowed: below {2**32 / 1e6:g} s")
    values, told = _by_kind(network, inputs)
    told += [] if events is None else _by_kind(network, events)[1]
    held = _named(modulators, network.modulators, MODULATOR)
    rows = [_rows(array, port, what) for found, what in ((values, "input"), (held, MODULATOR)) for port, array in found]
    t_us, address = _events(told, network)
    n = _n_periods([array for array in rows if array.ndim > 1], t_us, period_us, duration_s)
    if t_us.size and t_us[-1] >= n * period_us:
        end = n * period_us
        raise NetworkError(f"events: found one at {t_us[-1]} us; allowed: before the end at {end} us (duration_s)")
    ports = [*(port for port, _ in values), *(port for port, _ in held)]
    found = dict(zip(ports, rows, strict=True))
    held_values, signals = (_side_by_side(ports, found, n) for ports in (network.inputs, network.modulators))
    return Feed(period_us, n, held_values, signals, t_us, address)


def column_names(ports: tuple[Port, ...]) -> list[str]:
    """The names of value ports' numbers, side by side: `x`, or `x[0]` and so on where a port has several."""
    return [
        port.name if port.size == 1 else f"{port.name}[{i}]"
        for port in ports
        if port.kind == "values"
        for i in range(port.size)
    ]


Named = list[tuple[Port, Any]]


def _by_kind(network: Network, inputs: Any) -> tuple[Named, Named]:
    """What goes to value ports, and what to event ports; a single array or pair is for all ports of its kind."""
    n_values, n_addresses = size_of(network.inputs, "values"), size_of(network.inputs, "events")
    if _is_events(inputs):
        if not n_addresses:
            raise NetworkError(f"inputs: found events; this network takes {_sizes(network)}")
        return [], [(Port("events", n_addresses, "events"), inputs)]
    if inputs is not None and not isinstance(inputs, Mapping) and not n_values:
        raise NetworkError(f"inputs: found numbers; this network takes {_sizes(network)}")
    found = _named(inputs, network.inputs, "input")
    events = [(port, given) for port, given in found if port.kind == "events"]
    return [pair for pair in found if pair[0].kind == "values"], events


def _sizes(network: Network) -> str:
    """Its input ports in words."""
    ports = [f"{port.size} {port.kind} at {port.name!r}" for port in network.inputs]
    return ", ".join(ports) or "no inputs, and a duration_s"


def _named(given: Any, ports: tuple[Port, ...], what: str) -> Named:
    """Ports and what they get; an array for all of a kind is split."""
    if given is None:
        return []
    if not isinstance(given, Mapping):
        size = size_of(ports, "values")
        array = _numbers(given, what)
        if array.ndim != 2 or array.shape[1] != size:
            names = ", ".join(column_names(ports)[:8]) + ", ..." * (size > 8)
            raise NetworkError(f"{what}: found shape {array.shape}; allowed: (n_periods, {size}), columns {names}")
        starts = np.cumsum([0, *(port.size for port in ports if port.kind == "values")])[:-1]
        own = [port for port in ports if port.kind == "values"]
        return [(port, array[:, at : at + port.size]) for port, at in zip(own, starts, strict=True)]
    known = {port.name: port for port in ports}
    for name in given:
        if name not in known:
            raise NetworkError(f"{what} {name!r}: no such port; {allowed_hint(str(name), known)}")
    return [(known[name], each) for name, each in given.items()]


def _numbers(given: ArrayLike, where: str) -> NDArray[np.float32]:
    """The numbers as float32. Raises NetworkError for others than finite ones, saying where the first one is."""
    try:
        array = np.asarray(given)
        with np.errstate(over="ignore"):
            found = array.astype(np.float32)
    except (TypeError, ValueError):
        raise NetworkError(f"{where}: found no array of numbers; allowed: one row per period") from None
    if not np.isfinite(found).all():
        at = tuple(np.argwhere(~np.isfinite(found))[0].tolist())
        place = ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), at, strict=False))
        raise NetworkError(f"{where}: {place}: found {array[at]}; allowed: finite numbers in the range of float32")
    return found


def _rows(given: Any, port: Port, what: str) -> NDArray[np.float32]:
    """(n, size), or (size,) of what is held all the time."""
    where = f"{what} {port.name!r}"
    if _is_events(given):
        raise NetworkError(f"{where}: found events; allowed: numbers, one row of {port.size} per period")
    array = _numbers(given, where)
    if array.ndim == 0 or (array.ndim == 1 and array.size == port.size > 1):
        return np.broadcast_to(array, (port.size,))
    if array.ndim == 1 and port.size == 1:
        return array[:, None]
    if array.ndim < 2 or array[0:1].size != port.size * (len(array) > 0):
        raise NetworkError(f"{where}: found shape {array.shape}; allowed: (n_periods, {port.size})")
    return array.reshape(len(array), port.size)


def _n_periods(rows: list[NDArray], t_us: NDArray, period_us: int, duration_s: float | None) -> int:
    lengths = sorted({len(array) for array in rows})
    if len(lengths) > 1:
        raise NetworkError(f"inputs: found {lengths[0]} and {lengths[-1]} rows; allowed: the same for every port")
    asked = None if duration_s is None else whole_steps(duration_s, period_us / 1e6, "duration_s", "periods")
    if lengths and asked not in (None, lengths[0]):
        text = f"{lengths[0]} rows of {period_us / 1e6:g} s last {lengths[0] * period_us / 1e6:g} s"
        raise NetworkError(f"duration_s: found {duration_s:g} s; {text}; give as many rows, or no duration")
    n = lengths[0] if lengths else asked
    if n is None and t_us.size:
        n = ceil((int(t_us[-1]) + 1) / period_us)
    if n is None:
        raise NetworkError("duration_s: not given, and no input says how long; allowed: seconds, as 1.0")
    if not n:
        raise NetworkError("inputs: found 0 rows; allowed: 1 or more")
    if n > PERIODS_MAX:
        since = "; times of events are since the start: subtract the first one's" if t_us.size else ""
        raise NetworkError(f"duration_s: found {n} periods of {period_us / 1e6:g} s; allowed: {PERIODS_MAX}{since}")
    return n


def _side_by_side(ports: tuple[Port, ...], found: dict[Port, NDArray], n: int) -> NDArray[np.float32]:
    """(n, size) of all value ports; 0 where nothing is given."""
    own = [port for port in ports if port.kind == "values"]
    if len(own) == 1 and own[0] in found and found[own[0]].ndim == 2:
        return np.ascontiguousarray(found[own[0]])
    try:
        whole = np.zeros((n, sum(port.size for port in own)), np.float32)
    except MemoryError:
        raise NetworkError(f"inputs: {n} periods do not fit into memory; allowed: fewer at a time") from None
    at = 0
    for port in own:
        whole[:, at : at + port.size] = found.get(port, 0)
        at += port.size
    return whole


def _is_events(given: Any) -> bool:
    """Whether it is a pair (t_s, address), or an array with the fields t_us and address."""
    return isinstance(given, tuple) or getattr(getattr(given, "dtype", None), "names", None) is not None


def _events(given: Named, network: Network) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Times and addresses of all events, in the order of time."""
    first, at = {"events": 0}, 0
    for port in network.inputs:
        if port.kind == "events":
            first.setdefault(port.name, at)
            at += port.size
    parts = [_port_events(each, port, first[port.name]) for port, each in given]
    t_us = np.concatenate([np.zeros(0, np.int64), *(t for t, _ in parts)])
    address = np.concatenate([np.zeros(0, np.uint32), *(a for _, a in parts)])
    order = np.argsort(t_us, kind="stable")
    return t_us[order], address[order]


def _port_events(given: Any, port: Port, first: int) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    where = f"events of {port.name!r}" if port.name != "events" else "events"
    if not _is_events(given):
        raise NetworkError(f"input {port.name!r}: found no events; allowed: (t_s, address), or fields t_us and address")
    t_us, address = _columns(given, where)
    if t_us.ndim != 1 or t_us.shape != address.shape:
        raise NetworkError(f"{where}: found times {t_us.shape}, addresses {address.shape}; allowed: (n,) each")
    if address.size and not (address == np.floor(address)).all():
        raise NetworkError(f"{where}: found an address that is no whole number; allowed: 0 to {port.size - 1}")
    if bad := np.flatnonzero((address < 0) | (address >= port.size)).tolist():
        text = f"found address {address[bad[0]]}; allowed: 0 to {port.size - 1}"
        raise NetworkError(f"{where}: event {bad[0]}: {text}")
    if bad := np.flatnonzero(np.diff(t_us, prepend=0) < 0).tolist():
        before = f"after one at {t_us[bad[0] - 1]} us" if bad[0] else "before the start"
        raise NetworkError(f"{where}: event {bad[0]}: found {t_us[bad[0]]} us {before}; sort them by time, from 0 on")
    return t_us, address.astype(np.uint32) + np.uint32(first)


def _columns(given: Any, where: str) -> tuple[NDArray[np.int64], NDArray]:
    """Times in microseconds, and addresses as they are."""
    if isinstance(given, tuple):
        if len(given) != 2:
            raise NetworkError(f"{where}: found {len(given)} arrays; allowed: (t_s, address)")
        t_s = _finite(given[0], f"{where}: t_s")
        return np.rint(t_s * 1e6).astype(np.int64), _finite(given[1], f"{where}: address")
    if not {"t_us", "address"} <= set(given.dtype.names):
        raise NetworkError(f"{where}: found fields {', '.join(given.dtype.names)}; allowed: t_us, address")
    return given["t_us"].astype(np.int64), given["address"]


def _finite(given: ArrayLike, where: str) -> NDArray:
    array = np.asarray(given)
    if not (np.issubdtype(array.dtype, np.number) or not array.size):
        raise NetworkError(f"{where}: found {array.dtype}; allowed: numbers")
    if bad := np.argwhere(~np.isfinite(array)).tolist():
        raise NetworkError(f"{where}: event {bad[0][0]}: found {array[tuple(bad[0])]}; allowed: finite numbers")
    return array
