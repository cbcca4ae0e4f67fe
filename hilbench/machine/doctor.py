"""Measures which real-time rate this machine holds over which link, and what limits it.

Probes take samples, and small functions compute numbers from them. The devices that it starts end with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench import plugins
from hilbench.errors import HilbenchError, LinkError
from hilbench.loop.clock import collector_frozen, spin_ns
from hilbench.loop.echo import echo_ns
from hilbench.machine.host import Fact, facts
from hilbench.nal import Network
from hilbench.types import LawProgram, Port, Probes, Tick

LINKS = {"zmq": "ZeroMQ", "unix": "a Unix socket"}
"""Links to a device on this machine, and what they are called."""
RATES_HZ = (100, 200, 500, 1000, 2000)
LAVA_RATES_HZ = (10, 20, 50, *RATES_HZ)
LAVA_TICKS = 1000
"""A 99th percentile needs ten samples beyond it."""
LAVA_TIMEOUT_S = 10.0
LATE_SHARE = 0.01
"""A rate is held when at most this share of its echoes takes longer than the period."""
GAP_NS = 100_000
"""A process that only reads the clock was stalled when two readings are further apart than this."""
SLEEP_PERIOD_NS = 1_000_000
CLOCK_READINGS = 100_000
START_S = 3.0
"""About how long it takes to start the devices and to find out the host's facts."""

# Eight values in and two out: the ticks of a small robot.
PROGRAM = LawProgram("null", {}, inputs=(Port("values", 8),), outputs=(Port("values", 2),))
TICK_BYTES = 32

RARE, USUAL = "1 tick in 100", "median"
"""Which ticks the number of a part describes."""
ADVICE = {
    "sleep lag": "set the governor to performance, and loop.realtime_priority",
    "stalls": "stop other programs, or set loop.realtime_priority; in a virtual machine, some come from its host",
    "round trip over ZeroMQ": "a Unix socket (--link.kind unix) is nearer, and in process (inprocess) the nearest",
    "round trip over a Unix socket": "in process (--link.kind inprocess) is nearer",
}


class ClockFacts(Struct, frozen=True):
    """The monotonic clock."""

    resolution_s: float
    read_s: float


class Spread(Struct, frozen=True):
    """Percentiles of samples. A percentile needs ten samples beyond it, as in the metrics; it is None without."""

    n: int
    p50_s: float | None
    p99_s: float | None
    max_s: float | None


class Stalls(Struct, frozen=True):
    """Times in which a process that only reads the clock did not run."""

    per_s: float
    share: float
    longest_s: float


class RateStep(Struct, frozen=True):
    """A link's echo at one rate."""

    link: str
    rate_hz: int
    sent: int
    late: int
    """How many came back after their period, or never."""
    held: bool
    echo: Spread


class Lava(Struct, frozen=True):
    """What a small network costs in Lava, on a device of its own."""

    start_s: float
    """From the start of the device to a loaded network."""
    step: Spread
    """The round trip of a tick with one network step."""
    rate_held_hz: int | None
    """The highest of the rates tried whose period 99 of 100 ticks stay within; None where it is none."""


class MachineReport(Struct, frozen=True):
    """Everything that `examine` measured."""

    verdict: str
    rate_held_hz: dict[str, int | None]
    """By link, for the links that were measured."""
    unmeasured: dict[str, str]
    """Links that could not be measured, and why."""
    limit: str | None
    """The largest of `parts_s`."""
    parts_s: dict[str, float]
    clock: ClockFacts
    sleep: Spread
    stalls: Stalls
    rate_steps: list[RateStep]
    facts: list[Fact]
    advice: list[str]


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


def spread(samples_ns: NDArray) -> Spread:
    """Median, 99th percentile and maximum in seconds."""
    n = samples_ns.size
    p50_s, p99_s = (float(np.quantile(samples_ns, q)) * 1e-9 if n * (1 - q) >= 10 - 1e-6 else None for q in (0.5, 0.99))
    return Spread(n, p50_s, p99_s, float(samples_ns.max()) * 1e-9 if n else None)


def stalls(gaps_ns: NDArray, spun_ns: int) -> Stalls:
    """How often, how much and how long a process was stalled.

    Parameters
    ----------
    gaps_ns : (n,) int64
        The lengths of its stalls, in ns, as `spin` gives them.
    spun_ns : int
        The time in which they occurred, in ns.
    """
    return Stalls(gaps_ns.size / (spun_ns * 1e-9), float(gaps_ns.sum() / spun_ns), float(gaps_ns.max(initial=0)) * 1e-9)


