"""Laws behind a backend: what a reset carries, and which programs are refused when they load."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench import plugins
from hilbench.backends.law import LawRunner
from hilbench.controllers import pid
from hilbench.errors import NetworkError
from hilbench.nal import Network
from hilbench.types import Empty, Law, LawProgram, Port, Probes, Tick, to_builtins

ARM = {
    "length_1_m": 0.4, "centre_1_m": 0.2, "centre_2_m": 0.2, "mass_1_kg": 1.5, "mass_2_kg": 1.0, "length_2_m": 0.4,
    "inertia_1_kg_m2": 0.08, "inertia_2_kg_m2": 0.05, "tip_kg": 0.05, "tip_inertia_kg_m2": 1e-4, "gravity_m_s2": 9.81,
    "kp_1": 60.0, "kp_2": 30.0, "kd_1": 8.0, "kd_2": 4.0, "inner_loop": 1.0,
}  # fmt: skip
PID = {"arm": ARM, "ki": 100.0, "limit_nm": 60.0, "period_s": 0.001}


def program(name="pid", config=PID, n_in=8, n_out=2) -> LawProgram:
    return LawProgram(name, config, (Port("observation", n_in),), (Port("torque", n_out),))


def loaded() -> LawRunner:
    backend = LawRunner(Empty())
    backend.load(program(), 1000, Probes())
    return backend


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 3e38])
def test_a_number_that_is_not_finite_counts_as_0(odd):
    """And one whose square is not finite as itself."""
    values = np.linspace(0.1, 0.8, 8, dtype=np.float32)
    wanted = values.copy()
    values[3], wanted[3] = odd, odd if np.isfinite(odd) else 0.0
    law = loaded()
    found = law.step(Tick(values=values)).values.copy()
    assert np.isnan(values[3]) == np.isnan(odd)  # the tick is the caller's
    assert found.tobytes() == loaded().step(Tick(values=wanted)).values.tobytes()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (program("pidd"), "did you mean 'pid'"),
        (program(config={**PID, "ki": "high"}), "law 'pid': .*ki"),
        (program(config={}), "law 'pid'"),
        (program(n_in=7), "does not take 7 values"),
        (program(n_out=3), r"gives \(2,\) values"),
        (program("lqr", {"gain": [1.0, 2.0, 3.0, 4.0], "limit": 1.0}, 3, 1), "does not take 3 values"),
        (Network(0.001), "runs laws"),
    ],
)
def test_a_program_that_cannot_run_is_refused_at_load(wrong, says):
    with pytest.raises(NetworkError, match=says) as error:
        LawRunner(Empty()).load(wrong, 1000, Probes())
    assert "\n" not in str(error.value)


def test_a_reset_carries_the_integral_as_it_is_told():
    obs = np.array([0, 0, 0, 0, 0.5, -0.2, 0, 0], np.float32)
    backend = loaded()
    first = backend.step(Tick(values=obs)).values.copy()
    np.testing.assert_allclose(first, np.float32([0.5, -0.2]) * 100 * 0.001, rtol=1e-6)
    for carry, expected in (("weights", 2 * first), ("all", 3 * first), ("none", first)):
        backend.reset(0, carry)
        np.testing.assert_allclose(backend.step(Tick(values=obs)).values, expected, rtol=1e-6)


def test_the_learning_bit_stops_the_integral_but_not_its_torque():
    obs = np.array([0, 0, 0, 0, 0.5, -0.2, 0, 0], np.float32)
    backend = loaded()
    learnt = backend.step(Tick(values=obs)).values.copy()
    for _ in range(3):
        np.testing.assert_array_equal(backend.step(Tick(values=obs, learning=False)).values, learnt)


class Difference(Law):
    """The change of its values since the last tick, by way of all that a law may do to what it is given."""

    Config = Empty

    def __init__(self, config):
        super().__init__(config)
        self.last = None

    def step(self, values, modulators, learning):
        found = np.zeros(2) if self.last is None else values - self.last
        self.last = values
        modulators[:] = np.nan
        return found


def test_a_law_may_keep_and_overwrite_what_it_is_given(monkeypatch):
    monkeypatch.setattr(plugins, "get", lambda kind, name: Difference)
    backend = LawRunner(Empty())
    backend.load(LawProgram("difference", {}, (Port("x", 2),), (Port("u", 2),), (Port("m", 1),)), 1000, Probes())
    tick = Tick(values=np.zeros(2, np.float32), modulators=np.ones(1, np.float32))
    for k in range(1, 4):
        tick.values[:] = k, k * k
        reply = backend.step(tick)
        assert reply.values.tolist() == [1, 2 * k - 1]
        assert tick.modulators.tolist() == [1]
        assert tick.values.tolist() == [k, k * k]


def test_the_config_of_a_law_is_plain_data():
    config = pid.PIDLaw.Config(arm=pid.ArmModel(**ARM), ki=100.0, limit_nm=60.0, period_s=0.001)
    assert to_builtins(config) == PID
