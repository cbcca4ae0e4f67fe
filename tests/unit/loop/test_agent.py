"""The Agent by itself: plain Gymnasium loops, and sensor events merged with coded ones."""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from coder_fakes import Direct, Whole, built

from hilbench import plugins
from hilbench.errors import LinkError, ScenarioError
from hilbench.loop.agent import Agent
from hilbench.nal import Network
from hilbench.nal.rules.homeostatic import Homeostatic
from hilbench.record.reader import read_run
from hilbench.runs.build import learns, make_agent, make_plant
from hilbench.runs.run import run
from hilbench.scenario import files as scenarios
from hilbench.testing.mistreatment import mistreat, untouched
from hilbench.types import EVENT, LawProgram, LoadReport, PlantSpec, Port, Probes, Reply

PLANT_SPEC = PlantSpec(
    obs_names=("x",), obs_units=("m",), action_names=("force",), action_units=("N",), action_low=(-9.0,),
    action_high=(9.0,), safe_action=(-1.0,), physics_step_s=0.001, info_units={}, error="", parameters={},
)  # fmt: skip
PROGRAM = LawProgram("fake", {}, inputs=(Port("obs", 1), Port("ears", 9, "events")), outputs=(Port("action", 1),))


def events(*pairs):
    return np.array(list(pairs), EVENT)


class Both(Whole):
    """The observation as values, and the sensors' events shifted by three addresses."""

    def encode(self, obs, events, values):
        super().encode(obs, events, values)
        events = events.copy()
        events["address"] += 3
        return events


class Smooth(Direct):
    """The mean of all values of an episode."""

    def reset(self, seed):
        self.seen = []

    def decode(self, values, events, action):
        self.seen.append(float(values[0]))
        action[0] = np.mean(self.seen)


class Link:
    """Answers with the sum of its values, after the replies that it was told to give first."""

    config = SimpleNamespace(timeout_s=0.5)

    def __init__(self, *before, silent=False):
        self.before, self.silent, self.replies, self.sent, self.closed = list(before), silent, [], [], 0

    def load(self, program, period_us, probes):
        return LoadReport("fake")

    def reset(self, seed, carry, catch_up):
        self.replies = []

    def send(self, tick):
        self.sent.append((tick.seq, tick.t_ns, tick.learning, tick.events.copy()))
        self.replies += [Reply(seq=seq, values=np.full(1, 99, "f4")) for seq in self.before]
        if not self.silent:
            self.replies.append(Reply(seq=tick.seq, values=np.float32([tick.values.sum()])))

    def receive(self, timeout_ns):
        assert timeout_ns == 500_000_000
        return self.replies.pop(0) if self.replies else None

    def close(self):
        self.closed += 1


def agent(link, encoder=None, decoder=None, plant_spec=PLANT_SPEC):
    return Agent(built(PROGRAM, encoder, decoder), link, 2000, Probes(), plant_spec)


def test_an_encoder_gets_the_sensors_events_and_says_what_is_sent():
    link = Link()
    found = agent(link, Both())
    found.act(np.zeros(1, "f4"), events=events((5, 1), (7, 2)))
    found.act(np.zeros(1, "f4"))
    assert [tick[3].tolist() for tick in link.sent] == [[(5, 4), (7, 5)], []]


def test_what_a_decoder_keeps_ends_with_its_episode():
    found = agent(Link(), decoder=Smooth())
    found.reset(1)
    assert [float(found.act(np.float32([x]))[0]) for x in (2, 4)] == [2, 3]
    found.reset(2)
    assert float(found.act(np.float32([8]))[0]) == 8


def test_act_counts_ticks_and_waits_for_its_own():
    link = Link(0)  # each tick brings a stale reply to tick 0 first
    found = agent(link)
    assert [float(found.act(np.float32([x]))[0]) for x in (3, 4)] == [99, 4]
    assert [(seq, t_ns) for seq, t_ns, *_ in link.sent] == [(0, 0), (1, 2_000_000)]


def test_act_raises_when_no_reply_comes():
    with pytest.raises(LinkError, match=r"no reply to tick 0 within 0\.5 s"):
        agent(Link(silent=True)).act(np.zeros(1, "f4"))


