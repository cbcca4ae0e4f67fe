"""Which plug-in a failed run names."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from coder_fakes import Direct, built
from loop_fakes import PROGRAM, FakeTime, Plant

from hilbench.backends.null import Null
from hilbench.bridge.device.session import Session
from hilbench.coders import PortDecoders, PortEncoders
from hilbench.loop.blame import blamed
from hilbench.types import NO_EVENTS, Empty, Encoder, Port, Probes, Tick


class Dividing(Encoder):
    """Fails."""

    size = 2

    def __init__(self):
        """It has no settings."""

    def encode(self, obs, events, values):
        raise ZeroDivisionError


class Narrow(Direct):
    """Fails."""

    def decode(self, values, events, action):
        raise ZeroDivisionError


class Broken(Null):
    """Fails."""

    def step(self, tick):
        raise ZeroDivisionError


@pytest.fixture
def plant():
    plant = Plant(FakeTime(), 0.001)
    plant.reset(seed=0)
    return plant


def named(call, plant, **coders) -> str:
    agent = SimpleNamespace(control=built(PROGRAM, **coders))
    with pytest.raises(ZeroDivisionError) as error:
        call()
    return blamed(error.value, plant, agent)


def test_of_several_coders_the_one_that_raised_is_named(plant):
    encoder, values = PortEncoders([Dividing()]), np.zeros(2, np.float32)
    call = lambda: encoder.encode(values, NO_EVENTS, values)  # noqa: E731
    assert named(call, plant, encoder=encoder) == "encoder 'Dividing'"
    decoder = PortDecoders([(Port("action", 2), Narrow(), (0, 1))])
    call = lambda: decoder.decode(values, NO_EVENTS, np.zeros(2))  # noqa: E731
    assert named(call, plant, decoder=decoder) == "decoder 'Narrow'"


def test_a_backend_in_this_process_is_named(plant):
    session = Session(Broken(Empty()))
    session.load(PROGRAM, 1000, Probes())
    session.reset(0, "none", 0)
    tick = Tick(values=np.zeros(2, np.float32))
    assert named(lambda: session.tick(tick, 0), plant) == "backend 'Broken'"


def test_what_no_plug_in_has_raised_is_raised_again(plant):
    with pytest.raises(ZeroDivisionError):
        named(lambda: 1 / 0, plant)
