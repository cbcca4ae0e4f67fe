"""Measures which real-time rate this machine holds over which link, and what limits it.

It takes the samples; `findings.py` says what they mean. The devices that it starts end with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench import plugins
from hilbench.errors import HilbenchError, LinkError
from hilbench.loop.clock import collector_frozen
from hilbench.loop.echo import echo_ns
from hilbench.machine.findings import (
    ADVICE,
    LINKS,
    ClockFacts,
    MachineReport,
    RateStep,
    Spread,
    by_link,
    parts,
    rate_held_hz,
    rate_step,
    spread,
    stalls,
    verdict,
)
from hilbench.machine.host import facts
from hilbench.nal import Network
from hilbench.types import LawProgram, Port, Probes, Tick

RATES_HZ = (100, 200, 500, 1000, 2000)
LAVA_RATES_HZ = (10, 20, 50, *RATES_HZ)
LAVA_TICKS = 1000
"""A 99th percentile needs ten samples beyond it."""
LAVA_TIMEOUT_S = 10.0
GAP_NS = 100_000
"""A process that only reads the clock was stalled when two readings are further apart than this."""
SLEEP_PERIOD_NS = 1_000_000
CLOCK_READINGS = 100_000
START_S = 3.0
"""About how long it takes to start the devices and to find out the host's facts."""

# Eight values in and two out: the ticks of a small robot.
PROGRAM = LawProgram("null", {}, inputs=(Port("values", 8),), outputs=(Port("values", 2),))
TICK_BYTES = 32


class Lava(Struct, frozen=True):
    """What a small network costs in Lava, on a device of its own."""

    start_s: float
    """From the start of the device to a loaded network."""
    step: Spread
    """The round trip of a tick with one network step."""
    rate_held_hz: int | None
    """The highest of the rates tried whose period 99 of 100 ticks stay within; None where it is none."""


def expected_s(each_s: float) -> float:
    """About how long `examine` takes."""
    return each_s * (2 + len(LINKS) * len(RATES_HZ)) + START_S


