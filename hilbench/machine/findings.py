"""What the samples of `doctor` say of a machine: percentiles, stalls, the rate that each link holds, what limits it.

It must not know where samples come from.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.loop.waiting import spin_ns
from hilbench.machine.host import Fact

LINKS = {"zmq": "ZeroMQ", "unix": "a Unix socket"}
"""Links to a device on this machine, and what they are called."""
LATE_SHARE = 0.01
"""A rate is held when at most this share of its echoes takes longer than the period."""
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
