"""The loop: steps the plant, talks to the Agent, and is the only owner of time.

The one rule: physics step j never runs before t_0 + j dt; before each step the loop takes what has arrived; the newest
tick's reply acts from that step on, and an older tick never replaces a newer one. What a mode changes is the clock:
whether time is the wall's, and when a reply counts as arrived (`clock.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from heapq import heappop, heappush
from math import isfinite
from typing import Any, NoReturn

import numpy as np

from hilbench.errors import LinkError, PluginFault, ProtocolError, RecordError, said
from hilbench.loop.agent import Agent
from hilbench.loop.blame import blamed
from hilbench.loop.clock import Clock, collector_frozen
from hilbench.loop.recovery import Recovery
from hilbench.record.columns import Widths
from hilbench.record.writer import Recorder
from hilbench.scenario.loop import LoopConfig
from hilbench.types import HELD, NO_EVENTS, REPLIED, SAFE, Reply, Tick


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: `done`, or `fault` with what happened."""

    status: str
    fault: str = ""
    notes: tuple[str, ...] = ()
    """A line for whatever else is to be known of it: what it did without, and what came back or fell behind."""


class Loop:
    """One run of a plant and an agent. Build it, call `run` once."""

    def __init__(
        self, plant: Any, agent: Agent, config: LoopConfig, recorder: Recorder, clock: Clock,
        progress: Callable[[float], None] | None = None,
    ) -> None:  # fmt: skip
        self._plant, self._agent, self._config = plant, agent, config
        self._recorder, self._clock, self._progress = recorder, clock, progress
        self._recovery = Recovery(agent, config, recorder, clock.now_ns)
        plant_spec = plant.plant_spec
        self._period_ns = round(config.period_s * 1e9)
        self._step_ns = round(plant_spec.physics_step_s * 1e9)
        self._steps = self._period_ns // self._step_ns
        self._ticks = round(config.duration_s / config.period_s)
        self._deadline_ns = round((config.deadline_s or config.period_s) * 1e9)
        self._give_up_ns = round((config.give_up_s or 10 * config.period_s) * 1e9)
        self._silence_ns = round(config.silence_s * 1e9) if clock.free_running else None
        self._lost_ns = round(agent.link.config.timeout_s * 1e9)
        freeze_s = config.freeze_at_s if config.learning else 0.0
        self._freeze_tick = self._ticks if freeze_s is None else -(-round(freeze_s * 1e9) // self._period_ns)
        self._limits = tuple(zip(plant_spec.action_low, plant_spec.action_high, strict=True))
        self._safe = tuple(plant_spec.safe_action)  # tuples, for a plant may write over what it is given
        self._decoded_action = np.zeros(len(plant_spec.safe_action))
        self._obs = np.zeros(len(plant_spec.obs_names), np.float32)
        self._sense = getattr(plant, "events", lambda: NO_EVENTS)
        self._batch = max(1, 1_000_000_000 // self._period_ns)

    def run(self) -> Outcome:
        """Every episode in turn. A device that is lost, and does not come back, ends the run in the safe action."""
        with collector_frozen(disabled=self._clock.realtime), closing(self._recovery):
            for number in range(self._config.episodes):
                try:
                    self._episode(number)
                except (LinkError, ProtocolError) as error:
                    return self._fault(error)
                except (OSError, RecordError):  # no room for the record, which says so itself
                    raise
                except (Exception, SystemExit) as error:  # of a plant, a law or a coder
                    return self._broken(error)
        return Outcome("done", notes=tuple(self._recovery.notes))

    def _episode(self, number: int) -> None:
        self._number, self._seed = number, self._config.seed + number
        self._rows, self._seen, self._ended = None, None, False
        self._plant.reset(seed=self._seed)
        self._recovery.reset(number, self._seed)
        self._rows = self._recorder.episode(
            Widths.of(self._plant, self._agent.control.program, self._steps), self._batch
        )
        self._ready: list[tuple[int, int, tuple[float, ...]]] = []  # (due physics step, tick, action)
        self._open: deque[int] = deque()  # ticks without a reply of theirs or of a newer one
        self._asked_ns: int | None = None  # since when the device owes a reply
        self._acting, self._action, self._next_step = -1, self._safe, 0
        self._clock.start(self._seed)
        for k in range(self._ticks if self._clock.ticks is None else self._clock.ticks):
            if self._guarded(k):
                break
            if self._rows.full:
                self._rows.flush(self._settled(k))
            if self._progress is not None and k % self._batch == 0:
                self._progress(k * self._period_ns * 1e-9)
        self._recorder.ended(*self._plant.observe())
        try:
            self._drain()
        except (LinkError, ProtocolError) as error:
            if not self._recovery.wanted:
                raise
            self._recovery.begin(number, self._rows.opened - 1, self._seed, error)

    def _guarded(self, k: int) -> bool:
        """A tick during which the device may get lost, or is looked for, where the scenario lets it come back."""
        if not self._recovery.ended(wait=not self._clock.realtime):
            self._clock.pass_until(self._clock.instant_ns(k * self._period_ns))
            self._finish(k)
            return self._ended
        try:
            ended = self._tick(k)
            self._recovery.ticked(self._number, k)
            return ended
        except (LinkError, ProtocolError) as error:
            if not self._recovery.wanted:
                raise
            self._open.clear()
            self._ready.clear()
            self._asked_ns, self._acting = None, -1
            self._recovery.begin(self._number, k, self._seed, error)
            self._finish(k)
            return self._ended

    def _tick(self, k: int) -> bool:
        """One control period; True when the episode has ended instead. On the virtual clock time passes by itself."""
        if self._clock.realtime:
            self._wait(self._clock.instant_ns(k * self._period_ns))
        (obs, reward, terminated, truncated, info), events, _ = self._look()
        if terminated or truncated:
            self._row(k)
            return True
        if self._clock.skips(k, self._in_flight(k)):
            self._row(k)
        else:
            learning = k < self._freeze_tick
            reaches = self._clock.reaches(k)
            np.copyto(self._obs, obs)  # a coder may work in place, and the record keeps what was observed
            tick = self._agent.encode(k, k * self._period_ns, self._obs, reward, info, learning, events)
            encoded_ns = self._clock.now_ns()
            if reaches:
                self._agent.submit(tick)
            sent_ns = self._clock.now_ns()
            self._row(k, tick, encoded_ns, sent_ns)
            if self._clock.realtime:
                self._open.append(k)
                self._asked_ns = self._asked_ns or sent_ns
            elif reaches:
                self._await(k)
        for step in range(k * self._steps, (k + 1) * self._steps):
            if self._clock.realtime:
                self._wait(self._clock.instant_ns(step * self._step_ns))
            self._advance(step, *self._choose(step))
        return False

    def _look(self) -> tuple:
        """The plant and its sensors' events, once a tick, because sensors forget what they have told; and when."""
        if self._seen is None:
            self._seen = self._plant.observe(), self._sense(), self._clock.now_ns()
        return self._seen

    def _row(self, k: int, tick: Tick | None = None, encoded_ns: int = 0, sent_ns: int = 0) -> None:
        """Open tick `k`'s row, with when it was captured, encoded and sent; without a Tick it was skipped."""
        (obs, reward, terminated, truncated, info), events, captured_ns = self._look()
        self._seen = None
        t_ns, lost = k * self._period_ns, len(events) if tick is None else 0
        learning = tick is not None and tick.learning
        instants = (
            t_ns // 1000,
            tick is None,
            learning,
            self._clock.instant_ns(t_ns),
            captured_ns,
            encoded_ns,
            sent_ns,
        )
        self._rows.tick((k, *instants, reward, terminated, truncated, lost), tick, obs, self._plant.state(), info)

    def _advance(self, step: int, action: tuple[float, ...], source: int) -> None:
        self._plant.advance(1, action)
        self._rows.acted(*divmod(step, self._steps), action, source)
        self._next_step = step + 1

    def _wait(self, until_ns: int) -> None:
        """Let time pass until then, taking replies as they come."""
        while True:
            left_ns = until_ns - self._clock.now_ns()
            reply = self._agent.collect(max(0, left_ns - self._clock.spin_ns))
            if reply is not None:
                self._arrived(reply)
            elif left_ns <= 0:
                break
        if self._asked_ns is not None and self._clock.now_ns() - self._asked_ns > self._lost_ns:
            self._lost()

    def _await(self, k: int) -> None:
        """On the virtual clock the loop waits for each reply, and holds it until it is due."""
        while (reply := self._agent.collect(self._lost_ns)) is not None:
            if reply.seq == k:
                self._arrived(reply)
                return
        self._lost(f" to tick {k}")

    def _drain(self) -> None:
        """Record the replies to the last ticks: they act no more, but the device runs those ticks and may learn.

        A reply or two may be lost on the way; a device that is silent for longer is lost itself.
        """
        until_ns = self._clock.now_ns() + self._lost_ns
        while self._open:
            if (left_ns := until_ns - self._clock.now_ns()) <= 0:
                if (self._rows.opened - self._open[0]) * self._period_ns > self._config.silence_s * 1e9:
                    self._lost()
                return
            if (reply := self._agent.collect(left_ns)) is not None:
                self._arrived(reply)

    def _lost(self, what: str = "") -> NoReturn:
        raise LinkError(f"{self._agent.link}: no reply{what} within {self._lost_ns * 1e-9:g} s; the device is lost")

    def _arrived(self, reply: Reply) -> None:
        """Record a reply and put its action where the physics step that it is due at finds it."""
        seq = reply.seq
        if seq >= self._rows.opened or self._rows.answered(seq):
            return  # a reply to no tick of this episode, or one that came twice
        now_ns = self._clock.now_ns()
        while self._open and self._open[0] <= seq:
            self._open.popleft()
        self._asked_ns = now_ns if self._open else None
        due = self._clock.due_step(seq)
        # Late is what acts after its deadline on the plant's time: when the loop itself falls behind the clock, the
        # plant has not moved either.
        acts = self._next_step if due is None else due
        late = self._clock.late(seq, acts * self._step_ns - seq * self._period_ns > self._deadline_ns)
        slip = max(0, seq - reply.prev_seq - 1 - self._config.catch_up)
        action, clipped, not_finite = self._decoded(reply)
        decoded_ns = self._clock.now_ns()
        self._rows.reply(reply, now_ns, decoded_ns, slip, late, clipped, not_finite)
        if not (late and self._config.late == "drop") and due != Clock.NEVER:
            heappush(self._ready, (-1 if due is None else due, seq, action))

    def _decoded(self, reply: Reply) -> tuple[tuple[float, ...], bool, bool]:
        """The reply's action within the plant's limits, and whether it was outside them, or no number."""
        self._agent.decode(reply, self._decoded_action)
        values = self._decoded_action.tolist()
        clipped = False
        for i, (low, high) in enumerate(self._limits):
            if not low <= values[i] <= high:
                if not isfinite(values[i]):
                    return self._safe, False, True
                values[i] = min(max(values[i], low), high)
                clipped = True
        return tuple(values), clipped, False

    def _choose(self, step: int) -> tuple[tuple[float, ...], int]:
        """The action of this physics step: the newest reply's that is due, the one held, or the safe one."""
        source = HELD
        newest = self._acting
        while self._ready and self._ready[0][0] <= step:
            _, seq, action = heappop(self._ready)
            if seq > newest:
                newest, self._action = seq, action
        if newest > self._acting:
            self._acting, source = newest, REPLIED
            self._rows.applied(newest, step, self._clock.now_ns())
        return (self._safe, SAFE) if self._must_be_safe(step) else (self._action, source)

    def _must_be_safe(self, step: int) -> bool:
        """Whether the newest reply that has acted is too old: by the late policy, or because the device is silent."""
        if self._acting < 0:
            return True
        now_ns = step * self._step_ns
        if self._silence_ns is not None and now_ns - self._acting * self._period_ns > self._silence_ns:
            return True
        return self._config.late == "safe" and self._acting < (now_ns - self._deadline_ns) // self._period_ns

    def _in_flight(self, k: int) -> int:
        """Ticks sent, not answered, and not given up."""
        n = 0
        for seq in reversed(self._open):
            if (k - seq) * self._period_ns >= self._give_up_ns:
                break
            n += 1
        return n

    def _settled(self, k: int) -> int:
        """The oldest tick whose row may still change. One that was given up may: its reply acts if it is the newest."""
        oldest = self._open[0] if self._open else k + 1
        return min((seq for _, seq, _ in self._ready), default=oldest) if self._ready else oldest

    def _fault(self, error: Exception) -> Outcome:
        """Finish the period in the safe action and put the fault on record."""
        k = 0
        if self._rows is not None:  # else the device was lost at the reset, before anything moved
            k = min(self._next_step // self._steps, self._ticks - 1)
            self._finish(k)
        t_s = self._recovery.record(self._number, k, error)
        text = f"episode {self._number}, tick {k} ({t_s:.3f} s): {error}; the safe action was applied"
        return Outcome("fault", text, tuple(self._recovery.notes))

    def _broken(self, error: BaseException) -> Outcome:
        """Put on record what a plug-in raised or answered, in the safe action. The plant may be what is broken."""
        k = 0 if self._rows is None else max(0, min(self._next_step // self._steps, self._ticks - 1))
        with suppress(Exception, SystemExit):
            self._plant.advance(1, self._safe)
        what = PluginFault(f"{blamed(error, self._plant, self._agent)}: {said(error)}")
        t_s = self._recovery.record(self._number, k, what)
        text = f"episode {self._number}, tick {k} ({t_s:.3f} s): {what}; the safe action was applied"
        return Outcome("failed", text, tuple(self._recovery.notes))

    def _finish(self, k: int) -> None:
        """The rest of period `k` in the safe action, without the link. A tick whose row is not open is not sent."""
        if self._rows.opened == k:
            self._ended = any(self._look()[0][2:4])
            self._row(k)
        for step in range(self._next_step, (k + 1) * self._steps):
            self._clock.pass_until(self._clock.instant_ns(step * self._step_ns))
            self._advance(step, self._safe, SAFE)
