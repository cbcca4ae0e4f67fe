"""A time that passes only by reading it and by waiting; a device, a plant and a whole run under it."""

from __future__ import annotations

import heapq

import msgspec
import numpy as np
from blank import run_meta
from coder_fakes import built

from hilbench.loop.agent import Agent
from hilbench.loop.clock import Wall
from hilbench.loop.loop import Loop
from hilbench.loop.virtual import Recorded
from hilbench.record.reader import read_run
from hilbench.record.writer import Recorder
from hilbench.scenario.loop import LoopConfig
from hilbench.types import (
    EVENT,
    NO_EVENTS,
    LawProgram,
    Link,
    LoadReport,
    PlantSpec,
    Port,
    Probes,
    Reply,
)

GRAIN_NS = 2_000
STEPS = 4
SAFE_ACTION = (-7.0, 0.5)
PROGRAM = LawProgram("fake", {}, inputs=(Port("obs", 2),), outputs=(Port("action", 2),))


class FakeTime:
    """Every reading takes its grain."""

    now_ns = 123_456_789

    def __init__(self, grain_ns=GRAIN_NS):
        self.grain_ns = grain_ns

    def __call__(self) -> int:
        self.now_ns += self.grain_ns
        return self.now_ns

    def sleep(self, time_s):
        self.now_ns += round(time_s * 1e9)


class Device(Link):
    """Runs a tick the moment it is sent and answers as scripted.

    `script(seq)` is None for a tick that gets lost, else the delays in ns of the replies: none for a reply that gets
    lost, two for one that comes twice. The action is what `act(seq)` says, by default (seq, a digest of all ticks run).
    """

    def __init__(self, time, script, timeout_s=5.0, act=None, faults=(), answers=False):
        self.config = type("Config", (), {"timeout_s": timeout_s})
        self.time, self.script, self.act, self.faults = time, script, act, dict(faults)
        self.resets, self.sent, self.open, self.most_open = [], [], {}, 0
        self.alive = lambda: answers

    def load(self, program, period_us, probes):
        return LoadReport("fake")

    def reset(self, seed, carry, catch_up):
        self.resets.append((seed, carry))
        self._fail("reset", len(self.resets))
        self._wire, self._digest, self._last, self._count = [], 0.0, -1, 0

    def send(self, tick):
        self._fail("send", tick.seq)
        self.sent.append((tick.seq, tick.learning, len(tick.events)))
        delays = self.script(tick.seq)
        if delays is None:
            return
        self._digest = (0.7 * self._digest + float(tick.values.sum()) + tick.seq) % 3.0
        action = self.act(tick.seq) if self.act else (tick.seq, self._digest)
        prev, self._last = self._last, tick.seq
        for delay_ns in delays:
            reply = Reply(seq=tick.seq, prev_seq=prev, values=np.array(action, np.float32))
            self._count += 1
            heapq.heappush(self._wire, (self.time.now_ns + delay_ns, self._count, reply))

    def receive(self, timeout_ns):
        self._fail("receive", self.time.now_ns)
        until_ns = self.time.now_ns + timeout_ns
        if self._wire and self._wire[0][0] <= until_ns:
            at_ns, _, reply = heapq.heappop(self._wire)
            self.time.now_ns = max(self.time.now_ns, at_ns)
            return reply
        self.time.now_ns = until_ns
        return None

    def close(self):
        pass

    def _fail(self, where, now):
        if where in self.faults and now >= self.faults[where][0]:
            raise self.faults[where][1]


class Plant:
    """Two integrators that note when each physics step ran, and with what."""

    def __init__(self, time, period_s, ends_at=None, senses=0):
        self.time, self.ends_at, self.senses = time, ends_at, senses
        self.step_s = period_s / STEPS
        self.plant_spec = PlantSpec(
            obs_names=("a", "b"), obs_units=("1", "1"), action_names=("u", "v"), action_units=("1", "1"),
            action_low=(-100.0, -10.0), action_high=(100.0, 10.0), safe_action=SAFE_ACTION, physics_step_s=self.step_s,
            info_units={"error": "1"}, error="error", parameters={},
        )  # fmt: skip
        self.ran, self.observed = [], 0

    def reset(self, seed):
        self.x, self.ran = np.array([seed * 0.1, 0.0]), []

    def observe(self):
        self.observed += 1
        ended = self.ends_at is not None and len(self.ran) >= self.ends_at * STEPS
        return self.x.astype(np.float32), -1.0, ended, False, {"error": float(self.x[0])}

    def events(self):
        return np.zeros(self.senses, EVENT) if self.senses else NO_EVENTS

    def advance(self, n_steps, action):
        self.ran.append((self.time.now_ns, *np.asarray(action).tolist()))
        self.x = 0.99 * self.x + self.step_s * np.asarray(action)

    def state(self):
        return np.array([*self.x, len(self.ran)])


class Bench:
    """One run in fake real time, with everything that took part."""

    def __init__(self, folder, script, period_s=0.001, ticks=20, plant=None, device=None, grain_ns=GRAIN_NS, **loop):
        self.time, self.folder, self.period_s = FakeTime(grain_ns), folder, period_s
        self.plant = Plant(self.time, period_s, **(plant or {}))
        self.link = Device(self.time, script, **(device or {}))
        self.config = LoopConfig(mode="realtime", period_s=period_s, duration_s=ticks * period_s, **loop)
        self.clock = Wall(self.config, self.time, self.time.sleep)
        self.parts = {}  # of the controller, beside the program and its coders

    def run(self):
        self.outcome = self.drive(self.clock, self.link, self.folder)
        start_ns, step_ns = self.clock.instant_ns(0), round(self.period_s / STEPS * 1e9)
        for j, (at_ns, *_) in enumerate(self.plant.ran):
            assert at_ns >= start_ns + j * step_ns, f"physics step {j} ran early"
        self.data = read_run(self.folder)
        self.rows = self.data.episodes[-1] if self.data.episodes else {}
        return self

    def drive(self, clock, link, folder):
        agent = Agent(built(PROGRAM, **self.parts), link, 1000, Probes(), self.plant.plant_spec)
        config = self.config
        if isinstance(clock, Recorded):
            config = msgspec.structs.replace(config, episodes=len(self.data.episodes))
        ports = {name: getattr(PROGRAM, name) for name in ("inputs", "outputs", "modulators")}
        meta = run_meta(scenario={"loop": config}, plant_spec=self.plant.plant_spec, ports=ports)
        with Recorder(folder, meta) as recorder:
            outcome = Loop(self.plant, agent, config, recorder, clock).run()
            recorder.close(outcome.status)
        return outcome

    @property
    def acted(self):
        """The first number of each physics step's action: the tick that it came from, -7 for the safe action."""
        return [u for _, u, _ in self.plant.ran]


def always(delay_ns):
    return lambda seq: [delay_ns]