def stall_wait_ns(gaps_ns: NDArray, spun_ns: int, share: float) -> float:
    """The time that a share of all instants waits at least for the end of a stall, in ns.

    An instant in a gap g waits longer than w for g - w of its length, so w solves sum(max(0, g - w)) = share x time.
    That sum is the greatest, over all k, of the k longest gaps' lengths less k w; hence the maximum below.

    Parameters
    ----------
    gaps_ns : (n,) int64
        The lengths of the stalls, in ns.
    spun_ns : int
        The time in which they occurred, in ns.
    share : float
        Of all instants, 0 to 1.
    """
    lengths = np.cumsum(np.sort(gaps_ns)[::-1])
    return float(((lengths - share * spun_ns) / np.arange(1, gaps_ns.size + 1)).max(initial=0))


def rate_step(link: str, rate_hz: int, sent: int, echoes_ns: NDArray) -> RateStep:
    """What the echoes of a link say at one rate; an echo that did not come back is late.

    Parameters
    ----------
    link : str
        One of LINKS.
    rate_hz : int
        At which they were sent.
    sent : int
        How many were sent.
    echoes_ns : (n,) int64
        The ages of those that came back, in ns.
    """
    late = sent - int((echoes_ns <= 1e9 / rate_hz).sum())
    return RateStep(link, rate_hz, sent, late, late <= LATE_SHARE * sent, spread(echoes_ns))


def by_link(rate_steps: list[RateStep]) -> dict[str, list[RateStep]]:
    """The rate steps of each link, without the links that have none."""
    return {link: some for link in LINKS if (some := [each for each in rate_steps if each.link == link])}


def rate_held_hz(rate_steps: list[RateStep]) -> int | None:
    """The highest rate that is held; None where none is."""
    return max((each.rate_hz for each in rate_steps if each.held), default=None)


def parts(lags_ns: NDArray, gaps_ns: NDArray, spun_ns: int, rate_steps: list[RateStep]) -> dict[str, float]:
    """The time that each cause of latency takes, in s: a link in half of all ticks, the others in one of a hundred.

    The loop polls during the time by which a sleeping process usually wakes too late, up to a bound; the sleep lag is
    what is beyond it. A link's number is its lowest median, because at a rate that is too high echoes also wait for
    each other.

    Parameters
    ----------
    lags_ns : (n,) int64
        How late a sleeping process wakes, in ns.
    gaps_ns : (n,) int64
        The lengths of its stalls, in ns.
    spun_ns : int
        The time in which they occurred, in ns.
    rate_steps : list of RateStep
        Of every link that was measured.
    """
    medians_s = {
        link: [each.echo.p50_s for each in some if each.echo.p50_s is not None]
        for link, some in by_link(rate_steps).items()
    }
    return {
        "sleep lag": max(0.0, float(np.quantile(lags_ns, 1 - LATE_SHARE)) - spin_ns(lags_ns)) * 1e-9,
        "stalls": stall_wait_ns(gaps_ns, spun_ns, LATE_SHARE) * 1e-9,
        **{f"round trip over {LINKS[link]}": min(known) for link, known in medians_s.items() if known},
    }


def verdict(rate_steps: list[RateStep], parts_s: Mapping[str, float]) -> str:
    """One line: the rate that each link holds, and the causes of latency, the largest first.

    Parameters
    ----------
    rate_steps : list of RateStep
        Of every link that was measured.
    parts_s : mapping
        Cause -> its time in s, as `parts` gives them.
    """
    held = ", ".join(f"{_held(some)} over {LINKS[link]}{_beyond(some)}" for link, some in by_link(rate_steps).items())
    largest = sorted(parts_s, key=parts_s.__getitem__, reverse=True)
    told = ", ".join(f"{name} {parts_s[name] * 1e3:.3f} ms ({USUAL if 'over' in name else RARE})" for name in largest)
    return f"holds {held}; largest part first: {told}"


def _held(rate_steps: list[RateStep]) -> str:
    return f"{held_hz} Hz" if (held_hz := rate_held_hz(rate_steps)) else "none of the rates tried"


def _beyond(rate_steps: list[RateStep]) -> str:
    """How the first rate above the one held failed."""
    held_hz = rate_held_hz(rate_steps) or 0
    failed = next((each for each in rate_steps if not each.held and each.rate_hz > held_hz), None)
    if failed is None:
        return " (the highest rate tried)"
    return f" (at {failed.rate_hz} Hz {failed.late / failed.sent:.1%} of echoes were late; allowed: {LATE_SHARE:.0%})"
