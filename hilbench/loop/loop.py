"""The loop: steps the plant, talks to the Agent, and is the only owner of time.

The one rule: physics step j never runs before t_0 + j dt; before each step the loop takes what has arrived; the newest
tick's reply acts from that step on, and an older tick never replaces a newer one. What a mode changes is the clock:
whether time is the wall's, and when a reply counts as arrived (`clock.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from typing import NoReturn

import numpy as np

from hilbench.errors import LinkError, RecordError
from hilbench.loop.agent import Agent
from hilbench.loop.blame import fault_of
from hilbench.loop.clock import NEVER, Clock
from hilbench.loop.episode import Episode, Seen, bounded, learning_ticks
from hilbench.loop.outcome import Outcome
from hilbench.loop.recovery import LOST, Recovery
from hilbench.loop.staleness import too_old
from hilbench.record.columns import Widths
from hilbench.record.writer import Recorder
from hilbench.scenario.loop import LoopConfig
from hilbench.types import HELD, NO_EVENTS, REPLIED, SAFE, Plant, Reply, SensingPlant, Tick

BATCH_ROWS = 4096
"""Rows of a batch on a virtual clock; in real time a batch is a second. Each costs half a millisecond, if small too."""


class Loop:
    """One run of a plant and an agent. Build it, call `run` once."""

    _episode: Episode  # the one under way

    def __init__(
        self, plant: Plant | SensingPlant, agent: Agent, config: LoopConfig, recorder: Recorder, clock: Clock,
        progress: Callable[[float], None] | None = None,
    ) -> None:  # fmt: skip
        self._plant, self._agent, self._link, self._config = plant, agent, agent.link, config
        self._recorder, self._clock, self._progress = recorder, clock, progress
        self._recovery = Recovery(agent, config, recorder, clock)
        plant_spec = plant.plant_spec
        self._period_ns = round(config.period_s * 1e9)
        self._step_ns = round(plant_spec.physics_step_s * 1e9)
        self._steps = self._period_ns // self._step_ns
        self._ticks = round(config.duration_s / config.period_s)
        self._deadline_ns = round((config.deadline_s or config.period_s) * 1e9)
        self._give_up_ticks = -(-round((config.give_up_s or 10 * config.period_s) * 1e9) // self._period_ns)
        self._lost_ns = round(self._link.config.timeout_s * 1e9)
        self._learning_ticks = 0  # of the episode under way
        self._limits = tuple(zip(plant_spec.action_low, plant_spec.action_high, strict=True))
        self._safe, self._decoded = tuple(plant_spec.safe_action), np.zeros(len(plant_spec.safe_action))
        self._discrete = tuple(i for i, n in enumerate(plant_spec.choices) if n)
        self._sense = getattr(plant, "events", None)
        self._too_old = too_old(config, plant, clock.free_running, self._deadline_ns)
        self._learns, self._decode = agent.control.modulate is not None, agent.control.decoder.decode
        self._second_ticks = max(1, 1_000_000_000 // self._period_ns)
        self._batch = self._second_ticks if clock.realtime else BATCH_ROWS

    def run(self) -> Outcome:
        """Every episode in turn. A device that is lost, and does not come back, ends the run in the safe action."""
        with self._clock.running(), closing(self._recovery):
            for number in range(self._config.episodes):
                try:
                    if (fault := self._played(number)) is not None:
                        return fault
                except (OSError, RecordError):  # no room for the record, which says so itself
                    raise
                except (Exception, SystemExit) as error:  # of a plant, a law, an encoder or a decoder
                    return self._broken(number, error)
        return Outcome("done", notes=tuple(self._recovery.notes))

    def _played(self, number: int) -> Outcome | None:
        """One episode; the fault that ended it, if a device was lost for good."""
        try:
            self._begin(number)
        except LOST as error:  # before anything moved
            return self._fault(number, 0, error)
        try:
            self._run_episode()
        except LOST as error:
            k = min(self._episode.next_step // self._steps, self._ticks - 1)
            self._finish(k)
            return self._fault(number, k, error)
        return None

    def _begin(self, number: int) -> None:
        """Reset plant and device, and open the episode's record."""
        seed, self._learning_ticks = self._config.seed + number, learning_ticks(self._config, number, self._ticks)
        if hasattr(self._plant, "next_episode"):
            self._plant.next_episode = number
        self._plant.reset(seed=seed)
        self._recovery.reset(number, seed)
        widths = Widths.of(self._plant, self._agent.control.program, self._steps)
        self._episode = Episode(number, seed, self._recorder.episode(widths, self._batch), self._safe)

    def _run_episode(self) -> None:
        episode, rows = self._episode, self._episode.rows
        play = self._guarded if self._recovery.wanted else self._tick
        self._clock.start(episode.seed)
        for k in range(self._ticks if self._clock.ticks is None else self._clock.ticks):
            if play(k):
                break
            if rows.opened >= rows.full_at:
                rows.flush(episode.settled(k))
            if self._progress is not None and k % self._second_ticks == 0:
                self._progress(k * self._period_ns * 1e-9)
        self._recorder.ended(*self._plant.observe())
        try:
            self._drain()
        except LOST as error:
            if not self._recovery.wanted:
                raise
            self._recovery.begin(episode.number, rows.opened - 1, episode.seed, error)

    def _guarded(self, k: int) -> bool:
        """A tick of a scenario that lets a lost device come back: it may get lost now, or be looked for."""
        episode = self._episode
        if not self._recovery.ended():
            self._clock.pass_until(k * self._period_ns)
            self._finish(k)
            return episode.ended
        try:
            ended = self._tick(k)
            self._recovery.ticked(episode.number, k)
            return ended
        except LOST as error:
            self._recovery.begin(episode.number, k, episode.seed, error)
            self._finish(k)
            return episode.ended

    def _tick(self, k: int) -> bool:
        """One control period; True when the episode has ended instead."""
        episode, clock, receive = self._episode, self._clock, self._receive_until
        seen = self._look(clock.pass_until(k * self._period_ns, receive))
        _, _, terminated, truncated, _ = seen[0]
        ended = terminated or truncated
        in_flight = episode.in_flight(k - self._give_up_ticks) if episode.unanswered else 0
        if clock.skips(k, in_flight) or (ended and not self._learns):
            self._row(k, seen)
        else:
            self._send(k, seen)  # an episode's end too, for what learns: the reply comes too late to act
        if ended:
            return True
        first = k * self._steps
        for j in range(self._steps):
            clock.pass_until((first + j) * self._step_ns, receive)
            self._act(k, j, first + j)
        return False

    def _look(self, scheduled_ns: int) -> Seen:
        """What the plant shows and its sensors tell. They are asked once per tick: reading empties event sensors."""
        if (seen := self._episode.seen) is None:
            told = NO_EVENTS if self._sense is None else self._sense()
            seen = self._episode.seen = self._plant.observe(), told, scheduled_ns, self._clock.now_ns()
        return seen

    def _send(self, k: int, seen: Seen) -> None:
        """Encode what was seen, put it on the link and open tick `k`'s row; on a virtual clock, wait for the reply."""
        episode, clock = self._episode, self._clock
        (obs, reward, _, _, info), events, _, _ = seen
        reaches = clock.reaches(k)
        tick = self._agent.encode(k, k * self._period_ns, obs, reward, info, k < self._learning_ticks, events)
        encoded_ns = clock.now_ns()
        if reaches:
            self._link.send(tick)
        sent_ns = clock.now_ns()
        self._row(k, seen, tick, encoded_ns, sent_ns)
        if reaches and not clock.pause_for(self._await, k):
            episode.asked(k, sent_ns)

    def _row(self, k: int, seen: Seen, tick: Tick | None = None, encoded_ns: int = 0, sent_ns: int = 0) -> None:
        """Open tick `k`'s row, with when it was due, captured, encoded and sent; without a Tick it was skipped."""
        (obs, reward, terminated, truncated, info), events, scheduled_ns, captured_ns = seen
        self._episode.seen = None
        learning, lost = (False, len(events)) if tick is None else (tick.learning, 0)
        row = (
            k, k * self._period_ns // 1000, tick is None, learning, scheduled_ns, captured_ns, encoded_ns, sent_ns,
            reward, terminated, truncated, lost,
        )  # fmt: skip
        self._episode.rows.tick(row, tick, obs, self._plant.state(), info, events)

    def _act(self, k: int, j: int, step: int) -> None:
        """Physics step `j` of tick `k`: by the newest reply that is due, by the one held, or in the safe action."""
        episode, source = self._episode, HELD
        if episode.ready and episode.take_due(step):
            source = REPLIED
            episode.rows.applied(episode.acting, step, self._clock.now_ns())
        action = episode.action
        if episode.acting < 0 or (self._too_old is not None and self._too_old(step, episode.acting)):
            action, source = self._safe, SAFE
        self._plant.advance(1, action)
        episode.rows.acted(k, j, action, source)
        episode.next_step += 1

    def _receive_until(self, until_ns: int) -> None:
        """Let real time pass until then, taking replies as they come."""
        while True:
            left_ns = until_ns - self._clock.now_ns()
            reply = self._link.receive(max(0, left_ns - self._clock.spin_ns))
            if reply is not None:
                self._arrived(reply)
            elif left_ns <= 0:
                break
        asked_ns = self._episode.asked_ns
        if asked_ns is not None and self._clock.now_ns() - asked_ns > self._lost_ns:
            self._lost()

    def _await(self, k: int) -> None:
        """Wait for tick `k`'s reply. On a virtual clock every reply is waited for, and held until it is due."""
        while (reply := self._link.receive(self._lost_ns)) is not None:
            if reply.seq == k:
                self._take(reply)
                return
        self._lost(f" to tick {k}")

    def _drain(self) -> None:
        """Record the replies to the last ticks: they act no more, but the device runs those ticks and may learn.

        Some may be lost on the way; a device that is silent for longer, and answers no question either, is lost itself.
        """
        episode = self._episode
        until_ns = self._clock.now_ns() + self._lost_ns
        while episode.unanswered:
            if (left_ns := until_ns - self._clock.now_ns()) <= 0:
                owed_ns = (episode.rows.opened - episode.unanswered[0]) * self._period_ns
                if owed_ns > self._config.silence_s * 1e9 and not self._link.alive():
                    self._lost()
                return
            if (reply := self._link.receive(left_ns)) is not None:
                self._arrived(reply)

    def _lost(self, what: str = "") -> NoReturn:
        raise LinkError(f"{self._link}: no reply{what} within {self._lost_ns * 1e-9:g} s; the device is lost")

    def _arrived(self, reply: Reply) -> None:
        """Take a reply, but one to no tick of this episode, and one that came before."""
        rows = self._episode.rows
        if reply.seq < rows.opened and not rows.answered(reply.seq):
            self._take(reply)

    def _take(self, reply: Reply) -> None:
        """Record a reply and put its action where the physics step that it is due at finds it."""
        seq, episode, clock = reply.seq, self._episode, self._clock
        now_ns = clock.now_ns()
        if episode.unanswered:
            episode.answered(seq, now_ns)
        due = clock.assign_due_step(seq)
        # Late is what acts after its deadline on the plant's time: when the loop itself falls behind the clock, the
        # plant has not moved either.
        acts = episode.next_step if due is None else due
        overdue = acts * self._step_ns - seq * self._period_ns > self._deadline_ns
        late = overdue if clock.recorded_late is None else clock.recorded_late[seq]
        gap = seq - reply.prev_seq - 1
        slip = max(0, gap - self._config.catch_up) if gap else 0
        self._decode(reply.values, reply.events, self._decoded)
        action, clipped, not_finite = bounded(self._decoded.tolist(), self._limits, self._safe, self._discrete)
        decoded_ns = clock.now_ns()
        episode.rows.reply(reply, now_ns, decoded_ns, slip, late, clipped, not_finite)
        if not (late and self._config.late == "drop") and due != NEVER:
            episode.put(-1 if due is None else due, seq, action)

    def _fault(self, number: int, k: int, error: Exception) -> Outcome:
        """Put a fault on record; the safe action was applied."""
        t_s = self._recovery.record(number, k, error)
        text = f"episode {number}, tick {k} ({t_s:.3f} s): {error}; the safe action was applied"
        return Outcome("fault", text, tuple(self._recovery.notes))

    def _broken(self, number: int, error: BaseException) -> Outcome:
        """Put on record what a plug-in or a robot did, in the safe action. Raises what is neither's."""
        what = fault_of(error, self._plant, self._agent)
        with suppress(Exception, SystemExit):  # the plant itself may be what is broken
            self._plant.advance(1, self._safe)
        k = getattr(getattr(self, "_episode", None), "next_step", 0) // self._steps
        fault = self._fault(number, max(0, min(k, self._ticks - 1)), what)
        return fault if what is error else replace(fault, status="failed")

    def _finish(self, k: int) -> None:
        """The rest of period `k` in the safe action, without the device. A tick whose row is not open is not sent."""
        episode = self._episode
        episode.forget_device()
        if episode.rows.opened == k:
            seen = self._look(self._clock.instant_ns(k * self._period_ns))
            _, _, terminated, truncated, _ = seen[0]
            episode.ended = terminated or truncated
            self._row(k, seen)
        for step in range(episode.next_step, (k + 1) * self._steps):
            self._clock.pass_until(step * self._step_ns)
            self._act(*divmod(step, self._steps), step)
