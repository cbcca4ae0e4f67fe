"""Several encoders as one, and several decoders: each port of a program has its own, each at its own place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.types import NO_EVENTS, Decoder, Encoder, Events, Port, Values
from hilbench.types.ticks import copied


class PortEncoders(Encoder):
    """Encoders side by side, in the order of a program's input ports.

    Parameters
    ----------
    encoders : sequence of Encoder
        Those of values fill `values` one after the other; those of events count addresses one after the other.
    """

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        self._values, self._events, n_values, n_addresses = [], [], 0, 0
        for encoder in encoders:
            if encoder.kind == "values":
                self._values.append((encoder, slice(n_values, n_values + encoder.size)))
                n_values += encoder.size
            else:
                self._events.append((encoder, np.uint32(n_addresses)))
                n_addresses += encoder.size
        self._sizes = {"values": n_values, "events": n_addresses}
        self._none = np.empty(0, np.float32)

    @property
    def sizes(self) -> dict[str, int]:
        return self._sizes

    @property
    def parts(self) -> tuple[Encoder, ...]:
        return tuple(encoder for encoder, _ in (*self._values, *self._events))

    def reset(self, seed: int) -> None:
        for encoder, _ in (*self._values, *self._events):
            encoder.reset(seed)

    def encode(self, obs: Values, events: Events, values: Values) -> Events:
        for encoder, place in self._values:
            encoder.encode(obs, events, values[place])
        if not self._events:
            return NO_EVENTS
        found = [_shifted(encoder.encode(obs, events, self._none), start) for encoder, start in self._events]
        if len(found) == 1:
            return found[0]
        return in_order(np.concatenate(found))


class PortDecoders(Decoder):
    """Decoders side by side: each reads one output port, and writes some of the actions.

    Parameters
    ----------
    decoders : sequence of (Port, Decoder or None, sequence of int)
        For each output port of the program, in order: its decoder, and which actions it writes; None for a port that
        nothing reads.
    """

    def __init__(self, decoders: Sequence[tuple[Port, Decoder | None, Sequence[int]]]) -> None:
        self._parts, n_values, n_addresses = [], 0, 0
        for port, decoder, columns in decoders:
            values, addresses = slice(0, 0), (0, 0)
            if port.kind == "values":
                values = slice(n_values, n_values := n_values + port.size)
            else:
                addresses = (n_addresses, n_addresses := n_addresses + port.size)
            if decoder is not None:
                own = np.zeros(len(columns))
                self._parts.append((decoder, values, addresses, own, np.array(columns, int)))

    @property
    def parts(self) -> tuple[Decoder, ...]:
        return tuple(decoder for decoder, *_ in self._parts)

    def reset(self, seed: int) -> None:
        for decoder, *_ in self._parts:
            decoder.reset(seed)

    def decode(self, values: NDArray[np.floating[Any]], events: Events, action: NDArray[np.float64]) -> None:
        for decoder, place, (first, end), own, columns in self._parts:
            decoder.decode(values[place], _between(events, first, end), own)
            action[columns] = own


def in_order(events: Events) -> Events:
    """The events in the order of `t_us`; of equal times the first stays first."""
    return events[np.argsort(events["t_us"], kind="stable")]


def _shifted(events: Events, start: np.uint32) -> Events:
    """The events with their addresses counted from `start`; a copy, where that changes them."""
    if not start or not events.size:
        return events
    moved = copied(events)
    moved["address"] += start
    return moved


def _between(events: Events, first: int, end: int) -> Events:
    """Those of the addresses from `first` to below `end`, counted from 0."""
    if not events.size or end == first:
        return NO_EVENTS
    address = events["address"]
    found = events[(address >= first) & (address < end)]
    found["address"] -= np.uint32(first)
    return found
