"""A spiking network that learns from a bumper to see by a lidar: its reflex becomes anticipation.

18 x 4 LIF cells tell how near things are along each ray. Two readouts of them, a turn and a brake, learn by PES what a
proximity skirt of 0.1 m asks for, away from the side that is near. That is supervised learning, for the skirt has a
signed side; it is no reward. 16 LIF cells of the goal's bearing steer to it with fixed weights.

A motor module stands behind, unless `motor` is off: 20 LIF cells of the wanted turn rate correct it by PES on the error
of the yaw rate. Which way a correction works is not built in. A forward model tells it: 16 LIF cells of the issued
command, the efference copy, predict the gyro by PES. Its part for turns to the left, less that for turns to the right,
is the polarity of the wheels. It opens one of two gates: of synapses that learn from the error as it is, or of ones
that learn from its opposite.

Wolpert & Kawato (1998), "Multiple paired forward and inverse models for motor control", Neural Networks 11: 1317, have
the idea of a forward model that decides which inverse model learns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.controllers._lidar import LidarRobot, away_from_touch, lidar_robot, wheels
from hilbench.nal import Network
from hilbench.nal.rules.pes import PES
from hilbench.types import NO_EVENTS, BuiltController, Controller, Decoder, Encoder, Events, PlantSpec

Positive = Annotated[float, Meta(gt=0, le=1e6)]
NotNegative = Annotated[float, Meta(ge=0, le=1e6)]
ABOVE = (0.10, 0.35, 0.6, 0.8)
"""The nearness at which the cells of a ray begin to fire: 0 at the lidar's reach, 1 at the robot's rim."""
N_BEARING, BEARING_STEP_RAD, BEARING_MOST_RAD = 16, 0.08, 0.42
"""Cells of the bearing, left and right in turn; from pair to pair they begin to fire farther off, up to a bound."""
N_SIDE, TURN_STEP_RAD_S = 8, 0.25
"""Cells of a turn rate for each side, which begin to fire at faster turns one after the other."""
N_TONIC = 4
"""Cells of the forward speed, which are always active."""
REST = 0.9
"""Constant current of a cell, whose threshold is at 1."""
TAU_S, REFRACTORY_S = 0.02, 0.002


class LidarPESConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `lidar_pes`."""

    dt_s: Positive = 0.001
    """The network's step."""
    turn_rate: NotNegative = 3.6e-4
    """PES step size of the turn, in rad/s per (error x Hz x s); divided by the number of cells."""
    brake_rate: NotNegative = 1.8e-5
    """The same of the brake, a share of the speed."""
    turn_error: Positive = 3.0
    """The turn's error where one side of the skirt is touched."""
    brake_error: Positive = 1.5
    """The brake's."""
    forgetting: NotNegative = 0.1
    """What of each readout is added to its error, so that what is not needed fades."""
    trace_s: Positive = 0.1
    """Time constant of the rates that the turn's and the brake's rule see."""
    motor_rate: NotNegative = 8e-4
    """PES step size of the motor correction."""
    model_rate: NotNegative = 8e-4
    """PES step size of the forward model."""
    certain_rad_s: NotNegative = 0.1
    """The polarity above which a gate opens."""
    motor: bool = True
    """Whether the motor module is there. Its rules hear the network itself, which no chip does; they take the rest."""
    limit_rad_s: Positive = 3.0
    """Largest turn rate, either way."""
    lidar: str = "lidar"
    """The lidar's name in the scenario."""
    skirt: str = "skirt"
    """The name of the proximity skirt, which is `normalised`."""
    range_m: Positive = 2.5
    """The lidar's reach."""