def examine(each_s: float = 1.0) -> MachineReport:
    """Measure everything, each timing for `each_s`. What fails is in the report and raises nothing."""
    duration_ns = round(each_s * 1e9)
    with collector_frozen(disabled=True):
        clock = ClockFacts(time.get_clock_info("monotonic").resolution, read_cost_s())
        lags_ns = sleep_lags_ns(max(1, duration_ns // SLEEP_PERIOD_NS), SLEEP_PERIOD_NS)
        gaps_ns, spun_ns = spin(duration_ns)
    rate_steps: list[RateStep] = []
    unmeasured: dict[str, str] = {}
    for link in LINKS:
        try:
            rate_steps += ladder(link, each_s)
        except HilbenchError as error:
            unmeasured[link] = str(error)
    parts_s = parts(lags_ns, gaps_ns, spun_ns, rate_steps)
    limit = max(parts_s, key=parts_s.__getitem__)
    found = facts()
    advice = [fact.advice for fact in found if fact.advice]
    return MachineReport(
        verdict=verdict(rate_steps, parts_s)
        if rate_steps
        else f"unknown: {'; '.join(dict.fromkeys(unmeasured.values()))}",
        rate_held_hz={link: rate_held_hz(some) for link, some in by_link(rate_steps).items()},
        unmeasured=unmeasured,
        limit=limit if rate_steps else None,
        parts_s=parts_s,
        clock=clock,
        sleep=spread(lags_ns),
        stalls=stalls(gaps_ns, spun_ns),
        rate_steps=rate_steps,
        facts=found,
        advice=advice if all(each.held for each in rate_steps) else [f"{limit}: {ADVICE[limit]}", *advice],
    )


def read_cost_s() -> float:
    """How long one reading of the monotonic clock takes."""
    start_ns = time.monotonic_ns()
    for _ in range(CLOCK_READINGS):
        time.monotonic_ns()
    return (time.monotonic_ns() - start_ns) / CLOCK_READINGS * 1e-9


def sleep_lags_ns(
    n: int, period_ns: int,
    now_ns: Callable[[], int] = time.monotonic_ns, sleep: Callable[[float], None] = time.sleep,
) -> NDArray:  # fmt: skip
    """How late a sleeping process wakes at the instants of an absolute schedule, (n,) int64 in ns.

    Parameters
    ----------
    n : int
        How many instants there are.
    period_ns : int
        From one instant to the next, in ns.
    now_ns : callable
        Returns the present instant, in ns.
    sleep : callable
        Sleeps for so many seconds.
    """
    lags_ns = np.zeros(n, np.int64)
    start_ns = now_ns()
    for k in range(n):
        due_ns = start_ns + (k + 1) * period_ns
        while (left_ns := due_ns - now_ns()) > 0:
            sleep(left_ns * 1e-9)
        lags_ns[k] = -left_ns
    return lags_ns


def spin(duration_ns: int, now_ns: Callable[[], int] = time.monotonic_ns) -> tuple[NDArray, int]:
    """Read the clock all the time: the gaps between readings above GAP_NS, (n,) int64 in ns, and the time spent, in ns.

    Parameters
    ----------
    duration_ns : int
        How long to read, in ns.
    now_ns : callable
        Returns the present instant, in ns.
    """
    gaps_ns: list[int] = []
    start_ns = last_ns = now_ns()
    while last_ns - start_ns < duration_ns:
        read_ns = now_ns()
        if read_ns - last_ns > GAP_NS:
            gaps_ns.append(read_ns - last_ns)
        last_ns = read_ns
    return np.array(gaps_ns, np.int64), last_ns - start_ns


def ladder(name: str, each_s: float) -> Iterator[RateStep]:
    """Measure the echo of an idle device over a link at each of RATES_HZ. Raises LinkError.

    Parameters
    ----------
    name : str
        The link's, one of LINKS.
    each_s : float
        About how long each rate is measured, in s.
    """
    kind = plugins.get("links", name)
    with kind(kind.Config(), "null", {}) as link:
        link.load(PROGRAM, 1000, Probes())
        for rate_hz in RATES_HZ:
            sent = max(1, round(each_s * rate_hz))
            yield rate_step(name, rate_hz, sent, echo_ns(link, [TICK_BYTES] * sent, round(1e9 / rate_hz)))


def lava(n_ticks: int = LAVA_TICKS) -> Lava:
    """Start Lava's device and time it in lockstep. Raises HilbenchError, for instance when Lava is not installed."""
    kind = plugins.get("links", "zmq")
    began_ns, took_ns = time.monotonic_ns(), np.zeros(n_ticks, np.int64)
    with kind(kind.Config(timeout_s=LAVA_TIMEOUT_S), "lava", {}) as link:
        link.load(lava_network(), 1000, Probes())
        started_ns = time.monotonic_ns()
        link.reset(0, "none", 0)
        for k in range(n_ticks):
            sent_ns = time.monotonic_ns()
            link.send(Tick(k, sent_ns))
            if link.receive(int(LAVA_TIMEOUT_S * 1e9)) is None:
                raise LinkError(f"{link}: no answer from Lava within {LAVA_TIMEOUT_S:g} s")
            took_ns[k] = time.monotonic_ns() - sent_ns
    found = spread(took_ns)
    held = (hz for hz in LAVA_RATES_HZ if found.p99_s is not None and found.p99_s <= 1 / hz)
    return Lava((started_ns - began_ns) * 1e-9, found, max(held, default=None))


def lava_network() -> Network:
    """10 event lines onto 100 neurons onto 4, all connected."""
    net = Network(0.001)
    net.input("e", 10, kind="events")
    for name, size, source in (("hidden", 100, "e"), ("out", 4, "hidden")):
        net.lif(name, size, tau_s=0.02, reset="zero", output=name == "out")
        n_source = 10 if source == "e" else 100
        net.connect(source, name, np.ones((size, n_source)) / n_source, delay_steps=1)
    return net
