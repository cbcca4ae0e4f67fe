"""A network that alarms of balls which come at it, as a locust's LGMD does, with a threshold that finds its level.

Cells gather the events of 4 x 4 pixels, fields the spikes of 4 x 4 cells, and a field that fires is the alarm. The
picture of what comes nearer grows ever faster, so that spikes crowd in a field. Two inhibitions keep it from anything
else: a share of all cells' spikes is taken from each field, and where very many cells fire at once, as when the light
changes, `crowd` silences all fields. Both are of Rind & Bramwell (1996), "Neural network based on the input
organization of an identified neuron signaling impending collision", J. Neurophysiol. 75: 967. Fields at the picture's
border are left out: what comes at a robot that stands comes from the middle.

What learns is one threshold that all cells share. `any` fires in each step in which a cell does, so that it says for
which share of the time anything is seen, and hardly by how much. The threshold rises with its spikes and sinks between
them, until that share is the wanted one. Nothing teaches it: no alarm, no hit and no miss.
"""

from __future__ import annotations

from math import expm1
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from hilbench.coders.values import direct
from hilbench.controllers._loom import CELLS, FIELD, PER_SIDE, eye_of, fields, pooled
from hilbench.nal import Network
from hilbench.nal.rules.homeostatic import Homeostatic
from hilbench.types import BuiltController, Controller, PlantSpec

Positive = Annotated[float, Meta(gt=0, le=1e6)]
NotNegative = Annotated[float, Meta(ge=0, le=1e6)]
FLOOR = -50.0
"""No field's membrane sinks below it."""
ALARM_S = 0.05
"""Time constant of the alarm, which a spike of any field raises to 1."""


class LoomLgmdConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `loom_lgmd`."""

    dt_s: Positive = 0.001
    """The network's step."""
    cell_s: Positive = 0.01
    """Time constant of cells."""
    events: Positive = 3.3
    """The cells' threshold at first, in events."""
    field_s: Positive = 0.013
    """Time constant of fields."""
    spikes: Positive = 24.0
    """The fields' threshold, in spikes of their cells."""
    inhibit: NotNegative = 0.41
    """Which share of the mean over all cells is taken from each cell of a field."""
    border: Annotated[int, Meta(ge=0, le=(PER_SIDE - 1) // 2)] = 1
    """How many fields at each side of the picture are left out."""
    crowd: Positive = 120.0
    """With so many spikes of cells in `cell_s`, all fields are silenced."""
    hush: NotNegative = 50.0
    """By how much a spike of `crowd` lowers fields."""
    any_hz: Annotated[float, Meta(gt=0)] = 350.0
    """In how many steps of a second a cell is to fire, with steps of 1 ms."""
    rate: NotNegative = 1e-3
    """By how much the threshold rises in a step in which a cell fires, in events; 0 leaves it as it is."""


class LoomLgmd(Controller):
    """Fields of cells that alarm of what grows, and a threshold of all cells that finds its level by itself."""

    Config = LoomLgmdConfig

    @staticmethod
    def build(config: LoomLgmdConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        eye = eye_of(plant, "loom_lgmd")
        network = lgmd_network(config, seed)
        return BuiltController(network, pooled(eye, plant, period_us), direct(network.outputs, plant, period_us))


def lgmd_network(config: LoomLgmdConfig, seed: int = 0) -> Network:
    """Pooled events in, the alarm out.

    Parameters
    ----------
    config : LoomLgmdConfig
    seed : int
        Kept for the record: nothing in the network is drawn.
    """
    n, own = CELLS * CELLS, fields(config.border)
    net = Network(config.dt_s, seed=seed)
    net.input("events", n, kind="events", units=("1",) * n)
    net.add("any", "threshold", 1, v_threshold=0.5)
    rule = Homeostatic(target_rate_hz=config.any_hz, step=config.rate, rate_of="any") if config.rate else None
    net.lif(
        "cells", n, tau_s=config.cell_s, synapse="delta", reset="zero", v_threshold=config.events, rule=rule,
    )  # fmt: skip
    net.connect("events", "cells", np.eye(n), name="pooled")
    net.connect("cells", "any", np.ones((1, n)))
    net.lif("crowd", 1, tau_s=config.cell_s, synapse="delta", reset="zero", v_threshold=config.crowd)
    net.connect("cells", "crowd", np.ones((1, n)))
    net.lif(
        "fields", len(own), tau_s=config.field_s, synapse="delta", reset="zero", v_threshold=config.spikes,
        threshold_test=">=", v_floor=FLOOR,
    )  # fmt: skip
    net.connect("cells", "fields", own - config.inhibit * FIELD**2 / n, name="gathered")
    net.connect("crowd", "fields", np.full((len(own), 1), -config.hush), name="hushed")
    net.readout("alarm", 1, tau_s=ALARM_S, units=("1",))
    net.connect("fields", "alarm", np.full((1, len(own)), 1 / -expm1(-config.dt_s / ALARM_S)), name="alarms")
    return net
