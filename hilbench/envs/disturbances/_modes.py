"""What a fault makes of numbers, a class for each mode: called once per physics step while the fault acts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hilbench.seeding import Rows, stream


class Mode(ABC):
    """A mode that forgets nothing, for it knows nothing but the present numbers."""

    def reset(self, seed: int) -> None:
        """Start an episode."""

    def left(self) -> list[float]:
        """What is left of each number where the mode does nothing but weaken them, (n,); empty where it does more."""
        return []

    @abstractmethod
    def __call__(self, x: list[float], level: float) -> list[float]:
        """The numbers after the fault, (n,).

        Parameters
        ----------
        x : (n,) list of float
            The numbers before it.
        level : float
            From 0 to 1; 1 unless the fault ramps up.
        """


class Off(Mode):
    """Constants, whatever the numbers are."""

    def __init__(self, value: Sequence[float]) -> None:
        self._value = list(value)

    def left(self) -> list[float]:
        return [1.0 if value else 0.0 for value in self._value]

    def __call__(self, x: list[float], level: float) -> list[float]:
        return self._value


class Stuck(Mode):
    """The numbers as they were when the fault began, or each `n_steps` after that."""

    def __init__(self, n_steps: int | None = None) -> None:
        self._n_steps = n_steps
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._held: list[float] = []
        self._left = 0

    def __call__(self, x: list[float], level: float) -> list[float]:
        if self._left == 0:
            self._held = x
            self._left = self._n_steps or -1
        self._left -= 1
        return self._held


class Garbage(Mode):
    """Uniform random numbers within limits, drawn anew in each physics step."""

    def __init__(self, low: Sequence[float], high: Sequence[float], name: str) -> None:
        self._low, self._width, self._name = np.array(low), np.subtract(high, low), name

    def reset(self, seed: int) -> None:
        self._random = stream(seed, self._name)
        self._rows = Rows(self._draw)

    def __call__(self, x: list[float], level: float) -> list[float]:
        return self._rows.next()

    def _draw(self, n: int) -> list[list[float]]:
        return (self._low + self._width * self._random.random((n, self._low.size))).tolist()


class Wrong(Mode):
    """gain x + bias; on a ramp, the gain goes from 1 and the bias from 0 to their full size."""

    def __init__(self, gain: Sequence[float], bias: Sequence[float]) -> None:
        self._given = gain, bias
        self._level, self._now = 0.0, ([1.0] * len(gain), [0.0] * len(gain))

    def left(self) -> list[float]:
        return [1.0 if bias else gain for gain, bias in zip(*self._given, strict=True)]

    def __call__(self, x: list[float], level: float) -> list[float]:
        if level != self._level:
            gains, biases = self._given
            self._level = level
            self._now = [1.0 + level * (gain - 1.0) for gain in gains], [level * bias for bias in biases]
        return [value * gain + bias for value, gain, bias in zip(x, *self._now, strict=False)]


class Miswired(Mode):
    """Numbers that come from elsewhere, then wrong, then limited.

    Parameters
    ----------
    order : (n,) sequence of int
        Which number stands in the place of each.
    wrong : Wrong
        What is then done to them.
    low, high : (n,) sequence of float
        Their limits.
    """

    def __init__(self, order: Sequence[int], wrong: Wrong, low: Sequence[float], high: Sequence[float]) -> None:
        self._order, self._wrong, self._limits = order, wrong, list(zip(low, high, strict=True))

    def __call__(self, x: list[float], level: float) -> list[float]:
        found = self._wrong([x[index] for index in self._order], level)
        return [min(max(value, low), high) for value, (low, high) in zip(found, self._limits, strict=True)]


class Slow(Mode):
    """A lag of first order that starts from the first number: y += (1 - exp(-step / lag)) (x - y)."""

    def __init__(self, step_s: float, lag_s: float) -> None:
        self._share = -float(np.expm1(-step_s / lag_s))
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._y: list[float] = []

    def __call__(self, x: list[float], level: float) -> list[float]:
        y, share = self._y or x, self._share
        self._y = [old + share * (new - old) for old, new in zip(y, x, strict=True)]
        return self._y


class Delayed(Mode):
    """The numbers of `n_steps` before. Until the first of them comes, it is the first one that holds."""

    def __init__(self, n_steps: int) -> None:
        self._n_steps = n_steps
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._under_way: deque[list[float]] = deque()

    def __call__(self, x: list[float], level: float) -> list[float]:
        waiting = self._under_way
        waiting.append(x)
        return waiting.popleft() if len(waiting) > self._n_steps else waiting[0]


class Intermittent(Mode):
    """Outages; in one, constants, or the last numbers before it where there are none."""

    def __init__(self, outages: Outages, step_us: int, value: Sequence[float] | None) -> None:
        self._outages, self._step_us = outages, step_us
        self._value = None if value is None else list(value)

    def reset(self, seed: int) -> None:
        self._outages.reset(seed)
        self._now_us = 0
        self._held: list[float] = []

    def __call__(self, x: list[float], level: float) -> list[float]:
        out = self._outages.until(self._now_us)
        self._now_us += self._step_us
        if not out or not self._held:
            self._held = x
        if out and self._value is not None:
            return self._value
        return self._held


class Outages:
    """When something is out: whether it is changes at random, with no memory of how long it has been so.

    Both an outage and the time between two of them have an exponential distribution, and the process begins in its
    steady state: at any time it is out with the same chance. Times only go forwards.

    Parameters
    ----------
    probability : float
        The share of the time that is outage.
    mean_us : float
        Mean length of an outage.
    name : str
        Of the random stream. Two of one name and seed are out at the same times.
    """

    def __init__(self, probability: float, mean_us: float, name: str) -> None:
        self._probability, self._name = probability, name
        self._means_us = mean_us * (1.0 - probability) / probability, mean_us

    def reset(self, seed: int) -> None:
        """Start an episode at time 0."""
        self._random = stream(seed, self._name)
        self._out = bool(self._random.random() < self._probability)
        self._end_us = float(self._random.exponential(self._means_us[self._out]))

    def until(self, t_us: int) -> bool:
        """Go on to a time; whether it is out then."""
        while self._end_us <= t_us:
            self._out = not self._out
            self._end_us += float(self._random.exponential(self._means_us[self._out]))
        return self._out

    def at(self, t_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether it is out at times in order, (n,)."""
        found, first = np.zeros(t_us.size, bool), 0
        while first < t_us.size:
            found[first:] = self.until(int(t_us[first]))
            first = int(np.searchsorted(t_us, self._end_us))
        return found