class LidarPES(Controller):
    """A spiking network that learns from a bumper to steer by a lidar, and which way its wheels turn it."""

    Config = LidarPESConfig

    @staticmethod
    def build(config: LidarPESConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        robot = lidar_robot(plant, "lidar_pes", config.lidar, config.skirt)
        decoder = _Wheels(config, robot)
        gyro_column = plant.obs_names.index("turn_rate") if config.motor else None
        encoder = _Senses(config.range_m, robot, gyro_column)
        network = lidar_network(config, robot.n_rays, seed)
        return BuiltController(network, encoder, decoder, decoder.teach, blind_inputs=("nearness",))


def lidar_network(config: LidarPESConfig, n_rays: int, seed: int) -> Network:
    """All of it: senses in; out the learnt turn and brake, and the commanded turn rate or, without motor, the goal's.

    Parameters
    ----------
    config : LidarPESConfig
    n_rays : int
    seed : int
        Kept for the record: nothing in the network is drawn.
    """
    net = Network(config.dt_s, spike_amplitude=1 / config.dt_s, seed=seed)
    _add_reflex(net, config, n_rays * len(ABOVE))
    _add_goal(net)
    if not config.motor:
        net.output("goal_rate", "goal", units=("rad/s",))
        return net
    net.input("gyro", 1, units=("rad/s",))
    for name in ("wanted", "command"):
        net.add(name, "passthrough", 1)
    for source in ("goal", "turn"):
        net.connect(source, "wanted", [[1.0]])
    _add_motor(net, config)
    _add_model(net, config)
    net.output("turn_rate", "command", units=("rad/s",))
    return net


def _add_reflex(net: Network, config: LidarPESConfig, n_cells: int) -> None:
    """Cells of the lidar, and the turn and the brake that they learn."""
    net.input("nearness", n_cells, units=("1",) * n_cells)
    net.lif("cells", n_cells, tau_s=TAU_S, v_leak=REST, refractory_s=REFRACTORY_S)
    net.connect("nearness", "cells", 3.0 * np.eye(n_cells), name="seen")
    turns = PES(modulator="turn_error", learning_rate=config.turn_rate, pre_tau_s=config.trace_s)
    brakes = PES(
        modulator="brake_error", learning_rate=config.brake_rate, pre_tau_s=config.trace_s, w_min=-0.02, w_max=0.02
    )
    for name, unit, rule in (("turn", "rad/s", turns), ("brake", "1", brakes)):
        net.readout(name, 1, tau_s=0.05, units=(unit,))
        net.connect("cells", name, np.zeros((1, n_cells)), rule=rule, name=f"{name}s")


def _add_goal(net: Network) -> None:
    """Cells of the bearing, which steer to the goal with fixed weights."""
    net.input("bearing", N_BEARING, units=("rad",) * N_BEARING)
    net.lif("bearings", N_BEARING, tau_s=TAU_S, v_leak=REST, refractory_s=REFRACTORY_S)
    net.connect("bearing", "bearings", 3.0 * np.eye(N_BEARING))
    net.add("goal", "li", 1, tau_s=0.05)
    net.connect("bearings", "goal", 0.0035 * 1.3 * _sides(N_BEARING)[None])


def _add_motor(net: Network, config: LidarPESConfig) -> None:
    """Cells of the wanted turn rate, whose correction goes on top of it, and the error of the yaw rate.

    What is expected of the yaw rate is the wanted one behind a lag as that of wheels and readouts.
    """
    n = 2 * N_SIDE + N_TONIC
    tonic = np.arange(1, N_TONIC + 1) / 4
    rest = np.concatenate((np.repeat(_rest_of_side(), 2), 1.05 + tonic))
    net.lif("motors", n, tau_s=TAU_S, v_leak=rest)
    slope = np.concatenate((1.5 * _sides(2 * N_SIDE), np.zeros(N_TONIC)))
    net.connect("wanted", "motors", slope[:, None])
    net.connect("brake", "motors", np.concatenate((np.zeros(2 * N_SIDE), -tonic))[:, None])
    net.add("expected", "li", 1, tau_s=0.14)
    net.connect("wanted", "expected", [[1.0]])
    net.add("yaw_error", "passthrough", 1)
    net.connect("gyro", "yaw_error", [[1.0]])
    net.connect("expected", "yaw_error", [[-1.0]])
    net.add("correction", "li", 1, tau_s=0.05)
    for name, gain in (("as_built", 1.0), ("reversed", -1.0)):
        net.add(name, "passthrough", 1)
        rule = PES(
            modulator="yaw_error", modulator_is="population", modulator_gain=(gain,), gate=name,
            gate_above=config.certain_rad_s, learning_rate=config.motor_rate, pre_tau_s=0.1, w_min=-0.02, w_max=0.02,
        )  # fmt: skip
        net.connect("motors", "correction", np.zeros((1, n)), rule=rule, name=f"corrections_{name}")
    for source in ("wanted", "correction"):
        net.connect(source, "command", [[1.0]])


def _add_model(net: Network, config: LidarPESConfig) -> None:
    """The forward model: cells of the command to the left and to the right, which predict the gyro."""
    net.add("polarity", "li", 1, tau_s=0.5)
    net.add("surprise", "passthrough", 1)
    net.connect("gyro", "surprise", [[-1.0]])
    for name, side in (("left", 1.0), ("right", -1.0)):
        cells, model = f"{name}_copy", f"{name}_model"
        net.lif(cells, N_SIDE, tau_s=TAU_S, v_leak=_rest_of_side())
        net.connect("command", cells, np.full((N_SIDE, 1), 1.5 * side))
        net.add(model, "li", 1, tau_s=0.12)
        net.connect(model, "surprise", [[1.0]])
        rule = PES(modulator="surprise", modulator_is="population", learning_rate=config.model_rate, pre_tau_s=0.12)
        net.connect(cells, model, np.zeros((1, N_SIDE)), rule=rule, name=f"{name}_predictions")
        net.connect(model, "polarity", [[side]])
    net.connect("polarity", "as_built", [[1.0]])
    net.connect("polarity", "reversed", [[-1.0]])


def _sides(n: int) -> NDArray:
    """Left, right, left, ..."""
    return np.resize((1.0, -1.0), n)


def _rest_of_side() -> NDArray:
    """Constant currents of the cells of a side: each fires from another turn rate on."""
    return REST - 1.5 * TURN_STEP_RAD_S * np.arange(N_SIDE)


class _Wheels(Decoder):
    """A turn rate and a brake as the speeds of both wheels, and what the skirt teaches of them."""

    def __init__(self, config: LidarPESConfig, robot: LidarRobot) -> None:
        self._config, self._robot = config, robot
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._turn = self._brake = self._turn_rad_s = 0.0

    def decode(self, values: NDArray, events: Events, action: NDArray) -> None:
        config, robot = self._config, self._robot
        self._turn, self._brake, last = map(float, values)
        turn_rad_s = last if config.motor else self._turn + last
        self._turn_rad_s = min(max(turn_rad_s, -config.limit_rad_s), config.limit_rad_s)
        speed_m_s = robot.speed_m_s * (1.0 - min(max(self._brake, 0.0), 0.9))
        action[:] = wheels(speed_m_s, self._turn_rad_s, robot.track_m)

    def teach(
        self, obs: NDArray, events: Events, reward: float, info: Mapping[str, float], modulators: NDArray
    ) -> None:
        """Write the errors of the turn and of the brake: how far from what the skirt asks for, and some of each."""
        config, column = self._config, self._robot.skirt_column
        assert column is not None  # `build` asks for a skirt
        left, right = float(obs[column]), float(obs[column + 1])
        away = away_from_touch(left, right, self._turn_rad_s)
        modulators[0] = config.forgetting * self._turn - config.turn_error * away
        modulators[1] = config.forgetting * self._brake - config.brake_error * (left + right)


class _Senses(Encoder):
    """How far each cell's input is above where it begins to fire, and the gyro."""

    def __init__(self, range_m: float, robot: LidarRobot, gyro_column: int | None) -> None:
        self._robot, self._gyro = robot, gyro_column
        self._above, self._reach_m = np.array(ABOVE), range_m - robot.body_radius_m
        self._steep = 1 / (1 - self._above)
        self._begins, self._side = BEARING_STEP_RAD * (np.arange(N_BEARING) // 2), _sides(N_BEARING)
        self._n = robot.n_rays * self._above.size
        self.size = self._n + N_BEARING + (gyro_column is not None)

    def encode(self, obs: NDArray, events: Events, values: NDArray) -> Events:
        robot, n = self._robot, self._n
        room_m = obs[robot.first_ray : robot.first_ray + robot.n_rays] - robot.body_radius_m
        near = 1.0 - room_m / self._reach_m
        values[:n] = np.maximum((near[:, None] - self._above) * self._steep, 0.0).ravel()
        bearing = min(max(float(obs[robot.bearing_column]), -BEARING_MOST_RAD), BEARING_MOST_RAD)
        values[n : n + N_BEARING] = np.maximum(self._side * bearing - self._begins, 0.0)
        if self._gyro is not None:
            values[-1] = obs[self._gyro]
        return NO_EVENTS