def test_a_reset_starts_from_the_safe_action_and_tick_0():
    link = Link()
    found = agent(link)
    found.act(np.float32([5]))
    found.reset(3)
    assert found.action.tolist() == [-1.0]
    found.act(np.float32([5]))
    assert [seq for seq, *_ in link.sent] == [0, 0]


def test_what_is_encoded_is_sent_when_it_is_submitted():
    link = Link()
    found = agent(link)
    tick = found.encode(0, 0, np.float32([6]), 0.0, {}, True)
    assert tick.values.tolist() == [6]
    assert link.sent == []
    found.link.send(tick)
    assert [seq for seq, *_ in link.sent] == [0]


def test_what_a_backend_makes_of_a_tick_or_a_caller_of_an_action_changes_nothing_later():
    class Careless(Link):
        def send(self, tick):
            super().send(tick)
            self.foreign = mistreat(tick)

    link = Careless()
    found = agent(link)
    for x in (3, 4, 5):
        action = found.act(np.float32([x]))
        assert action.tolist() == [x]
        action[:] = 77
        assert untouched(link.foreign)


@pytest.mark.parametrize("shape", [(1,), (1, 1)])
def test_predict_answers_in_the_shape_it_was_asked_and_resets_at_a_start(shape):
    link = Link()
    found = agent(link)
    for start in (True, False, True):
        action, state = found.predict(np.full(shape, 2, "f4"), episode_start=np.array([start]))
        assert (action.shape, state) == (shape, None)
    assert [seq for seq, *_ in link.sent] == [0, 1, 0]


def test_act_in_a_gymnasium_loop_is_the_lockstep_loop(tmp_path):
    scenario = scenarios.load("arm_payload", {"loop.duration_s": 0.1, "loop.seed": 5})
    run(scenario, tmp_path)
    plant = make_plant(scenario)
    states = []
    with make_agent(scenario, plant.plant_spec) as found:
        (obs, info), reward = plant.reset(seed=5), 0.0
        _, reward, *_ = plant.observe()
        found.reset(5)
        for _ in range(100):
            states.append(plant.state())
            obs, reward, _, _, info = plant.step(found.act(obs, reward, info))
    plant.close()
    np.testing.assert_array_equal(read_run(tmp_path).episodes[0]["state"], states)


def test_a_disturbance_that_does_not_fit_the_plant_is_refused():
    kind = {"disturbances.load.kind": "payload", "disturbances.load.mass_kg": 1.0}
    with pytest.raises(ScenarioError, match="payload"):
        make_plant(scenarios.load("cartpole_ladder", kind))


@pytest.mark.parametrize("again", [pickle.dumps, copy.deepcopy])
def test_an_agent_its_link_and_a_backend_are_neither_pickled_nor_copied(again):
    """A copy would share a device, or the memory that compiled code writes to."""
    scenario = scenarios.load("cartpole_ladder")
    plant = make_plant(scenario)
    kind = plugins.get("backends", "numba")
    with make_agent(scenario, plant.plant_spec) as found:
        for part in (found, found.link, kind(kind.Config())):
            with pytest.raises(TypeError, match=r": cannot be pickled or copied; build it in the process that uses it"):
                again(part)
    plant.close()


def test_a_link_is_closed_when_its_program_is_refused(monkeypatch):
    closed = []
    scenario = scenarios.load("arm_payload", {"controller.backend.kind": "law"})
    plant = make_plant(scenario)
    kind = type(make_agent(scenarios.load("arm_payload"), plant.plant_spec).link)
    monkeypatch.setattr(kind, "close", lambda self: closed.append(self))
    with pytest.raises(ValueError, match="runs laws"):
        make_agent(scenario, plant.plant_spec)
    plant.close()
    assert len(closed) == 1


def test_a_network_whose_thresholds_move_learns():
    """Its twin is another run, as that of one whose weights do."""
    found = []
    for rule in (None, Homeostatic(target_rate_hz=10.0)):
        net = Network(dt_s=0.001)
        net.connect(net.input("x", 1), net.lif("cells", 1, tau_s=0.02, rule=rule), np.ones((1, 1)))
        found.append(learns(net))
    assert found == [False, True]
