"""The loop's settings: who waits for whom, for how long, and how late replies are. It builds and runs nothing."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from hilbench.scenario.delays import ConstantDelay, GammaDelay, Seconds, TraceDelay
from hilbench.settings import File
from hilbench.types import Carry

Positive = Annotated[float, Meta(gt=0, le=1e6)]


class LoopConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Time: who waits for whom, for how long, and what happens when a reply is late."""

    mode: Literal["lockstep", "delayed", "realtime"] = "lockstep"
    """`lockstep`: the plant waits. `delayed`: it does not, by a known delay. `realtime`: by the wall clock."""
    period_s: Positive = 0.001
    """Control period: a whole number of microseconds, of physics steps and of network steps."""
    duration_s: Positive = 10.0
    """Length of an episode."""
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    """Seed of every random stream."""
    episodes: Annotated[int, Meta(ge=1)] = 1
    """How many episodes a run has; episode n has seed + n."""
    carry: Carry = "none"
    """What survives from one episode to the next in the controller."""
    learning: bool = True
    """Whether weights may change."""
    keep_weights: bool = False
    """Whether what the network has learnt by the end is left in the run's folder, for another run to start from."""
    start_from: File | None = None
    """What the network has learnt before: the folder of a run with `keep_weights`, or the file that it left there."""
    freeze_at_s: Seconds | None = None
    """From here on learning is off: a run with this set is the twin of one without."""
    freeze_at_episode: Annotated[int, Meta(ge=0)] | None = None
    """From this episode on learning is off."""
    blind_at_s: Seconds | None = None
    """From here on a network's inputs are held at the mean that they had before, and it gets no events: a control."""
    blind_at_episode: Annotated[int, Meta(ge=0)] | None = None
    """The same from this episode on."""
    deadline_s: Positive | None = None
    """A reply later than this is a miss; the period when absent."""
    late: Literal["hold", "drop", "safe"] = "hold"
    """A late reply is used when it comes, is dropped, or the safe action bridges until it comes."""
    max_in_flight: Annotated[int, Meta(ge=1)] = 2
    """Unanswered ticks beyond which a tick is skipped."""
    give_up_s: Positive | None = None
    """A tick this old no longer counts as in flight; ten periods when absent."""
    silence_s: Positive = 0.1
    """In real time the safe action acts once no reply of a tick younger than this has been applied."""
    on_loss: Literal["end", "recover"] = "end"
    """When the device is lost: end the run, or go on in the safe action until it is back."""
    recover_s: Positive = 30.0
    """How long a lost device is looked for."""
    snapshot_s: Positive | None = None
    """How often what the device has learnt is saved, for a device that comes back; never when absent."""
    catch_up: Annotated[int, Meta(ge=0, le=10_000)] = 0
    """Periods of a gap through which the device advances its network; the rest is jumped."""
    echo_s: Seconds = 1.0
    """In real time: how long the link's bare echo is measured before the run and again after it; 0 leaves it out."""
    realtime_priority: Annotated[int, Meta(ge=1, le=99)] | None = None
    """In real time: run before all ordinary programs, with this priority of SCHED_FIFO, where that is permitted."""
    cpus: tuple[Annotated[int, Meta(ge=0, le=4095)], ...] = ()
    """In real time: the processors that the loop's process may use, where that is permitted; any when empty."""
    lock_memory: bool = False
    """In real time: keep the process's memory from being paged out, where that is permitted."""
    delay: ConstantDelay | GammaDelay | TraceDelay = ConstantDelay()
    """How late replies act in `delayed` mode."""
    service_s: Seconds = 0.0
    """In `delayed` mode: the time a device is busy with each tick."""
