"""Runs and replays from scenarios: what is put on record, and what is refused."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from time import monotonic_ns
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
from blank import run_meta
from coder_fakes import built
from gym_envs import Counter
from loop_fakes import Device, FakeTime, Plant, always

from hilbench import plugins
from hilbench.bridge.device import process
from hilbench.bridge.inprocess import InProcess
from hilbench.errors import RecordError, ScenarioError
from hilbench.loop.agent import Agent
from hilbench.loop.clock import Wall
from hilbench.loop.waiting import SPIN_MOST_NS, SPIN_NS
from hilbench.metrics import measure
from hilbench.record.data import RunData
from hilbench.record.histogram import quantiles_ns
from hilbench.record.reader import read_run
from hilbench.record.sealed import read_sealed, write_sealed
from hilbench.record.writer import Recorder
from hilbench.runs import run as running
from hilbench.runs.replay import replay
from hilbench.runs.run import behind, run, tick_times
from hilbench.scenario import files as scenarios
from hilbench.scenario.loop import LoopConfig
from hilbench.scenario.recorded import table
from hilbench.scenario.tuning import TuneConfig
from hilbench.types import EVENT, LawProgram, Port, Probes


def short(controller="pd", **overrides):
    changes = {"loop.duration_s": 0.05} | {name.replace("__", "."): value for name, value in overrides.items()}
    return scenarios.load("arm_payload", changes, controller)


def test_a_run_says_what_it_ran_on_what_and_where(tmp_path):
    told = []
    scenario = short("pes", loop__period_s=0.01, loop__duration_s=1.5)
    assert run(scenario, tmp_path, told.append).status == "done"
    meta = read_run(tmp_path).meta
    untuned = replace(scenario, tune=TuneConfig(), tuned=None)  # its values stand in the controllers
    assert scenarios.resolve(table(meta.scenario), scenario.where) == untuned
    assert meta.provenance.package_versions["numpy"] == np.__version__
    assert meta.provenance.host.n_cpus >= 1
    assert meta.load_report.backend == "numba"
    assert meta.plant_spec.error == "tip_error_m"
    assert [port.name for port in meta.ports.modulators]
    assert told == pytest.approx([0.0, 1.0])


class Breaks(Counter):
    """Shows what is no finite number from its step BREAKS_AT on: an observation, the reward and an info."""

    def step(self, action):
        obs, reward, terminated, truncated, info = super().step(action)
        if obs[0] < BREAKS_AT:
            return obs, reward, terminated, truncated, info
        return np.array([obs[0], np.nan]), np.inf, terminated, truncated, info | {"late": np.nan}


BREAKS_AT = 12
gymnasium.register("Breaks-v0", Breaks)


def of_environment(env_id, **overrides):
    raw = {
        "name": "breaks", "summary": "", "controller": "one", "controllers": {"one": {"kind": "random"}},
        "plant": {"kind": "gymnasium", "id": env_id, "obs_names": ["n", "sum"], "info": {"sum": "1", "late": "1"}},
        "loop": {"period_s": 0.02, "duration_s": 0.5, "episodes": 2} | overrides,
    }  # fmt: skip
    return scenarios.resolve(raw, "here")


@pytest.mark.parametrize("mode", ["lockstep", "realtime"])
def test_a_plant_that_shows_what_is_no_number_is_told_of_once(mode, tmp_path):
    """The info `late` is none before the first step, so nothing is said of it; row k shows step k."""
    outcome = run(of_environment("Breaks-v0", mode=mode, echo_s=0.0), tmp_path / "run")
    assert outcome.status == "done"
    said = "warning: episode 0, tick 12 (0.240 s): the plant's obs.sum, reward are not finite; the run went on with it"
    assert [note for note in outcome.notes if "finite" in note] == [said]
    found = read_run(tmp_path / "run")
    first = found.meta.plant_not_finite
    assert (first.episode, first.tick, first.entries) == (0, BREAKS_AT, ("obs.sum", "reward"))
    assert first.t_s == pytest.approx(0.24)
    assert [np.flatnonzero(~np.isfinite(e["obs"]).all(1))[0] for e in found.episodes] == [BREAKS_AT] * 2
    assert np.isnan(found.episodes[0]["info.late"][0])


def test_nothing_is_said_of_a_plant_whose_numbers_are_finite(tmp_path):
    outcome = run(of_environment("Counter-v0"), tmp_path / "run")
    assert not [note for note in outcome.notes if "finite" in note]
    assert read_run(tmp_path / "run").meta.plant_not_finite is None


def test_what_was_watched_is_on_record(tmp_path):
    run(short("pes", record__spikes=["neurons"], record__weights_period_s=0.01), tmp_path)
    rows = read_run(tmp_path).episodes[0]
    with_weights = [k for k, values in enumerate(rows["probe_values"]) if len(values)]
    assert with_weights == [0, 10, 20, 30, 40]
    assert sum(map(len, rows["probe_events"])) == rows["spikes"].sum() > 0


def test_an_existing_run_is_refused_before_anything_moves(tmp_path):
    run(short(), tmp_path)
    before = (tmp_path / "episode_0000.arrow").read_bytes()
    with pytest.raises(RecordError, match="holds a run already"):
        run(short(), tmp_path)
    assert (tmp_path / "episode_0000.arrow").read_bytes() == before


@pytest.mark.parametrize(("place", "found"), [
    ("file", "file is a file"), ("file/a/b", "file is a file"), ("x" * 300, "File name too long"),
])  # fmt: skip
def test_a_folder_that_can_hold_no_run_is_refused_before_a_device_starts(tmp_path, monkeypatch, place, found):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(running, "make_agent", lambda *_: pytest.fail("a device was started"))
    with pytest.raises(RecordError, match=f"cannot hold a run: .*{found}"):
        run(short(), tmp_path / place)
    with pytest.raises(RecordError, match=f"cannot hold a run: .*{found}"):
        replay(tmp_path, tmp_path / place)


def test_the_folder_is_there_before_anything_is_measured(tmp_path, monkeypatch):
    seen = []
    measured = Wall.measure

    def measure(self, wait):
        seen.append(json.loads((tmp_path / "run.json").read_text())["status"])
        measured(self, wait)

    monkeypatch.setattr(Wall, "measure", measure)
    run(short(loop__mode="realtime", loop__echo_s=0.0), tmp_path)
    assert seen == ["running"]


def cut(path, size):
    """Leave a run as one that was killed when so much of an episode had been written."""
    path.write_bytes(path.read_bytes()[:size])
    meta = read_sealed(path.parent / "run.json")
    meta["streams"] = None
    write_sealed(path.parent / "run.json", meta | {"status": "running"})


@pytest.fixture
def elsewhere(monkeypatch):
    """Backend `law` as one that needs another Python, which is this one."""
    monkeypatch.setattr(plugins.get("backends", "law"), "environment", "lava")
    monkeypatch.setattr(process, "python_of", lambda name: sys.executable)
    monkeypatch.setattr(InProcess, "__init__", lambda *_: pytest.fail("it cannot run in this process"))


@pytest.mark.timeout(60)
def test_a_backend_of_another_python_is_replayed_on_a_device_of_its_own(tmp_path, elsewhere):
    run(short(link__kind="zmq", link__timeout_s=20.0, link__start_timeout_s=40.0), tmp_path / "a")
    assert replay(tmp_path / "a", tmp_path / "b") == (True, 50)
    link = read_run(tmp_path / "b").meta.scenario.link
    assert (link["kind"], link["timeout_s"], link["start_timeout_s"]) == ("zmq", 20.0, 40.0)


def test_a_backend_of_this_python_is_replayed_in_process(tmp_path):
    run(short(link__kind="zmq"), tmp_path / "a")
    assert replay(tmp_path / "a", tmp_path / "b") == (True, 50)
    assert read_run(tmp_path / "b").meta.scenario.link["kind"] == "inprocess"


def test_a_replay_of_nothing_is_refused(tmp_path):
    with pytest.raises(RecordError, match="no readable run"):
        replay(tmp_path, tmp_path / "out")
    run(short(), tmp_path / "a")
    cut(tmp_path / "a" / "episode_0000.arrow", 0)
    with pytest.raises(RecordError, match="no tick was recorded"):
        replay(tmp_path / "a", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_replay_notices_a_state_that_differs(tmp_path):
    run(short(), tmp_path / "a")
    meta = read_sealed(tmp_path / "a" / "run.json")
    meta["scenario"]["plant"]["kp_1"] *= 1.000001
    write_sealed(tmp_path / "a" / "run.json", meta)
    assert replay(tmp_path / "a", tmp_path / "b") == (False, 50)


def test_a_run_cut_short_replays_as_far_as_it_goes(tmp_path, monkeypatch):
    monkeypatch.setattr("hilbench.loop.loop.BATCH_ROWS", 100)
    run(short("pes", loop__period_s=0.01, loop__duration_s=2.5, loop__episodes=2), tmp_path / "a")
    path = tmp_path / "a" / "episode_0001.arrow"
    cut(path, path.stat().st_size * 3 // 4)  # killed in the second episode
    lengths = [len(e["seq"]) for e in read_run(tmp_path / "a").episodes]
    assert lengths[0] == 250
    assert lengths[1] in (100, 200)
    assert replay(tmp_path / "a", tmp_path / "b") == (True, sum(lengths))


@pytest.mark.parametrize("link", ["inprocess", "zmq"])
def test_a_real_time_run_has_the_bare_echo_of_its_link_before_and_after(tmp_path, link):
    real_time = {"loop__mode": "realtime", "loop__echo_s": 0.0155, "link__kind": link}
    run(short(**real_time), tmp_path / "a")
    echoes = read_run(tmp_path / "a").echo_ns
    assert 2 <= echoes.size <= 2 * 16  # at 1 kHz; on a busy machine some of them are not sent
    assert (echoes > 0).all()
    replay(tmp_path / "a", tmp_path / "b")
    assert read_run(tmp_path / "b").echo_ns.size == 0


@pytest.mark.parametrize("loop", [{"loop__mode": "realtime", "loop__echo_s": 0.0}, {"loop__mode": "lockstep"}])
def test_an_echo_that_was_not_asked_for_is_not_measured(tmp_path, loop):
    run(short(**loop), tmp_path)
    assert not (tmp_path / "link_echo.arrow").exists()


LOST = {"inprocess": (None, None), "zmq": (0, None), "stream": (0, 0)}
"""Ticks and frames; None for what a link does not count."""


@pytest.mark.parametrize("link", LOST)
def test_a_run_says_what_its_end_of_the_link_lost(tmp_path, link):
    run(short(link__kind=link), tmp_path)
    losses = read_run(tmp_path).meta.link_losses
    assert (losses.unsent_ticks, losses.broken_frames) == LOST[link]


def test_a_trace_needs_a_real_time_run(tmp_path):
    run(short(), tmp_path / "a")
    with pytest.raises(ScenarioError, match=r"loop\.delay\.run: a trace needs .* real-time run"):
        tick_times(read_run(tmp_path / "a"))
    trace = {"loop__mode": "delayed", "loop__delay__kind": "trace", "loop__delay__run": str(tmp_path / "a")}
    with pytest.raises(ScenarioError, match=r"loop\.delay\.run"):
        run(short(**trace), tmp_path / "b")
    run(short(loop__mode="realtime", loop__echo_s=0), tmp_path / "c")
    replay(tmp_path / "c", tmp_path / "d")
    with pytest.raises(ScenarioError, match=r"loop\.delay\.run"):
        tick_times(read_run(tmp_path / "d"))


def test_a_real_time_run_says_what_it_asked_of_the_system_and_what_it_got(tmp_path):
    """A processor that no machine has is refused everywhere; the run goes on and says so."""
    before = os.sched_getaffinity(0)
    outcome = run(short(loop__mode="realtime", loop__echo_s=0.0, loop__cpus=[4095]), tmp_path)
    assert os.sched_getaffinity(0) == before
    found = read_run(tmp_path).meta.realtime
    assert outcome.status == "done"
    assert found.asked == {"cpus": [4095]}
    assert list(found.refused) == ["cpus"]
    assert SPIN_NS <= found.spin_s * 1e9 <= SPIN_MOST_NS
    note = outcome.notes[0]
    assert note.startswith("loop.cpus = (4095,): the run did without: ")


def test_on_the_virtual_clock_nothing_is_asked_of_the_system(tmp_path):
    outcome = run(short(loop__cpus=[4095]), tmp_path)
    assert outcome.notes == ()
    meta = read_run(tmp_path).meta
    assert (meta.realtime, meta.histograms_ns, meta.fell_behind) == (None, None, None)


def test_a_real_time_run_keeps_histograms_of_all_its_episodes(tmp_path):
    run(short(loop__mode="realtime", loop__echo_s=0.02, loop__episodes=2, loop__carry="none"), tmp_path)
    found = read_run(tmp_path)
    histograms = found.meta.histograms_ns
    assert sum(histograms.latency.values()) == sum(len(e["seq"]) for e in found.episodes) == 100
    assert sum(histograms.link_echo.values()) == found.echo_ns.size > 0
    [longest] = quantiles_ns(histograms.latency, [1.0])
    assert longest == pytest.approx(measure(found)["latency[max]"]["value"] * 1e9, rel=1 / 256)


MS = 1_000_000


def lagging(n, late, lag_ms=3.0, send_ms=0.1):
    """Stamps of `n` ticks at 1 kHz, the last `late` of which began so much too late."""
    scheduled = np.arange(n) * MS
    captured = scheduled + 1000
    captured[n - late :] += round(lag_ms * MS)
    stamps = {"scheduled_ns": scheduled, "captured_ns": captured, "encoded_ns": captured + 10}
    stamps |= {"terminated": scheduled < 0, "truncated": scheduled < 0}
    return RunData(run_meta(), [stamps | {"sent_ns": captured + 10 + round(send_ms * MS)}])


def test_a_loop_that_fell_behind_is_told_from_one_that_did_not():
    assert behind(short(), lagging(1000, 10)) == (), "one tick in a hundred"
    assert behind(short(), lagging(1000, 500, lag_ms=0.9)) == (), "less than a period"
    assert behind(short(), lagging(100, 9)) == (), "a stall in a short run"
    assert behind(short(), RunData(run_meta(), [])) == ()
    [note] = behind(short(), lagging(1000, 11))
    assert note.startswith(
        "the loop fell behind the clock: 11 of 1000 ticks began more than a period (1 ms) late, up to 0.003 s, "
    )
    assert "hilbench doctor" in note


def test_a_slow_backend_is_named_where_it_holds_up_the_loop():
    slow = lagging(1000, 500, send_ms=3.2)
    [note] = behind(short(), slow)
    assert "Backend 'law' takes 3.2 ms a tick" in note
    assert "link.kind unix" in note
    [note] = behind(short(link__kind="zmq"), slow)
    assert "Backend" not in note


def test_a_backend_slower_than_the_period_is_no_silent_success(tmp_path, monkeypatch):
    """It takes three periods for each tick, so that the loop cannot keep to any time; nothing else counts it."""
    send = InProcess.send

    def slow(self, tick):
        until_ns = monotonic_ns() + 3 * MS
        send(self, tick)
        while monotonic_ns() < until_ns:
            pass

    monkeypatch.setattr(InProcess, "send", slow)
    outcome = run(short(loop__mode="realtime", loop__echo_s=0.0, loop__duration_s=0.02), tmp_path)
    [note] = outcome.notes
    assert "Backend 'law' takes" in note
    assert measure(read_run(tmp_path))["misses"]["value"] == 0


class Flickering(Plant):
    """An event sensor that tells of more and more."""

    seen = -1

    def events(self):
        self.seen += 1
        return np.zeros(300 * self.seen, EVENT)


@pytest.mark.parametrize("events", [(), (Port("dvs", 4096, "events"),)], ids=["values alone", "events"])
def test_the_echo_has_frames_of_the_runs_own_size(tmp_path, monkeypatch, events):
    """20 ticks of 2 values, which with a DVS carry 0, 300, ... 5700 events beside them; 10 echoes before and after."""
    asked = []
    monkeypatch.setattr(running, "echo_ns", lambda link, sizes, *_, **__: asked.append(sizes) or np.arange(len(sizes)))
    time = FakeTime()
    plant = Flickering(time, 0.001) if events else Plant(time, 0.001)
    program = LawProgram("fake", {}, inputs=(Port("obs", 2), *events), outputs=(Port("action", 2),))
    agent = Agent(built(program), Device(time, always(0)), 1000, Probes(), plant.plant_spec)
    loop = LoopConfig(mode="realtime", period_s=0.001, duration_s=0.02, echo_s=0.01)
    clock = Wall(loop, time, time.sleep)
    ports = {"inputs": program.inputs, "outputs": program.outputs}
    with Recorder(tmp_path, run_meta(scenario={"loop": loop}, plant_spec=plant.plant_spec, ports=ports)) as recorder:
        running.record_run(SimpleNamespace(loop=loop), recorder, plant, agent, clock, None)
    if events:
        [sizes] = asked  # before the run nobody knows how many events there will be
        assert sizes == [8 + 8 * 300 * k for k in range(20)]
    else:
        assert asked == [[8] * 10] * 2
    assert read_run(tmp_path).echo_ns.size == 20
