"""An encoder that stops showing its program anything new: the control that tells a network from an integrator."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ScenarioError, allowed_hint
from hilbench.types import NO_EVENTS, Encoder, Events, Port, Values

NEVER = 2**62


class Blindfold(Encoder):
    """Holds input values at the mean that they had before an instant, and sends no events from it on.

    Before the instant the program sees all there is. Learning signals are left alone.

    Parameters
    ----------
    encoder : Encoder
        What fills the program's inputs.
    ports : sequence of Port
        The program's inputs.
    names : collection of str, optional
        Those that are held; all when absent.
    tick : int
        From which tick of each episode on.
    episode : int
        From which episode on, counted by calls of `reset` and from 0.
    """

    def __init__(
        self, encoder: Encoder, ports: Sequence[Port], names: Collection[str] | None, tick: int, episode: int
    ) -> None:
        self._encoder, self._from_tick, self._from_episode = encoder, tick, episode
        known = [port.name for port in ports]
        for name in names or ():
            if name not in known:
                raise ScenarioError(f"blind_inputs: found {name!r}; {allowed_hint(name, known)}")
        held = [port for port in ports if names is None or port.name in names]
        self._held = _places(ports, held, "values")
        self._silent = _places(ports, held, "events")
        self._sums = np.zeros(self._held.size)
        self._n, self._tick, self._episode = 0, 0, -1

    @property
    def sizes(self) -> dict[str, int]:
        return self._encoder.sizes

    @property
    def parts(self) -> tuple[Encoder, ...]:
        return self._encoder.parts

    def reset(self, seed: int) -> None:
        self._encoder.reset(seed)
        self._tick, self._episode = 0, self._episode + 1

    def encode(self, obs: Values, events: Events, values: Values) -> Events:
        found = self._encoder.encode(obs, events, values)
        blind = self._episode >= self._from_episode and self._tick >= self._from_tick
        self._tick += 1
        if not blind:
            self._sums += values[self._held]
            self._n += 1
            return found
        values[self._held] = self._sums / max(self._n, 1)
        if not found.size or not self._silent.size:
            return found
        left = found[~np.isin(found["address"], self._silent)]
        return left if left.size else NO_EVENTS


def _places(ports: Sequence[Port], held: Sequence[Port], kind: str) -> NDArray[np.int64]:
    """Where the values, or the addresses, of some ports stand among all."""
    places: list[int] = []
    first = 0
    for port in ports:
        if port.kind == kind:
            places += range(first, first + port.size) if port in held else ()
            first += port.size
    return np.array(places, np.int64)
