"""A Braitenberg vehicle in spikes: what is near on one side drives the wheel on that side, so the robot turns away.

V. Braitenberg, Vehicles (MIT Press, 1984): vehicle 2a, the coward.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from hilbench.coders import PortDecoders, PortEncoders
from hilbench.coders.values import Values, ValuesConfig
from hilbench.errors import ScenarioError
from hilbench.nal import Network
from hilbench.seeding import stream
from hilbench.types import BuiltController, Controller, PlantSpec
from hilbench_diffdrive.coders import MotionOnset, MotionOnsetConfig, Wheels, WheelsConfig

LEFT, RIGHT = ("ray_0", "ray_1", "ray_2"), ("ray_15", "ray_14")
"""Within 45 degrees of the heading. Straight ahead counts as left, so that a wall ahead turns the robot, too."""
RAYS = (*LEFT, *RIGHT)


class BraitenbergConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `braitenberg`."""

    n_neurons: Annotated[int, Meta(ge=1, le=1000)] = 20
    """Neurons for each wheel."""
    drive: Annotated[float, Meta(ge=0, le=10)] = 1.25
    """Constant input of a motor neuron, in units of what just makes it fire."""
    fear: Annotated[float, Meta(ge=0, le=10)] = 3.0
    """How strongly what is near drives the wheel on its side, and brakes the other one."""
    motion: Annotated[float, Meta(ge=0, le=10)] = 1.0
    """How strongly a spike of `motion_onset` drives the wheel on its side."""
    dt_s: Annotated[float, Meta(gt=0)] = 0.001
    """Network step."""


class Braitenberg(Controller):
    """A vehicle that turns away from what is near, and from what moves, in two populations of LIF neurons."""

    Config = BraitenbergConfig

    @staticmethod
    def build(config: BraitenbergConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        if plant.action_names != ("left", "right") or not set(RAYS) <= set(plant.obs_names):
            needs = "the actions left and right, and rays ahead"
            raise ScenarioError(f"controller 'braitenberg' needs {needs}; it fits: diff_drive")
        net = _network(config, plant, seed)
        reach_m = plant.parameters["range_m"]
        near = Values(ValuesConfig(observations=RAYS, centre=reach_m, scale=-reach_m), plant, period_us)
        motion = MotionOnset(MotionOnsetConfig(), plant, period_us)
        (port,) = net.outputs
        wheels = Wheels(WheelsConfig(), port, plant, period_us)
        return BuiltController(net, PortEncoders([near, motion]), PortDecoders([(port, wheels, (0, 1))]))


def _network(config: BraitenbergConfig, plant: PlantSpec, seed: int) -> Network:
    net, n = Network(config.dt_s, seed=seed), config.n_neurons
    near = net.input("near", len(RAYS), units=("1",) * len(RAYS))
    motion = net.input("motion", 2, kind="events", units=("1", "1"))
    motors = net.lif("motors", 2 * n, tau_s=0.02, refractory_s=0.002, output=True)
    bias = config.drive * stream(seed, "controller").uniform(0.85, 1.15, 2 * n)
    side = np.array([1 / len(LEFT) if ray in LEFT else -1 / len(RIGHT) for ray in RAYS])
    net.connect(near, motors, config.fear * np.repeat([side, -side], n, axis=0), bias=bias, name="nearness")
    net.connect(motion, motors, config.motion * np.repeat(np.eye(2), n, axis=0), name="onsets")
    return net
