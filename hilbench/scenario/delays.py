"""How late things are: distributions that a file states, and endless delays drawn from them.

The loop's `delay` and the shaper's are stated and drawn alike. It must not know runs: a trace's latencies are given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.errors import ScenarioError, allowed_hint
from hilbench.settings import File, to_config

Seconds = Annotated[float, Meta(ge=0, le=1e6)]
BLOCK = 1000
"""How many delays are drawn at once."""


class ConstantDelay(Struct, frozen=True, tag_field="kind", tag="constant", forbid_unknown_fields=True):
    """Everything is late by the same time."""

    s: Seconds = 0.0


class GammaDelay(Struct, frozen=True, tag_field="kind", tag="gamma", forbid_unknown_fields=True):
    """Delays drawn from a gamma distribution, from a stream of the seed."""

    mean_s: Annotated[float, Meta(ge=1e-6, le=1e3)]
    sd_s: Annotated[float, Meta(ge=1e-6, le=1e3)]


class TraceDelay(Struct, frozen=True, tag_field="kind", tag="trace", forbid_unknown_fields=True):
    """Delays are the latencies of an earlier real-time run, in its order, repeated when it ends.

    The loop repeats them tick by tick, with what was skipped and what was never answered.
    """

    run: File


Delay = ConstantDelay | GammaDelay | TraceDelay
DELAYS: dict[str, type[Delay]] = {"constant": ConstantDelay, "gamma": GammaDelay, "trace": TraceDelay}


def to_delay(table: Any, where: str) -> Delay:
    """A table as a delay, constant unless its `kind` says otherwise. Raises ScenarioError.

    Parameters
    ----------
    table : dict
        What the file says.
    where : str
        Its place in the file, for messages.
    """
    if not isinstance(table, Mapping):
        raise ScenarioError(f"{where}: found {table!r}, expected a table, as {{ s = 0.01 }}")
    kind = table.get("kind", "constant")
    if str(kind) not in DELAYS:
        raise ScenarioError(f"{where}.kind: found {kind!r}; {allowed_hint(str(kind), DELAYS)}")
    return to_config(DELAYS[kind], {name: value for name, value in table.items() if name != "kind"}, where)


def endless_ns(delay: Delay, random: np.random.Generator, trace_s: NDArray[np.float64] | None = None) -> Iterator[int]:
    """One delay after another in nanoseconds, without end.

    Parameters
    ----------
    delay : ConstantDelay, GammaDelay or TraceDelay
        Their distribution.
    random : Generator
        What they are drawn from.
    trace_s : (n,) float64, optional
        The delays of a TraceDelay, in seconds.
    """
    while True:
        yield from np.rint(_draw(delay, random, trace_s) * 1e9).astype(np.int64).tolist()


def _draw(delay: Delay, random: np.random.Generator, trace_s: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """The next delays in s."""
    if isinstance(delay, ConstantDelay):
        return np.full(BLOCK, delay.s)
    if isinstance(delay, GammaDelay):
        shape = (delay.mean_s / delay.sd_s) ** 2
        return random.gamma(shape, delay.mean_s / shape, BLOCK)
    assert trace_s is not None, "who repeats a trace has read it"
    return trace_s
