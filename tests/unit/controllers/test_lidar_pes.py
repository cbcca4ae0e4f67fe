"""The learner of a lidar: what it sees, what the skirt teaches, and how it finds out which way its wheels turn it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from hilbench import plugins
from hilbench.controllers._population import PopulationConfig, stepped_rates_hz
from hilbench.controllers.lidar_pes import ABOVE, LidarPES, LidarPESConfig, lidar_network
from hilbench.errors import ScenarioError
from hilbench.nal.compile.report import compile_network
from hilbench.nal.compile.target import load_target
from hilbench.types import BuiltController, Probes, Tick

SKIRT = {"kind": "proximity", "facing": ["heading"], "at_m": [0.0, 0.0, 0.15], "radius_m": 0.18, "normalised": True}
SENSORS = {"lidar": {"kind": "lidar", "facing": ["heading"], "at_m": [0.0, 0.0, 0.15]}, "skirt": SKIRT}
REACH_M, BODY_M, PERIOD_US, PERIOD_S = 2.5, 0.18, 50_000, 0.05


@pytest.fixture(scope="module")
def plant():
    with plugins.get("envs", "lidar_nav")(sensors=SENSORS) as found:
        return found.plant_spec


class Robot(NamedTuple):
    """A controller and its backend, without a plant."""

    built: BuiltController
    backend: object
    plant: object

    def tick(self, ranges_m=REACH_M, bearing=0.0, turn_rate=0.0, left=0.0, right=0.0, learning=True):
        """One control period; what the wheels are told."""
        program, names = self.built.program, self.plant.obs_names
        obs = np.zeros(len(names), np.float32)
        obs[[i for i, name in enumerate(names) if name.startswith("lidar.")]] = ranges_m
        for name, value in (("goal_bearing", bearing), ("turn_rate", turn_rate), ("skirt.left", left)):
            obs[names.index(name)] = value
        obs[names.index("skirt.right")] = right
        values = np.zeros(sum(port.size for port in program.inputs), np.float32)
        self.built.encoder.encode(obs, np.zeros(0), values)
        errors = np.zeros(2)
        self.built.modulate(obs, np.zeros(0), 0.0, {}, errors)
        reply = self.backend.step(Tick(0, values=values, modulators=errors.astype(np.float32), learning=learning))
        action = np.zeros(2)
        self.built.decoder.decode(reply.values, np.zeros(0), action)
        return action

    def settled(self, n=40, **sensed):
        """The mean turn rate and speed over the second half of some ticks."""
        wheels = np.array([self.tick(**sensed) for _ in range(n)])[n // 2 :].mean(axis=0)
        return (wheels[1] - wheels[0]) / 0.3, wheels.mean()


def robot(plant, **settings):
    built = LidarPES.build(LidarPESConfig(**settings), plant, PERIOD_US, 0)
    built.encoder.reset(0)
    built.decoder.reset(0)
    numba = plugins.get("backends", "numba")
    backend = numba(numba.Config())
    backend.load(built.program, PERIOD_US, Probes())
    backend.reset(0, "none")
    return Robot(built, backend, plant)


def rates_hz(above):
    """The rates of cells whose input is so far above where they begin to fire: 0.9 rests, and a slope of 3."""
    return stepped_rates_hz(0.9 + 3.0 * np.asarray(above), PopulationConfig(tau_s=0.02, refractory_s=0.002))


def test_cells_see_how_near_things_are(plant):
    encoder = robot(plant).built.encoder
    obs, values = np.zeros(len(plant.obs_names), np.float32), np.zeros(72 + 16 + 1, np.float32)
    first = plant.obs_names.index("lidar.ray_0")
    obs[first : first + 18] = REACH_M
    obs[first + 3] = BODY_M
    obs[first + 4] = BODY_M + 0.5 * (REACH_M - BODY_M)
    obs[plant.obs_names.index("goal_bearing")] = -0.2
    obs[plant.obs_names.index("turn_rate")] = 0.7
    encoder.encode(obs, np.zeros(0), values)
    cells = values[:72].reshape(18, 4)
    np.testing.assert_allclose(cells[3], 1.0, rtol=1e-5)
    np.testing.assert_allclose(cells[4], np.maximum((0.5 - np.array(ABOVE)) / (1 - np.array(ABOVE)), 0), rtol=1e-5)
    assert not np.delete(cells, (3, 4), axis=0).any()
    bearings = values[72:88].reshape(8, 2)
    np.testing.assert_allclose(bearings[:, 1], np.maximum(0.2 - 0.08 * np.arange(8), 0), atol=1e-6)
    assert not bearings[:, 0].any()
    assert values[88] == pytest.approx(0.7)


@pytest.mark.parametrize("bearing", [0.3, -0.15, 2.0])
def test_it_turns_to_the_goal_by_the_rates_of_its_cells(plant, bearing):
    turn, speed = robot(plant, motor=False).settled(200, bearing=bearing, learning=False)
    seen = min(abs(bearing), 0.42)
    rates = rates_hz(np.maximum(seen - 0.08 * np.arange(8), 0))
    assert turn == pytest.approx(np.sign(bearing) * 0.0035 * 1.3 * rates.sum(), rel=0.03)
    assert speed == pytest.approx(0.5)


def test_a_touch_moves_weights_by_error_rate_and_time(plant):
    here = robot(plant, motor=False, forgetting=0.0)
    ranges_m = np.full(18, REACH_M)
    ranges_m[4] = BODY_M  # all four cells of a ray are driven by 3.9
    before = 20
    for _ in range(before):
        here.tick(ranges_m)  # so that rates have settled
    for _ in range(20):
        here.tick(ranges_m, right=0.6)
    found = here.backend.snapshot()
    rate_hz, n, touched_s = rates_hz([1.0])[0], 72, 20 * PERIOD_S
    wanted = np.zeros((18, 4))
    wanted[4] = 3.6e-4 / n * 3.0 * 0.6 * rate_hz * touched_s
    np.testing.assert_allclose(found["weights/turns"].reshape(18, 4), wanted, rtol=0.02)
    np.testing.assert_allclose(found["weights/brakes"].reshape(18, 4), wanted / 20 / 2, rtol=0.02)


def test_after_a_touch_it_turns_away_and_brakes_before_one(plant):
    for rays, side, away in ((slice(2, 7), "right", 1.0), (slice(11, 16), "left", -1.0)):
        here, ranges_m = robot(plant, motor=False), np.full(18, REACH_M)
        ranges_m[rays] = 0.3
        for _ in range(20):
            here.tick(ranges_m, **{side: 1.0})
        turn, speed = here.settled(ranges_m=ranges_m, learning=False)
        assert away * turn > 0.5
        assert speed < 0.49
        ranges_m = ranges_m[::-1]
        assert here.settled(ranges_m=ranges_m, learning=False)[0] == pytest.approx(0.0, abs=1e-6)


def test_touched_on_both_sides_it_turns_on_as_it_turns(plant):
    for bearing, sign in ((0.3, -1.0), (-0.3, 1.0)):
        here = robot(plant, motor=False)
        here.settled(bearing=bearing)
        errors, obs = np.zeros(2), np.zeros(len(plant.obs_names), np.float32)
        obs[[plant.obs_names.index(f"skirt.{side}") for side in ("left", "right")]] = 0.5
        here.built.modulate(obs, np.zeros(0), 0.0, {}, errors)
        np.testing.assert_allclose(errors, [sign * 3.0 * 0.5, -1.5], atol=0.01)


def driven(here, n, swapped, learning=True, seed=0):
    """Goals at random bearings, and wheels with a lag of 0.1 s: the slope of the yaw rate over what was wanted."""
    random, bearing, yaw, pairs = np.random.default_rng(seed), 0.0, 0.0, []
    goal = [0.0] * 3
    for _ in range(n):
        bearing += -0.05 * bearing + 0.15 * random.standard_normal()
        left, right = here.tick(bearing=bearing, turn_rate=yaw, learning=learning)
        told = (right - left) / 0.3 * (-1.0 if swapped else 1.0)
        yaw += (1 - np.exp(-0.5)) * (told - yaw)
        seen = np.sign(bearing) * min(abs(bearing), 0.42)
        rates = rates_hz(np.maximum(abs(seen) - 0.08 * np.arange(8), 0))
        goal.append(np.sign(bearing) * 0.0035 * 1.3 * rates.sum())
        pairs.append((goal[-4], yaw))
    wanted, found = np.array(pairs[n // 2 :]).T
    return (wanted @ found) / (wanted @ wanted)


def test_it_learns_which_way_its_wheels_turn_it(plant):
    here = robot(plant)
    assert driven(here, 400, swapped=False) == pytest.approx(0.9, abs=0.15)
    built = here.backend.snapshot()
    assert not built["weights/corrections_reversed"].any()
    left, right = (built[f"weights/{side}_predictions"].sum() for side in ("left", "right"))
    assert left > 0 > right

    assert driven(here, 100, swapped=True, learning=False) < -0.6
    assert driven(here, 800, swapped=True) > 0.5
    after = here.backend.snapshot()
    left, right = (after[f"weights/{side}_predictions"].sum() for side in ("left", "right"))
    assert left < 0 < right
    assert np.abs(after["weights/corrections_reversed"]).max() > 0.01


@pytest.mark.parametrize(
    ("target", "limit"),
    [
        ("loihi1", "with the population 'yaw_error' as its modulator"),
        ("loihi2", "with the population 'yaw_error' as its modulator"),
        ("spinnaker2", "found values of 'goal' in every step"),
    ],
)
def test_the_reflex_fits_chips_and_the_motor_module_does_not(target, limit):
    reflex, whole = (lidar_network(LidarPESConfig(motor=motor), 18, 0) for motor in (False, True))
    assert not compile_network(reflex, target, load_target(target)).broken
    broken = compile_network(whole, target, load_target(target)).broken
    assert any(limit in str(each) for each in broken)


def test_a_robot_without_a_skirt_is_refused():
    with (
        plugins.get("envs", "lidar_nav")(sensors={"lidar": SENSORS["lidar"]}) as found,
        pytest.raises(ScenarioError, match=r"controller 'lidar_pes' needs a proximity skirt in \[sensors.skirt\]"),
    ):
        LidarPES.build(LidarPESConfig(), found.plant_spec, PERIOD_US, 0)
